"""Makes the one file that is handed in: work, story and verdicts, for people and for machines."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from ..errors import BadInput
from .check import check_work
from .document import document, versions
from .html import to_html
from .submission import as_block, build

NAME = "submission.html"
MAX_NAME = 200


def identity(name: str, group: str) -> dict[str, str]:
    """Who hands in, and when (UTC). Raises BadInput for a name or group that is too long."""
    if max(len(name), len(group)) > MAX_NAME:
        raise BadInput(f"A name or group has {MAX_NAME} characters at the most.")
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"name": name.strip(), "group": group.strip(), "date": now}


def stories_in(folder: Path) -> dict[int, Any]:
    """The notebooks of a folder by their task: 1_….ipynb is task 1's."""
    found = {int(path.name[0]): nbformat.read(path, as_version=4) for path in sorted(folder.glob("[1-4]_*.ipynb"))}
    for notebook in found.values():
        for cell in notebook.cells:
            cell.pop("attachments", None)
    return found


def hand_in(work: Path, to: Path, *, name: str = "", group: str = "", stories: Mapping[int, Any] | None = None) -> Path:
    """Judge the work in folder `work`, and write the file to hand in to `to`. Raises BadInput.

    `stories` are executed notebooks by task; without them the file holds the work and the verdicts alone.
    """
    who, tools = identity(name, group), versions()
    verdicts = check_work(work)
    data = build(work, who, verdicts.data(), verdicts.evidence, tools)
    homework = document(work, who, verdicts, stories or {}, tools)
    page = to_html(homework, f"Homework of {who['name'] or 'a learner'}", block=as_block(data))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(page, encoding="utf-8")
    return to
