"""What must not be lost: it is made without an interrupt, and ends when nobody holds it any more."""

from __future__ import annotations

import atexit
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Before a command: it begins with every signal's default disposition, whatever was ignored here (env(1), nohup(1)).
DEFAULT_SIGNALS = ("env", "--default-signal")

_ends: set[weakref.finalize[..., Any]] = set()


def ignore_here_only() -> None:
    """Have what this process starts begin with the default dispositions of the signals that it was told to ignore.

    Under nohup, in a script's background or under a service manager it is told so, and every child would inherit that
    (signal(7)). A handler that does nothing is not inherited. For commands of one's own there is DEFAULT_SIGNALS.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


@contextmanager
def held_back() -> Iterator[None]:
    """An interrupt that comes meanwhile takes effect at the end, where what was made has a name, or nobody holds it.

    Only the main thread is ever interrupted, so elsewhere nothing changes.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            usual(*came[0])


def end_unheld(owner: object, end: Callable[..., object], *args: object) -> weakref.finalize[..., Any]:
    """Call `end(*args)` once the last name of `owner` is gone, or the process ends, unless what is returned is detached."""
    found = weakref.finalize(owner, in_thread, end, *args)
    found.atexit = False
    _ends.difference_update([each for each in list(_ends) if not each.alive])
    _ends.add(found)
    return found


def in_thread(end: Callable[..., object], *args: object) -> None:
    """Call it in a thread, for which the process waits: a name can go in any thread and place, and there nothing may wait."""
    threading.Thread(target=end, args=args, name="labkit-unheld").start()


@atexit.register
def end_all() -> None:
    """Call at the end of the process what has not been called yet."""
    for each in list(_ends):
        if what := each.detach():
            _, _, (end, *args), _ = what
            try:
                end(*args)
            except Exception as error:  # the others are still to be called
                print(error, file=sys.stderr)
