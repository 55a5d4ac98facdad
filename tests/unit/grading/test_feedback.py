"""The feedback page: what was measured, with every text of the submission escaped."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.grading.feedback import answers, distribution, index, missed, page, summary, write_pages
from labkit.grading.grade import MEASURED, NOT_MEASURED, UNREADABLE, Given, Grade
from labkit.judge.verdict import BY_HAND, Finding, could_not_run, failed, passed, verdict

EVIL = "<script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>{{ 7*7 }}{% raw %}\"'&amp;$x$[a](javascript:x)"


def grade(text: str) -> Grade:
    """A grade that has `text` wherever a submission can put one."""
    rows = [asdict(verdict("1.1", passed(text))), asdict(verdict("1.2", failed(text, text)))]
    flags = [text, "edited after it was made: who"]
    return Grade(text, text, text, 2, 4, 4, 6, 1.0, flags, rows, text, claims={"1.1": text, "1.2": "failed"})


class Seen(HTMLParser):
    """What a browser makes of a page: tags, attributes that could act or load, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acting: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acting += [(name, value) for name, value in attrs if name.startswith("on") or name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def seen_in(text: str) -> Seen:
    """What a browser makes of a page."""
    parser = Seen()
    parser.feed(text)
    return parser


def test_markup_of_a_submission_is_text() -> None:
    """Name, group, file, flags, evidence, hints and answer are shown letter by letter; the page acts and loads nothing."""
    text = page(grade(EVIL))
    seen = seen_in(text)
    assert seen.text.count(EVIL) == 8 and seen.acting == []
    assert not {*seen.tags} & {"script", "img", "iframe", "object", "form"}
    assert "default-src 'none'" in text and "script-src" not in text


def test_page_says_what_counts_and_the_learners_names_no_other(tmp_path: Path) -> None:
    """Points measured and claimed, verdicts, hints and the answer are there; flags and the name of the file for the teacher."""
    flags = ["the same work as G2/bob.html"]
    work = Grade("G1/ann.html", "Ann", "G1", 2, 4, 4, 6, 1.0, flags, grade("why").verdicts, "my answer")
    write_pages([work, Grade("G2/bob.html", "Bob")], tmp_path)
    for folder in (tmp_path, tmp_path / "feedback"):
        text = (folder / "001-G1_ann.html").read_text()
        for words in ("Ann · G1", "✓ passed", "✗ failed", "why", "claims 4, 2 more", "my answer"):
            assert words in text, words
        shown = [words in text for words in ("bob", "look", "ann.html")]
        assert shown == [folder == tmp_path] * 3


def test_difference_stands_out_and_agreement_does_not() -> None:
    """The row whose verdict is not the claimed one is marked and has both; the other says that they are the same."""
    rows = grade("why").verdicts
    text = page(Grade("a.html", "Ann", "G", 2, 4, 4, 6, 1.0, [], rows, "", claims={"1.1": "passed", "1.2": "passed"}))
    assert text.count('<tr class="differs">') == 1
    differing = text.partition('<tr class="differs">')[2].partition("</tr>")[0]
    assert "✗ failed" in differing and "<b>passed</b>" in differing and "the same" not in differing


def test_list_leads_to_each_page_those_to_look_at_first() -> None:
    """Works that are the same as another's stand first, then the flagged, then the rest; each with its link; markup is text."""
    plain, flagged = Grade("a.html", "Ann", "G", 94, 94, 94, 6), grade(EVIL)
    same = Grade("c.html", "Cid", "G", 94, 94, 94, 0, flags=["the same work as d.html"], similar=True)
    parser = seen_in(index([plain, flagged, same], ["001-a.html", "002-b.html", "003-c.html"]))
    links = ("summary.html", "likeness.html", "answers.html", "003-c.html", "002-b.html", "001-a.html")
    assert parser.acting == [("href", name) for name in links]
    assert parser.text.count(EVIL) == 4 and "3 works, 2 to look at" in parser.text
    assert "img" not in parser.tags


def test_list_has_points_of_each_task_and_what_did_not_pass() -> None:
    """A teacher sees without opening a page: points by task, and the numbers that are not passed."""
    numbers = ("1.1", "1.2", "4.2", "4.3")
    rows = [asdict(verdict(n, failed("x", "y") if n in ("1.2", "4.3") else passed("x"))) for n in numbers]
    text = index([Grade("a.html", "Ann", "G", 12, 12, 19, 0, verdicts=rows, state="measured")], ["001-a.html"])
    assert '<td data-label="task 1" class="number">2</td>' in text and '<td data-label="task 4" class="number">10</td>' in text
    assert '<td data-label="task 2" class="number">–</td>' in text and 'class="wrong">1.2 4.3</td>' in text


@pytest.mark.parametrize("make", [index, answers])
def test_only_our_script_may_run(make: Callable[[Sequence[Grade], Sequence[str]], str]) -> None:
    """The lists have one script, and the page's policy names it by its hash; nothing of a submission can become another."""
    text = make([grade(EVIL)], ["002-b.html"])
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'" in text
    assert seen_in(text).tags.count("script") == 1 and EVIL not in script


def test_all_answers_stand_on_one_page_with_a_place_for_points() -> None:
    """Each work that waits for a hand has its answer and a field of its own, flagged ones first; a graded one has none."""
    works = [Grade("a.html", "Ann", by_hand=6, answer="Nothing."), Grade("b.html", "Ба", by_hand=6, flags=["x"]), Grade("c.html")]
    parser = seen_in(answers(works, ["1.html", "2.html", "3.html"]))
    assert parser.tags.count("input") == 3  # two fields, and the box that filters
    assert parser.text.index("Ба") < parser.text.index("no answer") < parser.text.index("Ann") < parser.text.index("Nothing.")
    assert "c.html" not in parser.text and "6 points at the most" in parser.text


def test_page_without_a_grade_says_so() -> None:
    """What this machine could not measure is called that, and no grade; a broken file has its flag and no empty table."""
    assert "no grade yet" in page(Grade("a.html", state=NOT_MEASURED))
    text = page(Grade("x.html", flags=["no machine part"]))
    assert "no machine part" in text and "(no name)" in text
    assert "Measured" not in text and "no grade yet" not in text


def test_files_have_harmless_names(tmp_path: Path) -> None:
    """Names of pages cannot lead elsewhere, hide, or overwrite each other."""
    names = [
        "../../etc/passwd.html", ".hidden.html", "a b;rm.html", "-rf.html", "same.html", "same.html", "n" * 300,
        "猫" * 200 + "/x.html", "Анна Müller/работа.html", "\n.html",
    ]  # fmt: skip
    files = write_pages([Grade(name) for name in names], tmp_path / "new")
    assert sorted(files) == sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    files = [file for file in files if file.parent.name == "new"]
    assert len(files) == len(names) + 4
    assert all(file.name.replace("-", "").replace("_", "").replace(".", "").isalnum() for file in files)
    assert any("Анна_Müller_работа" in file.name for file in files)
    assert [file.name[:3].isdigit() for file in files] == [True] * len(names) + [False] * 4


def graded(name: str, points: int, seconds: float = 1, **findings: Finding) -> Grade:
    """A measured work; `r4_2=failed(…)` is the finding of 4.2."""
    rows = [asdict(verdict(key[1:].replace("_", "."), finding)) for key, finding in findings.items()]
    return Grade(f"{name}.html", name, measured=points, verdicts=rows, seconds=seconds, state=MEASURED)


WORKS = [
    graded("Ann", 94, 9, r4_2=failed("8", "max_fails is 8: 'max_fails=8'"), r1_1=passed("x"), r2_3=Finding(BY_HAND, "x")),
    graded("Bob", 80, 3, r4_2=failed("3", "max_fails is 3: 'max_fails=3'"), r1_1=could_not_run("gone")),
    graded("Cid", 100, 1, r4_2=failed("no", "nginx does not run <b>"), r1_1=could_not_run("full", machine=True)),
    Grade("cut.html", state=UNREADABLE, flags=["no machine part"]),
]


def test_points_are_spread_over_bars_of_ten() -> None:
    """Only works with a grade count, with what a person gave; 100 is in the last bar."""
    works = [*WORKS, graded("Dan", 9), graded("Eva", 10)]
    works[3:4] = [graded("Fay", 59)]
    works[3].hand = {"2.3": Given(0.5)}
    bars, median, mean = distribution(works)
    assert {begin: count for begin, _, count in bars if count} == {0: 1, 10: 1, 50: 1, 80: 1, 90: 2}
    assert (median, round(mean, 2)) == (69.75, 58.75) and bars[-1][:2] == (90, 100)
    assert distribution([])[1:] == (0, 0)


def test_what_is_missed_most_stands_first_with_its_hints() -> None:
    """Hints that differ only in what was found are one; what this machine could not measure is not counted."""
    first, second, third = missed(WORKS)
    (often, hint), (once, other) = first["hints"]
    assert (first["number"], first["failed"], often, once) == ("4.2", 3, 2, 1)
    assert hint.startswith("max_fails is") and other == "nginx does not run <b>"
    assert (second["number"], second["passed"], second["unseen"]) == ("1.1", 1, 1)
    assert (third["number"], third["by_hand"]) == ("2.3", 1)


def test_page_names_the_slowest_and_those_to_look_at() -> None:
    """Slowest first; markup of a hint is text; the plot has its numbers in words."""
    text = summary(WORKS, ["1.html", "2.html", "3.html", "4.html"])
    slowest, _, flagged = text.partition("The slowest")[2].partition("To look at</h2>")
    assert slowest.index("Ann") < slowest.index("Bob") < slowest.index("Cid") and "no machine part" in flagged
    assert "nginx does not run &lt;b&gt;" in text and "80 to 89: 1" in text and "4 works, 3 of them with a grade" in text
