"""Ends User-Mode Linux with all its processes where no pid namespace does that: the parent of a bare linux.uml.

A script: `warden.py FD COMMAND…` runs the command until it ends or FD, a pipe that the notebook's process holds open,
reaches its end. Every descendant is then killed: orphans come to the warden, because it is their subreaper (prctl(2)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def children(pid: int) -> list[int]:
    """The children of process `pid`, from /proc (proc(5), children)."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
    return []


def kill_descendants(pid: int) -> None:
    """Kill and reap until process `pid`, which is this one, has no descendant left."""
    while found := children(pid):
        for child in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def main() -> None:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    process = subprocess.Popen(command, preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    for stream in (0, 1):
        os.close(stream)
    ended = os.pidfd_open(process.pid)
    select.select([lifeline, ended], [], [])
    kill_descendants(os.getpid())


if __name__ == "__main__":
    main()
