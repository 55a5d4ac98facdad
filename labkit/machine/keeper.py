"""Ends what a process of labkit's has started, with all that came of it, once that process says so or ends in any way.

A script: `keeper.py LIFELINE FOLDER` deletes a folder at the end, `keeper.py LIFELINE "" COMMAND…` runs a command until then, or
until it ends by itself. LIFELINE is the number of a pipe that can be read when it is time: the process at its other end has
written to it, or is gone. Every descendant is then killed: orphans come to the keeper, their subreaper (prctl(2)).

A lab waits for it, so it imports little: `signal` and `contextlib` alone would double the time in which it starts.
"""

import ctypes
import os
import select
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# signal(7), signal(2), bits/signum-generic.h
SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGNALS, SIG_DFL, SIG_IGN = 1, 2, 9, 15, range(1, 65), 0, 1
# What still writes to the folder is ending too: how often it is tried to delete it, and how long after each time, seconds.
TRIES, PAUSE = 100, 0.1
libc = ctypes.CDLL(None)


def run(command: list[str]) -> int:
    """Start the command, which ignores no signal and dies with its keeper, and return its pid."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    pid = os.fork()
    if pid:
        return pid
    try:
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL)
        for number in SIGNALS:
            libc.signal(number, SIG_DFL)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def children() -> list[int]:
    """Return the children of this process (proc(5), /proc/PID/stat)."""
    found, own = [], str(os.getpid())
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                if file.read().rpartition(")")[2].split()[1] == own:
                    found.append(int(name))
        except OSError:  # it has ended
            pass
    return found


def kill_all() -> None:
    """Kill and collect until this process has no descendant left."""
    try:
        while True:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            for pid in children():
                os.kill(pid, SIGKILL)
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def main(lifeline: int, folder: str, command: list[str]) -> None:
    for number in (SIGHUP, SIGINT, SIGTERM):
        libc.signal(number, SIG_IGN)
    os.set_inheritable(lifeline, False)
    if folder:  # made here, it cannot be left by who ends before this runs; the command may look for it at once
        os.makedirs(folder, mode=0o700, exist_ok=True)
    pid = run(command) if command else 0
    if folder:
        import shutil

    for first, last in ((0, 2), (3, lifeline), (lifeline + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(first, last)
    select.select([lifeline, os.pidfd_open(pid)] if pid else [lifeline], [], [])
    kill_all()
    for _ in range(TRIES if folder else 0):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            break
        time.sleep(PAUSE)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
