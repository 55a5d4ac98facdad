"""The first candidate: the view over the running kernel, and what IPVS needs there: the module, and socket options.

Generic netlink's IPVS commands are refused in every user namespace but the first (GENL_ADMIN_PERM), root or not. IPVS's older
interface, setsockopt(2), is allowed there. ipvsadm and keepalived take it by themselves where generic netlink is not to be had,
so a lab on the running kernel is told that it has none. What only netlink can do (services for IPv6) is refused there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

from .bwrap import find_id_maps, start_bwrap
from .folder import LabFolder
from .landlock import MACHINES, seccomp_filter
from .temporary import Kept
from .view import machine_arguments, view_of

# linux/netlink.h, linux/genetlink.h: the protocol, its controller's family and command, and the attribute for a family's name.
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 2
# Loading a module takes a tenth of a second.
TIMEOUT = 10.0


def load_ipvs() -> None:
    """Ask the running kernel for IPVS: it then loads ip_vs by its alias, for anybody who asks. Where it has none, do nothing."""
    name = struct.pack("=HH8s", 4 + len(b"IPVS\0"), CTRL_ATTR_FAMILY_NAME, b"IPVS\0")
    body = struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0) + name
    header = struct.pack("=IHHII", 16 + len(body), GENL_ID_CTRL, 1, 1, 0)  # NLM_F_REQUEST
    with contextlib.suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as kernel:
        kernel.settimeout(TIMEOUT)
        kernel.bind((0, 0))
        kernel.send(header + body)
        kernel.recv(65536)


def no_generic_netlink(machine: str) -> bytes:
    """Return a seccomp filter under which socket(AF_NETLINK, any, NETLINK_GENERIC) fails with EPROTONOSUPPORT.

    Empty for a machine that is not in MACHINES.
    """
    refused = {0: int(socket.AF_NETLINK), 2: NETLINK_GENERIC}
    return seccomp_filter(machine, [(MACHINES[machine][1], refused, errno.EPROTONOSUPPORT)]) if machine in MACHINES else b""


LOG = "linux.log"
# What the running kernel shares with every lab: read-only, so that root in a lab started by root cannot change it.
SHARED_KERNEL = ("/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/proc/sysrq-trigger")


class HostLinux:
    """bubblewrap and the running kernel."""

    name = "host"
    title = "bubblewrap + the running kernel"
    start_timeout = 15.0

    def start(self, folder: LabFolder) -> Kept:
        """Start the agent of a lab in `folder`. Raises LabError when namespaces are refused."""
        rows = no_generic_netlink(os.uname().machine)
        if not rows:
            return start_bwrap(host_arguments(folder), find_id_maps(), log=folder.path / LOG)
        with os.fdopen(os.memfd_create("seccomp"), "w+b", buffering=0) as file:
            file.write(rows)
            file.seek(0)
            arguments = ["--seccomp", str(file.fileno()), *host_arguments(folder)]
            return start_bwrap(arguments, find_id_maps(), log=folder.path / LOG, pass_fds=(file.fileno(),))


def host_arguments(folder: LabFolder) -> list[str]:
    """bubblewrap's arguments for a lab on the running kernel."""
    arguments = machine_arguments(view_of(folder))
    end = arguments.index("--")
    read_only = [part for path in SHARED_KERNEL for part in ("--ro-bind-try", path, path)]
    return [*arguments[:end], *read_only, *arguments[end:]]
