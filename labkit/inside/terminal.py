"""A shell at a pseudo-terminal in the lab, or one command without any: a generator of its output, which is a session."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import termios
from collections.abc import Generator
from pathlib import Path

from .processes import run
from .sessions import WINDOW, Session, sessions

CHUNK = 16 * 1024
GRACE = 3.0
# Without a terminal: the time and the output of a command, seconds and bytes.
RUN_TIMEOUT, RUN_OUTPUT = 24 * 3600.0, 64 * 1024 * 1024
RC = Path(__file__).with_name("shell_rc.sh")
TERMINFO = ("/etc/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")
# Erase a whole character of UTF-8 (termios(3), IUTF8, asm-generic/termbits.h); the termios module does not name it.
IUTF8 = 0o40000


def shell(
    number: int, rows: int, columns: int, variables: dict[str, str], cwd: str | None = None, cancel_fd: int = -1
) -> Generator[bytes, None, int]:
    """Start bash as session `number`; yield b"" once it is there, then its output, and return its exit code.

    The end of a signal is 128 plus its number, as a shell has it. When the caller goes away, the terminal hangs up.
    """
    session, process = open_session(rows, columns, variables, cwd)
    sessions[number] = session
    try:
        yield b""
        yield from _output(session, process, cancel_fd)
    finally:
        del sessions[number]
        with session.lock:
            session.over = True
            os.close(session.master)  # the terminal is gone: SIGHUP to the shell, which passes it on to its jobs
            os.close(session.wake)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(GRACE)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def command(number: int, argv: list[str], cwd: str | None = None) -> Generator[tuple[str, str], None, int]:
    """Run `argv` without a terminal as session `number`, yielding as processes.run does after an empty first item."""
    session = Session(-1, os.eventfd(0, os.EFD_NONBLOCK))
    sessions[number] = session
    try:
        yield "stdout", ""
        code = yield from run(argv, RUN_TIMEOUT, cwd, cancel_fd=session.wake, limit=RUN_OUTPUT)
    finally:
        del sessions[number]
        with session.lock:
            session.over = True
            os.close(session.wake)
    return code if code >= 0 else 128 - code


def open_session(rows: int, columns: int, variables: dict[str, str], cwd: str | None) -> tuple[Session, subprocess.Popen[bytes]]:
    """Open a pseudo-terminal and start bash on it, in a session of its own with the terminal as the controlling one."""
    master, slave = os.openpty()
    try:
        termios.tcsetwinsize(slave, (rows, columns))
        modes = termios.tcgetattr(slave)
        modes[0] |= IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        process = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--rcfile", str(RC), "-i"],
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment(variables),
        )  # fmt: skip
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    os.set_blocking(master, False)
    return Session(master, os.eventfd(0, os.EFD_NONBLOCK), record=variables.get("LABKIT_RECORD", "")), process


def environment(variables: dict[str, str]) -> dict[str, str]:
    """The lab's environment with the caller's `variables`; a TERM that is not known in the lab becomes xterm-256color."""
    values = os.environ | variables
    term = values.get("TERM", "")
    if not term or "/" in term or not any(os.path.exists(f"{place}/{term[0]}/{term}") for place in TERMINFO):
        values["TERM"] = "xterm-256color"
    return values


def _output(session: Session, process: subprocess.Popen[bytes], cancel_fd: int) -> Generator[bytes, None, None]:
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
                    yield _read(session.master) or b""
                return
            if session.master in ready:
                data = _read(session.master)
                shut = data is None
                with session.lock:
                    session.credit -= len(data or b"")
                if data:
                    yield data
    finally:
        os.close(ended)


def _read(master: int) -> bytes | None:
    """What stands in the terminal now, at most CHUNK bytes; None when no process has it open any more (EIO)."""
    parts: list[bytes] = []
    size = 0
    while size < CHUNK:
        try:
            part = os.read(master, CHUNK - size)
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b"".join(parts) or None
        parts.append(part)
        size += len(part)
    return b"".join(parts)
