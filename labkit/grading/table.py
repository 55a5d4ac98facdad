"""Tables: that of a batch, for the terminal and for a spreadsheet; and those that a spreadsheet or a course has written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import BadInput, plain
from ..writing import write_file
from .grade import Grade

# A sign that begins a formula, in every form of it that a spreadsheet may know, where a cell begins: =+-@ and their full-width,
# small, raised and lowered forms, and the minus sign.
FORMULA = re.compile(r"""(^[\s"']*|[,;\t\r\n][\s"']*)([=+\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−])""")


def as_table(grades: Sequence[Grade]) -> pd.DataFrame:
    """A row a file: columns as in Grade.row; `by hand` are points that still wait for one."""
    return pd.DataFrame([grade.row() for grade in grades])


def harmless(value: Any) -> Any:
    """Return a cell in which no spreadsheet finds a formula, also one that splits it at a semicolon, a comma or a tab."""
    return FORMULA.sub(r"\1'\2", plain(value)) if isinstance(value, str) else value


def to_csv(grades: Sequence[Grade], path: Path) -> None:
    """Write the table for a spreadsheet: UTF-8 with its mark, and no cell that is taken for a formula. Raises BadInput."""
    text = as_table(grades).map(harmless).to_csv(index=False, float_format="%g")
    write_file("The table", path, text, "name another file with --csv", encoding="utf-8-sig")


def as_text(grades: Sequence[Grade]) -> str:
    """The table for a terminal, and below it what a teacher should look at, file by file."""
    rows = (
        as_table(grades).drop(columns=["verdicts", "flags", "given by hand"]).to_string(index=False, float_format="{:g}".format)
    )
    flagged = [grade for grade in grades if grade.flags]
    lines = [f"\n{grade.file}: {grade.name}" + "".join(f"\n  {flag}" for flag in grade.flags) for grade in flagged]
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
