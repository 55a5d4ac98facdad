"""A shell of a lab at this terminal: raw while it is open, and as it was before afterwards, whatever ends it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from typing import Any

from ..errors import BadInput, LabError
from .callers import ANSWER_TIMEOUT, OpenLab, entered
from .place import CODE, ERRORS, FAILURE, INPUT, LEAVING, OUTPUT, PASSED_ON, RESIZE, SIZE, raise_failure, receive, send, shut

CHUNK = 4096
# The key that leaves a lab that does not answer: ^] three times within a second, as machinectl(1) has it.
ESCAPE, TIMES, WITHIN = b"\x1d", 3, 1.0
# To and from the second screen that editors draw on (xterm control sequences, DECSET 1049).
SECOND, FIRST = b"\x1b[?1049h", b"\x1b[?1049l"
# What a program that was cut off may have left on: colours, a hidden cursor, application keys, pasting in brackets, the mouse.
PLAIN = b"\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l"
# A lab that opens takes a few seconds, on a busy machine more.
OPEN_TIMEOUT = 120.0


def shell(lab: OpenLab, *, record: bool = False, leaving: str = "leaves it, and it runs on") -> int:
    """Open a shell of the lab at this terminal, and return its exit code; with `record` what is typed becomes the task's script.

    `leaving` is what `exit` does, for the words at the beginning. Raises BadInput without a terminal, LabError.
    """
    if not os.isatty(0):
        way_out = f"labkit shell {lab.name} -c 'a command'"
        raise BadInput("A shell needs a terminal, and the standard input is none.", way_out=way_out)
    rows, columns = size()
    variables = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {LEAVING: leaving}
    request = {"do": "shell", "rows": rows, "columns": columns, "variables": variables, "record": record}
    with inside(lab, request) as connection:
        screen = Screen()
        with raw(), typing(connection) as left:
            try:
                code = show(connection, screen)
            except BaseException:
                screen.restore()
                raise
        if code is None:
            screen.restore()
            if left.is_set():
                raise LabError(f"Left the shell; the lab {lab.name} runs on.")
            raise LabError("The process of the lab has ended, and the lab with it.", way_out="run the notebook's cells again")
    return code


def command(lab: OpenLab, text: str) -> int:
    """Run one command in the lab without a terminal, and return its exit code. Raises LabError."""
    with inside(lab, {"do": "run", "command": text}) as connection:
        code = show(connection, Screen())
    if code is None:
        raise LabError("The process of the lab has ended, and the lab with it.")
    return code


@contextlib.contextmanager
def inside(lab: OpenLab, request: dict[str, Any]) -> Iterator[socket.socket]:
    """A connection on which the lab has said yes to the request. Raises LabError."""
    with contextlib.ExitStack() as stack:
        try:
            timeout = OPEN_TIMEOUT if lab.linux == "opening" else ANSWER_TIMEOUT
            connection, _ = stack.enter_context(entered(lab.door, request, timeout))
        except FileNotFoundError:
            raise LabError(f"The lab {lab.name} has just been closed.", way_out="`labkit ps` lists the open ones") from None
        except OSError as error:
            raise LabError(f"The process of the lab {lab.name} ({lab.id}) cannot be reached.", words=str(error)) from None
        yield connection


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
        """Print all of it."""
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
    """Show what comes until the exit code does, and return it; None when the connection ends before. Raises LabError."""
    while True:
        kind, data = receive(connection)
        if kind in (OUTPUT, ERRORS):
            screen.show(data, 1 if kind == OUTPUT else 2)
        elif kind == FAILURE:
            raise_failure(data)
        else:
            return int(json.loads(data)) if kind == CODE else None


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """The terminal of standard input passes every key on, and is as before afterwards, also after SIGTERM and SIGHUP."""
    before = termios.tcgetattr(0)
    ends = (signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda number, _frame: sys.exit(128 + number)) for number in ends}
    try:
        tty.setraw(0, termios.TCSANOW)
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def typing(connection: socket.socket) -> Iterator[threading.Event]:
    """While it is open, a thread passes on what is typed and the window's size; the event is set when that was ended here."""
    left = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # A signal's number arrives in the pipe; the handler itself has nothing to do.
    handler = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = threading.Thread(target=pass_on, args=(connection, reading, left), daemon=True)
    thread.start()
    try:
        yield left
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGWINCH, handler)
        os.close(writing)
        shut(connection)
        thread.join(10)
        os.close(reading)


def pass_on(connection: socket.socket, signals: int, left: threading.Event) -> None:
    """Send what is typed and, at a signal, the window's size, until the pipe of the signals is closed or input ends."""
    escapes: list[float] = []
    with contextlib.suppress(OSError):
        send(connection, RESIZE, SIZE.pack(*size()))  # it may have changed meanwhile
        while True:
            ready = select.select([0, signals], [], [])[0]
            if signals in ready:
                if not os.read(signals, CHUNK):
                    return
                send(connection, RESIZE, SIZE.pack(*size()))
            if 0 in ready:
                data = os.read(0, CHUNK)
                now = time.monotonic()
                escapes = [*escapes, *[now] * data.count(ESCAPE)][-TIMES:] if not data.strip(ESCAPE) else []
                if not data or (len(escapes) == TIMES and now - escapes[0] < WITHIN):
                    left.set()
                    break
                send(connection, INPUT, data)
    shut(connection)
