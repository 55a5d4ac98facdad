"""What stands in the place of a solution in the learner's edition."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from labkit.course.release import STUB, WORK, learners_edition, stubs
from labkit.course.report import NOTEBOOKS

MARKED = "### BEGIN SOLUTION\n{}\n### END SOLUTION\n"
STUBS = [
    ([MARKED.format("pool = Pool(lab)\npool.start()"), "x = pool"], [f"{WORK}\n# the cells below use: pool"]),
    ([MARKED.format("b = 1\na = b\nc = 2"), "%lab ls\nprint(a)", "b + z"], [f"{WORK}\n# the cells below use: a, b"]),
    ([MARKED.format("a = 1"), "a = 2"], [WORK]),
    (['answer = ""\n' + MARKED.format('answer = """\nlong\n"""') + "write(answer)"], [f"{STUB}: answer = …"]),
    (["x = 1", MARKED.format("a = 1"), MARKED.format("c = 1"), "a + c"], [f"{WORK}\n# the cells below use: {n}" for n in "ac"]),
    (["%%lab\nls"], []),
]


@pytest.mark.parametrize(("code", "texts"), STUBS)
def test_stub_names_what_the_cells_below_use(code: list[str], texts: list[str]) -> None:
    """A learner who writes native commands sees which variables the following cells would have used."""
    assert stubs(code) == texts


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[1-4]_*.ipynb")), ids=lambda path: path.stem)
def test_edition_is_python_and_says_where_to_write(path: Path) -> None:
    """Each solution has its stub, none is left without, and a cell without magics can be compiled."""
    code = [cell.source for cell in learners_edition(path).cells if cell.cell_type == "code"]
    assert sum(STUB in source for source in code) == sum("BEGIN SOLUTION" in source for source in cells(path)) > 0
    for source in code:
        if "%" not in source:
            compile(source, path.name, "exec")


def test_edition_does_not_answer_the_question() -> None:
    """The reference answer to 2.3, and the cells that give it with figures, are not in the learner's edition."""
    edition = learners_edition(NOTEBOOKS / "2_dns.ipynb")
    text = "\n".join(cell.source for cell in edition.cells)
    assert "has no health check" not in text and "{answer}" in text
    assert any("has no health check" in source for source in cells(NOTEBOOKS / "2_dns.ipynb"))


def cells(path: Path) -> list[str]:
    """The code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
