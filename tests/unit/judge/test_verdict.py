"""Verdicts: points, exit codes, what depends on what, the shapes that are printed and shown."""

import html
import json
import subprocess
import sys

import pytest

from labkit.judge.check import REQUIREMENTS, of_task
from labkit.judge.verdict import (
    BY_HAND,
    COULD_NOT_RUN,
    FAILED,
    PASSED,
    Finding,
    Verdicts,
    could_not_run,
    failed,
    needs,
    passed,
    verdict,
    with_dependencies,
)

NASTY = '<script>alert("1")</script> & </td>'


def verdicts(**found: str) -> Verdicts:
    """Verdicts by requirement, its dot as an underscore: r4_2="failed"."""
    rows = [
        verdict(name[1:].replace("_", "."), Finding(kind, "seen", "" if kind == PASSED else "hint"))
        for name, kind in found.items()
    ]
    return Verdicts(rows, "uml")


@pytest.mark.parametrize(("task", "points"), [(1, 10), (2, 20), (3, 35), (4, 35)])
def test_points_of_a_task(task: int, points: int) -> None:
    """The requirements' points are the assignment's, and a task's requirements stand in their order."""
    found = of_task(task)
    assert sum(one.points for one in found) == points
    assert [one.number for one in found] == [f"{task}.{number}" for number in range(1, len(found) + 1)]


# Two verdicts, and the exit code.
CODES = [
    (PASSED, PASSED, 0), (PASSED, BY_HAND, 0), (PASSED, FAILED, 1), (PASSED, COULD_NOT_RUN, 2), (FAILED, COULD_NOT_RUN, 1),
    (COULD_NOT_RUN, BY_HAND, 2),
]  # fmt: skip


def test_only_what_passed_earns_points() -> None:
    """Failed, could not run and by hand have none; what waits for a hand is not among those that could be earned.

    The exit code is 0 when all passed, 1 when something failed, 2 when something could not run.
    """
    assert [verdicts(r1_1=first, r1_2=second).exit_code for first, second, _ in CODES] == [code for *_, code in CODES]
    found = verdicts(r1_1=PASSED, r1_2=FAILED, r2_1=COULD_NOT_RUN, r2_3=BY_HAND)
    assert (found.points, found.of, found.by_hand) == (2, 2 + 2 + 8, 6)
    assert found.total() == "2 of 12 points, 6 more by hand"
    assert verdicts(r1_1=PASSED).total() == "2 of 2 points"


def test_json_has_the_issues_shape() -> None:
    """The keys, in their order, and plain values; a learner's Russian stays readable."""
    data = json.loads(verdicts(r4_2=PASSED).json())
    assert list(data) == ["points", "of", "by_hand", "linux", "verdicts"]
    assert (data["points"], data["of"], data["by_hand"], data["linux"]) == (10, 10, 0, "uml")
    assert data["verdicts"] == [
        {
            "task": 4, "requirement": "4.2", "verdict": "passed", "points": 10, "of": 10,
            "sentence": REQUIREMENTS["4.2"].sentence, "evidence": "seen", "hint": "",
        }
    ]  # fmt: skip
    assert list(data["verdicts"][0]) == ["task", "requirement", "verdict", "points", "of", "sentence", "evidence", "hint"]
    assert "ответ" in Verdicts([verdict("2.3", Finding(BY_HAND, "ответ"))], "host").json()


def test_evidence_is_escaped_and_steers_nothing() -> None:
    """What a work printed cannot become a part of the notebook's page; letters that steer or reorder are left out."""
    shown = Verdicts([verdict("1.1", failed(NASTY, NASTY + "!"))], "uml")._repr_html_()
    assert NASTY not in shown and html.unescape(shown).count(NASTY) == 2
    row = verdict("1.1", failed("a\x1b[31m\u202eb\nc\td\x9b", "\u2066h\x07"))
    assert (row.evidence, row.hint) == ("a [31m b\nc\td ", " h ")


@pytest.mark.parametrize("kind", [PASSED, FAILED, COULD_NOT_RUN, BY_HAND])
def test_verdict_is_in_words(kind: str) -> None:
    """Printed and in a notebook it is a word, not only a colour."""
    found = verdicts(r2_3=kind)
    assert kind in str(found) and kind in found._repr_html_()
    assert "? / 6" in found._repr_html_() if kind == BY_HAND else "? / 6" not in found._repr_html_()


def test_table_of_words_says_what_was_measured() -> None:
    """A failure has its hint and its evidence, each line of them in the same column; what says the same is said once."""
    found = Verdicts(
        [verdict("1.3", failed("nobody; printed:\nno module", "no server")), verdict("1.4", failed("same", "same"))], "host"
    )
    lines = str(found).splitlines()
    column = lines[0].index("a Python")
    assert [line[column:] for line in lines[1:4]] == ["→ no server", "  measured: nobody; printed:", "no module"]
    assert [line[column:] for line in lines[5:-1]] == ["→ same"]


def test_failure_behind_another_could_not_run() -> None:
    """What fails, or cannot be seen, while its prerequisite has not passed is not judged, and names what it needs.

    A check may know better which requirement stands in its way; what passes stays passed, whatever its prerequisite.
    """
    judged = with_dependencies(
        {"1.1": failed("e", "no folder"), "1.3": could_not_run("c"), "1.4": failed("e4", "no page"), "1.2": passed("e")}
    )
    assert [finding.verdict for finding in judged.values()] == [FAILED, COULD_NOT_RUN, COULD_NOT_RUN, PASSED]
    assert judged["1.3"].hint == "not judged: needs 1.1"
    assert (judged["1.4"].hint, judged["1.4"].evidence) == ("not judged: needs 1.1 and 1.3", "e4")
    judged = with_dependencies({"4.1": needs("4.3"), "4.2": needs("4.3", evidence="seen"), "4.3": failed("e", "h")})
    assert [finding.hint for finding in judged.values()] == ["not judged: needs 4.3", "not judged: needs 4.3", "h"]
    assert (judged["4.2"].verdict, judged["4.2"].evidence) == (COULD_NOT_RUN, "seen")
    assert with_dependencies({"4.1": passed(""), "4.2": failed("", "x")})["4.2"].verdict == FAILED
    assert with_dependencies({"4.1": could_not_run("x"), "4.2": passed("")})["4.2"].verdict == PASSED
    assert with_dependencies({"4.2": failed("", "x")})["4.2"].verdict == FAILED
    # What the machine could not measure makes what depends on it its fault, too.
    found = with_dependencies({"4.1": could_not_run("x", machine=True), "4.2": failed("e", "x")})
    assert found["4.2"].machine and verdict("4.2", found["4.2"]).machine
    # A task is judged by itself, so nothing depends on another's requirement.
    assert all(needed in REQUIREMENTS and needed[0] == number[0] for number, one in REQUIREMENTS.items() for needed in one.after)


def test_requirements_stand_in_their_order_whichever_task_is_imported_first() -> None:
    """What is listed by their numbers is listed alike in every process."""
    code = "import labkit.judge.task4, labkit.judge.task2; from labkit.judge.check import REQUIREMENTS; print(*REQUIREMENTS)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert said == sorted(said) and len(said) == 16
