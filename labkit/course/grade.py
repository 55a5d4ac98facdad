"""Grades reports: the work in each is run again in fresh labs, and what is measured is compared with what it claims."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LabkitError
from ..machine.temporary import own_folder
from .check import check_work
from .similar import fingerprint
from .submission import altered, answers_in, read, unpack
from .verdict import BY_HAND

# Names and sentences of a submission are shown to the teacher this long at the most, characters; and so many edits.
SHOWN, EDITS = 200, 10


@dataclass
class Grade:
    """What came of one file. `flags` say what a teacher should look at; `verdicts` are those measured now.

    `claims` are the verdicts in the report, by requirement, shortened; `linux` is where it was measured, "none" where no lab
    opened.
    """

    file: str
    name: str = ""
    group: str = ""
    measured: int = 0
    claimed: int = 0
    of: int = 0
    by_hand: int = 0
    seconds: float = 0.0
    flags: list[str] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    answer: str = ""
    fingerprint: str = ""
    claims: dict[str, str] = field(default_factory=dict)
    linux: str = ""

    def row(self) -> dict[str, Any]:
        """The row of the table: numbers, verdicts in short, flags."""
        short = " ".join(f"{row['requirement']}:{row['verdict']}" for row in self.verdicts)
        return {
            "file": self.file, "name": self.name, "group": self.group, "points measured": self.measured,
            "points claimed": self.claimed, "difference": self.measured - self.claimed, "of": self.of, "by hand": self.by_hand,
            "verdicts": short, "flags": "; ".join(self.flags), "seconds": round(self.seconds, 1),
        }  # fmt: skip


def printable(text: object) -> str:
    """A text of a submission, shortened, and without characters that steer a terminal or reorder letters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * SHOWN])
    return clean.strip()[:SHOWN]


def claims(verdicts: Mapping[str, Any]) -> dict[str, str]:
    """The verdicts that a report claims, by requirement."""
    rows = [row for row in verdicts["verdicts"] if isinstance(row, dict)][: 2 * SHOWN]
    return {printable(row.get("requirement")): printable(row.get("verdict")) for row in rows}


def differences(claimed: Mapping[str, str], points: int, measured: Sequence[dict[str, Any]]) -> list[str]:
    """How the points and verdicts in the report differ from those measured."""
    earned = sum(row["points"] for row in measured)
    sums = [] if points == earned else [f"claims {points} points, measured {earned}"]
    return sums + [
        f"{row['requirement']} claims {claimed.get(row['requirement'], 'nothing')}, measured {row['verdict']}"
        for row in measured
        if claimed.get(row["requirement"]) != row["verdict"]
    ]


def edits(data: dict[str, Any]) -> list[str]:
    """What in the report does not fit its digest, the first few by name."""
    names = altered(data)
    more = [f"edited after it was made: {len(names) - EDITS} more"] if len(names) > EDITS else []
    return [f"edited after it was made: {printable(name)}" for name in names[:EDITS]] + more


def grade_one(page: Path) -> Grade:
    """Grade one file; whatever is wrong with it becomes a flag."""
    grade, began = Grade(file=printable(page.name)), time.monotonic()
    try:
        data = read(page)
        grade.name, grade.group = printable(data["who"].get("name", "")), printable(data["who"].get("group", ""))
        grade.claimed = int(data["verdicts"]["points"])
        grade.claims = claims(data["verdicts"])
        grade.flags += edits(data)
        measure(grade, data)
    except LabkitError as error:
        grade.flags.append(printable(f"{error.tried} {error.words}"))
    except Exception as error:  # one bad file never stops the others
        grade.flags.append(printable(f"could not be graded: {type(error).__name__}: {error}"))
    grade.seconds = time.monotonic() - began
    return grade


def measure(grade: Grade, data: dict[str, Any]) -> None:
    """Run the work of a report again and note what differs from its claims."""
    with tempfile.TemporaryDirectory(prefix="grade-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        unpack(data, work)
        grade.fingerprint = fingerprint(data["work"])
        if data["answers"] != answers_in(work):
            grade.flags.append("the answers shown are not those in its work")
        verdicts = check_work(work, trusted=False)
    grade.measured, grade.of, grade.by_hand = verdicts.points, verdicts.of, verdicts.by_hand
    grade.verdicts = [asdict(row) for row in verdicts]
    grade.answer = next((row.evidence for row in verdicts if row.verdict == BY_HAND), "")
    grade.linux = verdicts.linux
    grade.flags += differences(grade.claims, grade.claimed, grade.verdicts)
    if grade.linux == "none":
        grade.flags.append("no lab opened on this machine, so nothing was measured")


def pairs(grades: Sequence[Grade]) -> None:
    """Flag works that are the same as another's."""
    for grade in grades:
        same = [
            other.file for other in grades if other is not grade and grade.fingerprint and other.fingerprint == grade.fingerprint
        ]
        if same:
            grade.flags.append(f"the same work as {', '.join(map(printable, same))}")
