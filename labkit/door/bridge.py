"""Between a caller at the door and a program in the lab: a shell at a terminal, or one command without any."""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..commands import argv_and_text, finish
from ..errors import LabClosed, LabkitError
from ..inside.sessions import WINDOW
from ..machine.view import FOLDER, HOME
from .record import FILE, Record
from .wire import CODE, ERRORS, INPUT, OUTPUT, REPLY, RESIZE, Wire

if TYPE_CHECKING:
    from ..lab import Lab

TERMINAL, SESSIONS = "labkit.inside.terminal", "labkit.inside.sessions"
SIZE = struct.Struct("!HH")
# What is typed in one call, bytes: a message into the lab that needs no file (machine.link.MAX_BYTES).
TYPED = 3000
# The caller's variables that a terminal's programs go by, and what it says of leaving (shell_rc.sh).
PASSED_ON, LEAVING = ("TERM", "COLORTERM"), "LABKIT_LEAVING"
_numbers = itertools.count(1)


def terminal(lab: Lab, wire: Wire, request: dict[str, Any], record: Record) -> None:
    """Open a shell at a terminal in the lab for the caller, until it ends or the caller goes away.

    A caller that asks for it is recorded, and shown at the end what was.
    """
    number = next(_numbers)
    rows, columns = (min(max(int(request[key]), 1), 0xFFFF) for key in ("rows", "columns"))
    values = {key: str(request["variables"][key])[:100] for key in (*PASSED_ON, LEAVING) if key in request["variables"]}
    values |= {"LABKIT_LAB": lab.name, "LABKIT_WHERE": "the running kernel" if lab.linux == "host" else "User-Mode Linux"}
    passed_on = 0
    recorded = bool(request.get("record"))
    if recorded:
        record.begin(lab, number)
        values |= {"LABKIT_RECORD": f"{FOLDER}/{FILE}", "LABKIT_TERMINAL": str(number), "LABKIT_SCRIPT": f"task{lab.task}.sh"}

    def deliver(data: bytes) -> None:
        nonlocal passed_on
        record.take(lab)
        wire.send(OUTPUT, data)
        passed_on += len(data)
        if passed_on >= WINDOW // 2:
            lab.call(f"{SESSIONS}:more", number, passed_on)
            passed_on = 0

    def session() -> Iterator[Any]:
        try:
            stream = lab.stream(f"{TERMINAL}:shell", number, rows, columns, values, HOME, timeout=None)
            code = yield from stream  # type: ignore[func-returns-value]
            if recorded:
                record.take(lab)
                yield record.shown(lab, number).replace("\n", "\r\n").encode()
            return code
        finally:
            record.take(lab)

    serve(lab, wire, number, session(), deliver)


def command(lab: Lab, wire: Wire, request: dict[str, Any]) -> None:
    """Run one command in the lab for the caller, without input; its output goes out as it comes."""
    number = next(_numbers)
    argv, _ = argv_and_text(str(request["command"]))

    def deliver(item: tuple[str, str]) -> None:
        wire.send(OUTPUT if item[0] == "stdout" else ERRORS, item[1].encode())

    serve(lab, wire, number, lab.stream(f"{TERMINAL}:command", number, argv, HOME, timeout=None), deliver)


def serve(lab: Lab, wire: Wire, number: int, stream: Iterator[Any], deliver: Callable[[Any], None]) -> None:
    """Give the caller what session `number` prints, and its exit code at last; what the caller types goes the other way."""
    typing = threading.Thread(target=type_in, args=(lab, wire, number), name="labkit-door-typing", daemon=True)
    try:
        next(stream)  # empty: the session is there
        wire.say(REPLY, None)
        typing.start()
        wire.say(CODE, finish(stream, deliver))
    except LabClosed as error:
        if not lab.closed:
            raise
        said = f"The lab {lab.name} was closed, and with it everything in it."
        raise LabClosed(said, way_out="open it again: run the cell with `Lab(…)` again") from error
    finally:
        stream.close()  # type: ignore[attr-defined]
        wire.shut_reading()
        if typing.ident:
            typing.join(10)


def type_in(lab: Lab, wire: Wire, number: int) -> None:
    """Pass on what the caller types, and its window's size, until it goes away: then the terminal hangs up."""
    try:
        while True:
            kind, data = wire.receive()
            if kind == INPUT:
                while data:
                    data = data[lab.call(f"{SESSIONS}:write", number, data[:TYPED]) :]
            elif kind == RESIZE:
                lab.call(f"{SESSIONS}:resize", number, *SIZE.unpack(data))
            else:
                lab.call(f"{SESSIONS}:hang_up", number)
                return
    except (LabkitError, OSError):
        return  # the lab is gone, and the caller is told where the output comes from
