"""Which user ids a lab's user namespace can have, and how its maps are written.

Programs that change their user (dnsmasq and nginx do) need more than one id in the lab: a full range, which root may
map directly and an ordinary user through newuidmap and its line in /etc/subuid (subuid(5), newuidmap(1)).
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError

RANGE = 65536
SUBIDS = (Path("/etc/subuid"), Path("/etc/subgid"))
MAPS = ("uid_map", "gid_map")
TIMEOUT = 10.0


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
        owner, first, count = [*line.split(":"), "", ""][:3]
        if owner in (user, str(number)) and first.isdigit() and count.isdigit() and int(count) >= RANGE - 1:
            return int(first)
    return None


def ranges(id_map: str) -> list[tuple[int, int]]:
    """The ranges (first id, count) that together are the ids 0 to 65535 here, by the text of /proc/self/uid_map; else none.

    The first user namespace has them in one range, the root of a rootless container in two or more; a new map has to
    keep to them (user_namespaces(7)).
    """
    found, following = [], 0
    for first, count in sorted((int(row.split()[0]), int(row.split()[2])) for row in id_map.splitlines()):
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
    lines = [line for file in SUBIDS if file.exists() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    ends = [int(first) + int(count) for first, count in re.findall(r"^[^:]*:(\d+):(\d+)$", "\n".join(lines), re.MULTILINE)]
    return max([100_000, *ends])


def find_id_maps() -> IdMaps:
    """Return the best maps that this user can have."""
    if os.geteuid() == 0:
        return IdMaps("root" if all(ranges(Path(f"/proc/self/{file}").read_text()) for file in MAPS) else "single")
    first_uid, first_gid = own_ranges()
    if first_uid is None or first_gid is None or not shutil.which("newuidmap") or not shutil.which("newgidmap"):
        return IdMaps("single")
    return IdMaps("subids", (first_uid, first_gid))


def map_commands(maps: IdMaps, pid: int) -> list[list[str]]:
    """The newuidmap and newgidmap commands for the namespace of process `pid`."""
    own = (os.getuid(), os.getgid())
    return [
        [program, str(pid), "0", str(own[i]), "1", "1", str(maps.first[i]), str(RANGE - 1)]
        for i, program in enumerate(("newuidmap", "newgidmap"))
    ]


def write_maps(maps: IdMaps, pid: int) -> None:
    """Write the id maps of the user namespace of process `pid`. Raises LabError when they are refused."""
    if maps.kind == "root":
        for file in MAPS:
            rows = [f"{first} {first} {count}\n" for first, count in ranges(Path(f"/proc/self/{file}").read_text())]
            Path(f"/proc/{pid}/{file}").write_text("".join(rows))
        return
    for command in map_commands(maps, pid):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
            words = (done.stderr or f"code {done.returncode}") if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            words = str(error)
        if words:
            raise LabError(
                f"`{' '.join(command)}` could not give the lab its user ids.",
                words=words,
                way_out="check your lines in /etc/subuid and /etc/subgid (man subuid)",
            )
