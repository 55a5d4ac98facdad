"""The cell: where the commands of a work run on a Linux of the lab's own, apart from the agent that judges them.

They share the lab's network, home, /tmp, /run and /var, but not its processes: in the cell the agent and its stream cannot
be seen, traced or ended, no device can be made, nothing be mounted. Nothing that an instrument outside reads or runs can be
written there: /etc is a copy, and the root folder, in which links lead to the loader and to /bin, is another one. All of a
work's processes together have limits (cgroups) and one share of the processor, so that a fork bomb or a memory hog harms
itself and not the agent.
"""

from __future__ import annotations

from ..inside.group import GROUPS
from .view import BIN, HOME, OPEN_OPT, PYTHON, USR_LINKS

# In the lab's root folder, which the cell does not see.
ETC = "/cell-etc"
# Of /etc all but this, hundreds of links, is copied.
ALTERNATIVES = "/alternatives"
SHARED = (HOME, "/tmp", "/run", "/var")
# What root needs to set up networks and services, and no more (capabilities(7)).
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
# Processes and threads, and bytes of memory with the files in it, of a guest that has 512 MB.
MAX_PROCESSES, MAX_MEMORY = 256, 256 * 1024 * 1024
# The first command makes the group; the processes are one level below the limits, and the first to go when memory is short.
ENTER = f"""\
set -e
if ! [ -d {ETC} ]; then
    mkdir -p {GROUPS}
    mount -t cgroup2 cell {GROUPS}
    echo '+pids +memory +cpu' >{GROUPS}/cgroup.subtree_control
    mkdir -p {GROUPS}/cell/inner
    echo {MAX_PROCESSES} >{GROUPS}/cell/pids.max
    echo {MAX_MEMORY} >{GROUPS}/cell/memory.max
    echo 0 >/proc/sys/user/max_user_namespaces
    mkdir -p {ETC}{ALTERNATIVES}
    copied=
    for each in /etc/*; do [ $each = /etc{ALTERNATIVES} ] || copied="$copied $each"; done
    cp -a $copied {ETC}
fi
echo $$ >{GROUPS}/cell/inner/cgroup.procs
echo 1000 >/proc/$$/oom_score_adj
exec "$@"
"""


def cell_command(command: list[str]) -> list[str]:
    """`command` in a cell; its processes in the background go on when it ends."""
    keep = [part for name in CAPABILITIES for part in ("--cap-add", f"CAP_{name}")]
    sandbox = [
        *("bwrap", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", *keep, "--setenv", "HOME", HOME),
        *("--ro-bind", "/usr", "/usr", *USR_LINKS, *OPEN_OPT, "--ro-bind", BIN, BIN, "--ro-bind-try", PYTHON, PYTHON),
        *("--bind", ETC, "/etc"),
        *("--ro-bind-try", f"/etc{ALTERNATIVES}", f"/etc{ALTERNATIVES}"),
        *(part for place in SHARED for part in ("--bind", place, place)), "--dir", GROUPS, "--dev", "/dev", "--proc", "/proc",
        *("--ro-bind", "/proc/cpuinfo", "/proc/cpuinfo"),
        *("--ro-bind", "/proc/sys", "/proc/sys", "--bind", "/proc/sys/net", "/proc/sys/net", "--chdir", HOME, "--"),
    ]  # fmt: skip
    return ["/bin/sh", "-c", ENTER, "cell", *sandbox, *command]
