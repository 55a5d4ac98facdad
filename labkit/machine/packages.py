"""The programs of the course and the Debian packages with them: what is missing, what apt offers, who has User-Mode Linux."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

from .view import PATH

UML = "user-mode-linux"
# Program: the Debian package that has it, and what it is needed for.
PROGRAMS = {
    "bwrap": ("bubblewrap", "the view"),
    "linux.uml": (UML, "a Linux of the lab's own, for IPVS"),
    "newuidmap": ("uidmap", "user ids in a lab of an ordinary user"),
    "python3": ("python3", "task 1"),
    "curl": ("curl", "tasks 1, 3, 4"),
    "dnsmasq": ("dnsmasq", "task 2"),
    "dig": ("bind9-dnsutils", "task 2"),
    "ip": ("iproute2", "task 3"),
    "ipvsadm": ("ipvsadm", "task 3"),
    "nft": ("nftables", "dropped packets, task 2"),
    "nginx": ("nginx-light", "task 4"),
    "tshark": ("tshark", "captures"),
    "keepalived": ("keepalived", "notebook 5"),
    "wrk": ("wrk", "notebook 5"),
}


def missing() -> list[str]:
    """The packages of PROGRAMS whose program is not here."""
    return [package for program, (package, _) in PROGRAMS.items() if not shutil.which(program, path=PATH)]


def offered(packages: list[str]) -> list[str]:
    """Those of the packages that can be installed from this system's sources (apt-cache(8), policy): others stop apt-get."""
    policy = said_by("apt-cache", "policy", *packages)
    found = dict(re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (.*)$", policy, re.MULTILINE))
    return [package for package in packages if found.get(package, "(none)") != "(none)"]


def apt_has_lists() -> bool:
    """True when apt has lists of packages, without which it offers nothing."""
    return bool(said_by("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"))


def said_by(*command: str) -> str:
    """What a program of apt prints, "" when it cannot be run."""
    try:
        options: dict[str, Any] = {"env": {**os.environ, "LC_ALL": "C"}, "capture_output": True, "text": True}
        return str(subprocess.run(command, timeout=60, check=False, **options).stdout)
    except (OSError, subprocess.TimeoutExpired):
        return ""


def way_to_uml() -> str:
    """How User-Mode Linux is had here: the command where apt offers it, else who has it (Debian alone, for x86-64 alone)."""
    if os.uname().machine != "x86_64":
        return f"Debian's {UML}, which is for x86-64 and not for this processor"
    if offered([UML]):
        return f"sudo apt-get install {UML}"
    if shutil.which("apt-get") and not apt_has_lists():
        return f"sudo apt-get update && sudo apt-get install {UML}"
    instead = "take a Debian, or the course's image (README.md, Docker and a hub)"
    return f"Debian's {UML}, which this system does not offer: {instead}"
