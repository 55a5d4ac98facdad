"""The side of the notebook: answers whoever of this user knocks, in threads of its own, until the lab is closed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LabClosed, LabError, LabkitError
from . import place
from .bridge import command, terminal
from .record import Record
from .wire import REPLY, REQUEST, Wire

if TYPE_CHECKING:
    from ..lab import Lab

# How long a caller may take to say what it wants, and at the end to take what it is still told, seconds.
PATIENCE = 10.0
FAREWELL = 5.0
_numbers = itertools.count(1)


class Door:
    """The door of one lab. One without `shell` lets nobody in: it only says what there is, and closes the lab."""

    def __init__(self, lab: Lab, *, shell: bool) -> None:
        """Open it. Where no socket can be made there is no door, and the lab opens all the same."""
        self._lab, self._name, self._shell, self._since = weakref.ref(lab), lab.name, shell, time.time()
        self._socket: socket.socket | None = None
        self.path: Path | None = None
        self._callers: dict[threading.Thread, Wire] = {}
        self._record = Record()
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name=f"labkit-door-{lab.name}", daemon=True)
        with contextlib.suppress(OSError, LabError):
            self._socket, self.path = place.listen(next(_numbers))
            try:
                self._thread.start()
            except RuntimeError:  # no more threads
                self._socket.close()
                self._socket = None
                place.remove(self.path)

    @property
    def id(self) -> str:
        """What tells the lab from others of its name (`labkit ps`); nothing without a door."""
        return place.identity(self.path) if self.path else ""

    def _accept(self) -> None:
        """Let callers in, each in a thread of its own."""
        assert self._socket is not None
        while not self._closed:
            try:
                caller = self._socket.accept()[0]
            except OSError:  # closed; or short of file descriptors, which may pass
                if not self._closed:
                    time.sleep(0.1)
                continue
            try:
                threading.Thread(target=self._serve, args=(caller,), name="labkit-door-caller", daemon=True).start()
            except RuntimeError:  # no more threads
                caller.close()

    def _serve(self, caller: socket.socket) -> None:
        wire = self._callers[threading.current_thread()] = Wire(caller)
        try:
            if place.peer(caller)[1] != os.geteuid():
                return
            caller.settimeout(PATIENCE)
            kind, data = wire.receive()
            caller.settimeout(None)
            request = json.loads(data) if kind == REQUEST else None
            if isinstance(request, dict):
                self._answer(wire, request)
        except LabkitError as error:
            with contextlib.suppress(OSError):
                wire.fail(error)
        except (OSError, ValueError, KeyError):  # it went away, or is no labkit
            pass
        finally:
            wire.close()
            del self._callers[threading.current_thread()]

    def _answer(self, wire: Wire, request: dict[str, Any]) -> None:
        if request["do"] == "describe":
            wire.say(REPLY, self.describe())
        elif request["do"] == "stop":
            self._held().close()
            wire.say(REPLY, None)
        elif not self._shell:
            raise LabError(
                f"The lab {self._name} is for the work of others, and has no shell.", way_out="`labkit stop` closes it"
            )
        elif request["do"] == "shell":
            terminal(self._held(), wire, request, self._record)
        elif request["do"] == "run":
            command(self._held(), wire, request)

    def _held(self) -> Lab:
        """The lab, which the door does not keep from being closed. Raises LabClosed."""
        lab = self._lab()
        if lab is None:
            raise LabClosed(f"The lab {self._name} is closing.")
        return lab

    def describe(self) -> dict[str, Any]:
        """What callers.OpenLab holds."""
        state, pid = self._held().state
        return {"name": self._name, "linux": state, "since": self._since, "first": pid, "shell": self._shell}

    def close(self) -> None:
        """Close it, and wait for the threads of those inside; a caller may itself be the one who closes."""
        self._closed = True
        if self._socket is None or self.path is None:
            return
        place.remove(self.path)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes up accept()
        self._thread.join(PATIENCE)
        self._socket.close()
        end = time.monotonic() + FAREWELL
        for thread, wire in list(self._callers.items()):
            if thread is not threading.current_thread():
                thread.join(max(0.0, end - time.monotonic()))
                if thread.is_alive():
                    wire.shut()
                    thread.join(FAREWELL)
