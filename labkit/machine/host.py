"""The first candidate: the view over the running kernel, in namespaces of its own."""

from __future__ import annotations

import os

from .bwrap import Sandbox
from .folder import LabFolder
from .ids import find_id_maps
from .seccomp import no_generic_netlink
from .view import machine_arguments, view_of

LOG = "linux.log"
# What the running kernel shares with every lab: read-only, so that root in a lab started by root cannot change it.
SHARED_KERNEL = ("/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/proc/sysrq-trigger")


class HostLinux:
    """bubblewrap and the running kernel."""

    name = "host"
    title = "bubblewrap + the running kernel"
    start_timeout = 15.0

    def start(self, folder: LabFolder) -> Sandbox:
        """Start the agent of a lab in `folder`. Raises LabError when namespaces are refused."""
        rows = no_generic_netlink(os.uname().machine)
        if not rows:
            return Sandbox(host_arguments(folder), find_id_maps(), log=folder.path / LOG)
        with os.fdopen(os.memfd_create("seccomp"), "w+b", buffering=0) as file:
            file.write(rows)
            file.seek(0)
            arguments = ["--seccomp", str(file.fileno()), *host_arguments(folder)]
            return Sandbox(arguments, find_id_maps(), log=folder.path / LOG, pass_fds=(file.fileno(),))


def host_arguments(folder: LabFolder) -> list[str]:
    """bubblewrap's arguments for a lab on the running kernel."""
    arguments = machine_arguments(view_of(folder))
    end = arguments.index("--")
    read_only = [part for path in SHARED_KERNEL for part in ("--ro-bind-try", path, path)]
    return [*arguments[:end], *read_only, *arguments[end:]]
