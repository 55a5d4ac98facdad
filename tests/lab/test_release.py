"""The course's notebooks: the learner's edition, the real nbgrader, reports, and that nbval fails what must fail."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect
from run import NBVAL, TOP

from labkit.author import notebooks as module
from labkit.author.notebooks import NOTEBOOKS, find, report
from labkit.author.release import STUB, release
from labkit.cli import main, parser
from labkit.errors import BadInput, CourseError
from labkit.homework.submission import read
from labkit.magics import NEEDS

from .jupyter import MINUTES, TOKEN, chromium, copy_notebooks, jupyterlab, printed

ALL = os.environ.get("LABKIT_TESTS") == "all"
TASKS = ["1_backends", "2_dns", "4_nginx", *(["3_ipvs"] if ALL else [])]
POINTS = {"1_backends": 10, "2_dns": 14, "3_ipvs": 35, "4_nginx": 35}
LABKIT = [sys.executable, "-P", "-m", "labkit"]
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "labkit"
c.CourseDirectory.root = {root!r}
c.Execute.timeout = 180
"""
SCORES = """
import sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///" + sys.argv[1]) as book:
    for done in book.assignment_submissions("lb"):
        print(done.student.id, done.score, done.needs_manual_grade)
"""


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learner's edition that is set up: its .venv leads to the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("edition").resolve()
    release(folder)
    with pytest.raises(BadInput, match="exists already"):  # a learner's work is not overwritten
        release(folder)
    sums = [
        subprocess.run(["cksum", name], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
        for name in ("requirements.lock", "binder/apt.txt")
    ]
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (folder / ".venv" / "lab-stamp").write_text(f"{sums[0]} {folder}\n")
    (folder / ".venv.system").write_text(f"{sums[1]}\n")
    return folder


def said(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in it", "from elsewhere"])
def test_open_in_the_edition_serves_the_edition(edition: Path, tmp_path: Path, elsewhere: bool) -> None:
    """`./lab open` of the edition is JupyterLab on its own notebooks, wherever one stands, and none of them has a solution."""
    (tmp_path / "notebooks").mkdir()
    with jupyterlab(
        tmp_path / "notebooks", command=[str(edition / "lab"), "open", "--"], cwd=tmp_path if elsewhere else edition
    ) as (address):
        for name in POINTS:
            with urllib.request.urlopen(f"{address}/api/contents/{name}.ipynb?token={TOKEN}", timeout=60) as answer:
                text = answer.read().decode()
            assert STUB in text and "BEGIN SOLUTION" not in text


@pytest.mark.parametrize("whose", ["learner", "teacher"])
def test_tools_for_teachers_are_on_a_teachers_screen_alone(edition: Path, tmp_path: Path, whose: str) -> None:
    """What `open` starts on the learner's edition has nothing of nbgrader on the screen; on the solutions it has all of it."""
    notebooks = copy_notebooks(tmp_path)
    start = [*LABKIT, "open", str(notebooks)] if whose == "teacher" else [str(edition / "lab"), "open"]
    with chromium() as browser, jupyterlab(notebooks, command=[*start, "--"], cwd=edition) as address:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(f"{address}/lab/tree/1_backends.ipynb?token={TOKEN}")
        expect(page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=3 * MINUTES)
        expect(page.get_by_role("button", name="Restart the kernel").first).to_be_visible(timeout=MINUTES)
        for words in ("Create Assignment", "Validate", "Nbgrader"):
            expect(page.get_by_text(words)).to_have_count(int(whose == "teacher"), timeout=MINUTES)


def test_edition_says_how_it_is_used(edition: Path) -> None:
    """Each command that the README names is known to the edition's own `lab`, and it fits on one page."""
    text = (edition / "README.md").read_text()
    for heading in ("Open", "Work", "Check", "Hand in", "Help"):
        assert f"## {heading}\n" in text
    assert len(text.splitlines()) <= 66
    named = set(re.findall(r"\./lab ([a-z-]+)", text))
    assert {"open", "check", "hand-in", "doctor"} <= named
    for command in named:
        assert said([str(edition / "lab"), command, "--help"], edition).returncode == 0, command


def test_open_never_serves_solutions_from_elsewhere(tmp_path: Path) -> None:
    """The command of a checkout, typed where no notebooks are, opens none of the teacher's and says what to name."""
    done = said([*LABKIT, "open"], tmp_path)
    assert done.returncode == 3 and "labkit open FOLDER" in done.stderr


def points_in(cells: list[Any]) -> str:
    """What the cell says that shows the points."""
    return printed(next(cell for cell in cells if cell.source == "verdicts.points"))


def assert_not_done_yet(cells: list[Any]) -> None:
    """Each cell that needs the solution says so in one line, and neither sends nor draws; there is no error, and no point."""
    waiting = [cell for cell in cells if cell.source.startswith(NEEDS)]
    assert len(waiting) > 8
    for cell in waiting:
        assert re.fullmatch(r"Not done yet: this cell needs your solution above.*\n", printed(cell)), cell.source
        assert shown(cell) == []
    assert not [cell.source for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert points_in(cells) == "0"


def assert_as_the_reference_shows(name: str, cells: list[Any]) -> None:
    """Every cell has the pictures and tables that it has in the reference, and the task all its points."""
    reference = {cell.id: cell for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells}
    for cell in cells:
        assert shown(cell) == shown(reference[cell.id]), cell.source
        assert "Not done yet" not in printed(cell) and "Not run" not in printed(cell), cell.source
    assert points_in(cells) == str(POINTS[name])


@pytest.mark.parametrize("name", TASKS)
def test_unchanged_edition_ends_with_not_done_yet(tmp_path: Path, name: str) -> None:
    """A learner's edition that is run as it is runs to its end without an error, says "not done yet" and gives 0 points."""
    cells = run(tmp_path, name)
    assert_not_done_yet(cells)
    assert any("not done yet" in printed(cell) for cell in cells if "= check(" in cell.source)


# A right solution of each task as people type it: services, /etc, another folder, other options than the helpers use.
NATIVE = {
    "1_backends": """%%lab
mkdir -p backend1 backend2
echo '<h1>Response from Backend Server 1</h1>' > backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > backend2/index.html
cd backend1
python3 -m http.server 8081 &
cd ../backend2
python3 -m http.server --bind 127.0.0.1 8082 &
""",
    "2_dns": """%%lab
echo 'host-record=my-awesome-highload-app.local,127.0.0.1' | sudo tee /etc/dnsmasq.d/lb.conf
echo 'host-record=my-awesome-highload-app.local,127.0.0.2' | sudo tee -a /etc/dnsmasq.d/lb.conf
sudo systemctl restart dnsmasq
""",
    "3_ipvs": """%%lab
ip link add dummy1 type dummy
ip addr add 192.168.100.1/32 dev dummy1
ip link set dummy1 up
ipvsadm -A -t 192.168.100.1:80 -s rr
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
""",
    "4_nginx": """%%lab
cat > /etc/nginx/conf.d/lb.conf <<'END'
upstream balanced { server 127.0.0.1:8081 max_fails=7; server 127.0.0.1:8082 backup; }
server {
  listen 127.0.0.1:8888;
  location / { proxy_pass http://balanced; proxy_set_header X-high-load-test 123; }
}
END
rm /etc/nginx/sites-enabled/default
systemctl restart nginx
""",
}


@pytest.mark.parametrize("name", TASKS)
def test_natively_solved_notebook_shows_all_that_the_reference_shows(tmp_path: Path, name: str) -> None:
    """Below a solution in native commands every cell has its pictures, tables and panel, and all automatic points are given."""
    assert_as_the_reference_shows(name, run(tmp_path, name, NATIVE[name]))
    kept = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert kept == (["backend1", "backend2", "task1.sh"] if name[0] == "1" else [f"task{name[0]}.sh"])


def run(folder: Path, name: str, solution: str = "") -> list[Any]:
    """The code cells of the learner's edition with their outputs, the solution in the place of the first stub."""
    release(folder)
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stub = next(cell for cell in cells if STUB in cell.source)
    stub.source = solution or stub.source
    # A busy kernel sends what one print printed in pieces.
    NotebookClient(notebook, timeout=180, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}).execute()
    return cells


def shown(cell: Any) -> list[str]:
    """The kinds of what a cell shows: pictures, tables; not what is printed, nor a progress bar or the live widgets."""
    return sorted(kind for output in cell.outputs for kind in output.get("data", {}) if kind in ("image/png", "text/html"))


@pytest.mark.skipif(not ALL, reason="./lab test --all runs every notebook twice, two minutes")
def test_nbgrader_gives_all_automatic_points_to_the_reference_and_none_to_the_unchanged_edition(tmp_path: Path) -> None:
    """`nbgrader generate_assignment` and `autograde`: 94 points and a hand for 2.3 for the reference, 0 for the edition."""
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    def nbgrader(*arguments: str) -> None:
        command = [str(folder / "nbgrader"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode == 0, done.stderr[-2000:]

    (tmp_path / "nbgrader_config.py").write_text(CONFIG.format(root=str(tmp_path)))
    for place in ("source/lb", "submitted/reference/lb"):
        (tmp_path / place).mkdir(parents=True)
        for path in NOTEBOOKS.glob("*.ipynb"):
            (tmp_path / place / path.name).write_bytes(path.read_bytes())
    nbgrader("generate_assignment", "lb", "--create")
    (tmp_path / "submitted/unchanged").mkdir()
    (tmp_path / "release/lb").rename(tmp_path / "submitted/unchanged/lb")
    nbgrader("autograde", "lb")
    scores = subprocess.run(
        [sys.executable, "-c", SCORES, str(tmp_path / "gradebook.db")], capture_output=True, text=True, check=True
    ).stdout
    assert sorted(scores.splitlines()) == ["reference 94.0 True", "unchanged 0.0 False"]


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
