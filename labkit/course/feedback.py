"""The feedback pages: one for each grade, with what was measured beside what is claimed, and a list of all for the teacher."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from .document import shown
from .grade import NOT_MEASURED, Grade
from .html import to_html
from .verdict import BY_HAND, COLOURS, MARKS, Verdict, Verdicts
from .writing import write_file

INDEX = "index.html"
# Stands at the beginning of every page, so that none is taken for a report.
MARK = "<!-- labkit feedback -->"
HEAD = ("", "measured", "claimed", "points", "requirement", "what was seen")
LIST_HEAD = ("file", "name", "group", "measured", "claimed", "by hand", "to look at", "seconds")


def marked(verdict: str) -> str:
    """A verdict with its mark and colour."""
    return f'<b style="color:{COLOURS[verdict]}">{MARKS[verdict]} {html.escape(verdict)}</b>'


def line(cells: Sequence[str], *, tag: str = "td", striking: bool = False) -> str:
    """A row of a table from pieces of HTML."""
    inside = "".join(f"<{tag}>{cell}</{tag}>" for cell in cells)
    return f'<tr class="differs">{inside}</tr>' if striking else f"<tr>{inside}</tr>"


def table(head: Sequence[str], lines: Sequence[str]) -> NotebookNode:
    """A table from its lines."""
    return shown(f'<table class="grades"><thead>{line(head, tag="th")}</thead><tbody>{"".join(lines)}</tbody></table>')


def verdict_line(row: Verdict, claimed: str) -> str:
    """One requirement: what was measured, and what the report claims where that is something else."""
    points = f"? / {row.of}" if row.verdict == BY_HAND else f"{row.points} / {row.of}"
    differs = claimed != row.verdict
    said = html.escape(row.evidence) if row.verdict != BY_HAND else "the answer below"
    hint = f"<br><b>{html.escape(row.hint)}</b>" if row.hint and row.hint != row.evidence else ""
    told = f"<b>{html.escape(claimed)}</b>" if differs else "the same"
    cells = (row.requirement, marked(row.verdict), told, points, html.escape(row.sentence), said + hint)
    return line(cells, striking=differs)


def total(grade: Grade, verdicts: Verdicts) -> str:
    """The points in words, and how far the claim is from them."""
    away = grade.claimed - grade.measured
    claim = (
        "as its report claims"
        if not away
        else f"its report claims {grade.claimed}, {abs(away)} {'more' if away > 0 else 'fewer'}"
    )
    return f"Measured: {verdicts.total()}; {claim}."


def page(grade: Grade) -> str:
    """The page as HTML; every text that comes from the submission is escaped."""
    who = html.escape(" · ".join(part for part in (grade.name or "(no name)", grade.group, grade.file) if part))
    verdicts = Verdicts([Verdict(**row) for row in grade.verdicts], "uml")
    flags = "".join(f"<li>{html.escape(flag)}</li>" for flag in grade.flags)
    cells = [shown(f"<h1>Feedback</h1><p>{who}</p>")]
    if flags:
        cells.append(shown(f"<p><b>To look at</b></p><ul>{flags}</ul>"))
    if grade.state == NOT_MEASURED:
        cells.append(shown("<p><b>This is no grade yet</b>: what could not be measured here is no fault of the work.</p>"))
    if grade.verdicts:
        rows = [verdict_line(row, grade.claims.get(row.requirement, "nothing")) for row in verdicts]
        cells += [new_markdown_cell("## Measured"), shown(f"<p><b>{html.escape(total(grade, verdicts))}</b></p>")]
        cells.append(table(HEAD, rows))
    if grade.answer:
        cells += [new_markdown_cell("## The answer to 2.3, to be read"), shown(f"<pre>{html.escape(grade.answer)}</pre>")]
    return numbered(cells, "Feedback")


def numbered(cells: list[NotebookNode], title: str) -> str:
    """The cells as a page."""
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return to_html(new_notebook(cells=cells), title).replace("<head>", f"<head>\n{MARK}", 1)


def index(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The list of all grades, those to look at first; `names` are the files of their pages."""
    listed = sorted(zip(grades, names, strict=True), key=lambda pair: not pair[0].flags)
    lines = []
    for grade, name in listed:
        texts = [grade.name or "(no name)", grade.group, f"{grade.measured} / {grade.of}", str(grade.claimed)]
        texts += [str(grade.by_hand or ""), "; ".join(grade.flags), f"{grade.seconds:.0f}"]
        link = f'<a href="{quote(name)}">{html.escape(grade.file)}</a>'
        lines.append(line([link, *map(html.escape, texts)], striking=bool(grade.flags)))
    flagged = sum(bool(grade.flags) for grade in grades)
    cells = [shown(f"<h1>Grades</h1><p>{len(grades)} works, {flagged} to look at.</p>"), table(LIST_HEAD, lines)]
    return numbered(cells, "Grades")


def page_names(grades: Sequence[Grade]) -> list[str]:
    """Return a file's name for each page: a number, and the letters of every alphabet that the row's name has."""
    stems = [unicodedata.normalize("NFC", str(Path(grade.file).with_suffix(""))) for grade in grades]
    stems = [re.sub(r"[^\w-]+", "_", stem)[:60].encode()[:200].decode(errors="ignore") for stem in stems]
    return [f"{number:03}-{stem}.html" for number, stem in enumerate(stems, 1)]


def write_pages(grades: Sequence[Grade], folder: Path) -> list[Path]:
    """Write a page for each grade into `folder`, and the list of all. Raises BadInput."""
    names = page_names(grades)
    texts = {**dict(zip(names, map(page, grades), strict=True)), INDEX: index(grades, names)}
    for name, text in texts.items():
        write_file("A feedback page", folder / name, text, "name another folder with --html")
    return [folder / name for name in texts]
