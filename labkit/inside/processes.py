"""Commands inside the lab, run or started, and the processes of a work in its cell, which can be ended at once."""

import codecs
import contextlib
import ctypes
import errno
import os
import select
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Generator, Iterable
from typing import IO, Any

from .files import copy_tree, write

CHUNK = 65536
# The errors of a program that cannot be run, as against a machine that is short of something (execve(2)).
CANNOT_RUN = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENOEXEC, errno.E2BIG, errno.ELOOP, errno.ENAMETOOLONG,
}  # fmt: skip
# What one command may print before the rest is dropped, bytes.
OUTPUT_LIMIT = 4 * 1024 * 1024
GRACE = 3.0
# How long a process may take to go after SIGKILL, seconds.
KILL_TIMEOUT = 30.0
# A flood of output waits in its full pipe instead of taking the agent's time, seconds.
DRAIN_PAUSE = 0.01

# What servers that commands left in the background have printed since those ended; the last of it, bytes.
LATE_LIMIT = 2000
# How many pipes of a work's servers are read on, so that a flood in each leaves the agent time.
MOST_HEARD = 8
_late = bytearray()

_started: dict[int, subprocess.Popen[bytes]] = {}


class Child:
    """A process whose output is read as it comes, from `pipes` (those of them that have a writer yet), until it has `ended`."""

    def __init__(self, process: subprocess.Popen[bytes], *pipes: int) -> None:
        self.process, self.pipes, self.ended = process, list(pipes), os.pidfd_open(process.pid)
        for pipe in pipes:
            os.set_blocking(pipe, False)

    def wait(self, timeout: float | None, *others: int) -> set[int]:
        """Wait for output, for its end (`ended`, a pidfd) or for one of `others` to be readable; return which of them are.

        `timeout` is seconds, None for any time; a number of -1 is nothing.
        """
        poll = select.poll()
        for number in {self.ended, *self.pipes, *others} - {-1}:
            poll.register(number, select.POLLIN)
        return {number for number, _ in poll.poll(None if timeout is None else max(0.0, timeout) * 1000)}

    def read(self, pipe: int) -> bytes:
        """Return what stands in a pipe now, at most CHUNK bytes."""
        data = b""
        while len(data) < CHUNK and pipe in self.pipes:
            try:
                part = os.read(pipe, CHUNK - len(data))
            except BlockingIOError:
                break
            except OSError:  # EIO: no process has the terminal open any more
                part = b""
            if not part:
                self.pipes.remove(pipe)
            data += part
        return data

    def let_go(self) -> None:
        """Forget the process, which has ended; threads read on what it has left behind to print."""
        os.close(self.ended)
        for stream in filter(None, (self.process.stdout, self.process.stderr)):
            os.set_blocking(stream.fileno(), True)
            with contextlib.suppress(RuntimeError):  # no thread is to be had: then the pipe closes
                threading.Thread(target=_drain, args=(stream,), daemon=True).start()


def _drain(stream: IO[bytes]) -> None:
    """Read a pipe to its end: a server that a command left in the background must not die of writing its log to it."""
    while data := os.read(stream.fileno(), CHUNK):
        _late.extend(data)
        del _late[:-LATE_LIMIT]
        time.sleep(DRAIN_PAUSE)
    stream.close()


def hear(pids: Iterable[int]) -> None:
    """Read on what processes print into pipes (`python3 -m http.server | tee log`): one whose reader is ended would break."""
    heard = set[tuple[int, int]]()
    for name in (f"/proc/{pid}/fd/{output}" for pid in pids for output in (1, 2)):
        with contextlib.suppress(OSError, RuntimeError):
            file = os.stat(name)
            pipe = file.st_dev, file.st_ino
            if stat.S_ISFIFO(file.st_mode) and pipe not in heard and len(heard) < MOST_HEARD:
                heard.add(pipe)
                number = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.set_blocking(number, True)
                stream = os.fdopen(number, "rb", 0)
                threading.Thread(target=_drain, args=(stream,), daemon=True).start()


def late_words() -> str:
    """What the commands' servers in the background have printed since the commands ended, the last LATE_LIMIT bytes of it."""
    return bytes(_late).decode(errors="replace")


def run(
    argv: list[str], timeout: float, cwd: str | None = None, cancel_fd: int = -1,
    limit: int = OUTPUT_LIMIT,
) -> Generator[tuple[str, str], None, int]:  # fmt: skip
    """Run `argv`, yield ("stdout"|"stderr", text) as it comes, and return its exit code, minus a signal's number.

    What is done to it is an item too, with a sentence: ("dropped", …) when more than `limit` bytes were printed,
    ("timeout", …) when the time (seconds) was over, and ("cancelled", …) when `cancel_fd` can be read. With the last two its
    process group is killed. What its own children in the background print after its end is not waited for.
    """
    try:
        process = piped(argv, cwd)
    except OSError as error:
        if error.errno not in CANNOT_RUN:
            raise
        yield "stderr", f"{argv[0]}: {error.strerror}\n"  # as a shell says it
        return 127 if error.errno == errno.ENOENT else 126
    assert process.stdout is not None and process.stderr is not None
    child = Child(process, process.stdout.fileno(), process.stderr.fileno())
    decoder = codecs.getincrementaldecoder("utf-8")
    names = zip(("stdout", "stderr"), child.pipes, strict=True)
    streams = [(name, pipe, decoder("replace")) for name, pipe in names]
    deadline, left, over = time.monotonic() + timeout, limit, False
    try:
        while not over:
            seen = child.wait(deadline - time.monotonic(), cancel_fd)
            over = child.ended in seen
            late = not over and time.monotonic() > deadline
            if late or cancel_fd in seen:
                _kill_group(process.pid, signal.SIGKILL)
                what, why = "timeout", f"it did not end within {timeout:g} s"
                if cancel_fd in seen:
                    what, why = "cancelled", "nobody waits for it any more"
                yield what, f"({why}: it was stopped)\n"
                break
            more = True
            while more:
                more = False
                for name, pipe, decode in streams:
                    data = child.read(pipe)
                    if text := decode.decode(data[: max(0, left)]):
                        yield name, text
                    if left >= 0 > left - len(data):
                        words = f"(it printed more than {limit} bytes; the rest was dropped)\n"
                        yield "dropped", words
                    left -= len(data)
                    # What it left in the background may print without end.
                    more |= over and bool(data) and left >= 0
        return process.wait(KILL_TIMEOUT)
    finally:
        if process.poll() is None:
            _kill_group(process.pid, signal.SIGKILL)
            process.wait(KILL_TIMEOUT)
        child.let_go()


def piped(argv: list[str], cwd: str | None) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, without input and with pipes for what it prints. Raises OSError."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    return subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, start_new_session=True, **pipes)


def start(argv: list[str], log: str, cwd: str | None = None) -> int:
    """Start `argv` in the background in a process group of its own, its output in the file `log`; return its pid."""
    with open(log, "ab") as file:
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
        process = subprocess.Popen(argv, cwd=cwd, start_new_session=True, **pipes)
    _started[process.pid] = process
    return process.pid


def poll(pid: int) -> int | None:
    """Return the exit code of a process started here, None while it runs."""
    return _started[pid].poll()


def stop(pid: int, grace: float = GRACE) -> int:
    """End the process group of a process started here, politely for `grace` seconds, and return its exit code."""
    process = _started[pid]
    if process.poll() is None:
        _kill_group(pid, signal.SIGTERM)
        _kill_group(pid, signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    _kill_group(pid, signal.SIGKILL)
    return process.wait(KILL_TIMEOUT)


def end(pid: int, grace: float = GRACE) -> None:
    """End a process, whoever started it: politely for `grace` seconds, and wait until it is gone."""
    if pid in _started:
        stop(pid, grace)
        return
    politely = (signal.SIGTERM, signal.SIGCONT)
    for numbers, seconds in ((politely, grace), ((signal.SIGKILL,), KILL_TIMEOUT)):
        for number in numbers:
            send_signal(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not status(pid):
                return
            time.sleep(0.01)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def send_signal(pid: int, number: int) -> bool:
    """Send signal `number` to process `pid`; False when there is none."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def named(program: str) -> list[int]:
    """The pids of the processes that run `program` (their name in /proc/pid/comm), zombies left out."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and exists(int(pid), program)]


def exists(pid: int, program: str) -> bool:
    """True when process `pid` is there, runs `program` (its name in /proc/pid/comm) and is not a zombie."""
    return status(pid).get("Name", "") == program[:15]


def status(pid: int) -> dict[str, str]:
    """What proc(5) says of a process in /proc/pid/status; nothing when it is gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:
            lines = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    except OSError:
        return {}
    return {} if lines["State"].startswith("Z") else lines


# Where the guest's groups are (machine/view.py); here, because importing the view costs a guest 0.05 s.
GROUPS = "/sys"
INNER, KEPT, STILL = f"{GROUPS}/cell/inner", f"{GROUPS}/cell/kept", f"{GROUPS}/cell/still"


def prepare_cell(settings: dict[str, str], rules: str, policy: str, etc: str, links: str) -> None:
    """Prepare for what runs in the cell (machine/cell.py), once a lab: its group, the kernel's `settings`, its own /etc, `etc`.

    Of /etc the folder `links` stays empty. The compiled `rules` are loaded where the file is, by a file system at `policy`.
    Without programs: each that is started takes User-Mode Linux longer. Raises OSError.
    """
    if os.path.isdir(etc):
        return
    mount, with_rules = ctypes.CDLL(None, use_errno=True).mount, os.path.exists(rules)
    for place, kind in ((GROUPS, b"cgroup2"), (policy, b"securityfs"))[: 1 + with_rules]:
        os.makedirs(place)
        if mount(b"cell", place.encode(), kind, 0, None):
            raise OSError(ctypes.get_errno(), f"{place} cannot be mounted")
    os.makedirs(INNER)
    for file, text in settings.items():
        write(file, text)
    if with_rules:
        with open(rules, "rb") as compiled, open(f"{policy}/apparmor/.replace", "wb", 0) as kernel:
            kernel.write(compiled.read())
    os.makedirs(f"{etc}/{links}")
    copy_tree("/etc", etc, links)


# linux/sched.h; linux/mount.h: MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT and MS_BIND.
CLONE_FS, REMOUNT_NOEXEC = 0x200, 2 | 4 | 8 | 32 | 4096
# How long a thread may take to change mounts, seconds.
FORBIDDEN = 5.0


def keep_only(pids: Iterable[int], still: Iterable[int]) -> None:
    """End every process of the work but `pids` (and their children to come), and `still`, which do nothing any more.

    All at once, so that none can fork away; what stands still is frozen, so that no signal wakes it. Raises OSError where there
    is no cell.
    """
    for group, chosen in ((KEPT, pids), (STILL, still)):
        os.makedirs(group, exist_ok=True)
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError):
                write(f"{group}/cgroup.procs", str(pid))
    # cgroup-v2.rst: also what is forked meanwhile.
    write(f"{STILL}/cgroup.freeze", "1")
    write(f"{INNER}/cgroup.kill", "1")


def forbid_programs(pid: int, *, everywhere: bool) -> None:
    """Let the processes that share the mounts of `pid` run and load nothing from where they can write, or from `everywhere`.

    See mount(2). What has our own mounts, bubblewrap's first process, is left alone. Raises OSError.
    """

    def forbid(namespace: int) -> None:
        # A thread may enter mounts of its own only without sharing the current folder.
        if libc.unshare(CLONE_FS) or libc.setns(namespace, 0):
            failed.append(f"not entered, {os.strerror(ctypes.get_errno())}")
        for place, flags in places.items():
            if not failed and libc.mount(None, place, None, flags, None):
                failed.append(f"{os.fsdecode(place)}, {os.strerror(ctypes.get_errno())}")
        done.set()

    libc, failed, done = ctypes.CDLL(None, use_errno=True), list[str](), threading.Event()
    with open(f"/proc/{pid}/mountinfo") as file:  # proc(5): the place, its options, …, -, the kind
        rows = [(line.split()[4], set(line.split()[5].split(","))) for line in file]
    places = {
        place.encode(): REMOUNT_NOEXEC | ("ro" in options)  # MS_RDONLY is 1
        for place, options in rows
        if "nodev" in options and "noexec" not in options and (everywhere or "rw" in options)
    }
    # Held open, the mounts are there also when the process ends meanwhile.
    with open(f"/proc/{pid}/ns/mnt") as namespace:
        if not places or os.fstat(namespace.fileno()).st_ino == os.stat("/proc/self/ns/mnt").st_ino:
            return
        threading.Thread(target=forbid, args=[namespace.fileno()], daemon=True).start()
        if not done.wait(FORBIDDEN):
            failed.append(f"not done within {FORBIDDEN:g} s")
    if failed:
        what = f"what processes that share the mounts of {pid} can write to"
        raise OSError(f"{what} can still be run: {failed[0]}")


def members(group: str = INNER) -> list[int]:
    """The processes of the work, or those of it that were kept. Raises OSError where there is no such group."""
    with open(f"{group}/cgroup.procs") as file:
        return [int(line) for line in file if line.strip() != "0"]
