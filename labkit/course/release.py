"""The learner's edition: solutions cleared, checks kept and locked, outputs cleared, by nbgrader's own preprocessors."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from ..errors import BadInput
from .report import find
from .writing import prepare_folder, write_file

STUB = "# write here"
WORK = f"{STUB}: the helpers named above; or %%lab as the first line of this cell, and native commands below it"
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
# The tag of cells that answer what the learner is asked.
REFERENCE = "reference"


def preprocessors() -> list[Any]:
    """nbgrader's steps, in the order of `nbgrader generate_assignment`, without those that need its database."""
    from nbconvert.preprocessors import TagRemovePreprocessor
    from nbgrader.preprocessors import ClearOutput, ClearSolutions, LockCells
    from traitlets.config import Config

    config = Config(ClearSolutions={"code_stub": {"python": STUB}, "text_stub": "*Write your answer here.*"})
    without = TagRemovePreprocessor(enabled=True, remove_cell_tags={REFERENCE})
    return [without, LockCells(config=config), ClearSolutions(config=config), ClearOutput(config=config)]


def names(code: str, kind: type[ast.expr_context]) -> set[str]:
    """The variables that Python code stores (ast.Store) or reads (ast.Load); lines of magics are left out."""
    plain = "\n".join(line for line in code.splitlines() if not line.startswith("%"))
    return {node.id for node in ast.walk(ast.parse(plain)) if isinstance(node, ast.Name) and isinstance(node.ctx, kind)}


def stub(solution: str, rest: Iterable[str]) -> str:
    """What stands in the place of a solution: where to write, and which of its variables the `rest` of the code uses."""
    used = sorted(names(solution, ast.Store) & {name for code in rest for name in names(code, ast.Load)})
    if used == ["answer"]:
        return f"{STUB}: answer = …"
    return f"{WORK}\n# the cells below use: {', '.join(used)}" if used else WORK


def stubs(code: list[str]) -> list[str]:
    """The stub for each code cell with a solution, in order."""
    found = []
    for number, source in enumerate(code):
        solution = SOLUTION.search(source)
        if solution:
            found.append(stub(solution[1], [source[solution.end() :], *code[number + 1 :]]))
    return found


def calm(code: list[Any]) -> None:
    """Let the cells that build on a solution say calmly that it is missing: %%once_done before each but the first.

    A notebook that asks for no solution, which is one to read and to try, stays as it is.
    """
    if not any(cell.metadata.get("nbgrader", {}).get("solution") for cell in code):
        return
    for cell in code[1:]:
        if "nbgrader" not in cell.metadata and not cell.source.startswith("%%"):
            cell.source = f"%%once_done\n{cell.source}"


def learners_edition(path: Path) -> Any:
    """The learner's edition of one notebook."""
    notebook = nbformat.read(path, as_version=4)
    texts = iter(stubs([cell.source for cell in notebook.cells if cell.cell_type == "code"]))
    resources: dict[str, Any] = {"metadata": {"name": path.stem}}
    for step in preprocessors():
        notebook, resources = step.preprocess(notebook, resources)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.source = re.sub(rf"^{STUB}$", lambda _: next(texts), cell.source, flags=re.MULTILINE)
    calm(code)
    return notebook


def release(to: Path) -> list[Path]:
    """Write the learner's edition of every notebook into the folder `to`. Raises BadInput rather than overwrite one."""
    written = []
    prepare_folder("The learner's edition", to, "name another folder with --to")
    for path in find():
        target = to / path.name
        if os.path.lexists(target):
            raise BadInput(f"{target} exists already; it may hold a learner's work.", way_out="name an empty folder with --to")
        text = nbformat.writes(learners_edition(path))
        write_file("The learner's edition", target, f"{text}\n", "name another folder with --to")
        written.append(target)
    return written
