"""Signals: which ones a program of labkit's begins with, and how an interrupt waits for what must not be lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Before a command: it begins with every signal's default disposition, whatever was ignored here (env(1), nohup(1)).
DEFAULT_SIGNALS = ("env", "--default-signal")


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
    """An interrupt that comes meanwhile takes effect at the end.

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
