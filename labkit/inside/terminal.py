"""Sessions in the lab: a shell at a pseudo-terminal, or one command without any, each a generator of its output.

What is typed, the window's size and the like reach a session in small calls. What the caller has not yet passed on is limited to
WINDOW bytes: a flood of output waits in the terminal, as it does for a slow screen, and Ctrl-C is felt at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .processes import run

WINDOW, CHUNK = 128 * 1024, 16 * 1024
GRACE = 3.0
# How long a call waits for room for what was typed, seconds: a program that does not read its input leaves none.
ROOM_WAIT = 0.2
# Without a terminal: the time and the output of a command, seconds and bytes.
RUN_TIMEOUT, RUN_OUTPUT = 24 * 3600.0, 64 * 1024 * 1024
RC = Path(__file__).with_name("shell_rc.sh")
TERMINFO = ("/etc/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")
# Erase a whole character of UTF-8 (termios(3), IUTF8, asm-generic/termbits.h); the termios module does not name it.
IUTF8 = 0o40000
# The keys by which a terminal ends the program in its foreground (termios(3): VINTR, VQUIT), and shells, which they do not end.
ENDING = (b"\x03", b"\x1c")
SHELLS = {"bash", "-bash", "/bin/bash", "sh", "/bin/sh"}


@dataclass
class Session:
    """A terminal's master side, -1 without one; `credit` is how many bytes may still be sent.

    `record` is the file in which what is typed is recorded (shell_record.sh), "" for none. `wake` wakes the generator.
    """

    master: int
    record: str = ""
    credit: int = WINDOW
    over: bool = False
    wake: int = field(default_factory=lambda: os.eventfd(0, os.EFD_NONBLOCK))
    lock: threading.Lock = field(default_factory=threading.Lock)


sessions: dict[int, Session] = {}


@contextlib.contextmanager
def listed(number: int, session: Session) -> Iterator[None]:
    """The calls below find the session inside this; at the end its terminal is gone, as when a window closes."""
    sessions[number] = session
    try:
        yield
    finally:
        del sessions[number]
        with session.lock:
            session.over = True
            for each in (session.wake, session.master):
                if each >= 0:
                    os.close(each)


@contextlib.contextmanager
def held(number: int) -> Iterator[Session | None]:
    """The session of this number for one call, None when it is over."""
    session = sessions.get(number)
    if session is None:
        yield None
        return
    with session.lock:
        yield None if session.over else session


def shell(
    number: int, rows: int, columns: int, variables: dict[str, str], cwd: str | None = None, cancel_fd: int = -1
) -> Generator[bytes, None, int]:
    """Start bash as session `number`; yield b"" once it is there, then its output, and return its exit code.

    The end of a signal is 128 plus its number, as a shell has it. When the caller goes away, the terminal hangs up: SIGHUP to
    the shell, which passes it on to its jobs.
    """
    master, process = open_terminal(rows, columns, variables, cwd)
    try:
        session = Session(master, variables.get("LABKIT_RECORD", ""))
        with listed(number, session):
            yield b""
            yield from output(session, process, cancel_fd)
    finally:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(GRACE)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def command(number: int, argv: list[str], cwd: str | None = None) -> Generator[tuple[str, str], None, int]:
    """Run `argv` without a terminal as session `number`, yielding as processes.run does after an empty first item."""
    session = Session(-1)
    with listed(number, session):
        yield "stdout", ""
        code = yield from run(argv, RUN_TIMEOUT, cwd, cancel_fd=session.wake, limit=RUN_OUTPUT)
    return code if code >= 0 else 128 - code


def open_terminal(rows: int, columns: int, variables: dict[str, str], cwd: str | None) -> tuple[int, subprocess.Popen[bytes]]:
    """Open a pseudo-terminal and start bash on it, in a session of its own with the terminal as the controlling one."""
    master, slave = os.openpty()
    try:
        os.set_blocking(master, False)
        termios.tcsetwinsize(slave, (rows, columns))
        modes = termios.tcgetattr(slave)
        modes[0] |= IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        bash = ["setsid", "--ctty", "bash", "--rcfile", str(RC), "-i"]
        return master, subprocess.Popen(bash, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment(variables))
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the lab's environment with these `variables`; a TERM that is not known in the lab becomes xterm-256color."""
    values = os.environ | variables
    term = values.get("TERM", "")
    if not term or "/" in term or not any(os.path.exists(f"{place}/{term[0]}/{term}") for place in TERMINFO):
        values["TERM"] = "xterm-256color"
    return values


def output(session: Session, process: subprocess.Popen[bytes], cancel_fd: int) -> Generator[bytes, None, None]:
    """Yield what is printed until the shell has ended, somebody hangs up, or the caller has gone away."""
    ended = os.pidfd_open(process.pid)
    try:
        shut = False
        while not session.over:
            reads = [session.wake, ended, *([cancel_fd] if cancel_fd >= 0 else [])]
            if session.credit > 0 and not shut:
                reads.append(session.master)
            ready = select.select(reads, [], [])[0]
            if session.wake in ready:
                os.eventfd_read(session.wake)
            if cancel_fd in ready:
                return
            if ended in ready:
                for _ in range(WINDOW // CHUNK):  # what it printed last, and no more: others may print without end
                    yield read(session.master) or b""
                return
            if session.master in ready:
                data = read(session.master)
                shut = data is None
                with session.lock:
                    session.credit -= len(data or b"")
                if data:
                    yield data
    finally:
        os.close(ended)


def read(master: int) -> bytes | None:
    """Return what stands in the terminal now, at most CHUNK bytes; None when no process has it open any more (EIO)."""
    data = b""
    try:
        while len(data) < CHUNK:
            data += os.read(master, CHUNK - len(data))
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return data or None
    return data


def write(number: int, data: bytes) -> int:
    """Type `data` in session `number`; return how many bytes found room (all of them when the session is over)."""
    with held(number) as session:
        if session is None:
            return len(data)
        try:
            if session.record and any(key in data for key in ENDING):
                record_end(session, number)
            return os.write(session.master, data)
        except BlockingIOError:
            master = session.master
        except OSError:  # nobody has the terminal open any more
            return len(data)
    with contextlib.suppress(OSError, ValueError):  # closed in the meantime
        select.select([], [master], [], ROOM_WAIT)
    return 0


def record_end(session: Session, number: int) -> None:
    """Record the command line of the program that the terminal's key is about to end."""
    with contextlib.suppress(OSError, termios.error):
        if not termios.tcgetattr(session.master)[3] & termios.ISIG:
            return  # to the program it is a key like others
        with open(f"/proc/{os.tcgetpgrp(session.master)}/cmdline", encoding="utf-8", errors="replace") as file:
            line = file.read().rstrip("\0").replace("\0", " ")
        if line and line not in SHELLS and not line.startswith("bash --rcfile"):
            with open(session.record, "a", encoding="utf-8") as record:
                record.write("\037".join(("end", str(number), "", "0", "", line)) + "\0")


def resize(number: int, rows: int, columns: int) -> None:
    """Give the terminal another size; the programs in it are told (SIGWINCH)."""
    with held(number) as session:
        if session:
            termios.tcsetwinsize(session.master, (rows, columns))


def more(number: int, count: int) -> None:
    """Say that `count` bytes of output have been passed on, so that as many may follow."""
    with held(number) as session:
        if session:
            session.credit += count
            os.eventfd_write(session.wake, 1)


def hang_up(number: int) -> None:
    """End session `number` as a closed window does."""
    with held(number) as session:
        if session:
            session.over = True
            os.eventfd_write(session.wake, 1)
