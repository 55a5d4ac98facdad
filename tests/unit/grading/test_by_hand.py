"""Points that a person gives: what a line of by_hand.csv says, what is refused, and what comes of it."""

from dataclasses import asdict
from pathlib import Path

import pytest

from labkit.errors import BadInput
from labkit.grading.feedback import answers, index, page
from labkit.grading.grade import MEASURED, Given, Grade
from labkit.grading.table import COLUMNS, NAMED, as_csv, give, read_by_hand
from labkit.judge.verdict import BY_HAND, Finding, failed, passed, verdict

HEAD = ",".join(COLUMNS)
NAMES = ["ann.html", "group 1/Ба.html", "=evil.html"]
GOOD = {
    "as the page saves it": ('"ann.html",answer 2.3,4.5,"well seen"', ("ann.html", "2.3", Given(4.5, "well seen"))),
    "by hand": ("ann.html,2.3,0,", ("ann.html", "2.3", Given(0))),
    "a comma in a number": ('ann.html,2.3,"4,5",', ("ann.html", "2.3", Given(4.5))),
    "in the place of what was measured": (
        "group 1/Ба.html,4.2,10,shown to me",
        ("group 1/Ба.html", "4.2", Given(10, "shown to me")),
    ),
    "a comment alone": ("ann.html,2.3,,look again", ("ann.html", "2.3", Given(None, "look again"))),
    "a word on the whole work": ("ann.html,,,good", ("ann.html", "", Given(None, "good"))),
    "a name that looks like a formula": ("'=evil.html,2.3,1,'=2+2", ("=evil.html", "2.3", Given(1, "=2+2"))),
    "of another batch": ("cid.html,2.3,1,", ("", "2.3", Given(1))),
}
BAD = {
    "ann.html,2.3,7,": "'7' is no number of points from 0 to 6",
    "ann.html,2.3,-1,": "'-1' is no number",
    "ann.html,2.3,nan,": "'nan' is no number",
    "ann.html,2.3,six,": "'six' is no number",
    "ann.html,9.9,1,x": "'9.9' is no requirement; they are 1.1",
    "ann.html,02. Mrz,1,x": "'02. Mrz' is no requirement",
    "ann.html,,3,x": "points are for a requirement",
    "ann.html,4.2,10,": "the reason has to stand in the column comment",
    "ann.html,2.3,1,\nann.html,answer 2.3,2,": "line 3 (ann.html): an earlier line speaks of 2.3 already",
}
UNREADABLE = {
    "not UTF-8": (f"{HEAD}\nann.html,2.3,1,".encode() + "é".encode("latin-1"), "CSV UTF-8"),
    "no columns": (b"ann.html,2.3,1,\n", "has no column file, requirement"),
    "a quote that never ends": (f'{HEAD}\nann.html,2.3,1,"x'.encode(), "unexpected end of data"),
    "empty": (b"", "has no column file"),
}


def written(folder: Path, lines: str, head: str = HEAD) -> Path:
    """A by_hand.csv."""
    (folder / "by_hand.csv").write_text(f"\ufeff{head}\n{lines}\n", encoding="utf-8")
    return folder / "by_hand.csv"


@pytest.mark.parametrize("case", GOOD)
def test_line_says_what_is_given(tmp_path: Path, case: str) -> None:
    """Row, requirement, points and comment; written again it says the same."""
    text, wanted = GOOD[case]
    (line,) = read_by_hand(written(tmp_path, text), NAMES)
    assert (line.row, line.requirement, Given(line.points, line.comment)) == wanted
    assert read_by_hand(written(tmp_path, as_csv([line])), NAMES) == [line]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_spreadsheets_have_other_separators(tmp_path: Path, separator: str) -> None:
    """The first line tells which; columns may stand in another order, beside others, and lines that say nothing are left out."""
    head = separator.join(("comment", "points", "mine", "requirement", "file"))
    path = written(tmp_path, separator.join(("x", "4,5", "?", "2.3", "ann.html")) + f"\n{4 * separator}", head)
    assert [(line.row, line.points, line.comment) for line in read_by_hand(path, NAMES)] == [("ann.html", 4.5, "x")]


@pytest.mark.parametrize("lines", BAD)
def test_bad_line_is_named_with_its_way_out(tmp_path: Path, lines: str) -> None:
    """Number, row and reason of the line; all of them at once, and nothing of the file is taken."""
    with pytest.raises(BadInput) as caught:
        read_by_hand(written(tmp_path, lines), NAMES)
    assert BAD[lines] in caught.value.words and "(ann.html)" in caught.value.words
    assert "same command again" in caught.value.way_out


def test_many_bad_lines_are_counted_and_a_line_of_no_row_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first few are named. The points of a row that is not there count for nobody, and the teacher is told."""
    with pytest.raises(BadInput, match="cannot be taken: 300") as caught:
        read_by_hand(written(tmp_path, "ann.html,2.3,7,\n" * 300), NAMES)
    assert len(caught.value.words.splitlines()) == NAMED + 1
    lines = read_by_hand(written(tmp_path, "cid.html,2.3,1,\nann.html,2.3,1,"), NAMES)
    assert "names 'cid.html', and no row of this batch" in capsys.readouterr().err
    give(grades := [Grade("ann.html"), Grade("bob.html")], lines)
    assert [one.total for one in grades] == [1, 0]


@pytest.mark.parametrize("case", UNREADABLE)
def test_file_that_is_no_such_table_says_so(tmp_path: Path, case: str) -> None:
    """The words of what is wrong, and the way out."""
    data, says = UNREADABLE[case]
    (tmp_path / "by_hand.csv").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_by_hand(tmp_path / "by_hand.csv", NAMES)
    assert says in str(caught.value) and caught.value.way_out


def graded() -> Grade:
    """A work with 2.1 passed, 4.2 failed, and an answer that waits."""
    rows = [verdict("2.1", passed("x")), verdict("2.3", Finding(BY_HAND, "x")), verdict("4.2", failed("x", "y"))]
    return Grade(
        "ann.html", "Ann", measured=8, claimed=8, of=18, by_hand=6, verdicts=[asdict(row) for row in rows], state=MEASURED
    )


def test_what_is_given_counts_in_row_and_pages(tmp_path: Path) -> None:
    """Points of 2.3 are added, those of another requirement take the place of the measured ones; both are shown as given."""
    before = graded()
    assert (before.total, before.most, before.waiting) == (8, 18, 6) and "6 open" in index([before], ["1.html"])
    lines = read_by_hand(
        written(tmp_path, "ann.html,2.3,4.5,<b>\nann.html,4.2,10,seen\nann.html,2.1,0,copied\nann.html,,,hm"), NAMES
    )
    give([work := graded()], lines)
    row = work.row()
    assert (row["points"], row["of"], row["points measured"], row["difference"], row["by hand"]) == (14.5, 24, 8, 0, 0)
    assert row["given by hand"] == "2.3 4.5: <b>; 4.2 10: seen; 2.1 0: copied; comment: hm"
    text = index([work], ["1.html"])
    assert "<b>14.5</b> / 24" in text and '<td data-label="task 2" class="number">4.5</td>' in text and "open<" not in text
    text = page(work)
    assert "14.5 of 24 points" in text and "&lt;b&gt;" in text and "The whole work" in text and "4.5 / 6" in text
    text = answers([work], ["1.html"], lines)
    assert 'value="4.5"' in text and "ann.html,4.2,10,seen" in text and "answer 2.3,4.5" not in text
