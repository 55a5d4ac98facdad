"""A batch as a whole: how the points are spread, and which requirements are missed most, with which hints."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..judge.check import REQUIREMENTS
from ..judge.verdict import BY_HAND, COULD_NOT_RUN, FAILED, PASSED
from .grade import MEASURED, Grade

# Where a bar of the distribution begins, points; the last one ends at the most.
EDGES = (*range(0, 100, 10), 101)
# So many hints of a requirement are shown.
HINTS = 3
# What differs in the same hint on two works: what was found there.
FOUND = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+")


@dataclass(frozen=True)
class Missed:
    """A requirement, how many works passed, failed, could not be seen and are read by a person, and the usual hints, counted."""

    number: str
    sentence: str
    passed: int
    failed: int
    unseen: int
    by_hand: int
    hints: list[tuple[int, str]]


def missed(grades: Sequence[Grade]) -> list[Missed]:
    """Return the requirements that were measured, those first that most works miss."""
    rows = [row for grade in grades for row in grade.verdicts if not row["machine"]]
    found = []
    for number, one in REQUIREMENTS.items():
        mine = [row for row in rows if row["requirement"] == number]
        kinds = Counter(row["verdict"] for row in mine)
        # One hint in many words is counted once, and shown as it stands at one of the works.
        spelled = {FOUND.sub("…", row["hint"]): row["hint"] for row in mine if row["verdict"] == FAILED}
        counted = Counter(FOUND.sub("…", row["hint"]) for row in mine if row["verdict"] == FAILED)
        hints = [(count, spelled[hint]) for hint, count in counted.most_common(HINTS)]
        if mine:
            found.append(Missed(number, one.sentence, kinds[PASSED], kinds[FAILED], kinds[COULD_NOT_RUN], kinds[BY_HAND], hints))
    return sorted(found, key=lambda one: (-one.failed, -one.unseen, one.number))


@dataclass(frozen=True)
class Bar:
    """A bar of the distribution: points from and to, and how many works."""

    begin: int
    end: int
    count: int


def distribution(grades: Sequence[Grade]) -> tuple[list[Bar], float, float]:
    """Return bars of ten points, the median and the mean of the works that have a grade; both are 0 where none has."""
    points = [grade.total for grade in grades if grade.state == MEASURED]
    bars = [Bar(begin, end - 1, sum(begin <= one < end for one in points)) for begin, end in pairwise(EDGES)]
    return bars, statistics.median(points or [0]), statistics.fmean(points or [0])
