"""The homework as one document: a notebook made of cover, points, and each task's work, story and verdicts."""

from __future__ import annotations

import html
import importlib.metadata
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ..machine.view import PATH
from .verdict import Verdicts

TITLES = {1: "A pool of backends", 2: "DNS load balancing", 3: "Layer 4 balancing with IPVS", 4: "Layer 7 balancing with nginx"}
FILES = {
    1: ("task1.sh", "backend1/index.html", "backend2/index.html"),
    2: ("task2.sh", "dnsmasq.conf", "answers.md"),
    3: ("task3.sh",),
    4: ("task4.sh", "nginx.conf"),
}
# What a reader is shown of a file at the most, characters.
SHOWN = 20_000
PROGRAMS = {
    "nginx": ["nginx", "-v"], "dnsmasq": ["dnsmasq", "--version"], "dig": ["dig", "-v"], "ip": ["ip", "-V"],
    "tshark": ["tshark", "--version"], "User-Mode Linux": ["linux.uml", "--version"],
    "curl": ["curl", "--version"], "bubblewrap": ["bwrap", "--version"],
}  # fmt: skip
LINUXES = {"host": "the running kernel", "uml": "User-Mode Linux", "none": "none opened"}
PACKAGES = ("pandas", "matplotlib", "pyshark", "pyroute2", "dnspython", "nbconvert")


def versions() -> dict[str, str]:
    """The versions of this machine's Linux, of Python and its packages, and of each program as its first words say."""
    found = {"Linux of this machine": platform.release(), "Python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in PACKAGES}
    for name, command in PROGRAMS.items():
        if program := shutil.which(command[0], path=PATH):
            try:
                done = subprocess.run(
                    [program, *command[1:]], capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                found[name] = str(error)[:100]
                continue
            words = next(iter((done.stdout + done.stderr).strip().splitlines()), "")
            number = re.search(r"\d+\.[\w.+~-]*\w", words)
            found[name] = number[0] if number else words[:100]
    return found


def table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...], kind: str) -> NotebookNode:
    """A table as an output, all texts escaped; report.css knows the `kind`s."""

    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return shown(f'<table class="{kind}"><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table>')


def shown(page: str, plain: str = "") -> NotebookNode:
    """A cell without source whose output is a piece of HTML of ours."""
    output = new_output("display_data", data={"text/html": page, "text/plain": plain})
    cell: NotebookNode = new_code_cell("", outputs=[output])
    cell.metadata["transient"] = {"remove_source": True}  # nbconvert's mark for a cell whose input is not shown
    return cell


def literal(name: str, text: str) -> NotebookNode:
    """A file as it is, under its name; it cannot be taken for anything but text."""
    rest = len(text) - SHOWN
    text = text if rest <= 0 else f"{text[:SHOWN]}\n… {rest:,} more characters"
    page = f"<p><code>{html.escape(name)}</code></p><pre style='font-family:monospace'>{html.escape(text)}</pre>"
    return shown(page, f"{name}\n{text}")


def cover(who: Mapping[str, str], linux: str, tools: Mapping[str, str]) -> list[NotebookNode]:
    """Who hands in, when, and with what it was made."""
    name = html.escape(who.get("name") or "(no name given)")
    group = f"<p>Group {html.escape(who['group'])}</p>" if who.get("group") else ""
    head = f'<h1>Load balancing, four times</h1><p style="font-size:140%"><b>{name}</b></p>'
    page = f"{head}{group}<p>{html.escape(who.get('date', ''))}</p>"
    title = new_markdown_cell("## Made with")
    rows = [("Linux of the labs", LINUXES.get(linux, linux)), *tools.items()]
    return [shown(page), new_markdown_cell("## Points"), title, table(rows, ("", "version"), "tools")]


def points_table(verdicts: Verdicts) -> NotebookNode:
    """A row a task and the sum."""
    rows: list[tuple[str, ...]] = []
    for task, title in TITLES.items():
        part = Verdicts([row for row in verdicts if row.task == task], verdicts.linux)
        rows.append((f"Task {task} · {title}", str(part.points), str(part.of), str(part.by_hand or "")))
    rows.append(("Sum", str(verdicts.points), str(verdicts.of), str(verdicts.by_hand or "")))
    return table(rows, ("", "points", "of", "more by hand"), "points")


def task_part(task: int, work: Path, verdicts: Verdicts, story: Any | None) -> list[NotebookNode]:
    """One task: the work's files, the verdicts, and the notebook's cells with their figures and tables."""
    cells = [shown(f'<h1 id="task-{task}">Task {task} · {TITLES[task]}</h1>'), new_markdown_cell("## The work")]
    for name in FILES[task]:
        file = work / name
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else "(not there)"
        cells.append(literal(f"~/{name}", text))
    part = Verdicts([row for row in verdicts if row.task == task], verdicts.linux)
    cells += [new_markdown_cell("## Verdicts"), shown(part._repr_html_(), str(part))]
    if story is not None:
        cells += [new_markdown_cell("## The notebook"), *(demoted(cell) for cell in story.cells)]
    return cells


def demoted(cell: Any) -> Any:
    """A notebook's cell with its headings two levels lower, so that the document has one order of headings."""
    if cell.cell_type == "markdown":
        lines = cell.source.splitlines()
        cell = new_markdown_cell("\n".join(f"##{line}" if line.startswith("#") else line for line in lines))
    return cell


def document(
    work: Path, who: Mapping[str, str], verdicts: Verdicts, stories: Mapping[int, Any], tools: Mapping[str, str]
) -> NotebookNode:
    """The whole homework as a notebook, to be exported by nbconvert."""
    front = cover(who, verdicts.linux, tools)
    front.insert(2, points_table(verdicts))
    cells = [*front, *(cell for task in TITLES for cell in task_part(task, work, verdicts, stories.get(task)))]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    notebook: NotebookNode = new_notebook(cells=cells)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook
