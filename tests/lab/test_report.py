"""Reports: notebooks run side by side, and what happens when one fails; and that nbval fails what must fail."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from run import NBVAL, TOP

from labkit.author import notebooks as module
from labkit.author.notebooks import NOTEBOOKS, find, report
from labkit.cli import main, parser
from labkit.errors import BadInput, CourseError
from labkit.homework.submission import read

LOADS = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?https?:""", re.I)


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two notebooks of the test's own: the second fails in its third cell."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    good = [
        new_markdown_cell("# Good"),
        new_code_cell("from labkit import Lab\nwith Lab() as lab:\n    print(lab.run('id -u').stdout)"),
    ]
    bad = [new_code_cell("1"), new_markdown_cell("text"), new_code_cell("raise RuntimeError('it broke')"), new_code_cell("2")]
    for name, cells in (("1_good", good), ("2_bad", bad)):
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    monkeypatch.setattr(module, "NOTEBOOKS", folder)
    return folder


def test_failing_notebook_is_named_with_cell_and_error_and_the_others_are_written(
    notebooks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that fails does not stop the rest; the error names notebook, cell and what was raised; both reports are there; the
    command prints the reason to standard error and does not end with 0."""
    with pytest.raises(CourseError) as caught:
        report(out=tmp_path / "out")
    assert "2_bad, cell 3: RuntimeError: it broke" in caught.value.words
    assert "1 of 2 notebooks failed" in caught.value.tried
    assert "RuntimeError" in (tmp_path / "out" / "2_bad.html").read_text()
    assert ">0\n" in (tmp_path / "out" / "1_good.html").read_text()
    assert main(["report", "2", "--out", str(tmp_path / "out")]) != 0
    assert "2_bad, cell 3" in capsys.readouterr().err


def test_all_notebooks_make_their_reports_and_the_file_to_hand_in(notebooks: Path, tmp_path: Path) -> None:
    """`labkit report` writes a report of each notebook, and submission.html with what they did and what it is worth."""
    (notebooks / "2_bad.ipynb").unlink()
    cells = ["from labkit import Lab, BackendPool\nlab = Lab(task=1, home='work')\nBackendPool(lab).start()", "print(6 * 7)"]
    nbformat.write(new_notebook(cells=list(map(new_code_cell, cells))), notebooks / "1_good.ipynb")
    assert main(["report", "--out", str(tmp_path / "out"), "--name", "Ann", "--save"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"1_good.html", "1_good.ipynb", "submission.html", "work"}
    saved = nbformat.read(tmp_path / "out" / "1_good.ipynb", as_version=4)
    assert saved.cells[1].outputs[0].text == "42\n"
    data = read(tmp_path / "out" / "submission.html")
    assert data["verdicts"]["points"] == 10 and "task1.sh" in data["work"]
    assert ">42\n" in (tmp_path / "out" / "submission.html").read_text()
    assert parser().parse_args(["report"]).out == Path("reports")


def test_report_asks_the_network_for_nothing(notebooks: Path, tmp_path: Path) -> None:
    """A report loads no script, style, font or picture from anywhere; a plot arrives once, as a PNG in the page, with its
    finding as alt text."""
    cell = new_code_cell(
        "import pandas as pd\nfrom labkit import plots\n"
        "plots.shares(pd.DataFrame({'backend': ['backend1', 'backend2', 'backend2'], 'error': None}))"
    )
    nbformat.write(new_notebook(cells=[cell]), notebooks / "3_plot.ipynb")
    assert main(["report", "3", "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "3_plot.html").read_text()
    assert LOADS.search(page) is None and "Content-Security-Policy" in page
    (picture,) = re.findall(r"<img[^>]*>", page)
    assert "1 request to backend1, 2 to backend2" in picture


def test_what_cannot_be_reported_is_bad_input(tmp_path: Path) -> None:
    """A number that names no notebook, and a folder that is a file, are refused before anything runs."""
    for numbers in (["9"], ["1", "x"], ["backends"]):
        with pytest.raises(BadInput, match="There is no notebook") as caught:
            find(numbers)
        assert "1_backends" in caught.value.way_out
    (tmp_path / "out").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        report(["1"], tmp_path / "out")


def test_committed_notebooks_are_executed_and_hold_no_machine_path() -> None:
    """Every code cell of the committed notebooks has run, in order, without an error, and shows no folder of a machine."""
    for path in sorted(NOTEBOOKS.glob("[1-5]_*.ipynb")):
        code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), path.name
        assert not any(output.output_type == "error" for cell in code for output in cell.outputs), path.name
        assert not re.search(r"/home/|/tmp/labkit", path.read_text()), path.name


@pytest.mark.parametrize("path", sorted((TOP / "tests" / "wrong").glob("*.ipynb")), ids=lambda path: path.stem)
def test_nbval_fails_the_notebook_and_says_why(path: Path, tmp_path: Path) -> None:
    """nbval fails it with the words that its metadata announce in `labkit.fails_with`."""
    copy = shutil.copy(path, tmp_path)
    run = [sys.executable, "-m", "pytest", "-c", TOP / "pyproject.toml", f"--rootdir={tmp_path}", *NBVAL, copy]
    done = subprocess.run(run, cwd=TOP, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["labkit"]["fails_with"] in done.stdout
