"""The side of the notebook: answers whoever of this user knocks, in threads of its own, until the lab is closed."""

import contextlib
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import LabClosed, LabError, LabkitError
from ..inside import terminal
from ..machine.link import P, T
from ..machine.view import FOLDER, HOME
from ..recording import FILE, Record
from . import place
from .place import CODE, ERRORS, INPUT, LEAVING, OUTPUT, PASSED_ON, REPLY, REQUEST, RESIZE, SIZE

# How long a caller may take to say what it wants, and at the end to take what it is still told, seconds.
PATIENCE, FAREWELL = 10.0, 5.0
# What is typed in one call, bytes: a message into the lab that needs no file (machine.link.MAX_BYTES).
TYPED = 3000
_numbers, _sessions = itertools.count(1), itertools.count(1)


class Housed(Protocol):
    """A lab as its door sees it."""

    name: str
    task: int | None
    typed: Record

    @property
    def linux(self) -> str: ...

    @property
    def state(self) -> tuple[str, int]: ...

    @property
    def closed(self) -> bool: ...

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def call_within(self, timeout: float | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...

    def close(self) -> None: ...


class Door:
    """The door of one lab. One without `shell` lets nobody in: it only says what there is, and closes the lab."""

    def __init__(self, lab: Housed, *, shell: bool) -> None:
        self._lab, self._shell, self._since = lab, shell, time.time()
        self._socket: socket.socket | None = None
        self.name = ""
        self._callers: dict[threading.Thread, socket.socket] = {}
        self._closed = False
        name = f"labkit-door-{lab.name}"
        self._thread = threading.Thread(target=self._accept, name=name, daemon=True)

    def open(self) -> None:
        """Open it. Where no socket can be made there is no door, and the lab opens all the same."""
        with contextlib.suppress(OSError):
            self._socket, self.name = place.listen(next(_numbers))
            try:
                self._thread.start()
            except RuntimeError:  # no more threads
                self._socket.close()
                self._socket, self.name = None, ""

    @property
    def id(self) -> str:
        """What tells the lab from others of its name (`labkit ps`); nothing without a door."""
        return place.identity(self.name)

    def _accept(self) -> None:
        """Let callers in, each in a thread of its own."""
        assert self._socket is not None
        while not self._closed:
            try:
                caller = self._socket.accept()[0]
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()
            except (OSError, RuntimeError):  # closed; or short of files or threads, which may pass
                if not self._closed:
                    time.sleep(0.1)

    def _serve(self, caller: socket.socket) -> None:
        self._callers[threading.current_thread()] = caller
        try:
            if place.user(caller) != os.geteuid():
                return
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, place.BUFFER)
            caller.settimeout(PATIENCE)
            kind, data = place.receive(caller)
            caller.settimeout(None)
            request = json.loads(data) if kind == REQUEST else None
            if isinstance(request, dict):
                self._answer(caller, request)
        except LabkitError as error:
            with contextlib.suppress(OSError):
                place.fail(caller, error)
        except (OSError, ValueError, KeyError, TypeError):  # it went away, or is no labkit
            pass
        finally:
            caller.close()
            self._callers.pop(threading.current_thread(), None)

    def _answer(self, caller: socket.socket, request: dict[str, Any]) -> None:
        if request["do"] == "describe":
            about = dict(zip(("linux", "first"), self._lab.state, strict=True))
            about |= {"name": self._lab.name, "since": self._since, "shell": self._shell}
            place.say(caller, REPLY, about)
        elif request["do"] == "stop":
            del self._callers[threading.current_thread()]  # the end of the lab need not wait for who waits for it
            self._lab.close()
            place.say(caller, REPLY, None)
        elif not self._shell:
            tried = f"The lab {self._lab.name} is for the work of others, and has no shell."
            raise LabError(tried, way_out="`labkit stop` closes it")
        elif request["do"] == "shell":
            self._terminal(caller, request)
        elif request["do"] == "run":
            command = ["/bin/bash", "-c", str(request["command"])]
            self._session(caller, next(_sessions), terminal.command, command)

    def _terminal(self, caller: socket.socket, request: dict[str, Any]) -> None:
        """Open a shell at a terminal in the lab for the caller, who may ask that what is typed is recorded."""
        lab, number = self._lab, next(_sessions)
        rows, columns = (min(max(int(request[key]), 1), 0xFFFF) for key in ("rows", "columns"))
        given, known = request["variables"], (*PASSED_ON, LEAVING)
        values = {key: str(given[key])[:100] for key in known if key in given}
        where = "the running kernel" if lab.linux == "host" else "User-Mode Linux"
        values |= {"LABKIT_LAB": lab.name, "LABKIT_WHERE": where}
        if recorded := bool(request.get("record")):
            lab.typed.begin(number)
            values |= {"LABKIT_RECORD": f"{FOLDER}/{FILE}", "LABKIT_TERMINAL": str(number)}
            values |= {"LABKIT_SCRIPT": f"task{lab.task}.sh"}
        self._session(caller, number, terminal.shell, rows, columns, values, recorded=recorded)

    def _session(
        self, caller: socket.socket, number: int, begin: Callable[..., None], *arguments: object,
        recorded: bool = False,
    ) -> None:  # fmt: skip
        """Give the caller what a session prints until it ends, what was recorded, and its exit code.

        What the caller types goes the other way; when the caller goes away, the session ends.
        """
        lab, code = self._lab, None
        typing = threading.Thread(target=self._type_in, args=(caller, number), daemon=True)
        try:
            lab.call(begin, number, *arguments, HOME)
            place.say(caller, REPLY, None)
            typing.start()
            while code is None:
                out, err, code = lab.call_within(None, terminal.read, number)
                lab.typed.take()
                place.send(caller, OUTPUT, out)
                place.send(caller, ERRORS, err)
            if recorded:
                place.send(caller, OUTPUT, lab.typed.shown(number).replace("\n", "\r\n").encode())
            place.say(caller, CODE, code)
        except LabClosed as error:
            if not lab.closed:
                raise
            said = f"The lab {lab.name} was closed, and with it everything in it."
            raise LabClosed(said, way_out="open it again: run the cell with `Lab(…)` again") from error
        finally:
            with contextlib.suppress(LabkitError):
                lab.call(terminal.end, number)
            lab.typed.take()
            place.shut(caller, socket.SHUT_RD)  # what has been sent still arrives
            if typing.ident:
                typing.join(PATIENCE)

    def _type_in(self, caller: socket.socket, number: int) -> None:
        """Pass on what the caller types, and its window's size, until it goes away: then the terminal hangs up."""
        with contextlib.suppress(LabkitError, OSError):  # the lab is gone, and the caller is told where the output comes from
            while True:
                kind, data = place.receive(caller)
                if kind == INPUT:
                    while data:
                        data = data[self._lab.call(terminal.write, number, data[:TYPED]) :]
                elif kind == RESIZE:
                    self._lab.call(terminal.resize, number, *SIZE.unpack(data))
                else:
                    self._lab.call(terminal.hang_up, number)
                    return

    def close(self) -> None:
        """Close it, and wait for the threads of those inside; a caller may itself be the one who closes."""
        self._closed = True
        if self._socket is None:
            return
        place.shut(self._socket)  # wakes up accept()
        self._thread.join(PATIENCE)
        self._socket.close()
        end = time.monotonic() + FAREWELL
        for thread, caller in list(self._callers.items()):
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
                if thread.is_alive():
                    place.shut(caller)
                    thread.join(FAREWELL)
