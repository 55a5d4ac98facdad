"""Sessions in the lab: a shell at a pseudo-terminal, or one command without any.

The caller starts one and then calls `read` again and again, so a flood of output waits in the terminal, as it does for a slow
screen, and Ctrl-C is felt at once. What is typed, the window's size and the like come in small calls meanwhile.
"""

import contextlib
import os
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

from .processes import GRACE, Child, piped

# How long a call waits for room for what was typed, seconds: a program that does not read its input leaves none.
ROOM_WAIT = 0.2
RC = Path(__file__).with_name("shell_rc.sh")
TERMINFO = ("/etc/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")
# Erase a whole character of UTF-8 (termios(3), IUTF8, asm-generic/termbits.h); the termios module does not name it.
IUTF8 = 0o40000
# The keys by which a terminal ends the program in its foreground (termios(3): VINTR, VQUIT), and shells, which they do not end.
ENDING = (b"\x03", b"\x1c")
SHELLS = {"bash", "-bash", "/bin/bash", "sh", "/bin/sh"}


class Session(Child):
    """A shell or a command: `out` is its terminal's master side, or the pipe of its output; `err` is that of its errors, or -1.

    `record` is the file in which what is typed is recorded (shell_record.sh), "" for none. `wake` wakes `read`.
    """

    def __init__(self, process: subprocess.Popen[bytes], *pipes: int, record: str = "") -> None:
        super().__init__(process, *pipes)
        self.out, self.err = (*pipes, -1)[:2]
        self.record, self.over = record, False
        self.lock, self.wake = threading.Lock(), os.eventfd(0, os.EFD_NONBLOCK)


sessions: dict[int, Session] = {}


def shell(number: int, rows: int, columns: int, variables: dict[str, str], cwd: str | None = None) -> None:
    """Start bash as session `number` at a pseudo-terminal, in a session of its own with that as the controlling one."""
    master, slave = os.openpty()
    try:
        termios.tcsetwinsize(slave, (rows, columns))
        modes = termios.tcgetattr(slave)
        modes[0] |= IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        bash, ours = ["setsid", "--ctty", "bash", "--rcfile", str(RC), "-i"], environment(variables)
        process = subprocess.Popen(bash, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=ours)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    sessions[number] = Session(process, master, record=variables.get("LABKIT_RECORD", ""))


def command(number: int, argv: list[str], cwd: str | None = None) -> None:
    """Run `argv` as session `number`, without a terminal and without input."""
    process = piped(argv, cwd)
    assert process.stdout is not None and process.stderr is not None
    sessions[number] = Session(process, process.stdout.fileno(), process.stderr.fileno())


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the lab's environment with these `variables`; a TERM that is not known in the lab becomes xterm-256color."""
    values = os.environ | variables
    term = values.get("TERM", "")
    known = [place for place in TERMINFO if os.path.exists(f"{place}/{term[:1]}/{term}")]
    if not term or "/" in term or not known:
        values["TERM"] = "xterm-256color"
    return values


def read(number: int) -> tuple[bytes, bytes, int | None]:
    """Wait for what session `number` prints, and return its output, its errors, and its exit code once it is over, else None.

    What its children in the background print later is not waited for. The end of a signal is 128 plus its number, as a shell
    has it.
    """
    session = sessions[number]
    while True:
        ending = session.ended in session.wait(None, session.wake) or session.over
        out, err = session.read(session.out), session.read(session.err)
        if ending or out or err:
            return out, err, end(number) if ending else None


def end(number: int) -> int:
    """End session `number`, if it is there, and return its exit code.

    Its terminal is gone, as when a window closes: SIGHUP to the shell, which passes it on to its jobs. A command is killed; of
    one that has ended by itself, what it has left in the background goes on.
    """
    session = sessions.pop(number, None)
    if session is None:
        return 0
    process, piped = session.process, session.err >= 0
    with session.lock:
        session.over = True
        if piped and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        session.let_go()
        for each in (session.wake, *(() if piped else (session.out,))):
            os.close(each)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(GRACE)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


@contextlib.contextmanager
def held(number: int) -> Iterator[Session | None]:
    """The session of this number for one call, None when it is over."""
    session = sessions.get(number)
    with session.lock if session else contextlib.nullcontext():
        yield session if session and not session.over else None


def write(number: int, data: bytes) -> int:
    """Type `data` in session `number`; return how many bytes found room (all of them when nobody reads there any more)."""
    with held(number) as session:
        if session is None or session.err >= 0:
            return len(data)
        try:
            if session.record and any(key in data for key in ENDING):
                record_end(session, number)
            return os.write(session.out, data)
        except BlockingIOError:
            master = session.out
        except OSError:  # nobody has the terminal open any more
            return len(data)
    with contextlib.suppress(OSError, ValueError):  # closed in the meantime
        select.select([], [master], [], ROOM_WAIT)
    return 0


def record_end(session: Session, number: int) -> None:
    """Record the command line of the program that the terminal's key is about to end."""
    with contextlib.suppress(OSError, termios.error):
        if not termios.tcgetattr(session.out)[3] & termios.ISIG:
            return  # to the program it is a key like others
        command = Path(f"/proc/{os.tcgetpgrp(session.out)}/cmdline")
        line = command.read_text("utf-8", "replace").rstrip("\0").replace("\0", " ")
        if line and line not in SHELLS and not line.startswith("bash --rcfile"):
            with open(session.record, "a", encoding="utf-8") as record:
                record.write("\037".join(("end", str(number), "", "0", "", line)) + "\0")


def resize(number: int, rows: int, columns: int) -> None:
    """Give the terminal another size; the programs in it are told (SIGWINCH)."""
    with held(number) as session:
        if session and session.err < 0:
            termios.tcsetwinsize(session.out, (rows, columns))


def hang_up(number: int) -> None:
    """Have `read` end session `number`, as a closed window does."""
    with held(number) as session:
        if session:
            session.over = True
            os.eventfd_write(session.wake, 1)
