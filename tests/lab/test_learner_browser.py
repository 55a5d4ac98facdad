"""The learner's edition in JupyterLab, driven in Chromium by clicks and keys: unsolved, solved in both ways, and again.

The screenshots go to the folder that LABKIT_SCREENSHOTS names, where it is set.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, expect
from works import RIGHT

from labkit.author.notebooks import NOTEBOOKS
from labkit.author.release import SOLUTION, release
from labkit.errors import wait_until
from labkit.grading.batch import grade_files
from labkit.grading.feedback import INDEX, write_pages
from labkit.homework.hand_in import hand_in, stories_in
from labkit.homework.submission import read

from .jupyter import MINUTES, Learner, choose, jupyterlab, keep, open_in, printed, violations
from .test_release import LABKIT, NATIVE, POINTS, assert_as_the_reference_shows, assert_not_done_yet
from .test_report_page import school_class

# Where a hub has somebody's JupyterLab.
HUB = "/user/ada"
# How many pictures there are, -1 where one of them is not shown.
PICTURES = """() => {
  const all = [...document.querySelectorAll('.jp-OutputArea img')];
  return all.every(one => one.complete && one.naturalWidth) ? all.length : -1;
}"""


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with the learner's edition, and the address of the JupyterLab that `labkit open` has started on it."""
    edition = tmp_path_factory.mktemp("course") / "edition"
    release(edition)
    with jupyterlab(edition, command=[*LABKIT, "open", str(edition), "--"], base=HUB) as address:
        yield edition, address


@pytest.fixture
def learner(request: pytest.FixtureRequest, jupyter: tuple[Path, str], browser: Browser) -> Iterator[Any]:
    """Open a notebook of the edition in a folder of the test's own: `learner(name)`; again in the same folder and window.

    Solutions are typed into the cells that are there for them; what is left over into none.
    """
    edition, address = jupyter
    folder = edition / re.sub(r"\W+", "-", request.node.name)
    page = browser.new_page(viewport={"width": 960, "height": 1090})

    def begin(name: str, *sources: str) -> Learner:
        folder.mkdir(exist_ok=True)
        for path in edition.glob("*.ipynb"):
            if not (folder / path.name).exists():
                shutil.copy(path, folder)
        open_in(page, address, f"{folder.name}/{name}.ipynb")
        one = Learner(page, folder / f"{name}.ipynb")
        places = [cell.source for cell in one.code if "# write here" in cell.source] if sources else []
        for place, source in zip(places, sources, strict=False):
            one.write(place, source)
        typed = [cell.source.strip() for cell in one.code if cell.source in sources] if sources else []
        assert typed == [source.strip() for source in sources[: len(places)]]
        return one

    yield begin
    page.close(run_before_unload=False)


@pytest.mark.parametrize("name", POINTS)
def test_unsolved_notebook_says_what_is_missing_a_line_a_cell(learner: Any, name: str) -> None:
    """Run All on an edition as it was given: a line in each cell that builds on a solution, no error, no picture, 0 points."""
    one = learner(name)
    assert not one.page.get_by_text(re.compile("Nbgrader|Create Assignment|Validate")).count()  # a teacher's
    cells = one.run_all()
    one.keep(f"unsolved-{name}")
    assert_not_done_yet(cells)
    assert not [cell.source for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert one.page.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0


@pytest.mark.parametrize("way", ["helpers", "native"])
@pytest.mark.parametrize("name", POINTS)
def test_solved_notebook_shows_everything(learner: Any, name: str, way: str) -> None:
    """With labkit's helpers and with native commands: all pictures, tables, the panel, a green verdict each, all points."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    helpers = [cell.source for cell in cells if cell.cell_type == "code" and SOLUTION.search(cell.source)]
    one = learner(name, *(helpers if way == "helpers" else [NATIVE[name], *helpers[1:]]))
    cells = one.run_all()
    one.keep(f"{way}-{name}")
    assert_as_the_reference_shows(name, cells)
    panel = one.page.locator(".labkit-panel")
    expect(panel).to_be_visible(timeout=MINUTES)
    expect(panel.get_by_role("button", name="Start")).to_be_enabled(timeout=MINUTES)
    wait_until(lambda: one.page.evaluate(PICTURES) > 3, reason="all pictures on the page", timeout=60)


def test_notebook_that_is_run_twice_is_as_after_once(learner: Any) -> None:
    """All cells run again: one lab is open, the script of the task is the same, and so are the pictures and verdicts."""
    one = learner("1_backends", NATIVE["1_backends"])
    first = one.run_all()
    script = (one.path.parent / "work" / "task1.sh").read_text()
    again = one.run_all(first=len(first) + 1)
    one.keep("twice")
    assert_as_the_reference_shows("1_backends", again)
    assert (one.path.parent / "work" / "task1.sh").read_text() == script
    assert "already loaded" not in "".join(printed(cell) for cell in again)
    expect(one.page.locator(".labkit-panel")).to_have_count(1)
    one.write(
        "plots.latency(both)",
        "import gc; gc.collect(); print([one for one in gc.get_objects() if type(one) is Lab and not one.closed])",
    )
    labs = one.run("gc.collect")
    assert labs.count("<Lab ") == 1, labs


# What is run first in a kernel that was restarted, by a part of it; and what it says.
MIDDLE = {
    "sockets(lab)": "Not run: this cell needs `pool` of the cells above. In the menu: Run, Run All Above",
    "%lab id": "No lab is open in this kernel",
    "mkdir -p backend1": "No lab is open in this kernel",
    "verdicts = check(1)": "`check` is not there: the cell that makes it (`import pandas as pd` …) has not run to its end",
    "verdicts.points": "`verdicts` is not there",
    'lab = Lab("1_backends", task=1)': "",
}


def test_middle_of_a_notebook_after_a_restart_says_what_to_run(learner: Any) -> None:
    """Each kind of cell that a new kernel runs first works, or says in one sentence which cells to run; then all works."""
    one = learner("1_backends", NATIVE["1_backends"])
    one.run_all()
    one.restart()
    for text, words in MIDDLE.items():
        said = one.run(text)
        assert said.startswith(words) and said.count("\n") <= 1 and "Traceback" not in said, (text, said)
        if text == "verdicts.points":
            one.keep("restart")
    choose(one.page, "Run", "Run All Above Selected Cell")
    assert_as_the_reference_shows("1_backends", one.run_all(first=len(MIDDLE)))


def test_two_notebooks_work_in_one_folder(learner: Any) -> None:
    """Task 4's notebook uses the pages of task 1 and leaves its work as it is; both go on side by side, with all points."""
    one = learner("1_backends", NATIVE["1_backends"])
    one.run_all()
    work = one.path.parent / "work"
    before = {path: path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}
    other = learner("4_nginx", NATIVE["4_nginx"])
    cells = other.run_all()
    other.keep("two-notebooks")
    assert_as_the_reference_shows("4_nginx", cells)
    after = {path: path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}
    assert after == before | {work / "task4.sh": after[work / "task4.sh"]}
    one = learner("1_backends")
    assert printed(one.code[5]) and one.run("sockets(lab)").count("python3 -m http.server") == 2  # its lab is still there
    assert_as_the_reference_shows("1_backends", one.run_all(first=len(one.code) + 1))


def test_dark_theme_is_readable(learner: Any) -> None:
    """In JupyterLab's dark theme every text in the outputs of a solved notebook stands out from what is behind it."""
    one = learner("1_backends", NATIVE["1_backends"])
    try:
        choose(one.page, "Settings", "Theme", "JupyterLab Dark")
        expect(one.page.locator("body")).to_have_attribute("data-jp-theme-light", "false", timeout=MINUTES)
        one.run_all()
        one.keep("dark")
        found = violations(one.page, "'.jp-OutputArea'")
        assert [line for line in found if line.startswith("color-contrast")] == []
    finally:
        choose(one.page, "Settings", "Theme", "JupyterLab Light")


def test_phone_shows_the_notebook_and_the_report(learner: Any) -> None:
    """390 pixels wide, neither JupyterLab nor submission.html has to be moved sideways to be read."""
    one = learner("1_backends", NATIVE["1_backends"])
    one.page.set_viewport_size({"width": 390, "height": 844})
    one.run_all()
    one.keep("phone")
    inside = one.shown.locator(".jp-WindowedPanel-outer")
    assert inside.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    folder = one.path.parent
    file = hand_in(folder / "work", folder / "submission.html", name="Ann", stories=stories_in(folder))
    one.page.goto(file.as_uri())
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(one.page, "learner-phone-submission", full_page=True)


def make_report(one: Learner) -> Locator:
    """Click the button, and return the form."""
    form = one.shown.locator(".labkit-report")
    form.get_by_role("button", name="Make my report").click()
    return form


def test_report_form(learner: Any, jupyter: tuple[Path, str], tmp_path: Path) -> None:
    """Asked for the name, warned of this notebook and of another tab's, the learner sees progress, points and two links."""
    one = learner("1_backends", NATIVE["1_backends"])
    one.run_all()
    form = make_report(one)
    expect(form).to_contain_text("Your name is missing", timeout=MINUTES)
    keep(one.page, "learner-report-no-name")
    form.get_by_label("Name", exact=True).fill("Ада <b>Лавлейс</b>")
    form.get_by_label("Group", exact=True).fill("7")
    choose(one.page, "File", "Open from Path…")
    one.page.get_by_placeholder("/path/relative/to/jlab/root").fill(f"{one.path.parent.name}/2_dns.ipynb")
    one.page.get_by_role("button", name="Open", exact=True).click()
    other = Learner(one.page, one.path.with_name("2_dns.ipynb"))
    expect(other.shown.get_by_role("heading", name="Task 2")).to_be_visible(timeout=MINUTES)
    other.write("# write here", "# not saved")
    one.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=one.path.name).click()
    file = one.path.parent / "submission.html"
    expect(form.locator(".labkit-unsaved input")).to_have_value(re.compile(r"2_dns\.ipynb"), timeout=MINUTES)
    form = make_report(one)
    expect(form).to_contain_text("2_dns.ipynb has changes that are not saved.", timeout=MINUTES)
    form.scroll_into_view_if_needed()
    keep(one.page, "learner-report-unsaved")
    assert not file.exists()
    form.get_by_role("button", name="Save all notebooks").click()
    wait_until(lambda: "# not saved" in other.path.read_text(), reason="the saved notebook", timeout=60)
    make_report(one)
    expect(form.get_by_role("progressbar")).to_be_visible(timeout=MINUTES)
    keep(one.page, "learner-report-progress")
    expect(form).to_contain_text(re.compile(r"submission\.html is written: 10 of \d+ points"), timeout=5 * MINUTES)
    form.scroll_into_view_if_needed()
    keep(one.page, "learner-report-made")
    rows = [row.split("\t")[1:3] for row in form.locator("tbody tr").all_inner_texts()]
    assert rows == [["10", "10"], ["0", "20"], ["0", "35"], ["0", "35"]]
    with one.page.expect_download() as download:
        form.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == file.read_bytes()
    assert f"{HUB}/files/{file.parent.name}/submission.html" in str(
        form.get_by_role("link", name="Download").get_attribute("href")
    )
    data = read(file)  # of task 1; the others are not done
    assert (data["who"]["name"], data["who"]["group"], data["verdicts"]["points"]) == ("Ада <b>Лавлейс</b>", "7", 10)
    form.get_by_role("link", name="Open").click()
    expect(one.page.frame_locator("iframe").get_by_role("heading", name="Load balancing").first).to_be_visible(timeout=MINUTES)
    keep(one.page, "learner-report-opened")


def test_index_of_a_class(browser: Browser, tmp_path: Path) -> None:
    """Works that are really graded among 300: sorted, filtered, and read on a phone."""
    wrong = RIGHT | {"nginx.conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=8")}
    for number, (name, files) in enumerate({"Cem": {"task1.sh": "true\n"}, "Борис": wrong}.items()):
        work = tmp_path / name
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        (tmp_path / "class" / name).mkdir(parents=True)
        hand_in(work, tmp_path / "class" / name / "submission.html", name=name, group=f"G{number}")
    grades = grade_files(sorted((tmp_path / "class").rglob("*.html")), jobs=1)
    assert [grade.measured for grade in grades] == [0, 84]
    write_pages([*grades, *school_class(298)], tmp_path / "pages")
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto((tmp_path / "pages" / INDEX).as_uri())
    keep(page, "learner-index")
    shown_rows = page.locator("tbody tr:visible")
    assert shown_rows.count() == 301
    page.get_by_label("Find").fill("борис")
    assert shown_rows.count() == 1
    assert [one.strip() for one in shown_rows.locator("td").all_inner_texts()][:9] == [
        "G1", "84 / 94", "84", "10", "14", "35", "25", "6 open", "4.2",
    ]  # fmt: skip
    page.get_by_label("Find").fill("")
    page.get_by_label("Not passed").select_option("4.2")
    keep(page, "learner-index-filtered")
    page.get_by_label("Not passed").select_option("")
    page.get_by_role("button", name="points").click()
    assert "Cem" in shown_rows.first.inner_text() or "broken.html" in shown_rows.first.inner_text()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page, "learner-index-phone")
    page.close()
