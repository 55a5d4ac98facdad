"""bubblewrap: how it is started, which user ids its namespace can have, what helps where it is refused; and the first candidate.

That is the view over the running kernel, and what IPVS needs there: the module, and socket options. Generic netlink's IPVS
commands are refused in every user namespace but the first (GENL_ADMIN_PERM), root or not. IPVS's older interface,
setsockopt(2), is allowed there. ipvsadm and keepalived take it by themselves where generic netlink is not to be had, so a lab on
the running kernel is told that it has none. What only netlink can do (services for IPv6) is refused there.

Programs that change their user (dnsmasq and nginx do) need more than one id in the lab: a full range, which root may
map directly and an ordinary user through newuidmap and its line in /etc/subuid (subuid(5), newuidmap(1)).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError, shortage
from .folder import LOG, LabFolder
from .landlock import MACHINES, seccomp_filter
from .temporary import Kept, ready
from .view import bound, machine_arguments, view_of

START_TIMEOUT = 10.0


def start_bwrap(
    arguments: list[str], maps: IdMaps, *, log: Path, pass_fds: tuple[int, ...] = (), one_processor: bool = False
) -> Kept:
    """Start `bwrap` with `arguments`, its stderr in `log`. Raises LabError when it does not start."""
    if not shutil.which("bwrap"):
        tried, way = "bubblewrap (`bwrap`) is not installed.", "apt-get install bubblewrap"
        raise LabError(tried, way_out=way)
    (said, info), (block, release) = os.pipe(), os.pipe()
    command = ["bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--info-fd", str(info)]
    if maps.full:
        command += ["--userns-block-fd", str(block)]
    try:
        try:
            handed = (info, block, *pass_fds)
            sandbox = Kept([*command, *arguments], log=log, pass_fds=handed, one_processor=one_processor)
        except OSError as error:  # no process or pipe is to be had
            tried, words = "bubblewrap could not be started.", str(error)
            raise LabError(tried, words=words, way_out=way_out(words)) from error
        finally:
            os.close(info)
            os.close(block)
        try:
            give_ids(said, release, maps, log)
        except BaseException:
            sandbox.close()
            raise
    finally:
        os.close(said)
        os.close(release)
    return sandbox


def give_ids(said: int, release: int, maps: IdMaps, log: Path) -> None:
    """Read the pid of the sandbox's first process from `said`, give it its ids, and let it run by `release`. Raises LabError."""
    text = b""
    while b"}" not in text and ready(said, START_TIMEOUT) and (part := os.read(said, 4096)):
        text += part
    try:
        pid = int(json.loads(text)["child-pid"])
        if maps.full:
            write_maps(maps, pid)
            os.write(release, b"x")
    except (OSError, ValueError) as error:  # it has ended, or said nothing
        words = log.read_text(encoding="utf-8", errors="replace") or (str(error) if text else "")
        tried = "bubblewrap could not make its namespaces."
        raise LabError(tried, words=words, way_out=way_out(words)) from None


RANGE = 65536
SUBIDS = (Path("/etc/subuid"), Path("/etc/subgid"))
MAPS, ID_PROGRAMS = ("uid_map", "gid_map"), ("newuidmap", "newgidmap")


@dataclass(frozen=True)
class IdMaps:
    """How ids are mapped: `kind` is root, subids or single; `first` the first subordinate user and group id."""

    kind: str
    first: tuple[int, int] = (0, 0)

    @property
    def full(self) -> bool:
        """True when the lab has users besides root."""
        return self.kind != "single"


def subordinate(file: Path, user: str, number: int) -> int | None:
    """Return the first id of a range of at least 65,535 that `file` (subuid(5)) gives to `user`, or None."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        found = re.match(r"([^:]*):(\d+):(\d+)(:|$)", line, re.ASCII)
        if found and found[1] in (user, str(number)) and int(found[3]) >= RANGE - 1:
            return int(found[2])
    return None


def ranges(id_map: str) -> list[tuple[int, int]]:
    """The ranges (first id, count) that together are the ids 0 to 65535 here, by the text of /proc/self/uid_map; else none.

    The first user namespace has them in one range, the root of a rootless container in two or more; a new map has to
    keep to them (user_namespaces(7)).
    """
    found, following = [], 0
    for first, _, count in sorted([*map(int, row.split())] for row in id_map.splitlines()):
        if first == following < RANGE:
            found.append((first, min(count, RANGE - first)))
            following += count
    return found if following >= RANGE else []


def user_name() -> str:
    """The name of this user, "" without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def own_ranges() -> list[int | None]:
    """The first subordinate user id and group id of this user, each None without a range of them."""
    return [subordinate(file, user_name(), os.getuid()) for file in SUBIDS]


def first_free() -> int:
    """The first id that no line of /etc/subuid and /etc/subgid gives to anybody, 100,000 at the least (login.defs(5))."""
    text = "\n".join(file.read_text(errors="replace") for file in SUBIDS if file.exists())
    given = re.findall(r"^[^:]*:(\d+):(\d+)$", text, re.MULTILINE)
    return max([100_000, *(int(first) + int(count) for first, count in given)])


def find_id_maps() -> IdMaps:
    """Return the best maps that this user can have."""
    if os.geteuid() == 0:
        whole = all(ranges(Path(f"/proc/self/{file}").read_text()) for file in MAPS)
        return IdMaps("root" if whole else "single")
    first_uid, first_gid = own_ranges()
    if first_uid is None or first_gid is None or not all(map(shutil.which, ID_PROGRAMS)):
        return IdMaps("single")
    return IdMaps("subids", (first_uid, first_gid))


def write_maps(maps: IdMaps, pid: int) -> None:
    """Write the id maps of the user namespace of process `pid`. Raises LabError when they are refused."""
    if maps.kind == "root":
        for file in MAPS:
            own = ranges(Path(f"/proc/self/{file}").read_text())
            rows = [f"{first} {first} {count}\n" for first, count in own]
            Path(f"/proc/{pid}/{file}").write_text("".join(rows))
        return
    for program, own_id, first in zip(ID_PROGRAMS, (os.getuid(), os.getgid()), maps.first, strict=True):
        command = f"{program} {pid} 0 {own_id} 1 1 {first} {RANGE - 1}"
        try:
            done = subprocess.run(command.split(), capture_output=True, text=True, timeout=START_TIMEOUT)
            words = (done.stderr or f"code {done.returncode}") if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            words = str(error)
        if words:
            way = "check your lines in /etc/subuid and /etc/subgid (man subuid)"
            raise LabError(f"`{command}` could not give the lab its user ids.", words=words, way_out=way)


# bubblewrap's words where its user namespace is refused, or (Ubuntu 24.04's AppArmor: RTM_NEWADDR) is one without any rights.
REFUSED = re.compile("uid map|new namespace|user namespace|Failed RTM_NEWADDR|Operation not permitted")
RESTRICTED = "kernel/apparmor_restrict_unprivileged_userns"
SYSCTLS, PROFILES = Path("/proc/sys"), Path("/etc/apparmor.d")
# The head of an AppArmor profile for bubblewrap (apparmor.d(5)).
PROFILE = re.compile(r"^[^#\n]*/usr/bin/bwrap\b.*\{", re.MULTILINE)
WITHOUT = "user namespaces are refused here (by a container?), and User-Mode Linux works without"
# What forbids user namespaces: where it is read, its forbidding value, whether it holds for root, and what allows them.
KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", False, "sudo sysctl kernel.unprivileged_userns_clone=1"),
    (RESTRICTED, "1", False, ""),
    ("user/max_user_namespaces", "0", True, "sudo sysctl user.max_user_namespaces=15000"),
)


def way_out(words: str, sysctls: Path = SYSCTLS, profiles: Path = PROFILES) -> str:
    """What helps against bubblewrap's `words`: by what really forbids user namespaces here (`sysctls`, proc(5))."""
    if not REFUSED.search(words):
        return shortage(words) or "see the words above; `./lab doctor` tries every candidate"
    commands = []
    for place, forbids, also_root, command in KNOBS:
        with contextlib.suppress(OSError):
            if (sysctls / place).read_text().strip() == forbids and (also_root or os.geteuid()):
                commands.append(command or apparmor(sysctls, profiles)[1])
    return f"user namespaces are refused here: {' && '.join(commands)}" if commands else WITHOUT


def apparmor(sysctls: Path = SYSCTLS, profiles: Path = PROFILES) -> tuple[str, str]:
    """Return what AppArmor's profiles say about bubblewrap, and what helps if that is still refused.

    Both are "" where AppArmor does not restrict user namespaces (Ubuntu since 23.10 does).
    """
    with contextlib.suppress(OSError):
        if (sysctls / RESTRICTED).read_text().strip() != "1":
            return "", ""
        for file in sorted(file for file in profiles.glob("*") if file.is_file()):
            disabled = (profiles / "disable" / file.name).exists()
            if disabled or not PROFILE.search(file.read_text(errors="replace")):
                continue
            if file.name == "bwrap-labkit":
                return f"{file} lets bubblewrap make them", f"sudo apparmor_parser -r {file}"
            disable = f"sudo ln -s {file} {profiles}/disable/ && sudo apparmor_parser -R {file}"
            return f"{file} decides what bubblewrap may do", f"{disable} && ./lab setup"
        return "no profile lets bubblewrap make them: ./lab setup", "./lab setup"
    return "", ""


# linux/netlink.h, linux/genetlink.h: the protocol, its controller's family and command, and the attribute for a family's name.
NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME = 16, 16, 3, 2
# Loading a module takes a tenth of a second.
TIMEOUT = 10.0


def load_ipvs() -> None:
    """Ask the running kernel for IPVS: it then loads ip_vs by its alias, for anybody who asks. Where it has none, do nothing."""
    name = struct.pack("=HH8s", 4 + len(b"IPVS\0"), CTRL_ATTR_FAMILY_NAME, b"IPVS\0")
    body = struct.pack("=BBH", CTRL_CMD_GETFAMILY, 1, 0) + name
    header = struct.pack("=IHHII", 16 + len(body), GENL_ID_CTRL, 1, 1, 0)  # NLM_F_REQUEST
    kind = socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC
    with contextlib.suppress(OSError), socket.socket(*kind) as kernel:
        kernel.settimeout(TIMEOUT)
        kernel.bind((0, 0))
        kernel.send(header + body)
        kernel.recv(65536)


def no_generic_netlink(machine: str) -> bytes:
    """Return a seccomp filter under which socket(AF_NETLINK, any, NETLINK_GENERIC) fails with EPROTONOSUPPORT.

    Empty for a machine that is not in MACHINES.
    """
    if machine not in MACHINES:
        return b""
    refused = {0: int(socket.AF_NETLINK), 2: NETLINK_GENERIC}
    return seccomp_filter(machine, [(MACHINES[machine][1], refused, errno.EPROTONOSUPPORT)])


# What the running kernel shares with every lab: read-only, so that root in a lab started by root cannot change it.
SHARED_KERNEL = ("/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/proc/sysrq-trigger")


class HostLinux:
    """bubblewrap and the running kernel."""

    name = "host"
    title = "bubblewrap + the running kernel"
    holds_others = False

    def start(self, folder: LabFolder) -> Kept:
        """Start the agent of a lab in `folder`. Raises LabError when namespaces are refused."""
        rows, arguments = no_generic_netlink(os.uname().machine), host_arguments(folder)
        maps, log = find_id_maps(), folder.path / LOG
        if not rows:
            return start_bwrap(arguments, maps, log=log)
        with os.fdopen(os.memfd_create("seccomp"), "w+b", buffering=0) as file:
            file.write(rows)
            file.seek(0)
            arguments = ["--seccomp", str(file.fileno()), *arguments]
            return start_bwrap(arguments, maps, log=log, pass_fds=(file.fileno(),))


def host_arguments(folder: LabFolder) -> list[str]:
    """bubblewrap's arguments for a lab on the running kernel."""
    arguments = machine_arguments(view_of(folder))
    end = arguments.index("--")
    return [*arguments[:end], *bound(SHARED_KERNEL), *arguments[end:]]
