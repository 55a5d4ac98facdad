"""What works on this machine: every candidate tried, every program looked for."""

import os
from dataclasses import asdict
from typing import Any

from . import landlock
from .bwrap import WITHOUT, apparmor
from .choose import Attempt, try_all
from .packages import PROGRAMS, apt_has_lists, missing, offered

# What each need is for.
TASKS = {"users": "task 1", "drop": "task 2", "ipvs": "task 3, notebook 5", "capture": "task 4"}


def row(attempt: Attempt) -> dict[str, Any]:
    """One attempt as plain data."""
    return {
        "candidate": attempt.linux.title, "linux": attempt.linux.name, "works": attempt.works, "opened": not attempt.words,
        "seconds": round(attempt.seconds, 2), "checks": [{"what": check.what, **asdict(check)} for check in attempt.checks],
        "words": attempt.words, "way_out": attempt.way_out,
    }  # fmt: skip


def examine() -> dict[str, Any]:
    """Try every candidate with every need.

    Plain data: candidates (list), chosen (need → candidate), others (the candidate for the work of others, or None), help_others
    (what would help there), missing (packages), offered (those of them that apt has), kernel, landlock (its ABI, 0 without),
    apparmor (what its profiles say about bubblewrap, "" where it restricts nothing), lists (True when apt has lists of packages).
    """
    attempts = try_all()
    chosen = {need: next((a.linux.title for a in attempts if can(a, need)), None) for need in TASKS}
    # Notebook 4 does not ask its Linux for captures: it takes the first that every lab could take.
    if chosen["capture"] != chosen["users"]:
        chosen["capture"] = None
    others = next((a.linux.title for a in attempts if a.linux.holds_others and not a.words), None)
    ways = [a.way_out for a in attempts if a.linux.holds_others and a.way_out not in ("", WITHOUT)]
    ways += [landlock.why_none()[1]] if landlock.abi() < landlock.SCOPED else []
    lacking = missing()
    return {
        "candidates": [row(a) for a in attempts], "chosen": chosen, "others": others,
        "help_others": "" if others else "".join(ways[:1]), "missing": lacking, "offered": offered(lacking),
        "kernel": os.uname().release, "landlock": landlock.abi(), "apparmor": apparmor()[0], "lists": apt_has_lists(),
    }  # fmt: skip


def can(attempt: Attempt, need: str) -> bool:
    """True when the candidate opened and can do `need` (and change users, which every lab needs)."""
    return not attempt.words and {"users", need} <= {check.need for check in attempt.checks if check.worked}


def help_command(found: dict[str, Any]) -> str:
    """The one command that would help most, "" when nothing is missing."""
    if found["offered"]:
        return f"sudo apt-get install {' '.join(found['offered'])}"
    lacking = [need for need, candidate in found["chosen"].items() if candidate is None]
    ways = [row["way_out"] for row in found["candidates"] if row["words"]]
    checks = [check for row in found["candidates"] for check in row["checks"]]
    ways += [check["remedy"] for check in checks if check["need"] in ("users", *lacking)]
    ways = [way for way in ways if way]
    if lacking and ways:
        return str(sorted(ways, key=WITHOUT.__eq__)[0])  # what another candidate needs first
    if found["missing"] and not found["lists"]:
        return f"sudo apt-get update && sudo apt-get install {' '.join(found['missing'])}"
    return ""


def as_text(found: dict[str, Any]) -> str:
    """What `examine` found, for people."""
    landlock = f"ABI {found['landlock']}" if found["landlock"] else "none"
    lines = [f"Running kernel: {found['kernel']}, Landlock: {landlock}"]
    if found["apparmor"]:
        lines.append(f"AppArmor restricts user namespaces; {found['apparmor']}")
    for one in found["candidates"]:
        lines.append(f"\n{one['candidate']} (LABKIT_LINUX={one['linux']}), {one['seconds']} s")
        if one["words"]:
            lines.append(f"  ✗ does not open: {one['words']}")
        for check in one["checks"]:
            why = "" if check["worked"] else f": {check['words']} ({check['remedy']})"
            lines.append(f"  {'✓' if check['worked'] else '✗'} {check['what']}{why}")
    lines.append("\nA notebook takes the first candidate that can do what it needs:")
    lines += [f"  {TASKS[need]}: {title or 'none works'}" for need, title in found["chosen"].items()]
    if found["others"] or found["help_others"]:
        none = f"none keeps it in; would help: {found['help_others']}"
        lines.append(f"  the work of others: {found['others'] or none}")
    use = dict(PROGRAMS.values())
    refused = [f"{name} ({use[name]})" for name in found["missing"] if name not in found["offered"]]
    if refused:
        lines.append(f"\nNot installed, and not offered by apt: {', '.join(refused)}")
    command = help_command(found)
    if command:
        lines.append(f"\nWould help: {command}")
    elif all(found["chosen"].values()):
        lines.append("\nNothing else is missing." if refused else "\nNothing is missing.")
    return "\n".join(lines)
