"""Keeps a lab's own Linux on one processor of this machine.

User-Mode Linux has one processor, but each program in it is a process here that only ever runs while the guest's kernel
waits, and the other way round. Left alone, the scheduler wakes each of the two on another, idle processor, which makes
every system call and page fault in the guest dear: on one processor a lab opens in a third of the time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from ..errors import LabError, WaitTimeout, shortage
from .ids import IdMaps, write_maps
from .signals import DEFAULT_SIGNALS
from .temporary import announced, ended, readable

_lock = threading.Lock()


@contextlib.contextmanager
def on_one_processor() -> Iterator[None]:
    """What this thread starts meanwhile stays on one processor, that with the fewest such programs; the thread does not.

    Where the system refuses that, it is only slower.
    """
    allowed = os.sched_getaffinity(0)
    with _lock:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {freest(allowed)})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


def freest(allowed: set[int]) -> int:
    """That of the `allowed` processors to which the fewest programs are bound; any of several."""
    bound = bound_programs() if len(allowed) > 1 else Counter()
    return min(allowed, key=lambda number: (bound[number], random.random()))


def bound_programs() -> Counter[int]:
    """How many programs are bound to each processor; a program with its children, bound as it is, counts once."""
    bound: dict[int, tuple[int, int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):  # it has ended
            allowed = os.sched_getaffinity(pid)
            if len(allowed) == 1 and Path(f"/proc/{pid}/cmdline").read_bytes():  # a thread of the kernel has none
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                bound[pid] = allowed.pop(), int(parent)
    return Counter(number for number, parent in bound.values() if parent not in bound)


# bubblewrap dies with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG), so one thread that lives as long as
# the process starts them all.
_spawner = ThreadPoolExecutor(1, thread_name_prefix="labkit-spawner")
START_TIMEOUT = 10.0


class Sandbox:
    """A running bubblewrap: `stdin` and `stdout` are its command's."""

    def __init__(
        self, arguments: list[str], maps: IdMaps, *, log: Path, pass_fds: tuple[int, ...] = (), one_processor: bool = False
    ) -> None:
        """Start `bwrap` with `arguments`; its stderr goes to `log`. Raises LabError when it does not start."""
        if not shutil.which("bwrap"):
            raise LabError("bubblewrap (`bwrap`) is not installed.", way_out="apt-get install bubblewrap")
        self._log = log
        self._pidfd: int | None = None
        self._given_up = False
        self._where = on_one_processor if one_processor else contextlib.nullcontext
        self.process = self._start(arguments, maps, pass_fds)
        try:
            self._await_start(maps)
        except BaseException:
            self.stop()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    stream and stream.close()
            raise
        self.pid = self.process.pid
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin: IO[bytes] = io.BufferedWriter(self.process.stdin)
        self.stdout: IO[bytes] = self.process.stdout

    def _start(self, arguments: list[str], maps: IdMaps, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        """Have the spawner start it. What is given up is not started later either. Raises LabError."""
        try:
            return _spawner.submit(self._spawn, arguments, maps, pass_fds).result(START_TIMEOUT)
        except (OSError, RuntimeError) as error:  # no process, thread or pipe is to be had, or no time
            self._given_up = True
            words = str(error) or f"waited {START_TIMEOUT:g} s"
            raise LabError("bubblewrap could not be started.", words=words, way_out=way_out(words)) from error

    def _spawn(self, arguments: list[str], maps: IdMaps, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        if self._given_up:
            raise RuntimeError("given up")
        self._info, info = os.pipe()
        block, self._release = os.pipe()
        options = [*DEFAULT_SIGNALS, "bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--info-fd", str(info)]
        if maps.full:
            options += ["--userns-block-fd", str(block)]
        try:
            # A process group of its own: Jupyter interrupts a cell, and a terminal its program, by a signal to the group.
            with self._log.open("ab") as log, self._where():
                return subprocess.Popen(
                    announced([*options, *arguments]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                    pass_fds=(info, block, *pass_fds), bufsize=0, process_group=0,
                )  # fmt: skip
        except BaseException:
            os.close(self._info)
            os.close(self._release)
            raise
        finally:
            os.close(info)
            os.close(block)

    def _await_start(self, maps: IdMaps) -> None:
        """Read the pid of the sandbox's first process, give it its ids and let it run."""
        try:
            text = b""
            while b"}" not in text:
                part = os.read(self._info, 4096) if readable(self._info, START_TIMEOUT) else b""
                if not part:
                    words = self._log.read_text(encoding="utf-8", errors="replace")
                    raise LabError("bubblewrap could not make its namespaces.", words=words, way_out=way_out(words))
                text += part
            pid = int(json.loads(text)["child-pid"])
            self._pidfd = os.pidfd_open(pid)
            if maps.full:
                write_maps(maps, pid)
                os.write(self._release, b"x")
        finally:
            os.close(self._info)
            os.close(self._release)

    def stop(self) -> None:
        """End every process in the sandbox and wait until they are gone; its streams are left to who reads them."""
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            # Readable when that process is gone, and as the first of its pid namespace it goes last.
            readable(self._pidfd, START_TIMEOUT)
            os.close(self._pidfd)
            self._pidfd = None
        if self.process.returncode is None:  # not waited for: its number is still its own
            # Also the sandbox's first process is in its group, as long as that one waits to be let run.
            os.killpg(self.process.pid, signal.SIGKILL)
        try:
            self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise WaitTimeout(f"Waited {START_TIMEOUT:g} s for the end of bubblewrap and its lab.", words=str(error)) from None
        ended(self.process.pid)


# bubblewrap's words where its user namespace is refused, or (Ubuntu 24.04's AppArmor: RTM_NEWADDR) is one without any rights.
REFUSED = ("uid map", "new namespace", "user namespace", "Failed RTM_NEWADDR", "Operation not permitted")
RESTRICTED = "kernel/apparmor_restrict_unprivileged_userns"
# The head of an AppArmor profile for bubblewrap (apparmor.d(5)).
PROFILE = re.compile(r"^[^#\n]*/usr/bin/bwrap\b.*\{", re.MULTILINE)
# What forbids user namespaces: where it is read, its forbidding value, whether it holds for root, and what allows them.
KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", False, "sudo sysctl kernel.unprivileged_userns_clone=1"),
    (RESTRICTED, "1", False, ""),
    ("user/max_user_namespaces", "0", True, "sudo sysctl user.max_user_namespaces=15000"),
)


def way_out(words: str, sysctls: Path = Path("/proc/sys"), profiles: Path = Path("/etc/apparmor.d")) -> str:
    """What helps against bubblewrap's `words`: by what really forbids user namespaces here (`sysctls`, proc(5))."""
    if not any(sign in words for sign in REFUSED):
        return shortage(words) or "see the words above; `./lab doctor` tries every candidate"
    commands = []
    for place, forbids, also_root, command in KNOBS:
        with contextlib.suppress(OSError):
            if (sysctls / place).read_text().strip() == forbids and (also_root or os.geteuid()):
                commands.append(apparmor(sysctls, profiles)[1] if place == RESTRICTED else command)
    if commands:
        return f"user namespaces are refused here: {' && '.join(commands)}"
    return (
        "user namespaces are refused here (by a container?): User-Mode Linux works without: sudo apt-get install user-mode-linux"
    )


def apparmor(sysctls: Path = Path("/proc/sys"), profiles: Path = Path("/etc/apparmor.d")) -> tuple[str, str]:
    """Return what AppArmor's profiles say about bubblewrap, and what helps if that is still refused.

    Both are "" where AppArmor does not restrict user namespaces (Ubuntu since 23.10 does).
    """
    with contextlib.suppress(OSError):
        if (sysctls / RESTRICTED).read_text().strip() == "1":
            disabled = {file.name for file in profiles.glob("disable/*")}
            for file in sorted(file for file in profiles.glob("*") if file.is_file() and file.name not in disabled):
                if PROFILE.search(file.read_text(errors="replace")):
                    if file.name == "bwrap-labkit":
                        return f"{file} lets bubblewrap make them", f"sudo apparmor_parser -r {file}"
                    disable = f"sudo ln -s {file} {profiles}/disable/ && sudo apparmor_parser -R {file} && ./lab setup"
                    return f"{file} decides what bubblewrap may do", disable
            return "no profile lets bubblewrap make them: ./lab setup", "./lab setup"
    return "", ""
