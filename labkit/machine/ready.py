"""Waits for a file to be ready, with a limit; unlike select(2), poll(2) also takes numbers above 1,023."""

from __future__ import annotations

import select
from typing import IO


def readable(file: int | IO[bytes], timeout: float) -> bool:
    """True when `file` can be read, or has ended, within `timeout` seconds."""
    return _ready(file, select.POLLIN, timeout)


def writable(file: int | IO[bytes], timeout: float) -> bool:
    """True when a pipe takes 4,096 bytes (PIPE_BUF, pipe(7)) at once, or has ended, within `timeout` seconds."""
    return _ready(file, select.POLLOUT, timeout)


def _ready(file: int | IO[bytes], event: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(file, event)
    return bool(poll.poll(timeout * 1000))
