"""The learner's edition: solutions cleared, checks kept and locked, outputs cleared, by nbgrader's own preprocessors."""

import ast
import os
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Template

from ..errors import BadInput
from ..magics import NEEDS
from ..magics import STUB as WORK
from ..writing import TEMPLATES, prepare_folder, write_file, writing
from .notebooks import COURSE, INSTALLED, find

STUB = "# write here"
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
# The tag of cells that answer what the learner is asked, and of those whose output is there from the beginning.
REFERENCE, ASKED = "reference", "asked"
# A cell that takes what runs, whoever started it.
TAKES = re.compile(r"^(\w+) = \w+\.running\(", re.M)
# What the edition needs beside its notebooks, as it lies in the checkout (nothing where pip installed labkit); and what a
# learner reads first.
STARTER = () if INSTALLED.is_dir() else ("lab", "requirements.lock", "binder/apt.txt", "labkit", "LICENSE")
README = TEMPLATES / "edition" / "README.md"


def preprocessors() -> list[Any]:
    """nbgrader's steps, in the order of `nbgrader generate_assignment`, without those that need its database."""
    from nbconvert.preprocessors import TagRemovePreprocessor
    from nbgrader.preprocessors import ClearOutput, ClearSolutions, LockCells
    from traitlets.config import Config

    stubs = {"code_stub": {"python": STUB}, "text_stub": "*Write your answer here.*"}
    config = Config(ClearSolutions=stubs)
    without = TagRemovePreprocessor(enabled=True, remove_cell_tags={REFERENCE})
    return [without, *(step(config=config) for step in (LockCells, ClearSolutions, ClearOutput))]


def names(code: str, kind: type[ast.expr_context]) -> set[str]:
    """The variables that Python code stores (ast.Store) or reads (ast.Load); lines of magics are left out."""
    plain = "\n".join(line for line in code.splitlines() if not line.startswith("%"))
    variables = [node for node in ast.walk(ast.parse(plain)) if isinstance(node, ast.Name)]
    return {node.id for node in variables if isinstance(node.ctx, kind)}


def stubs(code: list[str]) -> list[str]:
    """What stands in the place of each solution, in order: where to write, and which of its variables the cells below use."""
    found = []
    for number, source in enumerate(code):
        if solution := SOLUTION.search(source):
            below = [source[solution.end() :], *code[number + 1 :]]
            read = {name for each in below for name in names(each, ast.Load)}
            taken = {name for each in below for name in TAKES.findall(each)}
            used = sorted((names(solution[1], ast.Store) & read) - taken)
            words = f"{WORK}\n# the cells below use: {', '.join(used)}" if used else WORK
            found.append(f"{STUB}: answer = …" if used == ["answer"] else words)
    return found


def calm(code: list[Any]) -> None:
    """Let the cells that build on a solution say what they need, in a comment that labkit reads (magics.py).

    What they need is what the cells above take as it runs. From the check on, these are only the cells that use what others
    have made. A notebook that asks for no solution, which is one to read and to try, stays as it is.
    """
    taken: list[str] = []
    made: set[str] = set()
    begun = checked = False
    for cell in code:
        if not begun:
            begun = bool(cell.metadata.get("nbgrader", {}).get("solution"))
        elif marks := cell.metadata.get("nbgrader"):
            checked = checked or marks["grade_id"].endswith("-check")
        elif not checked or made & names(cell.source, ast.Load):
            source = cell.source
            cell.source = f"{NEEDS}{': ' if taken else ''}{', '.join(taken)}\n{source}"
            taken += [name for name in TAKES.findall(source) if name not in taken]
            made |= names(source, ast.Store) | set(re.findall(r"^def (\w+)", source, re.M))


def learners_edition(path: Path) -> Any:
    """The learner's edition of one notebook."""
    notebook = nbformat.read(path, as_version=4)
    texts = iter(stubs([cell.source for cell in notebook.cells if cell.cell_type == "code"]))
    resources: dict[str, Any] = {"metadata": {"name": path.stem}}
    asked = {cell.id: cell.outputs for cell in notebook.cells if ASKED in cell.metadata.get("tags", ())}
    for step in preprocessors():
        notebook, resources = step.preprocess(notebook, resources)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.source = re.sub(rf"^{STUB}$", lambda _: next(texts), cell.source, flags=re.MULTILINE)
        cell.outputs = asked.get(cell.id, cell.outputs)
    calm(code)
    return notebook


def release(to: Path) -> list[Path]:
    """Write the learner's edition into the folder `to` and return its notebooks. Raises BadInput rather than overwrite one.

    Beside them lie a README and, from a checkout, all that `./lab open` needs on a fresh machine: the start script, its lists
    and labkit.
    """
    what, way_out = "The learner's edition", "name another folder with --to"
    notebooks = {to / path.name: path for path in find()}
    for target in [*notebooks, *(to / name for name in STARTER), to / README.name]:
        if os.path.lexists(target):
            tried = f"{target} exists already; it may hold a learner's work."
            raise BadInput(tried, way_out="name an empty folder with --to")
    prepare_folder(what, to, way_out)
    for target, path in notebooks.items():
        write_file(what, target, f"{nbformat.writes(learners_edition(path))}\n", way_out)
    with writing(what, to, way_out):
        readme = Template(README.read_text()).render(lab="./lab" if STARTER else "labkit")
        (to / README.name).write_text(readme)
        for name in STARTER:
            (to / name).parent.mkdir(exist_ok=True)
            if (COURSE / name).is_dir():
                left = shutil.ignore_patterns("__pycache__")
                shutil.copytree(COURSE / name, to / name, ignore=left)
            else:
                shutil.copy(COURSE / name, to / name)
    return list(notebooks)
