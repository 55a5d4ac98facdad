"""The processes of a work in its cell (machine/cell.py), as one group that can be ended at once."""

from __future__ import annotations

import contextlib
import os

# Where the guest's groups are (machine/cell.py); here, because importing the view costs a guest 0.05 s.
GROUPS = "/sys"
INNER, KEPT = f"{GROUPS}/cell/inner", f"{GROUPS}/cell/kept"


def keep_only(pids: list[int]) -> None:
    """End every process of the work but `pids` (and their children to come), all at once, so that none can fork away.

    Raises OSError where there is no cell.
    """
    os.makedirs(KEPT, exist_ok=True)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError), open(f"{KEPT}/cgroup.procs", "w") as file:
            file.write(str(pid))
    with open(f"{INNER}/cgroup.kill", "w") as file:  # cgroup-v2.rst: also what is forked meanwhile
        file.write("1")


def members() -> list[int]:
    """The processes of the work. Raises OSError where there is no cell."""
    with open(f"{INNER}/cgroup.procs") as file:
        return [int(line) for line in file if line.strip() != "0"]
