"""Watches a folder into which reports arrive: says which there are, whenever that has changed and all of them are whole."""

import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput
from .batch import pages_below

# How often the folder is looked at, and how long a file must have stayed as it is to count as whole, seconds: an upload pauses.
EVERY, QUIET = 2.0, 5.0


def arrivals(folder: Path, *, every: float = EVERY, quiet: float = QUIET) -> Iterator[list[Path]]:
    """Yield the whole reports below `folder`, without end: at first, and then when one has come, changed or gone.

    One that still grows is left out until it does no more. Looking works on shares of other machines too, where the kernel tells
    of no change. Raises BadInput where there is no folder.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder.", way_out="name the folder into which the reports come")
    seen: dict[Path, tuple[tuple[int, int], float]] = {}
    told: dict[Path, tuple[int, int]] = {}
    while True:
        now, states = time.monotonic(), dict[Path, tuple[int, int]]()
        for page in pages_below(folder, say=False):
            try:
                found = page.stat()
            except OSError:  # gone meanwhile
                continue
            states[page] = found.st_size, found.st_mtime_ns
        seen = {page: seen[page] if seen.get(page, (None,))[0] == state else (state, now) for page, state in states.items()}
        whole = {page: state for page, (state, since) in seen.items() if now - since >= quiet}
        if whole != told and whole:
            told = whole
            yield sorted(whole)
        time.sleep(every)
