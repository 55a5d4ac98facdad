"""The cell, where a stranger's commands run, in the guest beside the agent that judges them: argument lists by pure functions.

The guest's own kernel confines what runs there: nothing that a work can write is loaded as code. What it writes can be run, as
what it is; but no program of the system can be made to run other code than its own (AppArmor's right `m`, mmap(2) with
PROT_EXEC, which is asked for too when a page becomes executable later), and there are no files without a name (memfd_create(2)),
of which AppArmor knows nothing.
"""

from __future__ import annotations

import errno
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..inside.processes import GROUPS, INNER
from .landlock import seccomp_filter
from .view import BIN, FOLDER, HOME, PATH, PYTHON, USR_LINKS

# The rules of what runs in the cell, compiled, in the lab's folder (LabFolder), which the cell does not see.
PROFILE, FILTER = "cell.apparmor", "cell.seccomp"
# What the cell has read-only. Nothing of it can be moved away to put something else in its place: each part is a mount, and so is
# /opt, in which some lie.
CODE = ("/usr", BIN, *(() if os.path.realpath(sys.base_prefix).startswith("/usr/") else (PYTHON,)))
# Only that can be loaded as code (apparmor.d(5)); `px -> cell` runs a program under the same rules, where
# `ix` would imply the right m. What is refused besides, no cell has the capability for.
RULES = f"""\
profile cell flags=(attach_disconnected,mediate_deleted) {{
  capability,
  network,
  signal,
  ptrace,
  / rwlk,
  /** rwlk,
  /** px -> cell,
{"".join(f"  {place}/** m,{chr(10)}" for place in CODE)}}}
"""
# What the parser compiles for, instead of the running kernel: all that the guest's knows.
FEATURES = "/usr/share/apparmor-features/features"
# Calls that the cell has not (arch/x86/entry/syscalls/syscall_64.tbl). iptables' older rules are set by setsockopt(2) of IP or
# IPv6, and could count and lead packets while a work is judged; io_uring could set them too, and acts behind its caller's back.
SETSOCKOPT, MEMFD_CREATE, IO_URING_SETUP = 54, 319, 425
IPT_SO_SET_REPLACE, SOL_IP, SOL_IPV6 = 64, 0, 41
REFUSED = [
    (MEMFD_CREATE, {}, errno.ENOSYS), (IO_URING_SETUP, {}, errno.ENOSYS),
    *((SETSOCKOPT, {1: level, 2: IPT_SO_SET_REPLACE}, errno.EPERM) for level in (SOL_IP, SOL_IPV6)),
]  # fmt: skip
# In the lab's root folder, which the cell does not see.
ETC, POLICY = "/cell-etc", "/cell-policy"
# Of /etc all but this, hundreds of links, is copied.
ALTERNATIVES = "alternatives"
SHARED = (HOME, "/tmp", "/run", "/var")
# What root needs to set up networks and services, and no more (capabilities(7)).
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
# Processes and threads, and bytes of memory with the files in it, of a guest that has 512 MB.
MAX_PROCESSES, MAX_MEMORY = 256, 256 * 1024 * 1024
# What `processes.prepare_cell` makes and sets before the first command.
PREPARATION = (
    {
        f"{GROUPS}/cgroup.subtree_control": "+pids +memory +cpu",
        f"{GROUPS}/cell/pids.max": str(MAX_PROCESSES),
        f"{GROUPS}/cell/memory.max": str(MAX_MEMORY),
        "/proc/sys/user/max_user_namespaces": "0",
        "/proc/sys/kernel/yama/ptrace_scope": "3",
    },
    f"{FOLDER}/{PROFILE}", POLICY, ETC, ALTERNATIVES,
)  # fmt: skip
# The processes are one level below the limits, and the first to go when memory is short.
ENTER = f"""\
set -e
echo $$ >{INNER}/cgroup.procs
echo 1000 >/proc/$$/oom_score_adj
if [ -e {FOLDER}/{FILTER} ]; then exec 9<{FOLDER}/{FILTER}; fi
exec "$@"
"""
# bubblewrap's own work is done when these rules begin.
CONFINED = 'echo "exec cell" >/proc/self/attr/exec && exec "$@"'


@functools.cache
def rules() -> bytes:
    """RULES, compiled. Raises LabError where AppArmor's parser is not installed or does not take them."""
    try:
        command = ["apparmor_parser", "--skip-kernel-load", "--skip-cache", "--stdout"]
        command += ["--features-file", FEATURES]
        how: dict[str, Any] = {"input": RULES.encode(), "capture_output": True, "env": {"PATH": PATH}}
        return bytes(subprocess.run(command, check=True, timeout=60, **how).stdout)
    except (OSError, subprocess.SubprocessError) as error:
        words = (getattr(error, "stderr", b"") or str(error).encode()).decode(errors="replace")
        tried = "The rules for the work of others cannot be compiled for the guest's AppArmor"
        way_out = "apt-get install apparmor"
        raise LabError(f"{tried} (`apparmor_parser`).", words=words, way_out=way_out) from None


def write_rules(folder: Path) -> None:
    """Write into the lab's folder what `cell_command` goes by. Raises LabError (see `rules`)."""
    (folder / PROFILE).write_bytes(rules())
    (folder / FILTER).write_bytes(seccomp_filter("x86_64", REFUSED, only_known=True))


def cell_command(command: list[str], *, trusted: bool = False) -> list[str]:
    """`command` in a cell that is prepared; its processes in the background go on when it ends.

    One that is `trusted` runs in a lab of the learner's own, for which nobody has written rules (`write_rules`).
    """
    keep = [part for name in CAPABILITIES for part in ("--cap-add", f"CAP_{name}")]
    sandbox = [
        *("bwrap", *(() if trusted else ("--seccomp", "9")), "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"),
        *(*keep, "--setenv", "HOME", HOME),
        *("--ro-bind", "/usr", "/usr", *USR_LINKS, "--perms", "0755", "--tmpfs", "/opt", "--ro-bind", BIN, BIN),
        *("--ro-bind-try", PYTHON, PYTHON, "--bind", ETC, "/etc"),
        *("--ro-bind-try", f"/etc/{ALTERNATIVES}", f"/etc/{ALTERNATIVES}"),
        *(part for place in SHARED for part in ("--bind", place, place)), "--dir", GROUPS, "--dev", "/dev", "--proc", "/proc",
        *("--ro-bind", "/proc/cpuinfo", "/proc/cpuinfo"),
        *("--ro-bind", "/proc/sys", "/proc/sys", "--bind", "/proc/sys/net", "/proc/sys/net", "--chdir", HOME, "--"),
        *(() if trusted else ("/bin/sh", "-c", CONFINED, "cell")),
    ]  # fmt: skip
    return ["/bin/sh", "-c", ENTER, "cell", *sandbox, *command]
