"""The learner's edition: solutions cleared, checks kept and locked, outputs cleared, by nbgrader's own preprocessors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from ..errors import BadInput
from .report import find

STUB = "# write here: native commands in a %%lab cell, or the helpers named above"


def preprocessors() -> list[Any]:
    """nbgrader's steps, in the order of `nbgrader generate_assignment`, without those that need its database."""
    from nbgrader.preprocessors import ClearOutput, ClearSolutions, LockCells
    from traitlets.config import Config

    config = Config(ClearSolutions={"code_stub": {"python": STUB}, "text_stub": "*Write your answer here.*"})
    return [LockCells(config=config), ClearSolutions(config=config), ClearOutput(config=config)]


def calm(notebook: Any) -> None:
    """Let the cells that build on a solution say calmly that it is missing: %%once_done before each but the first.

    A notebook that asks for no solution, which is one to read and to try, stays as it is.
    """
    if not any(cell.metadata.get("nbgrader", {}).get("solution") for cell in notebook.cells):
        return
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code[1:]:
        if "nbgrader" not in cell.metadata and not cell.source.startswith("%%"):
            cell.source = f"%%once_done\n{cell.source}"


def learners_edition(path: Path) -> Any:
    """The learner's edition of one notebook."""
    notebook = nbformat.read(path, as_version=4)
    resources: dict[str, Any] = {"metadata": {"name": path.stem}}
    for step in preprocessors():
        notebook, resources = step.preprocess(notebook, resources)
    calm(notebook)
    return notebook


def release(to: Path) -> list[Path]:
    """Write the learner's edition of every notebook into the folder `to`. Raises BadInput rather than overwrite one."""
    written = []
    to.mkdir(parents=True, exist_ok=True)
    for path in find():
        target = to / path.name
        if target.exists():
            raise BadInput(f"{target} exists already; it may hold a learner's work.", way_out="name an empty folder with --to")
        nbformat.write(learners_edition(path), target)
        written.append(target)
    return written
