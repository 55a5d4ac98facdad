"""A batch of reports: each file is a row, whatever is in it; notes, claims, pairs and the table for a spreadsheet."""

import base64
import csv
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
from hostile_pages import PAGES, READABLE, Page, page, sealed
from works import right

from labkit.errors import BadInput, LabError, wait_until
from labkit.grading import batch
from labkit.grading import grade as grading
from labkit.grading.batch import Notes, edition, grade_files, reports_in
from labkit.grading.feedback import write_pages
from labkit.grading.grade import MEASURED, NOT_MEASURED, claims, differences, printable, row_names
from labkit.grading.table import as_text, harmless, to_csv
from labkit.homework.submission import as_block, build
from labkit.judge.check import Stop
from labkit.judge.verdict import Verdicts, could_not_run, failed, passed, verdict

Report = dict[str, Any]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """The machine part of a right report on a right work."""
    work = right("right", 1).write(tmp_path / "right-work")
    verdicts = {"points": 0, "of": 2, "verdicts": [{"requirement": "1.1", "verdict": "failed"}]}
    return build(work, {"name": "Ann", "group": "G1", "date": "today"}, verdicts, {"task1": {}}, {"curl": "8"})


@pytest.fixture(autouse=True)
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """No lab is opened: 1.1 fails on every work; the list has the works that were judged."""
    works: list[Path] = []

    def check_work(work: Path, tasks: Any, *, trusted: bool, stop: Any = None) -> Verdicts:
        assert not trusted
        works.append(work)
        return Verdicts([verdict("1.1", failed("measured", "hint"))], "uml")

    monkeypatch.setattr(grading, "check_work", check_work)
    return works


def written(folder: Path, name: str, data: Report) -> Path:
    """A page as a file."""
    (folder / name).write_bytes(page(as_block(data)))
    return folder / name


@pytest.mark.parametrize("hostile", PAGES, ids=lambda one: one.name)
def test_hostile_page_is_a_row_that_says_what_is_wrong(hostile: Page, report: Report, tmp_path: Path, judged: list[Path]) -> None:
    """It earns nothing, only a readable one is run, nothing is written outside, and the file after it is graded."""
    good = written(tmp_path, "good.html", report)
    (tmp_path / "bad.html").write_bytes(hostile.make(report))
    before = set(tmp_path.rglob("*"))
    bad, after = grade_files([tmp_path / "bad.html", good])
    assert hostile.says in "; ".join(bad.flags)
    assert (bad.measured, bool(bad.verdicts)) == (0, hostile in READABLE)
    assert len(judged) == 1 + (hostile in READABLE)
    assert [flag for flag in after.flags if "same work" not in flag] == []
    assert set(tmp_path.rglob("*")) == before
    assert not any(work.parent.exists() for work in judged)


def test_what_is_no_report_at_all_is_a_row(tmp_path: Path) -> None:
    """A file that is not there, a folder, a pipe, and one that is too large to be read are rows too, at once."""
    with (tmp_path / "big.html").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "folder.html").mkdir()
    os.mkfifo(tmp_path / "pipe.html")
    pages = [tmp_path / f"{name}.html" for name in ("gone", "folder", "pipe", "big")]
    flags = [" ".join(grade.flags) for grade in grade_files(pages, notes=tmp_path / "notes")]
    said = ("cannot be read", "is no file", "is no file", "1,099,511,627,776 bytes")
    assert all(words in flag for words, flag in zip(said, flags, strict=True)), flags
    assert not any("same work" in flag for flag in flags)


def test_nothing_to_grade_is_said() -> None:
    """No files, and impossible numbers of jobs, are refused."""
    for pages, jobs in (([], 1), ([Path("a")], 0), ([Path("a")], 65)):
        with pytest.raises(BadInput):
            grade_files(pages, jobs=jobs)


def test_claims_name_each_difference() -> None:
    """Points, a verdict that differs and one that is missing are each named; equal ones are not."""
    rows = Verdicts([verdict("1.1", passed("e")), verdict("1.2", failed("e", "h"))], "uml")
    claimed = {"points": 4, "verdicts": [{"requirement": "1.1", "verdict": "passed"}]}
    told = differences(claims(claimed), 4, rows)
    assert told == ["claims 4 points, measured 2", "1.2 claims nothing, measured failed"]
    assert differences(claims(rows.data()), 2, rows) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", "[31mred"), ("a\u202eb", "a b"), ("two\nlines\r", "two lines"), ("\ud800x", "x"),
        ("x" * 10**7, "x" * 200), (None, "None"), ("Анна Müller 猫", "Анна Müller 猫"), ("\u200b", ""),
    ],
    ids=range(8),
)  # fmt: skip
def test_printable_leaves_nothing_that_steers_a_terminal(text: object, shown: str) -> None:
    """Control characters, reordering, invisible and half letters become spaces; letters of any script stay."""
    assert printable(text) == shown


SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−"


@pytest.mark.parametrize("before", ["", " ", "a;", "a,", "a;\t", 'x";"', "a\n", "a;'", "\t", "\r"])
def test_no_cell_begins_with_a_formula(before: str) -> None:
    """Whether a spreadsheet splits the row at a comma, a semicolon or a tab, no cell begins with a sign in any of its forms."""
    for sign in SIGNS:
        cell = harmless(f"{before}{sign}1")
        assert f"'{sign}1" in cell
        assert all(part.strip(' "\r\n')[:1] not in SIGNS for part in re.split(r"[,;\t\n]", cell) if part.strip(' "\r\n'))
    assert harmless("a - b = c; claims 4") == "a - b = c; claims 4" and harmless(-3) == -3


CELLS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=cmd|"/c calc"!A1', "\u202e=1", "a\u202eb\x1b[31m\x9b\u2066g"]


def test_table_holds_no_formula_and_nothing_that_steers(report: Report, tmp_path: Path) -> None:
    """A spreadsheet takes no name, group, file or flag for a formula, and reads the letters as UTF-8; nothing steers a terminal.

    A file's name may be of bytes that are no UTF-8, or have line ends.
    """
    pages = [written(tmp_path, name, report) for name in ("a\udcff.html", "b\n=1.html", "Анна.html")]
    for cell in CELLS:
        report["who"].update(name=cell, group=cell)
        pages.append(written(tmp_path, f"{cell.replace('/', '_')}.html", sealed(report)))
    grades = grade_files(pages)
    to_csv(grades, tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_bytes().decode()
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    assert [row["file"] for row in rows[:3]] == ["a .html", "b =1.html", "Анна.html"] and len(rows) == len(pages)
    texts = [value for row in rows for key, value in row.items() if key != "difference"]
    assert not [text for text in texts if re.match(r"[=+\-@\t\r]", text)]
    text += as_text(grades)
    assert [letter for letter in text[1:] if not letter.isprintable() and letter not in "\r\n"] == []


def test_interrupted_batch_goes_on(report: Report, tmp_path: Path, judged: list[Path]) -> None:
    """What is noted is not judged again; a line that was cut off is, and spoils no other; rows keep the files' order.

    Notes are kept by what a file holds, not by its name. Lines that are no notes, or another labkit's, are passed over.
    """
    pages = [written(tmp_path, f"{name}.html", sealed(report | {"who": {"name": name}})) for name in "abc"]
    notes = tmp_path / "notes"
    grade_files(pages[:2], notes=notes)
    text = notes.read_text()
    foreign = [
        {"edition": edition(), "grade": {"no": 1}},
        {"edition": "another", "grade": {"file": "z"}},
        {"grade": 5},
        {},
        [],
        None,
    ]
    lines = [json.dumps(note | {"digest": "x"} if note else note) for note in foreign]
    notes.write_text("\n".join([*lines, text[: len(text) - 40]]))
    assert len(Notes(notes).known()) == 1
    for _ in range(2):
        assert [grade.name for grade in grade_files(pages, jobs=3, notes=notes)] == ["a", "b", "c"]
        assert len(judged) == 4
    written(tmp_path, "a.html", sealed(report | {"who": {"name": "Bob"}}))
    assert [grade.name for grade in grade_files(pages, notes=notes)] == ["Bob", "b", "c"]
    assert len(judged) == 5


def test_one_task_of_all_is_judged_again_and_the_rest_kept(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its verdicts, points and flags are new, whatever edition made the others; a work that has no note is judged whole."""
    pages = [written(tmp_path, f"{name}.html", sealed(report | {"who": {"name": name}})) for name in "abc"]
    asked: list[tuple[int, ...]] = []

    def check_work(work: Path, tasks: Any, *, trusted: bool, stop: Any = None) -> Verdicts:
        asked.append(tuple(tasks))
        seen = (passed if len(asked) > 2 else lambda words: failed(words, "h"))(f"time {len(asked)}")
        return Verdicts([verdict(f"{task}.1", seen) for task in tasks], "uml")

    monkeypatch.setattr(grading, "check_work", check_work)
    grade_files(pages[:2], notes=tmp_path / "notes")
    monkeypatch.setattr(batch, "edition", lambda: "a later one")
    first, _, third = grade_files(pages, notes=tmp_path / "notes", tasks=[2])
    assert asked == [every := (1, 2, 3, 4), every, (2,), (2,), every]
    assert "task 2 of 2 works is judged again, the rest of them kept; 1 are not known" in capsys.readouterr().err
    seen = [(row["requirement"], row["evidence"]) for row in first.verdicts]
    assert seen == [("1.1", "time 1"), ("2.1", "time 3"), ("3.1", "time 1"), ("4.1", "time 1")]
    assert {row["evidence"] for row in third.verdicts} == {"time 5"}
    assert (first.measured, first.of) == (8, 28) and "claims 0 points, measured 8" in first.flags
    assert next(iter(grade_files(pages, notes=tmp_path / "notes"))).verdicts == first.verdicts
    assert len(asked) == 5


def test_interrupt_ends_the_batch_and_notes_nothing_more(
    report: Report, tmp_path: Path, judged: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second work is judged: the rest is not begun, and only what was judged whole is noted."""
    pages = [written(tmp_path, f"{name}.html", sealed(report | {"who": {"name": name}})) for name in "abcd"]
    real = grading.check_work

    def check_work(work: Path, tasks: Any, *, trusted: bool, stop: Stop) -> Verdicts:
        if judged:
            wait_until(Notes(tmp_path / "notes").known, reason="the note of the first work", timeout=60)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            wait_until(lambda: stopped(stop), reason="the judgement to be stopped", timeout=60)
        return real(work, tasks, trusted=trusted)

    def stopped(stop: Stop) -> bool:
        try:
            stop.look()
        except CancelledError:
            return True
        return False

    monkeypatch.setattr(grading, "check_work", check_work)
    with pytest.raises(KeyboardInterrupt):
        grade_files(pages, notes=tmp_path / "notes")
    assert len(judged) == 2
    assert [grade.name for grade in Notes(tmp_path / "notes").known().values()] == ["a"]


def one_task_without() -> Verdicts:
    """Three tasks were measured, for one the guest was killed."""
    lost = verdict("3.1", could_not_run("The lab's Linux ended by itself.; way out: free memory", machine=True))
    return Verdicts([verdict("1.1", passed("e")), lost], "uml")


def raises(error: BaseException) -> Verdicts:
    """The judgement ends with an error."""
    raise error


MACHINES: list[tuple[Callable[[], Verdicts], str]] = [
    (lambda: Verdicts([], "none"), "no lab opened"),
    (one_task_without, "no fault of the work: 3.1 could not be measured here: The lab's Linux ended by itself"),
    (lambda: raises(OSError(28, "No space left on device")), "free space"),
    (lambda: raises(RuntimeError("can't start new thread")), "ulimit -u"),
    (lambda: raises(MemoryError()), "MemoryError"),
    (lambda: raises(BadInput("The copy cannot be made.", words="No space left on device")), "free space"),
    (lambda: raises(LabError("No thread can be started.", way_out="end some")), "end some"),
    (lambda: raises(ZeroDivisionError("of ours")), "could not be graded here: ZeroDivisionError: of ours"),
]


@pytest.mark.parametrize(("outcome", "words"), MACHINES, ids=range(len(MACHINES)))
def test_fault_of_the_machine_is_no_grade(
    report: Report,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    judged: list[Path],
    outcome: Callable[[], Verdicts],
    words: str,
) -> None:
    """The row says what is to be mended, that it is no fault of the work, and is measured again at the next run."""
    page, notes, well = written(tmp_path, "a.html", report), tmp_path / "notes", grading.check_work
    monkeypatch.setattr(grading, "check_work", lambda *_args, **_options: outcome())
    (grade,) = grade_files([page], notes=notes)
    flags = "; ".join(grade.flags)
    assert grade.state == NOT_MEASURED and words in flags and ("measured again" in flags or "no lab opened" in flags)
    assert "claims nothing, measured could not run" not in flags
    monkeypatch.setattr(grading, "check_work", well)
    (grade,) = grade_files([page], notes=notes)
    assert (grade.state, len(judged)) == (MEASURED, 1)
    grade_files([page], notes=notes)
    assert len(judged) == 1


def test_full_disk_while_unpacking_is_the_machines_fault(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work that cannot be written here is not called broken."""

    def write_bytes(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    page = written(tmp_path, "a.html", report)
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    (grade,) = grade_files([page])
    assert grade.state == NOT_MEASURED and "free space" in grade.flags[0]


def test_file_that_is_no_report_is_noted_as_that(tmp_path: Path) -> None:
    """It is unreadable now and at the next run, which need not look again."""
    (tmp_path / "a.html").write_text("my homework")
    for _ in range(2):
        (grade,) = grade_files([tmp_path / "a.html"], notes=tmp_path / "notes")
        assert grade.state == grading.UNREADABLE
    assert len(Notes(tmp_path / "notes").known()) == 1


def test_notes_that_cannot_be_written_lose_no_grade(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up during the batch is said once; every work is graded."""
    pages = [written(tmp_path, f"{name}.html", sealed(report | {"who": {"name": name}})) for name in "ab"]
    monkeypatch.setattr(batch, "prepare_file", lambda *_args: None)
    grades = grade_files(pages, notes=Path("/dev/full"))
    assert [grade.state for grade in grades] == [MEASURED, MEASURED]
    assert capsys.readouterr().err.count("/dev/full cannot be written") == 1


def test_answer_is_shown_whole(report: Report, tmp_path: Path) -> None:
    """An answer of many pages reaches the teacher to its last word, without what steers a terminal."""
    text = "## 2.3\n" + "word " * 5000 + "the\x1b end"
    report["work"]["answers.md"] = {"data": base64.b64encode(text.encode()).decode()}
    (grade,) = grade_files([written(tmp_path, "a.html", sealed(report))])
    assert grade.answer.endswith("the  end") and len(grade.answer) > 25_000


def test_folder_and_pattern_mean_their_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder stands for its pages, a pattern for what matches, each file counts once, and what is not there stays a row."""
    for name in ("b.html", "a.html", "notes.txt", ".c.html"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    assert reports_in([tmp_path]) == reports_in([tmp_path / "*.html"]) == reports_in([*pages, tmp_path]) == pages
    assert "notes.txt" in capsys.readouterr().err
    gone = [tmp_path / "empty", tmp_path / "gone.html", Path("n" * 5000), Path("a\0b")]
    assert reports_in(gone) == gone


def test_export_of_a_course_is_graded_as_it_is(report: Report, tmp_path: Path) -> None:
    """Folders for learners, any letters, any case of the name's end; each row is named by its folder; an archive is a row."""
    names = ["Анна Müller_12_file_/submission.html", "Bob_13_file_/submission.HTML", "group/x/y/Ümit/猫.htm"]
    for name in [*names, "__MACOSX/Bob/._submission.html"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path, name, sealed(report | {"who": {"name": name}}))
    (tmp_path / "Eve").mkdir()
    (tmp_path / "Eve" / "all.zip").write_bytes(b"PK\x03\x04" + bytes(30))
    grades = {grade.file: grade for grade in grade_files(reports_in([tmp_path]))}
    assert sorted(grades) == sorted([*names, "Eve/all.zip"])
    assert all(grades[name].name == name for name in names)
    assert "archive" in grades["Eve/all.zip"].flags[0] and "unpack it" in grades["Eve/all.zip"].flags[0]
    assert "Bob_13_file_/submission.HTML" in " ".join(grades[names[0]].flags)


def test_rows_have_different_names(tmp_path: Path) -> None:
    """Also where the letters that make the difference are not shown."""
    names = row_names([tmp_path / "a\u202e.html", tmp_path / "a\u202d.html", Path(f"{tmp_path}/deep/../a\u202c.html")])
    assert names == ["a .html", "a .html (2)", "a .html (3)"]


def test_feedback_in_the_folder_of_reports_is_not_graded(report: Report, tmp_path: Path) -> None:
    """--html may name the folder of the reports: the next run grades the same files; a report with our mark is graded."""
    page = written(tmp_path, "ann.html", report)
    write_pages(grade_files(reports_in([tmp_path])), tmp_path)
    assert len(list(tmp_path.glob("*.html"))) == 6 and (tmp_path / "feedback").is_dir()
    for name in ("moodle-feedback.zip", "canvas-feedback.zip", "moodle.csv"):
        (tmp_path / name).write_bytes(b"x")
    assert reports_in([tmp_path]) == [page]
    page.write_bytes(b"<html><head><!-- labkit feedback -->" + page.read_bytes())
    assert reports_in([tmp_path]) == [page]


def test_terminal_shows_what_to_look_at(report: Report, tmp_path: Path) -> None:
    """Below the table each flag of a file has a line; one whose claims are what is measured has none, and all in its row."""
    bad = written(tmp_path, "bad.html", sealed(report | {"verdicts": {"points": 7, "verdicts": []}}))
    good = written(tmp_path, "good.html", sealed(report | {"work": {}, "answers": {"2.3": ""}}))
    text = as_text(grades := grade_files([bad, good]))
    assert "1 of 2 to look at" in text and "\nbad.html: Ann\n  claims 7 points, measured 0\n" in text
    assert "\ngood.html: " not in text
    row = grades[1].row()
    assert (row["name"], row["group"], row["flags"], row["verdicts"]) == ("Ann", "G1", "", "1.1:failed")
    assert (row["points measured"], row["points claimed"], row["difference"], row["of"]) == (0, 0, 0, 2)


def test_copies_are_a_pair_also_from_notes(report: Report, tmp_path: Path) -> None:
    """Two files with the same content keep their names and are flagged, in a first and in a resumed batch."""
    pages = [written(tmp_path, name, report) for name in ("a.html", "b.html")]
    for _ in range(2):
        grades = grade_files(pages, notes=tmp_path / "notes")
        assert [grade.file for grade in grades] == ["a.html", "b.html"]
        assert [grade.flags for grade in grades] == [["the same work as b.html"], ["the same work as a.html"]]
