"""Commands of a lab: how they are given, and what comes of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .lab import Lab

# Who hears which native commands are applied, in this thread: a cell prints them, the panel shows them itself.
listener: ContextVar[Callable[[str], object]] = ContextVar("listener", default=print)
PROCESSES = "labkit.inside.processes"
COMMAND_TIMEOUT = 60.0
# How much longer than its command an answer may take: the serial line of User-Mode Linux, a busy machine.
SLACK = 15.0
Command = str | Sequence[str]


@contextmanager
def heard_by(callback: Callable[[str], object]) -> Iterator[None]:
    """Give the native commands that are applied meanwhile, in this thread, to `callback` instead of printing them."""
    token = listener.set(callback)
    try:
        yield
    finally:
        listener.reset(token)


@dataclass(frozen=True)
class Result:
    """A finished command: its exit code, what it printed, and how long it took in seconds."""

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        return self.stdout + self.stderr

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"$ {self.command}\n{str(self).rstrip()}" + (f"\n(ended with code {self.code})" if self.code else ""))


class Process:
    """A command in the background of a lab, with its log; stopped by handle."""

    def __init__(self, lab: Lab, command: str, pid: int, log: str) -> None:
        self._lab, self.command, self.pid, self._log = lab, command, pid, log

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._lab.call(f"{PROCESSES}:poll", self.pid)

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.code is None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._lab.folder.read(f"logs/{self._log}")

    def stop(self) -> int:
        """End it (SIGTERM, after three seconds SIGKILL) and return its exit code."""
        return self._lab.call(f"{PROCESSES}:stop", self.pid)


def argv_and_text(command: Command) -> tuple[list[str], str]:
    """A command as an argument list and as one would type it."""
    if isinstance(command, str):
        return ["/bin/bash", "-c", command], command
    return list(command), shlex.join(command)


def finish(stream: Iterator[Any], on_item: Callable[[Any], object] = lambda item: None) -> Any:
    """Run an iterator of `Lab.stream` to its end, giving its items to `on_item`, and return its result."""
    try:
        while True:
            on_item(next(stream))
    except StopIteration as stop:
        return stop.value
    finally:
        stream.close()  # type: ignore[attr-defined]
