"""The table of the benchmark: what labkit takes, what the bare thing takes in the same run, and whether the aim is met."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Row:
    """One line: the two figures as texts, their ratio or difference, the aim, and whether it is met (None: not measured)."""

    what: str
    labkit: str
    against: str
    result: str
    aim: str
    met: bool | None


def at_most(what: str, ours: list[float], other: str, theirs: list[float], unit: str, aim: float) -> Row:
    """The ratio of the medians, which is to be `aim` at the most."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(what, figure(ours, unit), f"{other}: {figure(theirs, unit)}", f"{ratio:.2f}", f"≤ {aim:g}", ratio <= aim)


def not_measured(what: str, why: str) -> Row:
    """A line that says why there is no figure."""
    return Row(what, "", why, "not measured", "", None)


def figure(values: list[float], unit: str) -> str:
    """The median, with the number of measurements."""
    middle = statistics.median(values)
    text = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
    return f"{text} {unit} (n={len(values)})"


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(rounds: int, *works: Callable[[], object], unit: float = 1.0) -> list[list[float]]:
    """Time each of `works` `rounds` times, taking turns, so that a slow moment of the machine meets them all.

    The first round only warms up. The times are in seconds multiplied by `unit` (1000: milliseconds).
    """
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for mine, work in zip(times, works, strict=True):
            taken = seconds(work) * unit
            if number:
                mine.append(taken)
    return times


def markdown(rows: list[Row]) -> str:
    """The rows as a table for the repository."""
    marks = {True: "yes", False: "**no**", None: "–"}
    cells = [(r.what, r.labkit, r.against, r.result, r.aim, marks[r.met]) for r in rows]
    lines = ["| what | labkit | against | result | aim | met |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(line) + " |" for line in cells)])


def plain(rows: list[Row]) -> str:
    """The rows for a terminal."""
    return pd.DataFrame([vars(row) for row in rows]).fillna("–").to_string(index=False)
