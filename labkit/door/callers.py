"""The side of a terminal: finds the open labs, and knocks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInput, LabError
from . import place
from .wire import FAILURE, REPLY, REQUEST, Wire, raise_failure

# How long a lab's process may take to answer, seconds: a busy notebook takes milliseconds, closing User-Mode Linux longer.
ANSWER_TIMEOUT = 5.0
STOP_TIMEOUT = 60.0
AT_ONCE = 16


@dataclass(frozen=True)
class OpenLab:
    """An open lab as its door describes it.

    `id` tells labs of one name apart: the pid of its process, and a number where that process has opened several. `linux`
    is host, uml, opening, failed, or silent for a process that does not answer. `since` is seconds since 1970 (0 unknown),
    `first` the pid of the lab's first process on this machine (0 without one).
    """

    door: Path
    id: str
    name: str = "?"
    linux: str = "silent"
    since: float = 0.0
    first: int = 0
    shell: bool = False


def open_labs() -> list[OpenLab]:
    """All open labs of this user; a door that a dead process has left is taken away. Raises LabError."""
    found = place.doors()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [lab for lab in pool.map(describe, found) if lab]


def describe(door: Path) -> OpenLab | None:
    """Ask one lab what it is; None when it is gone."""
    lab_id, pid = place.identity(door), door.stem
    try:
        wire = knock(door, {"do": "describe"}, ANSWER_TIMEOUT)
        if wire is None:
            return None
        with contextlib.closing(wire):
            return OpenLab(door, lab_id, **json.loads(answer(wire)))
    except (OSError, LabError):
        return OpenLab(door, lab_id) if Path("/proc", pid).exists() else None


def knock(door: Path, request: dict[str, Any], timeout: float) -> Wire | None:
    """Send a request to a door, whose answer may take `timeout` seconds; None when its process has ended."""
    connection = place.connect(door, timeout)
    if connection is None:
        return None
    wire = Wire(connection)
    wire.say(REQUEST, request)
    return wire


def answer(wire: Wire) -> bytes:
    """The answer's JSON text. Raises LabError: what the lab answers instead, or that nothing came."""
    try:
        kind, data = wire.receive()
    except TimeoutError:
        raise LabError("The process of the lab does not answer.", way_out="is its notebook's kernel stopped?") from None
    if kind == FAILURE:
        raise_failure(data)
    if kind != REPLY:
        raise LabError("The lab has just been closed.", way_out="`labkit ps` lists the open ones")
    return data


def pick(labs: Iterable[OpenLab], wanted: str | None) -> OpenLab:
    """The lab called `wanted` (NAME or NAME:ID), or the only one. Raises BadInput, which lists what there is."""
    every = list(labs)
    name, _, lab_id = (wanted or "").partition(":")
    found = [lab for lab in every if wanted is None or (lab.name == name and lab_id in ("", lab.id))]
    if len(found) == 1:
        return found[0]
    if not every:
        raise BadInput("No lab is open.", way_out="open one: run the cell with `Lab(…)` in a notebook")
    called = f"{len(found)} labs are called {wanted}." if found else f"No lab is called {wanted}."
    tried = called if wanted else "No lab was named."
    names = [lab.name for lab in every]
    listed = [f"{lab.name}:{lab.id}" if names.count(lab.name) > 1 else lab.name for lab in every]
    raise BadInput(tried, way_out=f"open: {', '.join(listed)}")


def stop(lab: OpenLab) -> None:
    """Close a lab from outside, as lab.close() does. Raises LabError."""
    try:
        wire = knock(lab.door, {"do": "stop"}, STOP_TIMEOUT)
        if wire:
            with contextlib.closing(wire):
                answer(wire)
    except (OSError, LabError) as error:
        if not lab.door.exists():  # its process ended with it, before it could say so
            return
        raise LabError(f"The process of the lab {lab.name} ({lab.id}) cannot be reached.", words=str(error)) from None
