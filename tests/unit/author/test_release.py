"""What stands in the place of a solution in the learner's edition."""

from pathlib import Path

import nbformat
import pytest

from labkit.author.notebooks import NOTEBOOKS
from labkit.author.release import NEEDS, STUB, WORK, learners_edition, stubs
from labkit.judge.check import asked

MARKED = "### BEGIN SOLUTION\n{}\n### END SOLUTION\n"
STUBS = [
    ([MARKED.format("pool = Pool(lab)\npool.start()"), "x = pool"], [f"{WORK}\n# the cells below use: pool"]),
    ([MARKED.format("pool = Pool(lab)\npool.start()"), "pool = Pool.running(lab)\nx = pool"], [WORK]),
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


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_edition_is_python_and_says_where_to_write(path: Path) -> None:
    """Each solution has its stub, none is left without; a cell without magics can be compiled; no words that nobody explains.
    No output is left, and the cell that judges is there and locked.

    What the task asks stands at the top, exactly as the checks have it; right above the cell for the solution stands the button
    that opens a terminal, and a sentence about it above that.
    """
    edition = learners_edition(path).cells
    code = [cell for cell in edition if cell.cell_type == "code"]
    assert not any(words in cell.source for cell in edition for words in ("NBVAL", "once_done", "### "))
    for cell in code:
        if "%" not in cell.source:
            compile(cell.source, path.name, "exec")
    solutions = sum("BEGIN SOLUTION" in source for source in cells(path))
    assert sum(STUB in cell.source for cell in code) == solutions
    assert [cell for cell in code if cell.outputs] == code[: path.stem[0] != "5"]
    if path.stem[0] == "5":  # nothing is asked for in it: it is released as it is
        assert [cell.source for cell in edition] == [cell.source for cell in nbformat.read(path, as_version=4).cells]
        return
    (judging,) = (cell for cell in code if cell.source.startswith("verdicts = check("))
    assert (judging.metadata["editable"], judging.metadata["tags"]) == (False, ["nbval-check-output"])
    question = asked(int(path.stem[0]))
    assert solutions > 0 and code[0].source.endswith(f"asked({path.stem[0]})")
    (output,) = code[0].outputs
    assert (output.data["text/plain"], output.data["text/html"]) == (repr(question), question._repr_html_())
    at = next(number for number, cell in enumerate(edition) if cell.source.startswith(WORK))
    assert edition[at - 1].source == "terminal_button()" and "which the button opens" in edition[at - 2].source
    assert "terminal_button" in "".join(cell.source for cell in edition[: at - 2])


# What says in words what happens to the records (nothing), and what a client sees of it.
ANSWERS = (
    "has no health check", "Nothing happens", "goes on handing out", "Every other request fails", "stay the same", "loses half",
)  # fmt: skip


def test_edition_does_not_answer_the_question() -> None:
    """Neither the answer to 2.3, nor the sentences that give it away, stand in the learner's edition; the reference has them."""
    edition = learners_edition(NOTEBOOKS / "2_dns.ipynb")
    text = "\n".join(cell.source for cell in edition.cells)
    assert [words for words in ANSWERS if words in text] == [] and "{answer}" in text
    whole = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS / "2_dns.ipynb", as_version=4).cells)
    assert sum(words in whole for words in ANSWERS) == len(ANSWERS) - 1  # "stay the same" is no word of it any more


def test_cell_that_builds_on_the_solution_says_what_it_needs() -> None:
    """The first takes what runs; those up to the check need that, and after the check those that use what was measured."""
    code = [cell for cell in learners_edition(NOTEBOOKS / "4_nginx.ipynb").cells if cell.cell_type == "code"]
    firsts = {cell.id: cell.source.partition("\n")[0] for cell in code}
    assert (firsts["4-05"], firsts["4-07"], firsts["4-35"]) == (NEEDS, f"{NEEDS}: nginx", f"{NEEDS}: nginx")
    assert [id for id in ("4-01", "4-33", "4-34", "4-36", "4-38") if firsts[id].startswith(NEEDS)] == []


def cells(path: Path) -> list[str]:
    """The code cells of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
