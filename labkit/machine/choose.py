"""Chooses the Linux of a lab by trying: the fastest candidate that can do what the notebook needs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import IO, Protocol

from ..errors import BadInput, LabClosed, LabError, LabkitError, NoLinux, shortage
from .bare import BareUmlLinux
from .bwrap import way_out
from .folder import CALLS, LabFolder
from .host import LOG, HostLinux
from .link import Link
from .needs import PROBES, WISHED, all_needs, remedy
from .seccomp import load_ipvs
from .uml import UmlLinux
from .view import FOLDER

FORCE = "LABKIT_LINUX"
RUN = "labkit.inside.processes:run"
PROBE_TIMEOUT = 20.0


class Machine(Protocol):
    """A started Linux: the agent's streams, the first process on this machine, and the handle that ends it."""

    pid: int
    stdin: IO[bytes]
    stdout: IO[bytes]

    def stop(self) -> None: ...


class Linux(Protocol):
    """A candidate."""

    name: str
    title: str
    start_timeout: float

    def start(self, folder: LabFolder) -> Machine: ...


@dataclass(frozen=True)
class Opened:
    """A lab's Linux that is up: its candidate, its machine and the link to its agent."""

    linux: Linux
    machine: Machine
    link: Link

    def stop(self) -> None:
        """End everything in it."""
        self.machine.stop()
        self.link.close()


@dataclass(frozen=True)
class Check:
    """What came of trying a need: where it did not work, the program's words and what helps."""

    need: str
    worked: bool
    words: str = ""
    remedy: str = ""

    @property
    def what(self) -> str:
        """What was tried."""
        return PROBES[self.need][0]


@dataclass
class Attempt:
    """What came of trying one candidate."""

    linux: Linux
    checks: list[Check] = field(default_factory=list)
    words: str = ""
    way_out: str = ""
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """True when it opened and every check passed."""
        return not self.words and all(check.worked for check in self.checks)

    def __str__(self) -> str:
        failed = [f"{check.what}: {check.words} ({check.remedy})" for check in self.checks if not check.worked]
        return f"{self.linux.title}: {self.words or '; '.join(failed) or 'works'}"


def candidates() -> list[Linux]:
    """All candidates, fastest first; the environment variable LABKIT_LINUX=host|uml leaves only those of that name."""
    every: list[Linux] = [HostLinux(), UmlLinux(), BareUmlLinux()]
    forced = os.environ.get(FORCE, "")
    chosen = [linux for linux in every if forced in ("", linux.name)]
    if not chosen:
        raise BadInput(f"{FORCE}={forced} names no Linux.", way_out=f"{FORCE}=host, {FORCE}=uml, or leave it unset")
    return chosen


def open_machine(linux: Linux, folder: LabFolder) -> Opened:
    """Start `linux` and connect to its agent. Raises LabError, with nothing left running."""
    machine = linux.start(folder)
    try:
        link = Link(
            machine.stdin, machine.stdout, timeout=linux.start_timeout, log=lambda: folder.read(LOG),
            folder=folder.path / CALLS, seen_as=f"{FOLDER}/{CALLS}", given_up=folder.given_up.is_set,
        )  # fmt: skip
    except BaseException:
        machine.stop()
        for stream in (machine.stdin, machine.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        raise
    return Opened(linux, machine, link)


def probe(link: Link, need: str, linux: str) -> Check:
    """Try `need` in an open machine, whose Linux is called `linux`."""
    _, command = PROBES[need]
    stream = link.stream(RUN, (["/bin/sh", "-c", command], PROBE_TIMEOUT), {}, PROBE_TIMEOUT + 5)
    output = []
    while True:
        try:
            output.append(next(stream)[1])
        except StopIteration as stop:
            if stop.value == 0:
                return Check(need, True)
            words = "".join(output).strip() or f"`{command}` ended with code {stop.value}"
            return Check(need, False, words, shortage(words) or remedy(need, linux))


def attempt(linux: Linux, folder: LabFolder, needs: Collection[str], *, stop_early: bool) -> tuple[Attempt, Opened | None]:
    """Try one candidate; return what came of it, and the open machine when all worked (else it is stopped again)."""
    result, began, opened = Attempt(linux), time.monotonic(), None
    try:
        if linux.name == "host" and "ipvs" in needs:
            load_ipvs()
        opened = open_machine(linux, folder)
        for need in needs:
            result.checks.append(probe(opened.link, need, linux.name))
            if folder.given_up.is_set() or (stop_early and not result.checks[-1].worked):
                break
    except LabkitError as error:
        result.words, result.way_out = error.words or error.tried, error.way_out
    except (OSError, RuntimeError) as error:  # RuntimeError: no thread is to be had
        result.words, result.way_out = str(error), way_out(str(error))
    except BaseException:
        if opened:
            opened.stop()
        raise
    result.seconds = time.monotonic() - began
    if opened and (folder.given_up.is_set() or not result.works):
        with contextlib.suppress(OSError, LabError):
            opened.stop()
        opened = None
    return result, opened


def choose(needs: Iterable[str], folder: LabFolder, *, trusted: bool = True) -> Opened:
    """Open the first candidate that can do what is needed. Raises NoLinux with what each one said, LabClosed when it is given up.

    Where what runs in the lab is not `trusted`, only a Linux of its own inside a view will do.
    """
    wanted, attempts = all_needs(needs), []
    queue = [(linux, wanted) for linux in (candidates() if trusted else [UmlLinux(copy_home=True)])]
    for linux, asked in queue:
        # On a Linux of its own the lab's root may change its user anyway, and its kernel is known to have the schedulers.
        tried = [need for need in asked if need not in ("users", "schedulers") or linux.name == "host"]
        result, opened = attempt(linux, folder, tried, stop_early=True)
        if opened:
            return opened
        if folder.given_up.is_set():
            raise LabClosed("The lab was closed while it opened.")
        attempts.append(result)
        if any(check.need in WISHED and not check.worked for check in result.checks):
            queue.append((linux, [need for need in asked if need not in WISHED]))  # where no other has it
    ways = [way for result in attempts if (way := result.way_out or shortage(str(result)))]
    raise NoLinux(
        f"No Linux for a lab that needs {', '.join(wanted)}.",
        words="\n".join(map(str, attempts)),
        way_out=ways[0] if ways else "`./lab doctor` shows every candidate and the one command that would help",
    )


def try_all() -> list[Attempt]:
    """Try every candidate with every need, one after another, and say what worked."""
    attempts = []
    for linux in candidates():
        folder = LabFolder.create("doctor", None)
        try:
            result, opened = attempt(linux, folder, PROBES, stop_early=False)
            if opened:
                opened.stop()
            attempts.append(result)
        except LabError as error:
            attempts.append(Attempt(linux, words=str(error)))
        finally:
            folder.remove()
    return attempts
