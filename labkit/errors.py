"""The errors that a learner can meet; each says what was tried, the program's own words and the way out.

LabkitError
├── LabError: NoLinux, LabClosed, WaitTimeout, CommandFailed, CommandTimeout, CallFailed
├── ServiceError: MissingProgram, NotRunning, ConfigRejected, PortTaken
└── BadInput, MeasureError, CourseError
"""

from __future__ import annotations

import copyreg
import linecache
import re
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar


def tail(text: str, lines: int = 15) -> str:
    """Return the last `lines` lines of `text`, without blank ends."""
    return "\n".join(text.strip().splitlines()[-lines:])


# The words of programs and of Python (errno(3), threading) for what a machine can run out of, and what helps.
SHORTAGES = {
    "Resource temporarily unavailable|new thread|Cannot fork|Cannot allocate memory|MemoryError": (
        "no more processes can be started (or memory is short): end some (`ps`, in the lab `%lab ps`), "
        "or raise the limit (`ulimit -u`, or the container's)"
    ),
    "create inotify|inotify_init|inotify instances|Too many open files": (
        "no more files can be opened: end programs that hold many, or raise the limit (`ulimit -n`; for inotify, as the "
        "machine's administrator, `sysctl fs.inotify.max_user_instances=1024`)"
    ),
    "No space left on device|Disk quota exceeded": "free space where it was to be written (`df`)",
}


def shortage(words: str) -> str:
    """Return what helps when `words` tell of something that the machine has run out of, else ""."""
    found = (way_out for signs, way_out in SHORTAGES.items() if re.search(signs, words))
    return next(found, "")


def plain(text: str) -> str:
    """Return `text` without what steers a terminal, reorders letters or cannot be seen; line ends and tabs stay."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in text)


class LabkitError(Exception):
    """Base of every error of labkit.

    Attributes: `tried` (what was attempted, a sentence), `words` (the last lines of what the program itself
    said, may be empty) and `way_out` (what to do next, may be empty).
    """

    _shown = False  # in a notebook

    def __init__(self, tried: str, *, words: str = "", way_out: str = "") -> None:
        self.tried, self.words, self.way_out = tried, tail(words), way_out
        super().__init__(tried)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is not made anew: each class asks for something else then.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]

    def __str__(self) -> str:
        parts = [self.tried]
        if self.words:
            parts.append("\n".join("  | " + line for line in self.words.splitlines()))
        if self.way_out:
            parts.append(f"Way out: {self.way_out}")
        return "\n".join(parts)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the cell's line and this error's words; when it is asked again (%tb), all frames."""
        if self._shown:
            return traceback.format_exception(self)
        self._shown = True
        where = ""
        for frame, line in traceback.walk_tb(self.__traceback__):
            if frame.f_globals.get("__name__") == "__main__":  # the cell
                code = linecache.getline(frame.f_code.co_filename, line).strip()
                where = f" in line {line}: {code}"
        more = "(%tb in a cell shows the whole traceback.)"
        return [f"{type(self).__name__}{where}", str(self), more]


class LabError(LabkitError):
    """The lab's machine could not do it."""


class NoLinux(LabError):
    """None of the candidates can carry a lab with these needs here."""


class LabClosed(LabError):
    """The lab is closed, or its Linux has ended by itself."""


class WaitTimeout(LabError):
    """Something was waited for and did not come in time."""


class CommandFailed(LabError):
    """A command in the lab ended with a code other than 0; `code` has it, `command` the command."""

    def __init__(self, command: str, code: int, *, words: str = "", way_out: str = "") -> None:
        self.command, self.code = command, code
        super().__init__(f"`{command}` ended with code {code}.", words=words, way_out=way_out)


class CommandTimeout(LabError):
    """A command in the lab did not end in time and was stopped."""


class CallFailed(LabError):
    """A labkit function raised inside the lab; `kind` is the class name of what it raised."""

    def __init__(self, tried: str, *, kind: str, words: str = "", way_out: str = "") -> None:
        self.kind = kind
        super().__init__(tried, words=words, way_out=way_out)


class ServiceError(LabkitError):
    """A service could not be started, configured or stopped."""


class MissingProgram(ServiceError):
    """The program is not installed where the lab could see it."""


class NotRunning(ServiceError):
    """A service is asked for that nobody has started in the lab."""


class ConfigRejected(ServiceError):
    """The program refuses its configuration."""


class PortTaken(ServiceError):
    """Another process in the lab already listens on that address and port."""


class BadInput(LabkitError):
    """A value that cannot be used; nothing was run."""


class MeasureError(LabkitError):
    """An observation could not be made."""


class CourseError(LabkitError):
    """A notebook, a check or a report failed."""


T = TypeVar("T")


def wait_until(
    check: Callable[[], T], *, reason: str, timeout: float = 10, interval: float = 0.02, way_out: str = ""
) -> T:  # fmt: skip
    """Call `check` until it returns something true, and return that.

    `timeout` and `interval` are seconds. Raises WaitTimeout, which names `reason`, when the time is over.
    """
    deadline = time.monotonic() + timeout
    while not (value := check()):
        if time.monotonic() >= deadline:
            raise WaitTimeout(f"Waited {timeout:g} s for {reason}.", way_out=way_out)
        time.sleep(interval)
    return value


def require(fine: object, tried: str, way_out: str = "") -> None:
    """Raise BadInput, with what was tried and the way out, unless a value is `fine`."""
    if not fine:
        raise BadInput(tried, way_out=way_out)
