"""Requirements with their checks, and verdicts: passed, failed or could not run, with points, evidence and a hint."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import plain
from ..writing import filled

PASSED, FAILED, COULD_NOT_RUN, BY_HAND = "passed", "failed", "could not run", "by hand"
NOT_JUDGED = "not judged: needs"
# How long evidence and hint may be, characters: a hostile work could have a million interfaces to list.
SAID = 3000


@dataclass(frozen=True)
class Finding:
    """What a check found: the verdict, the evidence it measured, and a hint that names the fault.

    `machine` is True when it could not run by a fault of the machine, which is never the work's.
    """

    verdict: str
    evidence: str
    hint: str = ""
    machine: bool = False


def passed(evidence: str) -> Finding:
    """The requirement is met."""
    return Finding(PASSED, evidence)


def failed(evidence: str, hint: str) -> Finding:
    """The requirement is not met."""
    return Finding(FAILED, evidence, hint)


def could_not_run(reason: str, *, machine: bool = False) -> Finding:
    """The check could not see what it needs; with `machine` that is the fault of the machine that judges."""
    return Finding(COULD_NOT_RUN, reason, reason, machine)


Check = Callable[[Any], Finding]  # what it is given is a Bench


@dataclass(frozen=True)
class Requirement:
    """A numbered requirement of the assignment: a sentence, its points, the exact values asked, and the check that judges it.

    One that fails, or cannot be seen, while one of those that it comes `after` has not passed cannot be judged by itself.
    """

    number: str
    sentence: str
    points: int
    exactly: tuple[str, ...]
    after: tuple[str, ...]
    check: Check

    @property
    def task(self) -> int:
        return int(self.number[0])


# All of them, in their order, once the modules of the tasks have been imported (check.py does).
REQUIREMENTS: dict[str, Requirement] = {}


def check(
    number: str, sentence: str, *, points: int, exactly: Iterable[object] = (), after: Sequence[str] = ()
) -> Callable[[Check], Check]:
    """Make a function the check of a requirement. A task's points are the assignment's, how they are spread is this course's."""

    def register(function: Check) -> Check:
        REQUIREMENTS[number] = Requirement(number, sentence, points, tuple(map(str, exactly)), tuple(after), function)
        for each in sorted(REQUIREMENTS):  # in their order, whichever module was imported first
            REQUIREMENTS[each] = REQUIREMENTS.pop(each)
        return function

    return register


def of_task(task: int) -> list[Requirement]:
    """Return the requirements of a task, in their order."""
    return [one for one in REQUIREMENTS.values() if one.task == task]


@dataclass(frozen=True)
class Verdict:
    """One row of the result."""

    task: int
    requirement: str
    verdict: str
    points: int
    of: int
    sentence: str
    evidence: str
    hint: str
    machine: bool = False


def verdict(number: str, finding: Finding) -> Verdict:
    """The row for a requirement; only what passed earns points."""
    one, evidence, hint = REQUIREMENTS[number], finding.evidence[:SAID], finding.hint[:SAID]
    points = one.points if finding.verdict == PASSED else 0
    said = one.sentence, plain(evidence), plain(hint), finding.machine
    return Verdict(one.task, number, finding.verdict, points, one.points, *said)


def with_dependencies(findings: dict[str, Finding]) -> dict[str, Finding]:
    """Turn what did not pass, because a prerequisite has not, into "could not run": the fault lies there."""
    judged = dict(findings)
    for number, finding in findings.items():
        after = [needed for needed in REQUIREMENTS[number].after if needed in findings]
        missing = [needed for needed in after if findings[needed].verdict != PASSED]
        said = finding.hint.startswith(NOT_JUDGED)
        if finding.verdict in (FAILED, COULD_NOT_RUN) and missing and not said:
            machine = finding.machine or any(findings[name].machine for name in missing)
            judged[number] = Finding(COULD_NOT_RUN, finding.evidence, needs(*missing).hint, machine)
    return judged


def needs(*numbers: str, evidence: str = "") -> Finding:
    """The check could not see what it needs, because other requirements are not met."""
    reason = f"{NOT_JUDGED} {' and '.join(numbers)}"
    return Finding(COULD_NOT_RUN, evidence or reason, reason)


COLOURS = {PASSED: "#00795a", FAILED: "#b23c00", COULD_NOT_RUN: "#6b6b6b", BY_HAND: "#0060a0"}
MARGIN = 29 * " "  # where the sentences stand in the table of words
MARKS = {PASSED: "✓", FAILED: "✗", COULD_NOT_RUN: "?", BY_HAND: "…"}


class Verdicts:
    """The verdicts on a work. Printed, it is a table of words; in a notebook one with colours; `data` is for machines."""

    def __init__(self, rows: Iterable[Verdict], linux: str, evidence: dict[str, Any] | None = None) -> None:
        """`evidence` is what the checks kept of their measurements, by name, plain data."""
        self.rows, self.linux, self.evidence = list(rows), linux, evidence or {}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Verdicts:
        return cls([Verdict(**row) for row in data["verdicts"]], data["linux"])

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.rows)

    @property
    def points(self) -> int:
        return sum(row.points for row in self.rows)

    @property
    def of(self) -> int:
        """The points that could be earned, without those that wait for a hand."""
        return sum(row.of for row in self.rows if row.verdict != BY_HAND)

    @property
    def by_hand(self) -> int:
        """The points that a person has to give."""
        return sum(row.of for row in self.rows if row.verdict == BY_HAND)

    @property
    def exit_code(self) -> int:
        """0 when all passed, 1 when something failed, 2 when nothing failed and something could not run."""
        verdicts = {row.verdict for row in self.rows}
        return 1 if FAILED in verdicts else 2 if COULD_NOT_RUN in verdicts else 0

    def wrong(self) -> list[str]:
        """The numbers of the requirements that earned nothing and wait for no hand."""
        return [row.requirement for row in self.rows if row.verdict in (FAILED, COULD_NOT_RUN)]

    def of_task(self, task: int) -> Verdicts:
        return Verdicts([row for row in self.rows if row.task == task], self.linux)

    def data(self) -> dict[str, Any]:
        """Plain data: points, of, by_hand, linux and the verdicts."""
        rows = [asdict(row) for row in self.rows]
        for row in rows:
            del row["machine"]
        own = {"points": self.points, "of": self.of, "by_hand": self.by_hand, "linux": self.linux}
        return own | {"verdicts": rows}

    def json(self) -> str:
        return json.dumps(self.data(), indent=2, ensure_ascii=False)

    def total(self) -> str:
        by_hand = f", {self.by_hand} more by hand" if self.by_hand else ""
        return f"{self.points} of {self.of} points{by_hand}"

    def __str__(self) -> str:
        lines = []
        for row in self.rows:
            points = "?" if row.verdict == BY_HAND else row.points
            kind = f"{MARKS[row.verdict]} {row.verdict:13}"
            lines.append(f"{row.requirement}  {kind}  {points:>2}/{row.of:<2}  {row.sentence}")
            said = [f"→ {row.hint}"] if row.hint else []
            if row.verdict == FAILED and row.evidence != row.hint:
                said.append(f"  measured: {row.evidence}")
            lines += [f"{MARGIN}{line}" for text in said for line in text.splitlines()]
        return "\n".join([*lines, self.total()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        looks = {"colours": COLOURS, "marks": MARKS, "by_hand": BY_HAND}
        return filled("verdicts.html.j2", rows=self.rows, total=self.total(), **looks)
