"""The summary of a batch: how the points are spread, what is missed most and with which hint."""

from dataclasses import asdict

from labkit.grading.feedback import summary
from labkit.grading.grade import MEASURED, UNREADABLE, Given, Grade
from labkit.grading.summary import distribution, missed
from labkit.judge.verdict import BY_HAND, Finding, could_not_run, failed, passed, verdict


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
    assert {bar.begin: bar.count for bar in bars if bar.count} == {0: 1, 10: 1, 50: 1, 80: 1, 90: 2}
    assert (median, round(mean, 2)) == (69.75, 58.75) and (bars[-1].begin, bars[-1].end) == (90, 100)
    assert distribution([])[1:] == (0, 0)


def test_what_is_missed_most_stands_first_with_its_hints() -> None:
    """Hints that differ only in what was found are one; what this machine could not measure is not counted."""
    first, second, third = missed(WORKS)
    assert (first.number, first.failed, [count for count, _ in first.hints]) == ("4.2", 3, [2, 1])
    assert first.hints[0][1].startswith("max_fails is") and first.hints[1][1] == "nginx does not run <b>"
    assert (second.number, second.passed, second.unseen) == ("1.1", 1, 1) and (third.number, third.by_hand) == ("2.3", 1)


def test_page_names_the_slowest_and_those_to_look_at() -> None:
    """Slowest first; markup of a hint is text; the plot has its numbers in words."""
    text = summary(WORKS, ["1.html", "2.html", "3.html", "4.html"])
    slowest, _, flagged = text.partition("The slowest")[2].partition("To look at</h2>")
    assert slowest.index("Ann") < slowest.index("Bob") < slowest.index("Cid") and "no machine part" in flagged
    assert "nginx does not run &lt;b&gt;" in text and "80 to 89: 1" in text and "4 works, 3 of them with a grade" in text
