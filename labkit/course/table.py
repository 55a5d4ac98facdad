"""The table of a batch: for the terminal, and for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .grade import Grade


def as_table(grades: Sequence[Grade]) -> pd.DataFrame:
    """A row a file: file, name, group, points measured and claimed, difference, of, by hand, verdicts, flags, seconds."""
    return pd.DataFrame([grade.row() for grade in grades])


def to_csv(grades: Sequence[Grade], path: Path) -> None:
    """Write the table for a spreadsheet: UTF-8 with its mark, and no cell that a spreadsheet would take for a formula."""

    def harmless(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

    as_table(grades).map(harmless).to_csv(path, index=False, encoding="utf-8-sig")


def as_text(grades: Sequence[Grade]) -> str:
    """The table for a terminal, and below it what a teacher should look at, file by file."""
    rows = as_table(grades).drop(columns=["verdicts", "flags"]).to_string(index=False)
    flagged = [grade for grade in grades if grade.flags]
    lines = [f"\n{grade.file}: {grade.name}" + "".join(f"\n  {flag}" for flag in grade.flags) for grade in flagged]
    return "\n".join([rows, f"\n{len(flagged)} of {len(grades)} to look at", *lines])
