"""What a course takes back: Moodle's and Canvas' own files filled in, and the zip of feedback."""

# ruff: noqa: E501 (tables as the courses write them)

import csv
import io
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.grading.grade import MEASURED, NOT_MEASURED, UNREADABLE, Given, Grade
from labkit.grading.gradebook import WHOLE, comment, learners, open_book, write_book
from labkit.judge.verdict import failed, verdict

# As Moodle 4.5 has written a worksheet of an assignment out of 100, and would in a German course out of 20.
WORKSHEET = """\
Identifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed","Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 101","Ann Bo",ann@example.com,"Submitted for grading -  - ",,100.00,Yes,"Saturday, 1 March 2025, 9:00 AM",-,
"Participant 102","Zoë 'Ng",z@example.com,"Submitted for grading - Graded -  - ",12.00,100.00,Yes,"Saturday, 1 March 2025, 9:00 AM","Monday, 3 March 2025, 10:00 AM","labkit: 12 of 100 points. "
"Participant 103","Эм Эн",m@example.com,"Submitted for grading -  - ",,100.00,Yes,"Saturday, 1 March 2025, 9:00 AM",-,"<p>Come and see me</p>"
"Participant 104","No Work",n@example.com,"No submission -  - ",,100.00,Yes,-,-,
"""
# As it has for teams: the numbers of two, 101 and 103, are also those of a learner in the one, and of one in none.
TEAMS = """\
Identifier,"Full name","Email address",Status,Group,Grade,"Maximum grade","Grade can be changed","Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 101","Cy Dee",c@example.com,"Submitted for grading -  - ",Ann_Bo,,100.00,Yes,"Saturday, 1 March 2025, 9:00 AM",-,
"Participant 102","Ed Eff",e@example.com,"Submitted for grading -  - ",Ann_Bo,,100.00,Yes,"Saturday, 1 March 2025, 9:00 AM",-,
"Participant 103","Gi Hu",g@example.com,"No submission -  - ","Default group",,100.00,Yes,-,-,
"Participant 104","Jo Ka",j@example.com,"Submitted for grading -  - ","Эм Эн",,100.00,No,"Saturday, 1 March 2025, 9:00 AM",-,
"""
GERMAN = """\
ID;"Vollständiger Name";Bewertung;"Maximum Grade"
"Teilnehmer/in101";"Ann Bo";;20,00
"Teilnehmer/in102";"Zoë 'Ng";;20,00
"""
EXPORT = """\
"First name","Last name","ID number","Email address","Assignment: Lab 4 (Real)","Course total (Real)","Last downloaded from this course"
Bo,Ann,,ann@example.com,-,-,1764200000
Zoë,"'Ng",,z@example.com,50.00,50.00,1764200000
Эм,Эн,,m@example.com,-,-,1764200000
Эм,Эн,,m2@example.com,-,-,1764200000
"""
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Notes,Quiz (7),Load balancer (31),Assignments Current Score,Final Score
    Manual Posting,,,,,,,Manual Posting,,
    Points Possible,,,,,,5.00,50.00,(read only),(read only)
"Bo, Ann",101,s1,ann@example.com,A,,3.00,,60.00,60.00
"Ng, Zoe",102,s2,z@example.com,A,=cmd,,40.00,,
"En, Em",103,s3,m@example.com,B,,,EX,,
"Work, No",104,s4,n@example.com,B,,,,,
"""


def grade(file: str, points: int, **more: object) -> Grade:
    """A measured work of so many points."""
    rows = [asdict(verdict("4.2", failed("8 attempts at =cmd", "max_fails is 8")))]
    made = Grade(file, "claimed name", measured=points, of=WHOLE, verdicts=rows, state=MEASURED)
    for name, value in more.items():
        setattr(made, name, value)
    return made


NAMES = {"moodle": ["Ann Bo_101_assignsubmission_file_/s.html", "Zoë Ng_102_assignsubmission_file/s.html", "Эм Эн_103_assignsubmission_file_s.html"],
         "canvas": ["boann_101_9001_s.html", "ngzoe_LATE_102_9002_s-1.html", "enem_103_9003_my_s.html"]}  # fmt: skip


def class_of(kind: str) -> tuple[list[Grade], list[Path]]:
    """Three learners of 94, 80.5 and 70 points, as that course's download names them."""
    grades = [grade(name, points) for name, points in zip(NAMES[kind], (94, 80, 70), strict=True)]
    grades[1].hand = {"2.3": Given(0.5, "=half")}
    return grades, [Path("/download", name) for name in NAMES[kind]]


def filled(kind: str, folder: Path, text: str | None, column: str = "", delimiter: str = ",") -> tuple[list[list[str]], str]:
    """The lines of the book that is written, and what is said."""
    if text is not None:
        (folder / "export.csv").write_text(text, encoding="utf-8-sig")
    book = open_book(kind, folder / "export.csv" if text is not None else None, column)
    said = write_book(kind, book, *class_of(kind), folder, lambda one: f"page of {one.file}")
    written = (folder / f"{kind}.csv").read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(written), delimiter=delimiter)), "\n".join(said)


def test_worksheet_of_moodle_is_filled_in(tmp_path: Path) -> None:
    """By the numbers in the folders' names; every other cell, line and a person's comment stay as they are; labkit's own is new."""
    rows, said = filled("moodle", tmp_path, WORKSHEET)
    before = list(csv.reader(io.StringIO(WORKSHEET)))
    changed = [(row[0], at) for old, row in zip(before, rows, strict=True) for at in range(10) if old[at] != row[at]]
    assert changed == [(f"Participant {number}", at) for number, at in ((101, 4), (101, 9), (102, 4), (102, 9), (103, 4))]
    assert [row[4] for row in rows[1:]] == ["94", "80.5", "70", ""]
    assert "Not passed: 4.2" in rows[1][9] and rows[2][9].endswith("By hand: 2.3: =half")
    assert "replaced there: 1 (Zoë Ng_102_assignsubmission_file/s.html (12 by 80.5))" in said
    assert "left as they stand there: 1 (Эм Эн_103_assignsubmission_file_s.html (its comment))" in said
    assert (tmp_path / "moodle.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert said.endswith("moodle-feedback.zip (for Moodle after moodle.csv, of which it takes no grades otherwise)")


def test_worksheet_of_another_language_and_maximum(tmp_path: Path) -> None:
    """Its column is named, its separator and decimal comma are kept, and points of 100 are brought to its maximum."""
    with pytest.raises(BadInput, match="no export of Moodle's") as caught:
        filled("moodle", tmp_path, GERMAN)
    assert "--column" in caught.value.words and "Bewertung" in caught.value.words
    rows, said = filled("moodle", tmp_path, GERMAN, "bewertung", ";")
    assert [row[2] for row in rows[1:]] == ["18,8", "16,1"]
    assert "points of 100 are brought to 20, the most there" in said
    assert "no line of their own there: 1 (Эм Эн_103" in said


@pytest.mark.parametrize("group", ["Group", "Gruppe"])
def test_teams_grade_goes_to_its_members(group: str, tmp_path: Path) -> None:
    """Its download has the number of the team: never is it taken for a learner's; a grade that cannot be changed is left."""
    rows, said = filled("moodle", tmp_path, TEAMS.replace("Status,Group", f"Status,{group}"))
    assert [(row[5], bool(row[10])) for row in rows[1:]] == [("94", True), ("94", True), ("", False), ("", False)]
    assert "no line of their own there: 1 (Zoë Ng_102_assignsubmission_file/s.html)" in said
    assert "left as they stand there: 1 (Эм Эн_103_assignsubmission_file_s.html (its grade cannot be changed))" in said


def test_number_of_a_team_of_a_spoiled_name_is_nobodys(tmp_path: Path) -> None:
    """As some programs unpack it. Where learners hand in by themselves, with a column of their groups before Status, it is taken."""
    one, page = grade("x", 94), Path("Gr+p_102_assignsubmission_file/s.html")
    for text, points in ((TEAMS, ""), (TEAMS.replace("Status,Group", "Group,Status"), "94")):
        (tmp_path / "export.csv").write_text(text, encoding="utf-8")
        book = open_book("moodle", tmp_path / "export.csv", "")
        write_book("moodle", book, [one], [page], tmp_path, lambda _: "x")
        assert [row[5] for row in book.sheet.rows if row[0].endswith("102")] == [points]


def test_export_of_moodles_grades_is_matched_by_names(tmp_path: Path) -> None:
    """It has no numbers: a name that two learners have is filled for neither, and said; order and an apostrophe do not matter."""
    rows, said = filled("moodle", tmp_path, EXPORT)
    assert [row[4] for row in rows[1:]] == ["94", "80.5", "-", "-"] and "no line of their own there: 1 (Эм Эн_103" in said
    assert "no maximum stands there: the points are of 100" in said


def test_gradebook_of_canvas_is_filled_in(tmp_path: Path) -> None:
    """Only this assignment's column is in it, brought to its points; an excused learner stays so, and so do Canvas' own lines."""
    with pytest.raises(BadInput) as caught:
        filled("canvas", tmp_path, CANVAS)
    assert "2 of its columns could hold the grade" in caught.value.words
    rows, said = filled("canvas", tmp_path, CANVAS, "load balancer")
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Load balancer (31)"]
    assert (tmp_path / "canvas.csv").read_bytes().startswith(b"Student,")  # and no mark, as the export had
    assert [row[5] for row in rows[1:]] == ["Manual Posting", "50.00", "47", "40.25", "EX", ""]
    assert "(EX)" in said and "replaced there: 1 (ngzoe_LATE_102_9002_s-1.html (40 by 40.25))" in said


def test_without_an_export_one_is_made(tmp_path: Path) -> None:
    """It has a line for each learner, with the course's number, under the heads that the course's import looks for.

    The zip has the names by which the course knows whose a page is: Moodle reads NAME_NUMBER_assignsubmission_file_, Canvas the
    name of the file that it gave.
    """
    rows, _ = filled("moodle", tmp_path, None)
    assert {"Identifier", "Grade", "Last modified (grade)"} < set(rows[0])
    learners = [("Participant 101", "Ann Bo", "94"), ("Participant 102", "Zoë Ng", "80.5"), ("Participant 103", "Эм Эн", "70")]
    assert [tuple(row[:3]) for row in rows[1:]] == learners
    rows, _ = filled("canvas", tmp_path, None)
    assert rows[:2] == [["Student", "ID", "Section", "Load balancer"], ["    Points Possible", "", "", "100"]]
    assert [row[1:] for row in rows[2:]] == [["101", "", "94"], ["102", "", "80.5"], ["103", "", "70"]]
    with zipfile.ZipFile(tmp_path / "moodle-feedback.zip") as file:
        assert file.namelist()[1:] == [f"{name}_assignsubmission_file_/feedback.html" for name in ("Zoë Ng_102", "Эм Эн_103")]
        assert file.read(file.namelist()[0]).decode() == f"page of {NAMES['moodle'][0]}"
    with zipfile.ZipFile(tmp_path / "canvas-feedback.zip") as file:
        assert file.namelist() == NAMES["canvas"]


def test_no_grade_that_is_not_final_goes_out() -> None:
    """One that waits for points, was not measured or cannot be read, a second work, and a file of nobody: each is named."""
    works = {
        "A_1_assignsubmission_file_/s.html": {"by_hand": 6}, "B_2_assignsubmission_file_/s.html": {"state": NOT_MEASURED},
        "C_3_assignsubmission_file_/s.html": {"state": UNREADABLE}, "D_4_assignsubmission_file_/a.html": {},
        "D_4_assignsubmission_file_/b.html": {}, "E_5_assignsubmission_file_/a.zip": {"state": UNREADABLE},
        "E_5_assignsubmission_file_/s.html": {}, "homework.html": {},
    }  # fmt: skip
    ready, left = learners("moodle", [grade(name, 90, **more) for name, more in works.items()], [Path(name) for name in works])
    assert [one.id for one in ready] == ["5"]
    assert {why.partition(" ")[0]: [name[:1] for name in names] for why, names in left.items() if "number" not in why} == {
        "the": ["A"], "without": ["B", "C"], "several": ["D", "D"],
    }  # fmt: skip
    assert ["homework.html"] in left.values()


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("moodle", "file,points\na,1\n", "no column Identifier, and not both First name and Last name"),
        ("moodle", "", "no column Identifier"),
        ("moodle", CANVAS, "no column Identifier"),
        ("canvas", WORKSHEET, "has not both the columns ID and Section"),
        ("canvas", 'Student,ID,Section,L (1)\n"x', "line 2: unexpected end of data"),
        # Moodle would pass over points in its column, and take the comments.
        ("moodle", WORKSHEET.replace('"Maximum grade"', "Scale"), "graded by a scale"),
    ],
)
def test_wrong_file_says_what_it_lacks(kind: str, text: str, says: str, tmp_path: Path) -> None:
    """And the way out; nothing is written."""
    (tmp_path / "export.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        open_book(kind, tmp_path / "export.csv", "")
    assert says in str(caught.value) and "export" in caught.value.way_out


def test_nothing_that_goes_out_is_a_formula_or_markup(tmp_path: Path) -> None:
    """A comment has none of the work's words, and markup of a person's is text; a name that begins with = is harmless."""
    evil = grade("=1+1_7_assignsubmission_file_/s.html", 5, hand={"": Given(None, "<b>;=cmd|' /C calc'!A0")})
    assert "=cmd" in comment(evil) and "8 attempts" not in comment(evil)
    write_book("moodle", open_book("moodle", None, ""), [evil], [Path(evil.file)], tmp_path, lambda _: "x")
    text = (tmp_path / "moodle.csv").read_text()
    assert "'=1+1" in text and "&lt;b&gt;;'=cmd" in text and "<b>" not in text
