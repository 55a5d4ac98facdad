"""Every path that a user can name: a bad one ends with code 3 and the reason, before the work begins, and nothing is lost."""

import csv
import html
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from hostile_pages import page
from nbformat.v4 import new_code_cell, new_notebook, new_output
from works import right

from labkit import cli
from labkit.author import notebooks
from labkit.cli import main
from labkit.errors import BadInput
from labkit.grading import grade as grading
from labkit.grading.batch import edition
from labkit.homework import form as form_of_notebooks
from labkit.homework import hand_in
from labkit.homework.submission import as_block, build, read
from labkit.judge import check
from labkit.judge.verdict import Verdicts, failed, passed, verdict
from labkit.writing import prepare_file, prepare_folder, write_file

# Bad places by what is wrong with them, made in a folder.
BAD: dict[str, Callable[[Path], Path]] = {
    "below a file": lambda folder: folder / "file" / "x",
    "in /proc": lambda _folder: Path("/proc/labkit/x"),
    "/proc itself": lambda _folder: Path("/proc"),
    "too long": lambda folder: folder / ("n" * 300),
    "with a NUL": lambda folder: folder / "a\0b",
    "a link to nowhere": lambda folder: folder / "link",
    "a circle of links": lambda folder: folder / "circle" / "x",
    "half a letter": lambda folder: folder / "a\ud800",
}
COMMANDS: dict[str, list[str]] = {
    "unpack --to": ["unpack", "@REPORT@", "--to", "@BAD@"],
    "unpack --evidence": ["unpack", "@REPORT@", "--to", "@NEW@", "--evidence", "@BAD@"],
    "unpack FILE": ["unpack", "@BAD@", "--to", "@NEW@"],
    "grade --csv": ["grade", "@REPORT@", "--csv", "@BAD@"],
    "grade --html": ["grade", "@REPORT@", "--html", "@BAD@"],
    "grade --notes": ["grade", "@REPORT@", "--notes", "@BAD@"],
    "grade --by-hand": ["grade", "@REPORT@", "--by-hand", "@BAD@"],
    "grade --fresh": ["grade", "@REPORT@", "--notes", "@BAD@", "--fresh"],
    "hand-in --out": ["hand-in", "--work", "@WORK@", "--out", "@BAD@"],
    "hand-in --work": ["hand-in", "--work", "@BAD@", "--out", "@NEW@"],
    "hand-in --notebooks": ["hand-in", "--work", "@WORK@", "--notebooks", "@BAD@", "--out", "@NEW@"],
    "check --work": ["check", "--work", "@BAD@"],
    "report --out": ["report", "1", "--out", "@BAD@"],
    "release --to": ["release", "--to", "@BAD@"],
}

# A folder like any other to read from, and one that takes long to read; a link that is taken away, since all begins afresh.
NOT_BAD = {(command, "/proc itself") for command in ("check --work", "hand-in --notebooks", "hand-in --work")}
NOT_BAD |= {("grade --fresh", "a link to nowhere")}


@pytest.fixture
def words(tmp_path: Path) -> dict[str, str]:
    """A report, a work and a new place in a folder that has a file and links that lead nowhere."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/proc/labkit/x")
    (tmp_path / "circle").symlink_to("circle")
    work = right("right", 1).write(tmp_path / "work")
    verdicts = {"points": 2, "of": 2, "verdicts": [{"requirement": "1.1", "verdict": "passed"}]}
    made = build(work, {"name": "Ann"}, verdicts, {"task1": {"rows": [1]}}, {})
    (tmp_path / "ann.html").write_bytes(page(as_block(made)))
    return {"@REPORT@": str(tmp_path / "ann.html"), "@WORK@": str(work), "@NEW@": str(tmp_path / "new")}


@pytest.fixture(autouse=True)
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """No lab is opened and no notebook is run: 1.1 passes on every work; the list has the works that were judged."""
    works: list[Path] = []

    def check_work(work: Path, *_args: Any, **_options: Any) -> Verdicts:
        works.append(work)
        return Verdicts([verdict("1.1", passed("e"))], "uml")

    for module in (grading, hand_in):
        monkeypatch.setattr(module, "check_work", check_work)
    return works


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("command", COMMANDS)
def test_bad_path_is_told_before_the_work_begins(
    words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], judged: list[Path], command: str, bad: str
) -> None:
    """Code 3, what was tried, the system's words and no traceback; nothing was judged for hours before that."""
    if (command, bad) in NOT_BAD:
        return
    place = str(BAD[bad](tmp_path))
    assert main([{**words, "@BAD@": place}.get(word, word) for word in COMMANDS[command]]) == 3
    said = capsys.readouterr().err
    assert said.strip() and "Traceback" not in said
    assert not judged


def test_bad_file_in_a_batch_is_a_row(
    words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], judged: list[Path]
) -> None:
    """It is not what was asked for, so it says so, and stops no other file."""
    assert main(["grade", *(str(make(tmp_path)) for make in BAD.values()), words["@REPORT@"]]) == 0
    assert len(judged) == 1 and f"{len(BAD)} of {len(BAD) + 1} to look at" in capsys.readouterr().out


def test_table_that_cannot_be_written_after_all_is_kept(
    words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full in the end: code 3, the table is shown, and kept in another place, which is named."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(cli.tempfile, "tempdir", None)
    assert main(["grade", words["@REPORT@"], "--csv", "/dev/full"]) == 3
    said = capsys.readouterr()
    assert "No space left on device" in said.err and "ann.html" in said.out
    (kept,) = tmp_path.glob("labkit-grades-*/grades.csv")
    assert str(kept) in said.err and "Ann" in kept.read_text(encoding="utf-8-sig")


def words_in(form: Any) -> str:
    """What the form says, as a reader sees it."""
    return html.unescape(re.sub(r"<[^>]*>", "", form.children[2].outputs[0]["data"]["text/html"]))


def test_form_says_what_it_needs_and_what_went_wrong(
    words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name nothing is judged; a notebook that was saved unrun is named once, and a second click takes it as it is.

    Whatever is raised while the report is made stands in the form, and the button can be pressed again.
    """
    monkeypatch.chdir(tmp_path)

    def pressed(form: Any) -> str:
        form.children[1].click()
        assert not form.children[1].disabled
        return words_in(form)

    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "2_dns.ipynb")
    form = form_of_notebooks.report_form(words["@WORK@"], to="out <1>.html")
    assert "Your name is missing" in pressed(form)
    form.children[0].children[0].value = "Ann"
    assert "Notebook 2 was saved without what its cells show" in pressed(form) and not Path("out <1>.html").exists()
    assert "docmanager:save-all" in form.children[2].outputs[0]["data"]["text/html"]
    assert all(said in pressed(form) for said in ("out <1>.html is written", "1 · ", "2 · ", "3 · ", "4 · "))
    assert Path("out <1>.html").exists()
    assert 'href="out%20%3C1%3E.html" download' in form.children[2].outputs[0]["data"]["text/html"]
    (tmp_path / "2_dns.ipynb").write_text("{broken")
    assert "2_dns.ipynb cannot be read" in pressed(form)
    (tmp_path / "2_dns.ipynb").unlink()
    for bad in BAD.values():
        other = form_of_notebooks.report_form(words["@WORK@"], to=bad(tmp_path))
        other.children[0].children[0].value = "Ann"
        assert "cannot be written" in pressed(other)
    monkeypatch.setattr(form_of_notebooks, "hand_in", lambda *_args, **_options: 1 / 0)
    assert "ZeroDivisionError" in pressed(form)


def test_notebook_that_ran_on_after_it_was_saved_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own notebook has lower numbers in its file than the kernel has counted: it was not saved since."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/x/1_backends.ipynb")
    saved = {1: new_notebook(cells=[new_code_cell("1", execution_count=4)])}
    for counted, words in ((5, []), (6, ["1_backends.ipynb was not saved since its last cells were run."])):
        monkeypatch.setattr(form_of_notebooks, "get_ipython", lambda counted=counted: SimpleNamespace(execution_count=counted))
        assert form_of_notebooks.unsaved(saved) == words
    saved[2] = new_notebook(cells=[new_code_cell("1", execution_count=4)])
    words += ["2_dns.ipynb has changes that are not saved."]
    assert form_of_notebooks.unsaved(saved, ["1_backends.ipynb", "2_dns.ipynb", "README.md"]) == words


def test_what_is_judged_is_what_is_handed_in(
    words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links and empty folders too, as a stranger's, and nothing that is edited meanwhile.

    Points a task and their sum are printed; no name, no notebooks and each requirement not passed are named, with the hint.
    The page has all of it.
    """
    work, out = Path(words["@WORK@"]), tmp_path / "submission.html"
    (work / "real.conf").write_text("x")
    (work / "other.conf").symlink_to("real.conf")
    (work / "logs").mkdir()
    script = (work / "task1.sh").read_text()

    def check_work(judged: Path, *, trusted: bool) -> Verdicts:
        assert not trusted
        assert os.readlink(judged / "other.conf") == "real.conf" and (judged / "logs").is_dir()
        (work / "task1.sh").write_text("edited meanwhile")
        rows = [verdict("1.1", passed("two folders")), verdict("1.2", failed("x", "the page of backend1 differs\nat length"))]
        return Verdicts(rows, "uml")

    monkeypatch.setattr(hand_in, "check_work", check_work)
    monkeypatch.chdir(tmp_path)
    assert main(["hand-in", "--work", str(work)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == out.name and {"Task 1: 2 of 4 points", "Sum: 2 of 4 points"} < {*printed}
    missing = printed[printed.index("Missing:") + 1 :]
    assert missing[0] == "  your name, on the cover" and missing[1].startswith("  the notebooks")
    assert missing[2] == "  1.2: the page of backend1 differs"
    assert main(["unpack", str(out), "--to", str(tmp_path / "back")]) == 0
    assert (tmp_path / "back" / "task1.sh").read_text() == script and "edited meanwhile" not in out.read_text()
    assert os.readlink(tmp_path / "back" / "other.conf") == "real.conf" and (tmp_path / "back" / "logs").is_dir()
    (tmp_path / "stories").mkdir()
    story = new_notebook(cells=[new_code_cell("6 * 7", outputs=[new_output("stream", text="forty-two\n")])])
    nbformat.write(story, tmp_path / "stories" / "1_backends.ipynb")
    assert main(["hand-in", "--work", str(tmp_path / "back"), "--notebooks", "stories", "--name", "Ann Other"]) == 0
    text = re.sub(r"<[^>]*>", "", out.read_text().partition("<main")[2])
    assert all(said in text for said in ("Ann Other", "python3 -m http.server 8081", "two folders", "forty-two"))
    assert re.search(r"Sum\s*2\s*4\b", text)
    assert capsys.readouterr().out.splitlines()[-1] == "  1.2: the page of backend1 differs"
    monkeypatch.setattr(hand_in, "MAX_PAGE", 1000)  # what `grade` would refuse to read
    with pytest.raises(BadInput, match="more than 1,000 bytes"):
        hand_in.hand_in(tmp_path / "back", tmp_path / "s.html")
    assert not (tmp_path / "s.html").exists()


def test_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A text that cannot be written leaves the old file, and nothing beside it; a link is followed, and stays one.

    A place that is tried is left as it was, without a new file.
    """
    target = tmp_path / "out.txt"
    write_file("It", target, "old", "")
    with pytest.raises(BadInput):
        write_file("It", target, "half a letter \ud800", "")
    (tmp_path / "link").symlink_to("out.txt")
    write_file("It", tmp_path / "link", "new", "")
    assert target.read_text() == "new" and (tmp_path / "link").is_symlink()
    prepare_file("It", target, "")
    prepare_file("It", tmp_path / "folder" / "file", "")
    prepare_folder("It", tmp_path / "folder", "")
    with pytest.raises(BadInput):
        write_file("It", tmp_path / "folder", "what cannot take its place", "")
    assert target.read_text() == "new" and list((tmp_path / "folder").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "out.txt"]


def test_what_cannot_be_handed_in_is_told_before_judging(
    words: dict[str, str], tmp_path: Path, judged: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A work that is too large, and a link out of it, end at once."""
    command = ["hand-in", "--work", words["@WORK@"], "--out", str(tmp_path / "s.html")]
    (tmp_path / "work" / "big").write_bytes(bytes(2_000_001))
    assert main(command) == 3 and "too large" in capsys.readouterr().err
    (tmp_path / "work" / "big").unlink()
    (tmp_path / "work" / "out").symlink_to("/etc/passwd")
    assert main(command) == 3 and "not in the work" in capsys.readouterr().err
    assert not judged


def test_gradebook_is_looked_at_before_grading(
    words: dict[str, str], tmp_path: Path, judged: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`grade --moodle`, `--canvas`: a wrong export, one that would be written over, or no folder is said at once."""
    (tmp_path / "moodle.csv").write_text("Identifier,Grade\nParticipant 7,\n")
    (tmp_path / "Ann_7_assignsubmission_file_").mkdir()
    report = tmp_path / "Ann_7_assignsubmission_file_" / "ann.html"
    report.write_bytes(Path(words["@REPORT@"]).read_bytes())
    command = ["grade", str(report), "--html", str(tmp_path / "out"), "--moodle", str(tmp_path / "moodle.csv")]
    for wrong, says in (
        ([*command[:2], "--moodle"], "no folder for the gradebook"),
        ([*command[:3], str(tmp_path), *command[4:]], "would be written over"),
        ([*command, "--canvas", str(tmp_path / "moodle.csv")], "no export of Canvas's"),
        ([*command, "--canvas", str(tmp_path / "gone.csv")], "gone.csv cannot be read"),
    ):
        assert main(wrong) == 3 and says in capsys.readouterr().err, wrong
    assert not judged and not list(tmp_path.glob("out/*.csv"))
    assert main(command) == 0 and "moodle.csv: 1 of 1 works" in capsys.readouterr().out
    assert (tmp_path / "out" / "moodle.csv").read_text() == "Identifier,Grade\nParticipant 7,2\n"


def test_batch_goes_on_and_points_by_hand_are_kept(
    words: dict[str, str], tmp_path: Path, judged: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A second `grade` takes what is noted beside its table; with --fresh all is judged again. What by_hand.csv in the folder of
    the pages says is in table and pages at each run, and no run writes it. --task needs something to keep."""
    table, pages = tmp_path / "out.csv", tmp_path / "pages"
    command = ["grade", words["@REPORT@"], "--csv", str(table), "--html", str(pages)]
    assert main(command) == 0
    lists = {"index.html", "answers.html", "summary.html", "likeness.html"}
    assert {path.name for path in pages.iterdir()} == {*lists, "feedback", "001-ann.html"}
    text = "file,requirement,points,comment\nann.html,2.3,4.5,well seen\nann.html,1.1,1,late\n"
    (pages / "by_hand.csv").write_text(text)
    for more, count in (([], 1), (["--fresh"], 2), ([], 2)):
        assert main([*command, *more]) == 0 and len(judged) == count
        with table.open(encoding="utf-8-sig", newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["points"], row["points measured"], row["given by hand"]) == ("5.5", "2", "2.3 4.5: well seen; 1.1 1: late")
        assert "<b>5.5</b>" in (pages / "index.html").read_text() and "well seen" in (pages / "001-ann.html").read_text()
        assert (pages / "by_hand.csv").read_text() == text
    grade = [*command[:2], "--task", "4"]
    for more in (["--html", str(tmp_path / "new")], ["--csv", str(table), "--fresh"], []):
        assert main([*grade, *more]) == 3 and "there is nothing to keep" in capsys.readouterr().err
    (pages / "by_hand.csv").write_text(text + "ann.html,2.3,7,\n")
    capsys.readouterr()
    assert main([*command, "--fresh"]) == 3
    assert "line 4 (ann.html): '7' is no number of points from 0 to 6" in capsys.readouterr().err
    assert len(judged) == 2


def test_repeated_task_adds_up(words: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`--task 1 --task 2` asks for the same as `--task 1 2`."""
    asked: list[set[int]] = []
    monkeypatch.setattr(check, "check_work", lambda _work, tasks: asked.append(set(tasks)) or Verdicts([], "uml"))
    for options in ("--task 1 --task 2", "--task 1 2", "--task 2 1 --task 1"):
        main(["check", "--work", words["@WORK@"], *options.split()])
    assert asked == [{1, 2}] * 3


@pytest.mark.parametrize("place", cli.PLACES)
def test_work_is_found_where_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """Without --work the folder of the notebooks or of reports, or the current one, is taken; without a work all are named."""
    asked: list[Path] = []
    monkeypatch.setattr(check, "check_work", lambda work, _tasks: asked.append(work) or Verdicts([], "uml"))
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 3
    said = capsys.readouterr().err
    assert all(str(tmp_path / each) in said for each in cli.PLACES) and "--work" in said
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "task1.sh").write_text("true")
    assert main(["check"]) == 0
    assert asked == [Path(place)] and str(Path(place).absolute()) in capsys.readouterr().err


def test_wheel_without_notebooks_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """report, release and open name the place where they looked, and where notebooks are to be had."""
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path)
    for command in ("report --out a", "report 1", "release --to b", "open"):
        assert main(command.split()) == 3
        said = capsys.readouterr().err
        assert str(tmp_path / "notebooks") in said and "checkout" in said


def test_edition_is_of_the_programs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another nginx, and another file of labkit that is no Python, make another judge: its notes are not taken."""
    from labkit.grading import farm

    (tmp_path / "nginx").write_text("#!/bin/sh\n# 1.22")
    (tmp_path / "nginx").chmod(0o755)
    monkeypatch.setattr(farm, "PATH", str(tmp_path))
    edition.cache_clear()
    before = edition()
    (tmp_path / "nginx").write_text("#!/bin/sh\n# 1.28")
    edition.cache_clear()
    assert edition() != before
    edition.cache_clear()


def test_versions_have_what_lies_in_sbin(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user's PATH has no /usr/sbin, and nginx and dnsmasq are in the report all the same."""
    from labkit.homework.document import versions

    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert {"nginx", "dnsmasq", "curl"} <= versions().keys()


def test_check_as_graded_judges_what_would_be_handed_in_as_a_strangers(
    words: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check --as-graded` packs and unpacks the work and does not trust it, as `grade` does; `check` does neither."""
    asked: list[tuple[str, bool, tuple[int, ...]]] = []

    def check_work(judged: Path, tasks: Any, *, trusted: bool = True) -> Verdicts:
        asked.append(((judged / "task1.sh").read_text(), trusted, tuple(tasks)))
        return Verdicts([], "uml")

    for module in (check, hand_in):
        monkeypatch.setattr(module, "check_work", check_work)
    script = (Path(words["@WORK@"]) / "task1.sh").read_text()
    assert main(["check", "--as-graded", "--work", words["@WORK@"], "--task", "1"]) == 0
    assert main(["check", "--work", words["@WORK@"]]) == 0
    assert asked == [(script, False, (1,)), (script, True, (1, 2, 3, 4))]


def test_hand_in_without_the_teachers_lab_says_so_once(
    words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a stranger's work cannot be judged here, one sentence says so, and the verdicts are those of `check`."""

    def check_work(_judged: Path, *, trusted: bool = True) -> Verdicts:
        return Verdicts([verdict("1.1", passed("e"))], "host" if trusted else "none")

    monkeypatch.setattr(hand_in, "check_work", check_work)
    out = tmp_path / "s.html"
    assert main(["hand-in", "--work", words["@WORK@"], "--out", str(out)]) == 0
    assert capsys.readouterr().err.splitlines() == [hand_in.NOT_AS_GRADED]
    assert read(out)["verdicts"]["linux"] == "host"
