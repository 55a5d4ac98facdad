"""What works on this machine: every candidate tried, every program looked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from .choose import PROBES, Attempt, try_all
from .view import PATH

# Program: the Debian package that has it, and what it is needed for.
PROGRAMS = {
    "bwrap": ("bubblewrap", "the view"),
    "linux.uml": ("user-mode-linux", "a Linux of the lab's own, for IPVS"),
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


def missing_programs() -> list[str]:
    """The Debian packages of the programs that are not there, in the order of PROGRAMS."""
    return [package for program, (package, _) in PROGRAMS.items() if not shutil.which(program, path=PATH)]


def row(attempt: Attempt) -> dict[str, Any]:
    """One attempt as plain data."""
    checks = [{"what": what, "worked": worked, "words": words} for what, worked, words in attempt.checks]
    return {
        "candidate": attempt.linux.title, "linux": attempt.linux.name, "works": attempt.works, "opened": not attempt.words,
        "seconds": round(attempt.seconds, 2), "checks": checks, "words": attempt.words, "way_out": attempt.way_out,
    }  # fmt: skip


def examine() -> dict[str, Any]:
    """Try every candidate with every need; plain data: candidates (list), chosen (need → candidate), missing (packages)."""
    attempts = try_all()
    chosen = {need: next((a.linux.title for a in attempts if can(a, need)), None) for need in ("users", "drop", "ipvs")}
    return {"candidates": [row(a) for a in attempts], "chosen": chosen, "missing": missing_programs(), "kernel": kernel()}


def kernel() -> str:
    """The release of the running kernel."""
    return Path("/proc/sys/kernel/osrelease").read_text().strip()


def can(attempt: Attempt, need: str) -> bool:
    """True when the candidate opened and can do `need` (and change users, which every lab needs)."""
    passed = {what for what, worked, _ in attempt.checks if worked}
    return not attempt.words and {PROBES["users"][0], PROBES[need][0]} <= passed


def help_command(found: dict[str, Any]) -> str:
    """The one command that would help most, "" when nothing is missing."""
    if found["missing"]:
        return f"sudo apt-get install {' '.join(found['missing'])}"
    if found["chosen"]["ipvs"] is None:
        return next((row["way_out"] for row in found["candidates"] if row["way_out"]), "")
    return ""


def as_text(found: dict[str, Any]) -> str:
    """What `examine` found, for people."""
    lines = [f"Running kernel: {found['kernel']}"]
    for candidate in found["candidates"]:
        lines.append(f"\n{candidate['candidate']} (LABKIT_LINUX={candidate['linux']}), {candidate['seconds']} s")
        if candidate["words"]:
            lines.append(f"  ✗ does not open: {candidate['words']}")
        lines += [
            f"  {'✓' if c['worked'] else '✗'} {c['what']}" + (f": {c['words']}" if c["words"] else "")
            for c in candidate["checks"]
        ]
    lines.append("\nA notebook takes the first candidate that can do what it needs:")
    names = {"users": "tasks 1, 4", "drop": "task 2", "ipvs": "task 3, notebook 5"}
    lines += [f"  {names[need]}: {candidate or 'none works'}" for need, candidate in found["chosen"].items()]
    command = help_command(found)
    lines.append(f"\nWould help: {command}" if command else "\nNothing is missing.")
    return "\n".join(lines)
