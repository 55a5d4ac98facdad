"""Lab: one isolated machine, in which all services, all traffic and all captures of a notebook live."""

from __future__ import annotations

import re
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from .commands import COMMAND_TIMEOUT, PROCESSES, SLACK, Command, Process, Result, argv_and_text, finish, listener
from .door.server import Door
from .errors import BadInput, CommandFailed, CommandTimeout, LabClosed
from .holding import end_unheld, held_back
from .machine.choose import Opened
from .machine.folder import LabFolder, write_below
from .machine.view import FOLDER, HOME
from .opening import Opening
from .recording import Script
from .wait import wait_until


class Lab:
    """An isolated machine of its own: root, a network, a home, nothing of the host.

    `needs` names what its Linux must have: "ipvs", "dummy", "drop" ("users" always). `home` is the folder on the host that
    is ~ in the lab, by default `work` in the current folder. The lab opens in the background; the first use waits for it.
    With a `task`, the commands that solve it are kept in ~/task1.sh … ~/task4.sh, until `recording` is set to False.
    With `current` it becomes the lab of the magics %lab and %%lab, and an older such lab of this name is closed.
    One that is not `trusted` is for the work of others: it runs only on a Linux of its own inside a view, and its home there
    is a copy.
    One that nobody holds any more is closed, at the latest at the end of the process.
    Raises NoLinux at that first use when no candidate works.
    """

    current: Lab | None = None
    _by_name: ClassVar[weakref.WeakValueDictionary[str, Lab]] = weakref.WeakValueDictionary()

    def __init__(
        self, name: str = "lab", *, task: int | None = None, needs: Iterable[str] = (), home: str | Path | None = None,
        current: bool = True, trusted: bool = True,
    ) -> None:  # fmt: skip
        if not re.fullmatch(r"[\w.-]{1,40}", name):
            raise BadInput(f"{name!r} is no name for a lab.", way_out="letters, digits, - _ and . only, 40 at the most")
        self.name, self.trusted = name, trusted
        self._processes = 0
        if current and (older := Lab._by_name.pop(name, None)):
            older.close()
        with held_back():
            self.folder = LabFolder.create(name, Path("work") if home is None else Path(home))
            self._opening = Opening(name, self.folder, needs, trusted=trusted)
            self.door = Door(self, shell=trusted)
            self._unheld = end_unheld(self, close, self._opening, self.door)
        self.task, self._recording = task, task is not None
        self._script = None if task is None else Script(self.home, task)
        if current:
            Lab.current = Lab._by_name[name] = self

    def _opened(self) -> Opened:
        try:
            return self._opening.opened()
        except LabClosed:
            raise
        except BaseException:
            if self.closed:  # it could not be opened: its door goes too
                self.close()
            raise

    @property
    def home(self) -> Path:
        """The lab's ~ on the host."""
        return self.folder.home

    @property
    def closed(self) -> bool:
        """True once it has been closed."""
        return self._opening.closed

    @property
    def linux(self) -> str:
        """Which Linux the lab has: host or uml."""
        return self._opened().linux.name

    @property
    def state(self) -> tuple[str, int]:
        """Without waiting: opening, failed, host or uml, and the pid on this machine of its first process, 0 without one."""
        opened = self._opening.without_waiting
        if opened is None:
            return ("failed" if self._opening.done else "opening"), 0
        return opened.linux.name, opened.machine.pid

    def stream(self, function: str, *args: Any, timeout: float | None = COMMAND_TIMEOUT, **kwargs: Any) -> Iterator[Any]:
        """Call `module:function` of labkit inside the lab, yield its items and return its result.

        `timeout` is seconds between two items, None for any time. Closing the iterator, or an interrupt, cancels the call.
        Raises CallFailed, WaitTimeout, LabClosed.
        """
        return self._opening.until_closed(self._opened().link.stream(function, args, kwargs, timeout))

    def call(self, function: str, *args: Any, timeout: float = COMMAND_TIMEOUT, **kwargs: Any) -> Any:
        """Call `module:function` of labkit inside the lab and return its result, plain data. Raises as `stream`."""
        return finish(self.stream(function, *args, timeout=timeout, **kwargs))

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
        code = finish(self.stream(f"{PROCESSES}:run", argv, timeout, HOME, timeout=timeout + SLACK), collect)
        stdout, stderr = "".join(parts["stdout"]), "".join(parts["stderr"] + parts["dropped"])
        if parts["timeout"]:
            raise CommandTimeout(f"`{text}` did not end within {timeout:g} s and was stopped.", words=stdout + stderr)
        if code and check:
            raise CommandFailed(text, code, words=stdout + stderr)
        return Result(text, code, stdout, stderr, time.monotonic() - began)

    def start(self, command: Command, *, name: str = "process") -> Process:
        """Start a command in the background, in ~, its output in a log of the lab's; it ends with the lab at the latest."""
        argv, text = argv_and_text(command)
        self._processes += 1
        log = f"{name}-{self._processes}.log"
        pid = self.call(f"{PROCESSES}:start", argv, f"{FOLDER}/logs/{log}", HOME)
        return Process(self, text, pid, log)

    @property
    def recording(self) -> bool:
        """True while commands of this lab's task are kept in its script; False ends that: the task is solved."""
        return self._recording

    @recording.setter
    def recording(self, on: bool) -> None:
        if self._script and self._recording and not on:
            self._script.end()
        self._recording = on

    @property
    def script(self) -> Script | None:
        """The script of this lab's task, None where there is nothing to record."""
        return self._script if self._recording else None

    def record(self, *commands: str, task: int | None = None) -> None:
        """Show native commands that were applied; those of this lab's own task are kept in its script while `recording`."""
        for command in commands:
            listener.get()(f"$ {command}")
        if self.script and task == self.task:
            self.script.add(*commands)

    def write(self, path: str, text: str) -> None:
        """Write a file of the lab's home, `path` beginning with ~/. Raises BadInput for another place."""
        if not path.startswith("~/") or ".." in Path(path).parts:
            raise BadInput(f"{path!r} is not in the lab's home.", way_out="a path that begins with ~/")
        write_below(self.home, path[2:], text)
        lines = text.strip().splitlines()
        print(f"# {path}" + (f": {lines[0]}" if len(lines) == 1 else f" ({len(lines)} lines)"))

    def read(self, path: str) -> str | None:
        """The text of a file in the lab (its last 8 MiB), None when there is none; ~ is the lab's home."""
        text: str | None = self.call("labkit.inside.files:read", path.replace("~", HOME, 1) if path[:1] == "~" else path)
        return text

    def wait_until(self, check: Callable[[], Any], *, reason: str, timeout: float = 10.0) -> Any:
        """Wait for `check` to return something true. Raises WaitTimeout, which names `reason`."""
        return wait_until(check, reason=reason, timeout=timeout)

    def close(self) -> None:
        """End everything in the lab and delete its folder; its home stays. Calling it again does nothing."""
        try:
            close(self._opening, self.door)
        finally:
            self._unheld.detach()

    def __enter__(self) -> Lab:
        self._opened()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Lab {self.name}: closed>"
        return f"<Lab {self.name}: {self._opened().linux.title}>" if self._opening.done else f"<Lab {self.name}: opening>"


def close(opening: Opening, door: Door) -> None:
    """Close a lab."""
    try:
        opening.close()
    finally:
        door.close()
