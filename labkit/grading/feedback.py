"""The feedback pages: one for each grade, with what was measured beside what is claimed, and lists of all for the teacher."""

from __future__ import annotations

import base64
import hashlib
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ..judge.check import REQUIREMENTS
from ..judge.verdict import BY_HAND, COULD_NOT_RUN, FAILED, MARKS, PASSED, Verdict, Verdicts
from ..writing import PAGES, filled, write_file
from . import by_hand
from .grade import MEASURED, NOT_MEASURED, Grade
from .likeness import alike, changes, likenesses, marked

INDEX, ANSWERS, SUMMARY, LIKENESS, LEARNERS = "index.html", "answers.html", "summary.html", "likeness.html", "feedback"
# So many works of a list, and so many pairs with their texts, are shown on one page.
LISTED, PAIRS = 10, 50
# Where a bar of the distribution begins, points; the last one ends at the most.
EDGES = (*range(0, 100, 10), 101)
# So many hints of a requirement are shown.
HINTS = 3
# What differs in the same hint on two works: what was found there.
FOUND = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+")
# Stands at the beginning of every page, so that none is taken for a report.
MARK = Markup("<!-- labkit feedback -->")
QUESTION = REQUIREMENTS["2.3"]


def page_of(template: str, script: str = "", **values: Any) -> str:
    """Return a whole page; the only script that may run in it is ours, by its hash."""
    code, style = (source(name) if name else "" for name in (script, "page.css"))
    known = f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
    return filled(template, mark=MARK, style=Markup(style), script=Markup(code), script_hash=known, **values)


def source(name: str) -> str:
    """Return a style sheet or script of ours, as it is."""
    assert PAGES.loader is not None
    return PAGES.loader.get_source(PAGES, name)[0]


@dataclass(frozen=True)
class Listed:
    """A work in a list: its grade, its page, points by task, what did not pass, and what it can be found by."""

    grade: Grade
    link: str
    tasks: dict[int, str]
    wrong: list[str]
    kinds: list[str]


def listed(grade: Grade, name: str) -> Listed:
    """Return the line of a grade whose page is the file `name`."""
    verdicts = verdicts_of(grade)
    parts = {task: verdicts.of_task(task) for task in (1, 2, 3, 4)}
    kinds = {"any": True, "flagged": bool(grade.flags), "similar": grade.similar, "unmeasured": grade.state != MEASURED}
    tasks = {task: f"{points_of(grade, part):g}" if part.rows else "–" for task, part in parts.items()}
    return Listed(grade, quote(name), tasks, verdicts.wrong(), [kind for kind, is_one in kinds.items() if is_one])


def points_of(grade: Grade, part: Verdicts) -> float:
    """Return the points for some verdicts of a grade, those that a person has given in their place."""
    given = {row.requirement: grade.hand[row.requirement].points for row in part if row.requirement in grade.hand}
    return sum(row.points if (points := given.get(row.requirement)) is None else points for row in part)


def verdicts_of(grade: Grade) -> Verdicts:
    """Return the verdicts that were measured."""
    return Verdicts([Verdict(**row) for row in grade.verdicts], grade.linux)


def total(grade: Grade, verdicts: Verdicts) -> str:
    """The points in words, and how far the claim is from them."""
    away = grade.claimed - grade.measured
    claim = (
        "as its report claims"
        if not away
        else f"its report claims {grade.claimed}, {abs(away)} {'more' if away > 0 else 'fewer'}"
    )
    points = f"{grade.total:g} of {grade.most} points. " if grade.hand else ""
    return f"{points}Measured: {verdicts.total()}; {claim}."


def page(grade: Grade, *, learner: bool = False) -> str:
    """The page as HTML; every text that comes from the submission is escaped.

    For the `learner` it is without what is to be looked at, which names others, and without the name of the file.
    """
    verdicts = verdicts_of(grade)
    parts = (grade.name or "(no name)", grade.group, "" if learner else grade.file)
    flags, who = [] if learner else grade.flags, " · ".join(part for part in parts if part)
    return page_of(
        "feedback.html.j2", grade=grade, flags=flags, who=who, verdicts=verdicts, total=total(grade, verdicts), marks=MARKS,
        by_hand=BY_HAND, unmeasured=grade.state == NOT_MEASURED,
    )  # fmt: skip


def in_order(grades: Sequence[Grade], names: Sequence[str]) -> list[Listed]:
    """Return the lines of all grades: works that are the same as another's first, then others to look at, then the rest."""
    pairs = sorted(zip(grades, names, strict=True), key=lambda pair: (not pair[0].similar, not pair[0].flags))
    return [listed(grade, name) for grade, name in pairs]


def index(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The list of all grades, those to look at first; `names` are the files of their pages."""
    answers = ANSWERS if any(grade.by_hand for grade in grades) else ""
    open_ones = sum(bool(grade.waiting) for grade in grades)
    return page_of(
        "index.html.j2", "index.js", works=in_order(grades, names), flagged=sum(bool(grade.flags) for grade in grades),
        summary=SUMMARY, likeness=LIKENESS if any(grade.similar for grade in grades) else "", answers=answers,
        open_ones=open_ones, requirements=[number for number in REQUIREMENTS if number != QUESTION.number],
    )  # fmt: skip


def answers(grades: Sequence[Grade], names: Sequence[str], hand: Sequence[by_hand.Line] = ()) -> str:
    """All answers to 2.3 on one page, those that are alike together; `names` are the files of the works' own pages.

    The page saves a by_hand.csv, in which the lines of `hand` that it does not show stand as they are.
    """
    works = [work for work in in_order(grades, names) if work.grade.by_hand]
    together = [[works[at] for at in group] for group in alike([work.grade.answer for work in works])]
    groups = [[(work, changes(group[0].grade.answer, work.grade.answer)) for work in group] for group in together]
    files = {work.grade.file for work in works}
    rest = by_hand.as_csv(line for line in hand if line.requirement != QUESTION.number or line.row not in files)
    columns = ",".join(by_hand.COLUMNS)
    return page_of(
        "answers.html.j2", "answers.js", works=works, groups=groups, most=QUESTION.points, index=INDEX, rest=rest,
        columns=columns, number=QUESTION.number, name=by_hand.NAME,
    )  # fmt: skip


@dataclass(frozen=True)
class Missed:
    """A requirement, how many works passed, failed, could not be seen and are read by a person, and the usual hints, counted."""

    number: str
    sentence: str
    passed: int
    failed: int
    unseen: int
    by_hand: int
    hints: list[tuple[int, str]]


def missed(grades: Sequence[Grade]) -> list[Missed]:
    """Return the requirements that were measured, those first that most works miss."""
    rows = [row for grade in grades for row in grade.verdicts if not row["machine"]]
    found = []
    for number, one in REQUIREMENTS.items():
        mine = [row for row in rows if row["requirement"] == number]
        kinds = Counter(row["verdict"] for row in mine)
        # One hint in many words is counted once, and shown as it stands at one of the works.
        spelled = {FOUND.sub("…", row["hint"]): row["hint"] for row in mine if row["verdict"] == FAILED}
        counted = Counter(FOUND.sub("…", row["hint"]) for row in mine if row["verdict"] == FAILED)
        hints = [(count, spelled[hint]) for hint, count in counted.most_common(HINTS)]
        if mine:
            found.append(Missed(number, one.sentence, kinds[PASSED], kinds[FAILED], kinds[COULD_NOT_RUN], kinds[BY_HAND], hints))
    return sorted(found, key=lambda one: (-one.failed, -one.unseen, one.number))


@dataclass(frozen=True)
class Bar:
    """A bar of the distribution: points from and to, and how many works."""

    begin: int
    end: int
    count: int


def distribution(grades: Sequence[Grade]) -> tuple[list[Bar], float, float]:
    """Return bars of ten points, the median and the mean of the works that have a grade; both are 0 where none has."""
    points = [grade.total for grade in grades if grade.state == MEASURED]
    bars = [Bar(begin, end - 1, sum(begin <= one < end for one in points)) for begin, end in pairwise(EDGES)]
    return bars, statistics.median(points or [0]), statistics.fmean(points or [0])


def summary(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The batch as a whole; `names` are the files of the works' own pages."""
    works = in_order(grades, names)
    flagged = [work for work in works if work.grade.flags]
    bars, median, mean = distribution(grades)
    return page_of(
        "summary.html.j2", works=works, measured=sum(grade.state == MEASURED for grade in grades),
        open_ones=sum(bool(grade.waiting) for grade in grades), index=INDEX, bars=bars, median=median, mean=mean,
        missed=missed(grades), slowest=sorted(works, key=lambda work: -work.grade.seconds)[:LISTED], flagged=flagged[:LISTED],
        more=max(0, len(flagged) - LISTED),
    )  # fmt: skip


def likeness(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The pairs of works that are alike, side by side; `names` are the files of the works' own pages."""
    works = [listed(grade, name) for grade, name in zip(grades, names, strict=True)]
    found = likenesses([grade.texts for grade in grades])
    pairs = [
        {
            "first": works[one.first], "second": works[one.second], "part": one.part, "passages": len(one.shared),
            "texts": [marked(grades[number].texts, one.shared) for number in (one.first, one.second)],
        }
        for one in found[:PAIRS]
    ]  # fmt: skip
    return page_of("likeness.html.j2", pairs=pairs, count=len(found), index=INDEX)


def page_names(grades: Sequence[Grade]) -> list[str]:
    """Return a file's name for each page: a number, and the letters of every alphabet that the row's name has."""
    stems = [unicodedata.normalize("NFC", str(Path(grade.file).with_suffix(""))) for grade in grades]
    stems = [re.sub(r"[^\w-]+", "_", stem)[:60].encode()[:200].decode(errors="ignore") for stem in stems]
    return [f"{number:03}-{stem}.html" for number, stem in enumerate(stems, 1)]


def write_pages(grades: Sequence[Grade], folder: Path, hand: Sequence[by_hand.Line] = ()) -> list[Path]:
    """Write a page for each grade into `folder` and one for its learner into `feedback` there, and those for the teacher.

    Raises BadInput.
    """
    names = page_names(grades)
    texts = {
        **dict(zip(names, map(page, grades), strict=True)),
        **{f"{LEARNERS}/{name}": page(grade, learner=True) for name, grade in zip(names, grades, strict=True)},
        INDEX: index(grades, names),
        ANSWERS: answers(grades, names, hand),
        SUMMARY: summary(grades, names),
        LIKENESS: likeness(grades, names),
    }
    for name, text in texts.items():
        write_file("A feedback page", folder / name, text, "name another folder with --html")
    return [folder / name for name in texts]
