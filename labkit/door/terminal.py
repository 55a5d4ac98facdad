"""A shell of a lab at this terminal: raw while it is open, and as it was before afterwards, whatever ends it."""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import termios
import time
import tty
from collections.abc import Iterator

from ..errors import BadInput, LabError
from .callers import OpenLab, entered
from .place import CODE, ERRORS, FAILURE, INPUT, LEAVING, OUTPUT, PASSED_ON, RESIZE, SIZE, raise_failure, receive

CHUNK = 4096
# The key that leaves a lab that does not answer: ^] three times within a second, as machinectl(1) has it.
ESCAPE, TIMES, WITHIN = b"\x1d", 3, 1.0
# To and from the second screen that editors draw on (xterm control sequences, DECSET 1049).
SECOND, FIRST = b"\x1b[?1049h", b"\x1b[?1049l"
# What a program that was cut off may have left on: colours, a hidden cursor, application keys, pasting in brackets, the mouse.
PLAIN = b"\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"


def shell(lab: OpenLab, *, record: bool = False, leaving: str = "leaves it, and it runs on") -> int:
    """Open a shell of the lab at this terminal, and return its exit code; with `record` what is typed becomes the task's script.

    `leaving` is what `exit` does, for the words at the beginning. Raises BadInput without a terminal, LabError.
    """
    if not os.isatty(0):
        way_out = f"labkit shell {lab.name} -c 'a command'"
        raise BadInput("A shell needs a terminal, and the standard input is none.", way_out=way_out)
    rows, columns = size()
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    request = {"do": "shell", "rows": rows, "columns": columns, "record": record}
    request["variables"] = variables | {LEAVING: leaving}
    with entered(lab.door, request, lab.patience) as (connection, _):
        screen, code = Screen(), None
        try:
            with raw() as signals:
                code = converse(connection, screen, signals)
        finally:
            if code is None:
                screen.restore()
        if code is None:
            raise LabError(f"Left the shell; the lab {lab.name} runs on.")
    return code


def command(lab: OpenLab, text: str) -> int:
    """Run one command in the lab without a terminal, and return its exit code. Raises LabError."""
    with entered(lab.door, {"do": "run", "command": text}, lab.patience) as (connection, _):
        screen, code = Screen(), None
        while code is None:
            code = show(connection, screen)
    return code


def size() -> tuple[int, int]:
    """Return rows and columns of this terminal; 24 and 80 where it does not know."""
    with contextlib.suppress(OSError):
        found = os.get_terminal_size(0)
        if found.lines and found.columns:
            return found.lines, found.columns
    return 24, 80


class Screen:
    """What the lab prints, on standard output, and whether it draws on the second screen."""

    def __init__(self) -> None:
        self._second = False
        self._end = b""

    def show(self, data: bytes, where: int = 1) -> None:
        seen = self._end + data
        if SECOND in seen or FIRST in seen:
            self._second = seen.rfind(SECOND) > seen.rfind(FIRST)
        self._end = seen[-len(SECOND) + 1 :]
        while data:
            data = data[os.write(where, data) :]

    def restore(self) -> None:
        """Put the terminal's display back after a program that was cut off."""
        with contextlib.suppress(OSError):
            if os.isatty(1):
                os.write(1, PLAIN + (FIRST if self._second else b"") + b"\r\n")


def show(connection: socket.socket, screen: Screen) -> int | None:
    """Show the next message; return the exit code when it has come. Raises LabError: what the lab says, or that it has ended."""
    kind, data = receive(connection)
    if kind in (OUTPUT, ERRORS):
        screen.show(data, 1 if kind == OUTPUT else 2)
        return None
    if kind == FAILURE:
        raise_failure(data)
    if kind != CODE:
        tried = "The process of the lab has ended, and the lab with it."
        raise LabError(tried, way_out="run the notebook's cells again")
    return int(json.loads(data))


@contextlib.contextmanager
def raw() -> Iterator[int]:
    """The terminal of standard input passes every key on, and is as before afterwards, also after SIGTERM and SIGHUP.

    What it gives is a pipe in which a byte arrives at a signal, as when the window's size has changed.
    """
    before = termios.tcgetattr(0)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    leave = lambda number, _frame: sys.exit(128 + number)  # noqa: E731
    handlers = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    try:
        tty.setraw(0, termios.TCSANOW)
        yield reading
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(reading)
        os.close(writing)


def converse(connection: socket.socket, screen: Screen, signals: int) -> int | None:
    """Show what the lab prints and send what is typed, until the exit code comes; None when that was ended here."""
    unsent, escapes = [RESIZE + SIZE.pack(*size())], list[float]()  # the size may have changed meanwhile
    while True:
        files = [connection.fileno(), signals, *([] if unsent else [0])]
        ready, room, _ = select.select(files, files[:1] if unsent else [], [])
        if files[0] in ready and (code := show(connection, screen)) is not None:
            return code
        if room:
            with contextlib.suppress(ConnectionError):  # its last words are still to be read
                connection.send(unsent[0])
            del unsent[0]
        if signals in ready and os.read(signals, CHUNK):
            unsent.append(RESIZE + SIZE.pack(*size()))
        if 0 in ready:
            data, now = os.read(0, CHUNK), time.monotonic()
            escapes = [*escapes, *[now] * data.count(ESCAPE)][-TIMES:] if not data.strip(ESCAPE) else []
            if not data or (len(escapes) == TIMES and now - escapes[0] < WITHIN):
                return None
            unsent.append(INPUT + data)
