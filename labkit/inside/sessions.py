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


@dataclass
class Session:
    """An open terminal: its master side, an eventfd that wakes its generator, and what that may still send, bytes."""

    master: int
    wake: int
    credit: int = WINDOW
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
            return os.write(session.master, data)
        except BlockingIOError:
            pass
        except OSError:  # nobody has the terminal open any more
            return len(data)
    with contextlib.suppress(OSError, ValueError):  # closed in the meantime
        select.select([], [session.master], [], ROOM_WAIT)
    return 0


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
