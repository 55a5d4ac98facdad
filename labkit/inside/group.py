"""The processes of a work, in its cell (machine/cell.py) or on the running kernel, and how all but a few are ended at once."""

from __future__ import annotations

import contextlib
import os
import signal

# Where the guest's groups are (machine/cell.py); here, because importing the view costs a guest 0.05 s.
GROUPS = "/sys"
INNER, KEPT = f"{GROUPS}/cell/inner", f"{GROUPS}/cell/kept"
# How often the processes of a trusted work are looked for; they may be starting others.
ROUNDS = 3


def keep_only(pids: list[int]) -> None:
    """End every process of the work but `pids` and their children to come; in a cell all at once, so that none can fork away."""
    if not os.path.isdir(INNER):
        for _ in range(ROUNDS):
            for pid in set(members()) - set(pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return
    os.makedirs(KEPT, exist_ok=True)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError), open(f"{KEPT}/cgroup.procs", "w") as file:
            file.write(str(pid))
    with open(f"{INNER}/cgroup.kill", "w") as file:  # cgroup-v2.rst: also what is forked meanwhile
        file.write("1")


def members() -> list[int]:
    """Return the processes of the work: those in its cell, or without one all but the agent and the lab's first process."""
    if not os.path.isdir(INNER):
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid(), os.getppid())]
    with open(f"{INNER}/cgroup.procs") as file:
        return [int(line) for line in file if line.strip() != "0"]
