"""The side of a terminal: finds the open labs, knocks, and lists them with their age and memory."""

import contextlib
import ctypes
import json
import os
import platform
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput, LabClosed, LabError, require
from . import place

# How long a lab's process may take to answer, seconds: a busy notebook takes milliseconds, closing User-Mode Linux longer.
# A lab that opens takes a few seconds, on a busy machine more.
ANSWER_TIMEOUT, STOP_TIMEOUT, OPEN_TIMEOUT = 5.0, 60.0, 120.0
AT_ONCE = 16
# kcmp(2): its number where User-Mode Linux runs, and its second type of comparison.
KCMP, KCMP_VM = {"x86_64": 312}.get(platform.machine(), 0), 1


@dataclass(frozen=True)
class OpenLab:
    """An open lab as its door describes it.

    `id` tells labs of one name apart: the pid of its process, and a number where that process has opened several. `linux`
    is host, uml, opening, failed, or silent for a process that does not answer. `since` is seconds since 1970 (0 unknown),
    `first` the pid of the lab's first process on this machine (0 without one).
    """

    door: str
    id: str
    name: str = "?"
    linux: str = "silent"
    since: float = 0.0
    first: int = 0
    shell: bool = False

    @property
    def patience(self) -> float:
        """How long its answer may take, seconds."""
        return OPEN_TIMEOUT if self.linux == "opening" else ANSWER_TIMEOUT


def open_labs() -> list[OpenLab]:
    """Return all open labs of this user."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [lab for lab in pool.map(describe, place.doors()) if lab]


def describe(door: str) -> OpenLab | None:
    """Ask one lab what it is; None when it is gone."""
    try:
        with entered(door, {"do": "describe"}, ANSWER_TIMEOUT) as (_, about):
            return OpenLab(door, place.identity(door), **about)
    except LabClosed:
        return None
    except LabError:
        there = os.path.exists(f"/proc/{place.process(door)}")
        return OpenLab(door, place.identity(door)) if there else None


@contextlib.contextmanager
def entered(door: str, request: dict[str, Any], timeout: float) -> Iterator[tuple[socket.socket, Any]]:
    """A connection on which the lab has answered within `timeout` seconds in all, and its answer.

    Raises LabClosed when it has ended, and LabError: what the lab says, or that nothing came.
    """
    end = time.monotonic() + timeout
    closed = LabClosed("The lab has just been closed.", way_out="`labkit ps` lists the open ones")
    with contextlib.ExitStack() as stack:
        try:
            connection = place.connect(door, timeout)
            if connection is None:
                raise closed
            stack.enter_context(connection)
            place.say(connection, place.REQUEST, request)
            connection.settimeout(max(0.001, end - time.monotonic()))
            kind, data = place.receive(connection)
        except TimeoutError:
            tried, way_out = "The process of the lab does not answer.", "is its notebook's kernel stopped?"
            raise LabError(tried, way_out=way_out) from None
        except OSError as error:
            raise LabError("The process of the lab cannot be reached.", words=str(error)) from None
        if kind == place.FAILURE:
            place.raise_failure(data)
        if kind != place.REPLY:
            raise closed
        connection.settimeout(None)
        yield connection, json.loads(data)


def pick(labs: Iterable[OpenLab], wanted: str | None) -> OpenLab:
    """Return the lab called `wanted` (NAME or NAME:ID), or the only one. Raises BadInput, which lists what there is."""
    every = list(labs)
    names = [lab.name for lab in every]
    name, _, lab_id = (wanted or "").partition(":")
    called = [lab for lab in every if lab.name == name and lab_id in ("", lab.id)]
    found = every if wanted is None else called
    if len(found) == 1:
        return found[0]
    require(every, "No lab is open.", "open one: run the cell with `Lab(…)` in a notebook")
    tried = f"{len(found)} labs are called {wanted}." if found else f"No lab is called {wanted}."
    listed = [f"{lab.name}:{lab.id}" if names.count(lab.name) > 1 else lab.name for lab in every]
    raise BadInput(tried if wanted else "No lab was named.", way_out=f"open: {', '.join(listed)}")


def stop(lab: OpenLab) -> None:
    """Close a lab from outside, as lab.close() does. Raises LabError."""
    try:
        with entered(lab.door, {"do": "stop"}, STOP_TIMEOUT):
            pass
    except LabError:
        if lab.door in place.doors():  # else its process ended with it, before it could say so
            raise


def family(first: int) -> list[Any]:
    """Return psutil's process `first` and all that it has started, without those that have ended."""
    import psutil  # a third of the time in which a shell's command starts, which has no need of it

    try:
        process = psutil.Process(first)
        every = [process, *process.children(recursive=True)]
        return [one for one in every if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def memory(processes: Sequence[Any]) -> int | None:
    """Return their proportional set size, bytes (proc(5), smaps_rollup, Pss); None where one may not be looked into.

    Processes that share one address space (kcmp(2), KCMP_VM), as some of User-Mode Linux do, each show the whole of it; it is
    counted once.
    """
    import psutil

    total, counted = 0, list[int]()
    kcmp = ctypes.CDLL(None).syscall
    for process in processes:
        if KCMP and 0 in (kcmp(KCMP, process.pid, other, KCMP_VM, 0, 0) for other in counted):
            continue
        counted.append(process.pid)
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has ended in the meantime
            continue
        except psutil.AccessDenied:
            return None
    return total


def rows(labs: Iterable[OpenLab]) -> list[dict[str, Any]]:
    """Return all labs as plain data, sorted by name: name, id, linux, seconds (age), memory (bytes or None), shell."""
    found, now = [], time.time()
    for lab in labs:
        processes = family(lab.first) if lab.first else []
        linux = "ended" if lab.first and not processes else lab.linux
        seconds = round(max(0.0, now - lab.since), 1) if lab.since else None
        row = {"name": lab.name, "id": lab.id, "linux": linux, "seconds": seconds}
        found.append(row | {"memory": memory(processes), "shell": lab.shell})
    return sorted(found, key=lambda one: (one["name"], one["seconds"] or 0))


def age(seconds: float | None) -> str:
    """Return seconds for people: 12 s, 3 min, 2 h 05."""
    if seconds is None:
        return "?"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min" if minutes else f"{int(seconds)} s"
    return f"{minutes // 60} h {minutes % 60:02}"


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """Return a table of `rows` for people."""
    if not found:
        return "No lab is open."
    table = [("NAME", "ID", "LINUX", "AGE", "MEMORY")]
    for one in found:
        size = "?" if one["memory"] is None else f"{one['memory'] / 1e6:.0f} MB"
        table.append((one["name"], one["id"], one["linux"], age(one["seconds"]), size))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
    return "\n".join(lines)
