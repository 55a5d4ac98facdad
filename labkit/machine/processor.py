"""Keeps a lab's own Linux on one processor of this machine.

User-Mode Linux has one processor, but each program in it is a process here that only ever runs while the guest's kernel
waits, and the other way round. Left alone, the scheduler wakes each of the two on another, idle processor, which makes
every system call and page fault in the guest dear: on one processor a lab opens in a third of the time.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_lock = threading.Lock()


@contextlib.contextmanager
def on_one_processor() -> Iterator[None]:
    """What this thread starts meanwhile stays on one processor, that with the fewest such programs; the thread does not.

    Where the system refuses that, it is only slower.
    """
    allowed = os.sched_getaffinity(0)
    with _lock:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {freest(allowed)})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


def freest(allowed: set[int]) -> int:
    """That of the `allowed` processors to which the fewest programs are bound; any of several."""
    bound = bound_programs() if len(allowed) > 1 else Counter()
    return min(allowed, key=lambda number: (bound[number], random.random()))


def bound_programs() -> Counter[int]:
    """How many programs are bound to each processor; a program with its children, bound as it is, counts once."""
    bound: dict[int, tuple[int, int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):  # it has ended
            allowed = os.sched_getaffinity(pid)
            if len(allowed) == 1 and Path(f"/proc/{pid}/cmdline").read_bytes():  # a thread of the kernel has none
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                bound[pid] = allowed.pop(), int(parent)
    return Counter(number for number, parent in bound.values() if parent not in bound)
