"""Points that a person gives: by_hand.csv in the folder of a batch. labkit reads it at every run and never writes it.

A line each, in any order, with the columns
    file         the work, as its row is called
    requirement  2.3 (or `answer 2.3`: a spreadsheet takes that for no date), another one, or nothing: a word on the whole work
    points       from 0 to the requirement's; nothing: only a comment
    comment      shown to the learner; the reason, where the points are not those of 2.3 and take the place of measured ones
"""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, plain
from ..judge.check import REQUIREMENTS
from .grade import Given, Grade
from .table import harmless, read_csv

NAME, COLUMNS = "by_hand.csv", ("file", "requirement", "points", "comment")
QUESTION = "2.3"
WAY_OUT = "mend it and run the same command again; what was measured is known from the notes"
# What a spreadsheet takes for a formula; a ' is written before it and taken away again. The page does the same (answers.js).
FORMULA = re.compile(r"""[\s"']*[=+\-@]""")
# Bad lines are named up to so many.
NAMED = 10


@dataclass(frozen=True)
class Line:
    """A line that was taken: the row's name ("" where this batch has none of it), and the cells as they were read."""

    row: str
    file: str
    requirement: str
    given: Given

    def cells(self) -> list[str]:
        """Return the line as it is written."""
        points = "" if self.given.points is None else f"{self.given.points:g}"
        number = f"answer {self.requirement}" if self.requirement == QUESTION else self.requirement
        texts = (self.row or self.file, number, points, self.given.comment)
        return [f"'{text}" if FORMULA.match(text) else text for text in texts]


def read_by_hand(path: Path, names: Sequence[str], *, missing_ok: bool = False) -> list[Line]:
    """Return the lines of a by_hand.csv for a batch whose rows have these `names`; none of a file that may be missing.

    Raises BadInput, which names each bad line; a line for a row that is not in this batch is said and kept.
    """
    rows = {str(harmless(name)): name for name in names} | {name: name for name in names}
    lines: list[Line] = []
    wrong: list[str] = []
    for number, cells in table_of(path, missing_ok):
        try:
            lines.append(taken(cells, rows, lines))
        except ValueError as error:
            wrong.append(f"line {number} ({cells['file'][:200]}): {error}")
    if wrong:
        more = [f"… and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
        raise BadInput(
            f"{path} has lines that cannot be taken: {len(wrong)}.",
            words=plain("\n".join([*wrong[:NAMED], *more])),
            way_out=WAY_OUT,
        )
    for file in dict.fromkeys(line.file for line in lines if not line.row):
        print(plain(f"{path} names {file!r}, and no row of this batch is called that: it counts for nobody now"), file=sys.stderr)
    return lines


def table_of(path: Path, missing_ok: bool) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of the table with their numbers, without those that say nothing. Raises BadInput."""
    if missing_ok and not path.exists():
        return []
    sheet = read_csv(path, WAY_OUT)
    at = {name: sheet.find(name) for name in COLUMNS}
    if missing := [name for name, where in at.items() if where is None]:
        raise BadInput(
            f"{path} cannot be read.",
            words=f"its first line has no column {', '.join(missing)}",
            way_out=f"its first line is {', '.join(COLUMNS)}; the page with the answers saves such a file",
        )
    cells = [{name: row[where].strip() for name, where in at.items() if where is not None} for row in sheet.rows]
    lines = zip(sheet.lines, cells, strict=True)
    return [(number, found) for number, found in lines if found["points"] or found["comment"]]


def taken(cells: dict[str, str], rows: dict[str, str], before: Iterable[Line]) -> Line:
    """Return what a line says. Raises ValueError with the reason for one that cannot be taken."""
    file, comment = (
        text[1:] if text[0:1] == "'" and FORMULA.match(text, 1) else text for text in (cells["file"], cells["comment"])
    )
    row = next((rows[name] for name in (cells["file"], file) if name in rows), "")
    number, points = "", None
    if cells["requirement"]:
        found = re.fullmatch(r"\D*(\d)[.,](\d)", cells["requirement"])
        number = f"{found[1]}.{found[2]}" if found else ""
        if number not in REQUIREMENTS:
            raise ValueError(f"{cells['requirement'][:50]!r} is no requirement; they are {', '.join(REQUIREMENTS)}")
    if cells["points"]:
        if not number:
            raise ValueError("points are for a requirement, and its column is empty")
        most = REQUIREMENTS[number].points
        try:
            points = float(cells["points"].replace(",", "."))
        except ValueError:
            points = math.nan
        if not 0 <= points <= most:
            raise ValueError(f"{cells['points'][:50]!r} is no number of points from 0 to {most}")
        if number != QUESTION and not comment:
            raise ValueError(
                f"points for {number} take the place of measured ones: the reason has to stand in the column comment"
            )
    line = Line(row, file, number, Given(points, plain(comment)))
    if any((other.row or other.file, other.requirement) == (line.row or line.file, number) for other in before):
        raise ValueError(f"an earlier line speaks of {number or 'the whole work'} already")
    return line


def give(grades: Iterable[Grade], lines: Iterable[Line]) -> None:
    """Add to each grade what a person has given it."""
    for grade in grades:
        grade.hand = {line.requirement: line.given for line in lines if line.row == grade.file}


def as_csv(lines: Iterable[Line]) -> str:
    """Return lines as they stand in by_hand.csv, below its first one."""
    text = io.StringIO()
    csv.writer(text).writerows(line.cells() for line in lines)
    return text.getvalue()
