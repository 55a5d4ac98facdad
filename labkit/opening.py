"""The life of a lab's machine: it opens and closes in threads of their own, and every wait for it has a limit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from .commands import COMMAND_TIMEOUT, PROCESSES, SLACK, finish
from .errors import CallFailed, LabClosed, LabError, WaitTimeout, shortage
from .holding import held_back
from .machine.choose import Opened, choose
from .machine.folder import LabFolder
from .machine.view import HANDED_IN, HOME

# More than all candidates together may take, each within its own limits, seconds.
TIMEOUT = 600.0


class Opening:
    """A machine that opens in the background. An interrupt ends the waiting for it, never its opening or closing."""

    def __init__(self, name: str, folder: LabFolder, needs: Iterable[str], *, trusted: bool) -> None:
        """Begin to open it. Raises LabError, and deletes the folder, when not even a thread can be started."""
        self._name, self._folder = name, folder
        self._machine: Future[Opened] = Future()
        self._end: Future[None] | None = None
        self._closing = threading.Lock()
        try:
            self._in_thread("open", self._open, tuple(needs), trusted)
        except BaseException as error:
            folder.remove()
            if isinstance(error, RuntimeError):
                words = str(error)
                raise LabError("No thread can be started to open the lab.", words=words, way_out=shortage(words)) from None
            raise

    def _in_thread(self, what: str, function: Callable[..., None], *args: object) -> None:
        threading.Thread(target=function, args=args, name=f"labkit-{what}-{self._name}", daemon=True).start()

    def _open(self, needs: tuple[str, ...], trusted: bool) -> None:
        try:
            opened = choose(needs, self._folder, trusted=trusted)
            try:
                if not trusted:
                    copy_work(opened)
            except BaseException:
                opened.stop()
                raise
            self._machine.set_result(opened)
        except BaseException as error:
            self._machine.set_exception(error)

    @property
    def done(self) -> bool:
        """True once it is open, or cannot be."""
        return self._machine.done()

    @property
    def closed(self) -> bool:
        """True once it is closed, or closing."""
        return self._end is not None

    @property
    def without_waiting(self) -> Opened | None:
        """The open machine, None as long as it opens and when it could not be."""
        return self._machine.result(0) if self.done and not self._machine.exception(0) else None

    def opened(self) -> Opened:
        """The open machine, waited for. Raises LabClosed, WaitTimeout, and NoLinux after it has been closed."""
        if self.closed:
            raise self._is_closed()
        try:
            return self._machine.result(TIMEOUT)
        except TimeoutError:
            way_out = "`./lab doctor` shows what each candidate does here"
            raise WaitTimeout(f"Waited {TIMEOUT:g} s for the lab {self._name} to open.", way_out=way_out) from None
        except Exception:
            self.close()
            raise

    def until_closed(self, stream: Iterator[Any]) -> Iterator[Any]:
        """A call into the machine, its items and result. Raises LabClosed for what fails because everything in it is ended."""
        try:
            return (yield from stream)
        except CallFailed as error:
            if not self.closed:
                raise
            raise self._is_closed() from error

    def _is_closed(self) -> LabClosed:
        return LabClosed(f"The lab {self._name} is closed.", way_out="open it again: run the cell with `Lab(…)` again")

    def close(self) -> None:
        """End everything in it and delete its folder. Raises WaitTimeout."""
        to_close_here = False
        with held_back(), self._closing:  # one of several callers closes it, and all wait for the same end
            end = self._end or Future()
            if self._end is None:
                self._end = end
                try:
                    self._in_thread("close", self._close, end)
                except RuntimeError:  # no thread is to be had: the process ends, or has too many
                    to_close_here = True
        if to_close_here:
            self._close(end)
        try:
            end.result(TIMEOUT)
        except TimeoutError:
            raise WaitTimeout(f"Waited {TIMEOUT:g} s for the end of the lab {self._name}.") from None

    def _close(self, end: Future[None]) -> None:
        try:
            try:
                if not self._machine.exception(TIMEOUT):
                    self._machine.result(0).stop()
            finally:
                self._folder.remove()
            end.set_result(None)
        except BaseException as error:
            end.set_exception(error)


def copy_work(opened: Opened) -> None:
    """Copy the work of somebody else into the lab's home. Raises LabError."""
    arguments = (["cp", "-a", f"{HANDED_IN}/.", f"{HOME}/"], COMMAND_TIMEOUT)
    words: list[tuple[str, str]] = []
    if finish(opened.link.stream(f"{PROCESSES}:run", arguments, {}, COMMAND_TIMEOUT + SLACK), words.append):
        raise LabError("The work cannot be copied into the lab.", words="".join(text for _, text in words))
