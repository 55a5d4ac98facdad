"""The feedback pages: one for each grade, with what was measured beside what is claimed, and lists of all for the teacher."""

from __future__ import annotations

import base64
import hashlib
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from ..judge.check import REQUIREMENTS
from ..judge.verdict import BY_HAND, COULD_NOT_RUN, FAILED, MARKS, PASSED
from ..writing import TEMPLATES, filled, write_file
from .grade import MEASURED, NOT_MEASURED, Given, Grade
from .likeness import alike, changes, likenesses, marked
from .table import COLUMNS, NAME, as_csv

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
    folder = TEMPLATES / "pages"
    code = (folder / script).read_text(encoding="utf-8") if script else ""
    style = (folder / "page.css").read_text(encoding="utf-8")
    known = f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
    ours = {"mark": MARK, "style": Markup(style), "script": Markup(code), "script_hash": known}
    return filled(template, **ours, **values)


def listed(grade: Grade, name: str) -> dict[str, Any]:
    """Return the line of a grade whose page is the file `name`: with points by task, what did not pass, and what finds it."""
    verdicts, given = grade.judged(), grade.points_given
    tasks = {}
    for task in (1, 2, 3, 4):
        points = [given.get(row.requirement, row.points) for row in verdicts.of_task(task)]
        tasks[task] = f"{sum(points):g}" if points else "–"
    of_kind = {"flagged": grade.flags, "similar": grade.similar, "unmeasured": grade.state != MEASURED}
    kinds = ["any", *(kind for kind, is_one in of_kind.items() if is_one)]
    return {"grade": grade, "link": quote(name), "tasks": tasks, "wrong": verdicts.wrong(), "kinds": kinds}


def page(grade: Grade, *, learner: bool = False) -> str:
    """The page as HTML; every text that comes from the submission is escaped.

    For the `learner` it is without what is to be looked at, which names others, and without the name of the file.
    """
    who = [grade.name or "(no name)", grade.group, "" if learner else grade.file]
    looks: dict[str, Any] = {"marks": MARKS, "by_hand": BY_HAND, "unmeasured": grade.state == NOT_MEASURED}
    return page_of(
        "feedback.html.j2", grade=grade, flags=[] if learner else grade.flags, verdicts=grade.judged(),
        who=" · ".join(filter(None, who)), away=grade.claimed - grade.measured, **looks,
    )  # fmt: skip


def in_order(grades: Sequence[Grade], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the lines of all grades: works that are the same as another's first, then others to look at, then the rest."""
    works = [listed(grade, name) for grade, name in zip(grades, names, strict=True)]
    return sorted(works, key=lambda work: (not work["grade"].similar, not work["grade"].flags))


def index(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The list of all grades, those to look at first; `names` are the files of their pages."""
    requirements = [number for number in REQUIREMENTS if number != QUESTION.number]
    works = in_order(grades, names)
    return page_of("index.html.j2", "index.js", works=works, grades=grades, requirements=requirements)


def answers(grades: Sequence[Grade], names: Sequence[str], hand: Sequence[Given] = ()) -> str:
    """All answers to 2.3 on one page, those that are alike together; `names` are the files of the works' own pages.

    The page saves a by_hand.csv, in which the lines of `hand` that it does not show stand as they are.
    """
    works = [work for work in in_order(grades, names) if work["grade"].by_hand]
    texts = [work["grade"].answer for work in works]
    groups = [[(works[at], changes(texts[group[0]], texts[at])) for at in group] for group in alike(texts)]
    files = {work["grade"].file for work in works}
    rest = [line for line in hand if line.requirement != QUESTION.number or line.row not in files]
    return page_of(
        "answers.html.j2", "answers.js", groups=groups, most=QUESTION.points, number=QUESTION.number,
        rest=as_csv(rest), columns=",".join(COLUMNS), name=NAME,
    )  # fmt: skip


def missed(grades: Sequence[Grade]) -> list[dict[str, Any]]:
    """Return the requirements that were measured, those first that most works miss.

    Each has `number`, `sentence`, how many works `passed`, `failed`, could not be seen (`unseen`) and are read by a person
    (`by_hand`), and the usual `hints`, counted.
    """
    rows = [row for grade in grades for row in grade.verdicts if not row["machine"]]
    found = []
    for number, one in REQUIREMENTS.items():
        mine = [row for row in rows if row["requirement"] == number]
        kinds = Counter(row["verdict"] for row in mine)
        # One hint in many words is counted once, and shown as it stands at one of the works.
        hints = [row["hint"] for row in mine if row["verdict"] == FAILED]
        spelled = {FOUND.sub("…", hint): hint for hint in hints}
        counted = Counter(FOUND.sub("…", hint) for hint in hints).most_common(HINTS)
        if mine:
            found.append({
                "number": number, "sentence": one.sentence, "passed": kinds[PASSED], "failed": kinds[FAILED],
                "unseen": kinds[COULD_NOT_RUN], "by_hand": kinds[BY_HAND],
                "hints": [(count, spelled[hint]) for hint, count in counted],
            })  # fmt: skip
    return sorted(found, key=lambda one: (-one["failed"], -one["unseen"], one["number"]))


def distribution(grades: Sequence[Grade]) -> tuple[list[tuple[int, int, int]], float, float]:
    """Return bars of ten points (from, to, how many works), the median and the mean of the works that have a grade.

    Both are 0 where none has.
    """
    points = [grade.total for grade in grades if grade.state == MEASURED]
    bars = []
    for begin, end in pairwise(EDGES):
        bars.append((begin, end - 1, sum(begin <= one < end for one in points)))
    return bars, statistics.median(points or [0]), statistics.fmean(points or [0])


def summary(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The batch as a whole; `names` are the files of the works' own pages."""
    works = in_order(grades, names)
    flagged = [work for work in works if work["grade"].flags]
    slowest = sorted(works, key=lambda work: -work["grade"].seconds)
    bars, median, mean = distribution(grades)
    return page_of(
        "summary.html.j2", grades=grades, measured=sum(grade.state == MEASURED for grade in grades), bars=bars, median=median,
        mean=mean, missed=missed(grades), slowest=slowest[:LISTED], flagged=flagged[:LISTED], more=max(0, len(flagged) - LISTED),
    )  # fmt: skip


def likeness(grades: Sequence[Grade], names: Sequence[str]) -> str:
    """The pairs of works that are alike, side by side; `names` are the files of the works' own pages."""
    works = [listed(grade, name) for grade, name in zip(grades, names, strict=True)]
    found = likenesses([grade.texts for grade in grades])
    pairs = []
    for one in found[:PAIRS]:
        texts = [marked(grades[number].texts, one.shared) for number in (one.first, one.second)]
        two = {"first": works[one.first], "second": works[one.second], "texts": texts}
        pairs.append(two | {"part": one.part, "passages": len(one.shared)})
    return page_of("likeness.html.j2", pairs=pairs, count=len(found))


def write_pages(grades: Sequence[Grade], folder: Path, hand: Sequence[Given] = ()) -> list[Path]:
    """Write a page for each grade into `folder` and one for its learner into `feedback` there, and those for the teacher.

    A page is called by a number and the letters of every alphabet that the row's name has. Raises BadInput.
    """
    names = []
    for number, grade in enumerate(grades, 1):
        stem = unicodedata.normalize("NFC", str(Path(grade.file).with_suffix("")))
        stem = re.sub(r"[^\w-]+", "_", stem)[:60].encode()[:200].decode(errors="ignore")
        names.append(f"{number:03}-{stem}.html")
    texts = dict(zip(names, map(page, grades), strict=True))
    for name, grade in zip(names, grades, strict=True):
        texts[f"{LEARNERS}/{name}"] = page(grade, learner=True)
    texts |= {INDEX: index(grades, names), ANSWERS: answers(grades, names, hand)}
    texts |= {SUMMARY: summary(grades, names), LIKENESS: likeness(grades, names)}
    for name, text in texts.items():
        write_file("A feedback page", folder / name, text, "name another folder with --html")
    return [folder / name for name in texts]
