"""bubblewrap: how it is started, with the user ids of its namespace, and what helps where the system refuses it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

from ..errors import LabError, shortage
from .ids import IdMaps, write_maps
from .temporary import Kept, readable

START_TIMEOUT = 10.0


def start_bwrap(
    arguments: list[str], maps: IdMaps, *, log: Path, pass_fds: tuple[int, ...] = (), one_processor: bool = False
) -> Kept:
    """Start `bwrap` with `arguments`, its stderr in `log`. Raises LabError when it does not start."""
    if not shutil.which("bwrap"):
        raise LabError("bubblewrap (`bwrap`) is not installed.", way_out="apt-get install bubblewrap")
    (said, info), (block, release) = os.pipe(), os.pipe()
    command = ["bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--info-fd", str(info)]
    if maps.full:
        command += ["--userns-block-fd", str(block)]
    try:
        try:
            sandbox = Kept([*command, *arguments], log=log, pass_fds=(info, block, *pass_fds), one_processor=one_processor)
        except OSError as error:  # no process or pipe is to be had
            raise LabError("bubblewrap could not be started.", words=str(error), way_out=way_out(str(error))) from error
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
    while b"}" not in text and readable(said, START_TIMEOUT) and (part := os.read(said, 4096)):
        text += part
    try:
        pid = int(json.loads(text)["child-pid"])
        if maps.full:
            write_maps(maps, pid)
            os.write(release, b"x")
    except (OSError, ValueError) as error:  # it has ended, or said nothing
        words = log.read_text(encoding="utf-8", errors="replace") or (str(error) if text else "")
        raise LabError("bubblewrap could not make its namespaces.", words=words, way_out=way_out(words)) from None


# bubblewrap's words where its user namespace is refused, or (Ubuntu 24.04's AppArmor: RTM_NEWADDR) is one without any rights.
REFUSED = ("uid map", "new namespace", "user namespace", "Failed RTM_NEWADDR", "Operation not permitted")
RESTRICTED = "kernel/apparmor_restrict_unprivileged_userns"
# The head of an AppArmor profile for bubblewrap (apparmor.d(5)).
PROFILE = re.compile(r"^[^#\n]*/usr/bin/bwrap\b.*\{", re.MULTILINE)
WITHOUT = (
    "user namespaces are refused here (by a container?): User-Mode Linux works without: sudo apt-get install user-mode-linux"
)
# What forbids user namespaces: where it is read, its forbidding value, whether it holds for root, and what allows them.
KNOBS = (
    ("kernel/unprivileged_userns_clone", "0", False, "sudo sysctl kernel.unprivileged_userns_clone=1"),
    (RESTRICTED, "1", False, ""),
    ("user/max_user_namespaces", "0", True, "sudo sysctl user.max_user_namespaces=15000"),
)


def way_out(words: str, sysctls: Path = Path("/proc/sys"), profiles: Path = Path("/etc/apparmor.d")) -> str:
    """What helps against bubblewrap's `words`: by what really forbids user namespaces here (`sysctls`, proc(5))."""
    if not any(sign in words for sign in REFUSED):
        return shortage(words) or "see the words above; `./lab doctor` tries every candidate"
    commands = []
    for place, forbids, also_root, command in KNOBS:
        with contextlib.suppress(OSError):
            if (sysctls / place).read_text().strip() == forbids and (also_root or os.geteuid()):
                commands.append(apparmor(sysctls, profiles)[1] if place == RESTRICTED else command)
    if commands:
        return f"user namespaces are refused here: {' && '.join(commands)}"
    return WITHOUT


def apparmor(sysctls: Path = Path("/proc/sys"), profiles: Path = Path("/etc/apparmor.d")) -> tuple[str, str]:
    """Return what AppArmor's profiles say about bubblewrap, and what helps if that is still refused.

    Both are "" where AppArmor does not restrict user namespaces (Ubuntu since 23.10 does).
    """
    with contextlib.suppress(OSError):
        if (sysctls / RESTRICTED).read_text().strip() == "1":
            disabled = {file.name for file in profiles.glob("disable/*")}
            for file in sorted(file for file in profiles.glob("*") if file.is_file() and file.name not in disabled):
                if PROFILE.search(file.read_text(errors="replace")):
                    if file.name == "bwrap-labkit":
                        return f"{file} lets bubblewrap make them", f"sudo apparmor_parser -r {file}"
                    disable = f"sudo ln -s {file} {profiles}/disable/ && sudo apparmor_parser -R {file} && ./lab setup"
                    return f"{file} decides what bubblewrap may do", disable
            return "no profile lets bubblewrap make them: ./lab setup", "./lab setup"
    return "", ""
