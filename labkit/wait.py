"""The one way to wait: a check, a deadline and a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from .errors import WaitTimeout

T = TypeVar("T")


def wait_until(
    check: Callable[[], T],
    *,
    reason: str,
    timeout: float,
    interval: float = 0.02,
    way_out: str = "",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call `check` until it returns something true, and return that.

    `timeout` and `interval` are seconds. Raises WaitTimeout, which names `reason`, when the time is over.
    """
    deadline = clock() + timeout
    while True:
        value = check()
        if value:
            return value
        if clock() >= deadline:
            raise WaitTimeout(f"Waited {timeout:g} s for {reason}.", way_out=way_out)
        sleep(interval)
