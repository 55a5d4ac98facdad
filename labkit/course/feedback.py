"""The feedback page of one grade: the points and verdicts measured, the hints, and what a teacher should look at."""

from __future__ import annotations

import html
import re
from pathlib import Path

from nbformat.v4 import new_markdown_cell, new_notebook

from .document import shown
from .grade import Grade
from .html import to_html
from .verdict import Verdict, Verdicts


def page(grade: Grade) -> str:
    """The page as HTML; every text that comes from the submission is escaped."""
    who = html.escape(" · ".join(part for part in (grade.name or "(no name)", grade.group, grade.file) if part))
    verdicts = Verdicts([Verdict(**row) for row in grade.verdicts], "uml")
    flags = "".join(f"<li>{html.escape(flag)}</li>" for flag in grade.flags)
    cells = [shown(f"<h1>Feedback</h1><p>{who}</p>")]
    if flags:
        cells.append(shown(f"<p><b>To look at</b></p><ul>{flags}</ul>"))
    if grade.verdicts:
        cells += [new_markdown_cell("## Measured"), shown(verdicts._repr_html_())]
        cells.append(shown(f"<p>The report claims {grade.claimed} points.</p>"))
    if grade.answer:
        cells += [new_markdown_cell("## The answer to 2.3, to be read"), shown(f"<pre>{html.escape(grade.answer)}</pre>")]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return to_html(new_notebook(cells=cells), "Feedback")


def write_pages(grades: list[Grade], folder: Path) -> list[Path]:
    """Write a page for each grade into `folder`; the files' names are made of harmless letters only."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, grade in enumerate(grades, 1):
        path = folder / f"{number:03}-{re.sub(r'[^A-Za-z0-9_-]+', '_', Path(grade.file).stem)[:60]}.html"
        path.write_text(page(grade), encoding="utf-8")
        written.append(path)
    return written
