"""The table of a batch: for the terminal, and for a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import plain
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
