"""Tables: that of a batch, for a terminal and for a spreadsheet; those that a spreadsheet or a course has written; by_hand.csv.

by_hand.csv, in the folder of a batch, has the points that a person gives. labkit reads it at every run and never writes it.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import BadInput, plain
from ..judge.check import REQUIREMENTS
from ..writing import write_file
from .grade import Given, Grade

NAME, COLUMNS = "by_hand.csv", ("file", "requirement", "points", "comment")
QUESTION = "2.3"
WAY_OUT = "mend it and run the same command again; what was measured is known from the notes"
# Bad lines are named up to so many.
NAMED = 10
# What a spreadsheet takes for a formula in by_hand.csv: a ' is written before it and taken away again, here and by the page that
# saves such a file (answers.js).
SIGN = re.compile(r"""[\s"']*[=+\-@]""")
QUOTED = re.compile(f"^'(?={SIGN.pattern})")

# A sign that begins a formula, in every form of it that a spreadsheet may know, where a cell begins: =+-@ and their full-width,
# small, raised and lowered forms, and the minus sign.
FORMULA = re.compile(r"""(^[\s"']*|[,;\t\r\n][\s"']*)([=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−])""")


def harmless(value: Any) -> Any:
    """Return a cell in which no spreadsheet finds a formula, also one that splits it at a semicolon, a comma or a tab."""
    return FORMULA.sub(r"\1'\2", plain(value)) if isinstance(value, str) else value


def to_csv(grades: Sequence[Grade], path: Path) -> None:
    """Write the table for a spreadsheet: UTF-8 with its mark, and no cell that is taken for a formula. Raises BadInput."""
    table = pd.DataFrame([grade.row() for grade in grades]).map(harmless)
    text = table.to_csv(index=False, float_format="%g")
    write_file("The table", path, text, "name another file with --csv", encoding="utf-8-sig")


def as_text(grades: Sequence[Grade]) -> str:
    """The table for a terminal, and below it what a teacher should look at, file by file."""
    table = pd.DataFrame([grade.row() for grade in grades])
    table = table.drop(columns=["verdicts", "flags", "given by hand"])
    rows = table.to_string(index=False, float_format="{:g}".format)
    flagged = [grade for grade in grades if grade.flags]
    lines = ["\n  ".join([f"\n{grade.file}: {grade.name}", *grade.flags]) for grade in flagged]
    return "\n".join([rows, f"\n{len(flagged)} of {len(grades)} to look at", *lines])


@dataclass
class Sheet:
    """A table as it was read: its first line, the others and the numbers of those, the separator, and whether a mark led it."""

    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    delimiter: str = ","
    mark: bool = False

    def find(self, *names: str) -> int | None:
        """Return where the first column stands that has one of these names, in capitals or not."""
        wanted = [name.casefold() for name in names]
        return next((at for at, head in enumerate(self.head) if head.strip().casefold() in wanted), None)

    def text(self) -> str:
        """Return the table as it is written."""
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter).writerows([self.head, *self.rows])
        return text.getvalue()


def read_csv(path: Path, way_out: str) -> Sheet:
    """Return the table in a file: UTF-8, separated by commas, semicolons or tabs, and each line as long as the first.

    Raises BadInput, which names the line; `way_out` helps against one that cannot be read.
    """
    tried = f"{path} cannot be read."
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(tried, words=str(error), way_out="save it as UTF-8 (in a spreadsheet: `CSV UTF-8`)") from None
    except (OSError, ValueError) as error:
        raise BadInput(tried, words=str(error), way_out="name another file") from None
    first = text.partition("\n")[0]
    sheet = Sheet([], delimiter=max(",;\t", key=first.count), mark=data.startswith(b"\xef\xbb\xbf"))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sheet.delimiter, strict=True)
    try:
        sheet.head = next(reader, [])
        for row in reader:
            if any(row):
                sheet.rows.append(row + [""] * (len(sheet.head) - len(row)))
                sheet.lines.append(reader.line_num)
    except csv.Error as error:
        raise BadInput(tried, words=f"line {reader.line_num}: {error}", way_out=way_out) from None
    return sheet


def read_by_hand(path: Path, names: Sequence[str], *, missing_ok: bool = False) -> list[Given]:
    """Return the lines of a by_hand.csv for a batch whose rows have these `names`; none of a file that may be missing.

    Raises BadInput, which names each bad line; a line for a row that is not in this batch is said and kept.
    """
    if missing_ok and not path.exists():
        return []
    sheet = read_csv(path, WAY_OUT)
    at = {name: where for name in COLUMNS if (where := sheet.find(name)) is not None}
    if missing := [name for name in COLUMNS if name not in at]:
        words = f"its first line has no column {', '.join(missing)}"
        way_out = f"its first line is {', '.join(COLUMNS)}; the page with the answers saves such a file"
        raise BadInput(f"{path} cannot be read.", words=words, way_out=way_out)
    rows = {str(harmless(name)): name for name in names} | {name: name for name in names}
    lines: list[Given] = []
    wrong: list[str] = []
    for number, row in zip(sheet.lines, sheet.rows, strict=True):
        cells = {name: row[where].strip() for name, where in at.items()}
        if not cells["points"] and not cells["comment"]:  # it says nothing
            continue
        try:
            lines.append(taken(cells, rows, lines))
        except ValueError as error:
            wrong.append(f"line {number} ({cells['file'][:200]}): {error}")
    if wrong:
        more = [f"… and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
        words = plain("\n".join([*wrong[:NAMED], *more]))
        tried = f"{path} has lines that cannot be taken: {len(wrong)}."
        raise BadInput(tried, words=words, way_out=WAY_OUT)
    for file in dict.fromkeys(line.file for line in lines if not line.row):
        said = f"{path} names {file!r}, and no row of this batch is called that"
        print(plain(f"{said}: it counts for nobody now"), file=sys.stderr)
    return lines


def taken(cells: dict[str, str], rows: dict[str, str], before: Iterable[Given]) -> Given:
    """Return what a line says. Raises ValueError with the reason for one that cannot be taken."""
    file, comment = (QUOTED.sub("", cells[name]) for name in ("file", "comment"))
    row = next((rows[name] for name in (cells["file"], file) if name in rows), "")
    number, points = "", None
    if cells["requirement"]:
        found = re.fullmatch(r"\D*(\d)[.,](\d)", cells["requirement"])
        number = f"{found[1]}.{found[2]}" if found else ""
        if number not in REQUIREMENTS:
            asked, known = cells["requirement"][:50], ", ".join(REQUIREMENTS)
            raise ValueError(f"{asked!r} is no requirement; they are {known}")
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
            why = "the reason has to stand in the column comment"
            raise ValueError(f"points for {number} take the place of measured ones: {why}")
    if any((other.row or other.file, other.requirement) == (row or file, number) for other in before):
        raise ValueError(f"an earlier line speaks of {number or 'the whole work'} already")
    return Given(points, plain(comment), number, row, file)


def give(grades: Iterable[Grade], lines: Iterable[Given]) -> None:
    """Add to each grade what a person has given it."""
    for grade in grades:
        grade.hand = {line.requirement: line for line in lines if line.row == grade.file}


def as_csv(lines: Iterable[Given]) -> str:
    """Return lines as they stand in by_hand.csv, below its first one."""
    text = io.StringIO()
    for one in lines:
        points = "" if one.points is None else f"{one.points:g}"
        number = f"answer {QUESTION}" if one.requirement == QUESTION else one.requirement
        cells = (one.row or one.file, number, points, one.comment)
        csv.writer(text).writerow(f"'{cell}" if SIGN.match(cell) else cell for cell in cells)
    return text.getvalue()
