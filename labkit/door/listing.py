"""What `labkit ps` prints: the open labs with their age and memory."""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Sequence
from typing import Any

import psutil

from .callers import OpenLab

# kcmp(2): its number where User-Mode Linux runs, and its second type of comparison.
KCMP, KCMP_VM = {"x86_64": 312}.get(platform.machine(), 0), 1


def family(first: int) -> list[psutil.Process]:
    """The process `first` and all that it has started, without those that have ended."""
    try:
        process = psutil.Process(first)
        every = [process, *process.children(recursive=True)]
        return [one for one in every if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def memory(processes: Sequence[psutil.Process]) -> int | None:
    """Their proportional set size, bytes (proc(5), smaps_rollup, Pss); None where one may not be looked into.

    Processes that share one address space, as some of User-Mode Linux do, each show the whole of it; it is counted once.
    """
    total = 0
    for number, process in enumerate(processes):
        if any(same_memory(process.pid, other.pid) for other in processes[:number]):
            continue
        try:
            with open(f"/proc/{process.pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):  # it has ended in the meantime
            continue
        except OSError:
            return None
    return total


def same_memory(one: int, other: int) -> bool:
    """True when two processes share one address space (kcmp(2), KCMP_VM)."""
    return bool(KCMP) and ctypes.CDLL(None).syscall(KCMP, one, other, KCMP_VM, 0, 0) == 0


def row(lab: OpenLab, now: float) -> dict[str, Any]:
    """One lab as plain data: name, id, linux, seconds (age), memory (bytes or None), shell."""
    processes = family(lab.first) if lab.first else []
    linux = "ended" if lab.first and not processes else lab.linux
    seconds = round(max(0.0, now - lab.since), 1) if lab.since else None
    return {
        "name": lab.name, "id": lab.id, "linux": linux, "seconds": seconds, "memory": memory(processes), "shell": lab.shell,
    }  # fmt: skip


def rows(labs: Sequence[OpenLab]) -> list[dict[str, Any]]:
    """All labs as plain data, sorted by name."""
    now = time.time()
    return sorted((row(lab, now) for lab in labs), key=lambda one: (one["name"], one["seconds"] or 0))


def age(seconds: float | None) -> str:
    """Seconds for people: 12 s, 3 min, 2 h 05."""
    if seconds is None:
        return "?"
    minutes = int(seconds // 60)
    return f"{int(seconds)} s" if minutes < 1 else f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02}"


def as_text(found: Sequence[dict[str, Any]]) -> str:
    """A table of `rows` for people."""
    if not found:
        return "No lab is open."
    table = [("NAME", "ID", "LINUX", "AGE", "MEMORY")]
    for one in found:
        size = "?" if one["memory"] is None else f"{one['memory'] / 1e6:.0f} MB"
        table.append((one["name"], one["id"], one["linux"], age(one["seconds"]), size))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table)
