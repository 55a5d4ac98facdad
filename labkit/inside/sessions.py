"""Open sessions in the lab (terminal.py): what is typed, the window's size and the like reach them in small calls.

What the caller has not yet passed on is limited to WINDOW bytes: a flood of output waits in the terminal, as it does for a
slow screen, and Ctrl-C is felt at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
from dataclasses import dataclass, field

WINDOW = 128 * 1024
# How long a call waits for room for what was typed, seconds: a program that does not read its input leaves none.
ROOM_WAIT = 0.2
# The keys by which a terminal ends the program in its foreground (termios(3): VINTR, VQUIT), and shells, which they do not end.
ENDING = (b"\x03", b"\x1c")
SHELLS = {"bash", "-bash", "/bin/bash", "sh", "/bin/sh"}


@dataclass
class Session:
    """An open terminal: its master side, an eventfd that wakes its generator, and what that may still send, bytes.

    `record` is the file in which what is typed is recorded (shell_record.sh), "" for none.
    """

    master: int
    wake: int
    credit: int = WINDOW
    record: str = ""
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


sessions: dict[int, Session] = {}


def write(number: int, data: bytes) -> int:
    """Type `data` in session `number`; return how many bytes found room (all of them when the session is over)."""
    session = sessions.get(number)
    if session is None:
        return len(data)
    with session.lock:
        if session.over:
            return len(data)
        try:
            if session.record and any(key in data for key in ENDING):
                _record_end(session, number)
            return os.write(session.master, data)
        except BlockingIOError:
            pass
        except OSError:  # nobody has the terminal open any more
            return len(data)
    with contextlib.suppress(OSError, ValueError):  # closed in the meantime
        select.select([], [session.master], [], ROOM_WAIT)
    return 0


def _record_end(session: Session, number: int) -> None:
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
    session = sessions.get(number)
    if session is not None:
        with session.lock:
            if not session.over:
                termios.tcsetwinsize(session.master, (rows, columns))


def more(number: int, count: int) -> None:
    """Say that `count` bytes of output have been passed on, so that as many may follow."""
    session = sessions.get(number)
    if session is not None:
        with session.lock:
            session.credit += count
            if not session.over:
                os.eventfd_write(session.wake, 1)


def hang_up(number: int) -> None:
    """End session `number` as a closed window does."""
    session = sessions.get(number)
    if session is not None:
        with session.lock:
            if not session.over:
                session.over = True
                os.eventfd_write(session.wake, 1)
