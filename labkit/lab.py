"""Lab: one isolated machine, in which all services, all traffic and all captures of a notebook live."""

from __future__ import annotations

import atexit
import re
import shlex
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from . import errors
from .door.server import Door
from .errors import CallFailed, LabClosed, LabError, WaitTimeout, require, shortage
from .inside import files, processes
from .machine.choose import Opened, choose
from .machine.folder import LabFolder, write_below
from .machine.link import COMMAND_TIMEOUT, SLACK, P, T, finish
from .machine.temporary import held_back
from .machine.view import FOLDER, HANDED_IN, HOME
from .recording import Record, Script, listener

Command = str | Sequence[str]
Item = TypeVar("Item")
# How long a lab may take to open or to close, seconds: more than all candidates together may, each within its own limits.
TIMEOUT = 600.0


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
        end = f"\n(ended with code {self.code})" if self.code else ""
        printer.text(f"$ {self.command}\n{str(self).rstrip()}{end}")


class Process:
    """A command in the background of a lab, with its log; stopped by handle."""

    def __init__(self, lab: Lab, command: str, pid: int, log: str) -> None:
        self._lab, self.command, self.pid, self._log = lab, command, pid, log

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._lab.call(processes.poll, self.pid)

    @property
    def alive(self) -> bool:
        return self.code is None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._lab.folder.read(f"logs/{self._log}")

    def stop(self) -> int:
        """End it (SIGTERM, after three seconds SIGKILL) and return its exit code."""
        return self._lab.call(processes.stop, self.pid)


def argv_and_text(command: Command) -> tuple[list[str], str]:
    """Return a command as an argument list and as one would type it."""
    if isinstance(command, str):
        return ["/bin/bash", "-c", command], command
    return list(command), shlex.join(command)


class Lab:
    """An isolated machine of its own: root, a network, a home, nothing of the host.

    `needs` names what its Linux must have: "ipvs", "dummy", "drop" ("users" always). `home` is the folder on the host that
    is ~ in the lab, by default `work` in the current folder. The lab opens in the background; the first use waits for it.
    With a `task`, the commands that solve it are kept in ~/task1.sh … ~/task4.sh, until `recording` is set to False.
    With `current` it becomes the lab of the magics %lab and %%lab, and an older such lab of this name is closed.
    One that is not `trusted` is for the work of others: it runs only on a Linux of its own that is kept in, and its home there
    is a copy.
    It is open until it is closed, at the latest at the end of the process. An interrupt ends the waiting for it, never its
    opening or closing.
    Raises NoLinux at that first use when no candidate works.
    """

    current: Lab | None = None
    _all: ClassVar[list[Lab]] = []  # that are open

    def __init__(
        self, name: str = "lab", *, task: int | None = None, needs: Iterable[str] = (), home: str | Path | None = None,
        current: bool = True, trusted: bool = True,
    ) -> None:  # fmt: skip
        fine = re.fullmatch(r"[\w.-]{1,40}", name)
        way_out = "letters, digits, - _ and . only, 40 at the most"
        require(fine, f"{name!r} is no name for a lab.", way_out)
        self.name, self.trusted, self.task, self._of_magics = name, trusted, task, current
        self._processes, self._machine, self._closing = 0, Future[Opened](), threading.Lock()
        self._end: Future[None] | None = None
        for older in [lab for lab in Lab._all if current and lab._of_magics and lab.name == name]:
            older.close()
        try:
            with held_back():
                self.folder = LabFolder.create(name, Path("work") if home is None else Path(home))
                self._script = None if task is None else Script(self.home, task)
                self.typed = Record(name, self.folder, self._script)
                self.door = Door(self, shell=trusted)
                try:
                    self._in_thread("open", self._open, tuple(needs), trusted)
                except RuntimeError as error:  # no more threads
                    self.folder.remove()
                    tried, words = "No thread can be started to open the lab.", str(error)
                    raise LabError(tried, words=words, way_out=shortage(words)) from None
                Lab._all.append(self)
                self.door.open()
                if current:
                    Lab.current = self
        except KeyboardInterrupt:  # that came meanwhile: nobody gets this lab
            if self in Lab._all:
                self.close()
            raise

    def _in_thread(self, what: str, function: Callable[..., None], *args: object) -> None:
        name = f"labkit-{what}-{self.name}"
        threading.Thread(target=function, args=args, name=name, daemon=True).start()

    def _open(self, needs: tuple[str, ...], trusted: bool) -> None:
        try:
            opened = choose(needs, self.folder, trusted=trusted)
            try:
                if not trusted:
                    finish(opened.link.stream(files.copy_tree, COMMAND_TIMEOUT, HANDED_IN, HOME))
            except BaseException as error:
                opened.stop()
                if not isinstance(error, CallFailed):
                    raise
                tried = "The work cannot be copied into the lab."
                raise LabError(tried, words=error.tried, way_out=error.way_out) from error
            self._machine.set_result(opened)
        except BaseException as error:
            self._machine.set_exception(error)

    def _opened(self) -> Opened:
        """Wait for the open machine. Raises LabClosed, WaitTimeout, and NoLinux after the lab has been closed."""
        if self.closed:
            raise self._is_closed()
        try:
            return self._machine.result(TIMEOUT)
        except TimeoutError:
            tried = f"Waited {TIMEOUT:g} s for the lab {self.name} to open."
            way_out = "`./lab doctor` shows what each candidate does here"
            raise WaitTimeout(tried, way_out=way_out) from None
        except Exception:
            self.close()
            raise

    def _is_closed(self) -> LabClosed:
        way_out = "open it again: run the cell with `Lab(…)` again"
        return LabClosed(f"The lab {self.name} is closed.", way_out=way_out)

    @property
    def home(self) -> Path:
        return self.folder.home

    @property
    def closed(self) -> bool:
        """True once it is closed, or closing."""
        return self._end is not None

    @property
    def linux(self) -> str:
        """Which Linux the lab has: host or uml."""
        return self._opened().linux.name

    @property
    def state(self) -> tuple[str, int]:
        """Without waiting: opening, failed, host or uml, and the pid on this machine of its first process, 0 without one."""
        if not self._machine.done():
            return "opening", 0
        if self._machine.exception(0):
            return "failed", 0
        opened = self._machine.result(0)
        return opened.linux.name, opened.machine.pid

    def stream(
        self, function: Callable[P, Iterator[Item]], timeout: float | None, /, *args: P.args, **kwargs: P.kwargs
    ) -> Generator[Item, None, Any]:
        """Call a generator function of labkit.inside in the lab, yield its items and return its result.

        `timeout` is seconds between two items, None for any time. Closing the iterator, or an interrupt, cancels the call.
        Raises CallFailed, WaitTimeout, LabClosed.
        """
        stream = self._opened().link.stream(function, timeout, *args, **kwargs)
        try:
            return (yield from stream)
        except CallFailed as error:  # perhaps because everything in the lab is being ended
            if not self.closed:
                raise
            raise self._is_closed() from error

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of labkit.inside in the lab and return its result, plain data. Raises as `stream`."""
        return self.call_within(COMMAND_TIMEOUT, function, *args, **kwargs)

    def call_within(self, timeout: float | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function as `call` does, which may take `timeout` seconds."""
        return finish(self.stream(function, timeout, *args, **kwargs))  # type: ignore[arg-type]

    def run(
        self, command: Command, *, timeout: float = COMMAND_TIMEOUT, check: bool = True,
        on_output: Callable[[str], object] | None = None,
    ) -> Result:  # fmt: skip
        """Run a command in ~ to its end: a str by the shell, a list as it is. `on_output` is given the output as it comes.

        Where it prints more than 4 MiB the rest is dropped, and the end of `stderr` says so.
        Raises CommandFailed (a code other than 0, unless `check` is off) and CommandTimeout (after `timeout` seconds).
        """
        argv, text = argv_and_text(command)
        parts: dict[str, list[str]] = defaultdict(list)

        def collect(item: tuple[str, str]) -> None:
            parts[item[0]].append(item[1])
            if on_output and item[0] != "timeout":
                on_output(item[1])

        began = time.monotonic()
        code = finish(self.stream(processes.run, timeout + SLACK, argv, timeout, HOME), collect)
        stdout, stderr = "".join(parts["stdout"]), "".join(parts["stderr"] + parts["dropped"])
        if parts["timeout"]:
            tried = f"`{text}` did not end within {timeout:g} s and was stopped."
            raise errors.CommandTimeout(tried, words=stdout + stderr)
        if code and check:
            raise errors.CommandFailed(text, code, words=stdout + stderr)
        return Result(text, code, stdout, stderr, time.monotonic() - began)

    def start(self, command: Command, *, name: str = "process") -> Process:
        """Start a command in the background, in ~, its output in a log of the lab's; it ends with the lab at the latest."""
        argv, text = argv_and_text(command)
        self._processes += 1
        log = f"{name}-{self._processes}.log"
        pid = self.call(processes.start, argv, f"{FOLDER}/logs/{log}", HOME)
        return Process(self, text, pid, log)

    @property
    def recording(self) -> bool:
        """True while commands of this lab's task are kept in its script; False ends that: the task is solved."""
        return self._script is not None and self._script.recording

    @recording.setter
    def recording(self, on: bool) -> None:
        if self._script and self._script.recording and not on:
            self._script.end()
        if self._script:
            self._script.recording = on

    @property
    def script(self) -> Script | None:
        """The script of this lab's task, None where there is nothing to record."""
        return self._script if self.recording else None

    def record(self, *commands: str, task: int | None = None) -> None:
        """Show native commands that were applied; those of this lab's own task are kept in its script while `recording`."""
        for command in commands:
            listener.get()(f"$ {command}")
        if self.script and task == self.task:
            self.script.add(*commands)

    def write(self, path: str, text: str) -> None:
        """Write a file of the lab's home, `path` beginning with ~/. Raises BadInput for another place."""
        inside = path.startswith("~/") and ".." not in Path(path).parts
        require(inside, f"{path!r} is not in the lab's home.", "a path that begins with ~/")
        write_below(self.home, path[2:], text)
        lines = text.strip().splitlines()
        print(f"# {path}" + (f": {lines[0]}" if len(lines) == 1 else f" ({len(lines)} lines)"))

    def read(self, path: str) -> str | None:
        """Return the text of a file in the lab (its last 8 MiB), None when there is none; ~ is the lab's home."""
        return self.call(files.read, path.replace("~", HOME, 1) if path[:1] == "~" else path)

    def close(self) -> None:
        """End everything in the lab and delete its folder; its home stays. Calling it again does nothing. Raises WaitTimeout."""
        to_close_here = False
        # One of several callers closes it, and all wait for the same end.
        with held_back(), self._closing:
            end = self._end or Future()
            if self._end is None:
                self._end = end
                self.folder.given_up.set()
                try:
                    self._in_thread("close", self._close, end)
                except RuntimeError:  # no thread is to be had: the process ends, or has too many
                    to_close_here = True
        if to_close_here:
            self._close(end)
        try:
            end.result(TIMEOUT)
        except TimeoutError:
            raise WaitTimeout(f"Waited {TIMEOUT:g} s for the end of the lab {self.name}.") from None
        finally:
            self.door.close()

    def _close(self, end: Future[None]) -> None:
        try:
            try:
                if not self._machine.exception(TIMEOUT):
                    self._machine.result(0).stop()
            finally:
                self.folder.remove()
                Lab._all.remove(self)
            end.set_result(None)
        except BaseException as error:
            end.set_exception(error)

    def __enter__(self) -> Lab:
        try:
            self._opened()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed or not self._machine.done():
            return f"<Lab {self.name}: {'closed' if self.closed else 'opening'}>"
        return f"<Lab {self.name}: {self._opened().linux.title}>"


@atexit.register
def close_all() -> None:
    """Close at the end of the process the labs that are still open."""
    for lab in list(Lab._all):
        try:
            lab.close()
        except Exception as error:  # the others are still to be closed
            print(error, file=sys.stderr)
