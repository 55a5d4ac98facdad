"""Commands inside the lab, run or started, and the processes of a work in its cell, which can be ended at once."""

import codecs
import contextlib
import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from typing import IO

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
_late = bytearray()

_started: dict[int, subprocess.Popen[bytes]] = {}


def run(
    argv: list[str], timeout: float, cwd: str | None = None, cancel_fd: int = -1, limit: int = OUTPUT_LIMIT
) -> Generator[tuple[str, str], None, int]:
    """Run `argv`, yield ("stdout"|"stderr", text) as it comes, and return its exit code, minus a signal's number.

    What is done to it is an item too, with a sentence: ("dropped", …) when more than `limit` bytes were printed,
    ("timeout", …) when the time (seconds) was over, and ("cancelled", …) when `cancel_fd` can be read. With the last two its
    process group is killed.
    """
    try:
        process = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        if error.errno not in CANNOT_RUN:
            raise
        yield "stderr", f"{argv[0]}: {error.strerror}\n"  # as a shell says it
        return 127 if error.errno == errno.ENOENT else 126
    try:
        reason = yield from _output(process, time.monotonic() + timeout, cancel_fd, limit)
        if reason:
            _kill_group(process.pid, signal.SIGKILL)
            said = {"timeout": f"it did not end within {timeout:g} s", "cancelled": "nobody waits for it any more"}
            yield reason, f"({said[reason]}: it was stopped)\n"
        return process.wait(KILL_TIMEOUT)
    finally:
        if process.poll() is None:
            _kill_group(process.pid, signal.SIGKILL)
            process.wait(KILL_TIMEOUT)
        drain(process)


def drain(process: subprocess.Popen[bytes]) -> None:
    """Have threads read on what a process that has ended left behind to print."""
    for stream in filter(None, (process.stdout, process.stderr)):
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


def late_words() -> str:
    """What the commands' servers in the background have printed since the commands ended, the last LATE_LIMIT bytes of it."""
    return bytes(_late).decode(errors="replace")


def _output(
    process: subprocess.Popen[bytes], deadline: float, cancel_fd: int, limit: int
) -> Generator[tuple[str, str], None, str]:
    """Yield what the process prints until it ends, and return why it has not ended: "timeout", "cancelled", or "".

    What its own children in the background print later is not waited for.
    """
    allowed = limit
    decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
    with selectors.DefaultSelector() as selector:
        for stream, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, name)
        if cancel_fd >= 0:
            selector.register(cancel_fd, selectors.EVENT_READ, "cancel")
        ended = os.pidfd_open(process.pid)
        selector.register(ended, selectors.EVENT_READ, "ended")
        try:
            over = dropped = False
            while not over:
                left = deadline - time.monotonic()
                names = {key.data for key, _ in selector.select(max(0.0, left))}
                if "cancel" in names:
                    return "cancelled"
                over = "ended" in names
                if not over and (left <= 0 or not names):
                    return "timeout"
                for name, data in _read(selector, wait=not over):
                    if text := decoders[name].decode(data[:limit]):
                        yield name, text
                    if len(data) > limit and not dropped:
                        dropped = True
                        yield "dropped", f"(it printed more than {allowed} bytes; the rest was dropped)\n"
                    limit = max(0, limit - len(data))
                    if over and dropped:
                        break  # what it left in the background may print without end
            return ""
        finally:
            os.close(ended)


def _read(selector: selectors.BaseSelector, *, wait: bool) -> Iterator[tuple[str, bytes]]:
    """Yield what stands in the output pipes now; without `wait`, all of it."""
    again = True
    while again:
        again = False
        for key, _ in selector.select(0):
            if key.data not in ("stdout", "stderr"):
                continue
            data = os.read(key.fd, CHUNK)
            if data:
                again = not wait
                yield key.data, data
            else:
                selector.unregister(key.fileobj)


def start(argv: list[str], log: str, cwd: str | None = None) -> int:
    """Start `argv` in the background in a process group of its own, its output in the file `log`; return its pid."""
    with open(log, "ab") as file:
        process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
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
    for numbers, seconds in (((signal.SIGTERM, signal.SIGCONT), grace), ((signal.SIGKILL,), KILL_TIMEOUT)):
        for number in numbers:
            send_signal(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _status(pid).get("State", "Z").startswith("Z"):
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
    lines = _status(pid)
    return lines.get("Name", "") == program[:15] and not lines.get("State", "Z").startswith("Z")


def _status(pid: int) -> dict[str, str]:
    """What proc(5) says of a process in /proc/pid/status; nothing when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    except OSError:
        return {}


# Tables of sockets, and the state of one that waits there (proc(5); include/net/tcp_states.h: TCP_LISTEN, TCP_CLOSE).
SOCKET_TABLES = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


def waiting_sockets(*tables: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the table and the cells of each TCP socket that listens and each UDP socket that is bound in this network."""
    for table in tables or SOCKET_TABLES:
        with contextlib.suppress(OSError), open(f"/proc/net/{table}") as file:
            rows = [line.split() for line in file.readlines()[1:]]
            yield from ((table, cells) for cells in rows if cells[3] == SOCKET_TABLES[table])


def links(pid: int) -> set[str]:
    """What the descriptors of a process lead to; nothing when it is gone."""
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found


# Where the guest's groups are (machine/view.py); here, because importing the view costs a guest 0.05 s.
GROUPS = "/sys"
INNER, KEPT, STILL = f"{GROUPS}/cell/inner", f"{GROUPS}/cell/kept", f"{GROUPS}/cell/still"


def keep_only(pids: Iterable[int], still: Iterable[int]) -> None:
    """End every process of the work but `pids` (and their children to come), and `still`, which do nothing any more.

    All at once, so that none can fork away; what stands still is frozen, so that no signal wakes it. Raises OSError where there
    is no cell.
    """
    for group, chosen in ((KEPT, pids), (STILL, still)):
        os.makedirs(group, exist_ok=True)
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError), open(f"{group}/cgroup.procs", "w") as file:
                file.write(str(pid))
    for setting in (f"{STILL}/cgroup.freeze", f"{INNER}/cgroup.kill"):  # cgroup-v2.rst: also what is forked meanwhile
        with open(setting, "w") as file:
            file.write("1")


def members(group: str = INNER) -> list[int]:
    """The processes of the work, or those of it that were kept. Raises OSError where there is no such group."""
    with open(f"{group}/cgroup.procs") as file:
        return [int(line) for line in file if line.strip() != "0"]
