"""Grades reports: each work is run again and compared with its claim, and works that are the same are found."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput, CourseError, LabkitError, plain, shortage, tail
from ..homework.submission import altered, answers_in, machine_part, unpack
from ..judge.check import Stop, check_work
from ..judge.task2 import without_comments
from ..judge.verdict import Verdict, Verdicts
from ..machine.temporary import own_folder
from .likeness import likenesses, texts_of

# Names and sentences of a submission are shown to the teacher this long at the most, characters; and so many edits.
SHOWN, EDITS = 200, 10
# A path is Linux's 4,096 bytes at the most; it is the learner's name in an export, so it is not cut.
LONGEST = 4096
# What came of a file. What is not measured is not the learner's fault, and looked at again at the next run.
STATES = MEASURED, NOT_MEASURED, UNREADABLE = "measured", "not measured", "unreadable"
AGAIN = "mend it and run the same command again: this work is measured again then"


@dataclass(frozen=True)
class Given:
    """What a person has given, a line of by_hand.csv: points (None: a comment alone), for which requirement ("": the whole work).

    `row` is the row's name, "" where a batch has none of it, and `file` the work as it stands there.
    """

    points: float | None
    comment: str = ""
    requirement: str = ""
    row: str = ""
    file: str = ""


@dataclass
class Grade:
    """What came of one file. `flags` say what a teacher should look at; `verdicts` are those measured now.

    `state` is MEASURED, NOT_MEASURED (a fault of this machine or of labkit: no grade yet) or UNREADABLE (it is no report).
    `texts` are the scripts and configurations of the work, by file.

    `hand` is what a person has given, by requirement ("" for the whole work); it counts beside `measured`, and is in no notes.
    `claims` are the verdicts in the report, by requirement, shortened; `linux` is where it was measured, "none" where no lab
    opened. `similar` is True for a work that is the same as another's, or like it.
    """

    file: str
    name: str = ""
    group: str = ""
    measured: int = 0
    claimed: int = 0
    of: int = 0
    by_hand: int = 0
    seconds: float = 0.0
    flags: list[str] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    answer: str = ""
    fingerprint: str = ""
    claims: dict[str, str] = field(default_factory=dict)
    linux: str = ""
    state: str = UNREADABLE
    similar: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    hand: dict[str, Given] = field(default_factory=dict)

    @property
    def points_given(self) -> dict[str, float]:
        """The points that a person has given, by requirement."""
        return {number: one.points for number, one in self.hand.items() if one.points is not None}

    @property
    def waiting(self) -> int:
        """The points that a person has to give yet."""
        return 0 if "2.3" in self.points_given else self.by_hand

    @property
    def most(self) -> int:
        """The points that can be earned, as far as they are judged."""
        return self.of + self.by_hand - self.waiting

    @property
    def total(self) -> float:
        """The points: measured, and in the place of these or beside them what a person has given."""
        given = self.points_given
        replaced = sum(row["points"] for row in self.verdicts if row["requirement"] in given)
        return self.measured + sum(given.values()) - replaced

    def judged(self) -> Verdicts:
        """The verdicts that were measured."""
        return Verdicts([Verdict(**row) for row in self.verdicts], self.linux)

    def row(self) -> dict[str, Any]:
        """The row of the table: numbers, verdicts in short, flags."""
        short = " ".join(f"{row['requirement']}:{row['verdict']}" for row in self.verdicts)
        given = []
        for number, one in self.hand.items():
            points = "" if one.points is None else f" {one.points:g}"
            given.append(f"{number or 'comment'}{points}" + (f": {one.comment}" if one.comment else ""))
        return {
            "file": self.file, "name": self.name, "group": self.group, "state": self.state, "points": float(self.total),
            "of": self.most, "points measured": self.measured, "points claimed": self.claimed,
            "difference": self.measured - self.claimed, "by hand": self.waiting, "given by hand": "; ".join(given),
            "verdicts": short, "flags": "; ".join(self.flags), "seconds": round(self.seconds, 1),
        }  # fmt: skip


def printable(text: object, most: int = SHOWN) -> str:
    """A text of a submission, shortened, and without characters that steer a terminal or reorder letters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * most])
    return clean.strip()[:most]


def claims(verdicts: Mapping[str, Any]) -> dict[str, str]:
    """The verdicts that a report claims, by requirement."""
    rows = [row for row in verdicts["verdicts"] if isinstance(row, dict)][: 2 * SHOWN]
    return {printable(row.get("requirement")): printable(row.get("verdict")) for row in rows}


def differences(claimed: Mapping[str, str], points: int, measured: Verdicts) -> list[str]:
    """How the points and verdicts in the report differ from those measured."""
    rows = [row for row in measured if not row.machine]
    differ = points != measured.points and len(rows) == len(measured.rows)
    found = [f"claims {points} points, measured {measured.points}"] if differ else []
    for row in rows:
        claim = claimed.get(row.requirement, "nothing")
        if claim != row.verdict:
            found.append(f"{row.requirement} claims {claim}, measured {row.verdict}")
    return found


def edits(data: dict[str, Any]) -> list[str]:
    """What in the report does not fit its digest, the first few by name."""
    names = altered(data)
    more = [f"edited after it was made: {len(names) - EDITS} more"] if len(names) > EDITS else []
    return [f"edited after it was made: {printable(name)}" for name in names[:EDITS]] + more


def grade_one(report: bytes, *, name: str, tasks: Sequence[int], stop: Stop | None = None) -> Grade:
    """Judge `tasks` of one report, whose row is called `name`; whatever is wrong with it, or here, becomes a flag."""
    grade, began = Grade(file=name), time.monotonic()
    try:
        data = machine_part(report, Path(name).name)
        who = data["who"]
        grade.name, grade.group = printable(who.get("name", "")), printable(who.get("group", ""))
        grade.claimed = int(data["verdicts"]["points"])
        grade.claims = claims(data["verdicts"])
        grade.flags += edits(data)
        measure(grade, data, tasks, stop)
    except Exception as error:  # one bad file, one bad minute of this machine: never the others
        refused(grade, error)
    grade.seconds = time.monotonic() - began
    return grade


def refused(grade: Grade, error: Exception) -> Grade:
    """Say in the row why it has no grade: after BadInput it is no report, else nothing could be measured, and what to do."""
    if isinstance(error, BadInput):
        grade.flags.append(printable(f"{error.tried} {error.words} {error.way_out}"))
        return grade
    grade.state = NOT_MEASURED
    if isinstance(error, LabkitError):
        words, way_out = f"{error.tried} {tail(error.words, 3)}", error.way_out
    else:
        words, way_out = f"{type(error).__name__}: {error}", "tell who looks after labkit"
    remedy = f"way out: {printable(shortage(words) or way_out)}; {AGAIN}"
    grade.flags.append(f"could not be graded here: {printable(words)} ({remedy})")
    return grade


def measure(grade: Grade, data: dict[str, Any], tasks: Sequence[int], stop: Stop | None) -> None:
    """Run the work of a report again."""
    with tempfile.TemporaryDirectory(prefix="grade-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        unpack(data, work)
        grade.fingerprint = fingerprint(data["work"])
        grade.texts = texts_of(data["work"])
        answers = answers_in(work)
        if data["answers"] != answers:
            grade.flags.append("the answers shown are not those in its work")
        try:
            verdicts = check_work(work, tasks, trusted=False, stop=stop)
        except BadInput as error:  # it was unpacked here, so what is wrong now is not the work
            raise CourseError(error.tried, words=error.words, way_out=error.way_out) from error
    grade.answer = plain("\n".join(answers.values()))
    grade.verdicts, grade.linux = [asdict(row) for row in verdicts], verdicts.linux
    grade.state = MEASURED


def conclude(grade: Grade, kept: Iterable[dict[str, Any]] = ()) -> None:
    """Add up what was measured, beside the verdicts that are `kept`, and say what differs from the claims."""
    if grade.state != MEASURED:
        return
    grade.verdicts = sorted([*kept, *grade.verdicts], key=lambda row: row["requirement"])
    verdicts = grade.judged()
    grade.measured, grade.of, grade.by_hand = verdicts.points, verdicts.of, verdicts.by_hand
    faults = [row for row in verdicts if row.machine]
    if faults or grade.linux == "none":
        grade.state = NOT_MEASURED
    if grade.linux == "none":
        grade.flags.append("no lab opened on this machine, so nothing was measured")
    if faults:
        numbers = ", ".join(row.requirement for row in faults)
        why = printable(faults[0].hint, 3 * SHOWN)
        said = f"no fault of the work: {numbers} could not be measured here: {why} ({AGAIN})"
        grade.flags.append(said)
    grade.flags += differences(grade.claims, grade.claimed, verdicts)


def row_names(pages: Sequence[Path], top: Path | None = None) -> list[str]:
    """Return what the rows are called: the path of each file from `top`, by itself the folder that all are in, no two alike."""
    whole = [Path(os.path.abspath(str(page).replace("\0", " "))) for page in pages]
    folders = [os.path.abspath(top)] if top else [str(page.parent) for page in whole] or ["/"]
    base = os.path.commonpath(folders)
    found: list[str] = []
    for page in whole:
        name = printable(page.relative_to(base), LONGEST)
        again = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({again + 1})" if again else name)
    return found


def pairs(grades: Sequence[Grade]) -> None:
    """Flag works that are the same as another's, or like it."""
    same, like = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for grade in grades:
        same[grade.fingerprint].append(grade.file)
    for one in likenesses([grade.texts for grade in grades]):
        first, second = grades[one.first], grades[one.second]
        if not first.fingerprint or first.fingerprint != second.fingerprint:
            like[first.file].append(f"{printable(second.file)} ({one.part:.0%})")
            like[second.file].append(f"{printable(first.file)} ({one.part:.0%})")
    for grade in grades:
        twins = [printable(file) for file in same[grade.fingerprint] if file != grade.file]
        others = like[grade.file]
        more = f" and {len(others) - EDITS} more" if len(others) > EDITS else ""
        grade.similar = bool(others)
        if grade.fingerprint and twins:
            grade.similar = True
            grade.flags.append(f"the same work as {', '.join(twins)}")
        if others:
            some = f"{', '.join(others[:EDITS])}{more}"
            grade.flags.append(f"much like the work of {some}: a reason to look, and no verdict")


# Where a # begins a comment, by the end of a file's name: at the beginning of a word, and in a shell and in nginx.conf also
# after what ends a word. A page's comments are left in.
COMMENTS = {
    "dnsmasq.conf": re.compile(r"(^|\s)#.*$", re.M),
    ".conf": re.compile(r"(^|[\s;{}])#.*$", re.M),
    ".sh": re.compile(r"(^|[\s;&|()])#.*$", re.M),
}
WHITE = dict.fromkeys(number for number in range(0x3001) if chr(number).isspace())
SCRIPTS = re.compile(r"task[1-4]\.sh")


def essence(name: str, data: bytes) -> str:
    """The text of a file without comments and white space."""
    text = data.decode(errors="replace")
    comment = next((pattern for end, pattern in COMMENTS.items() if name.endswith(end)), None)
    if comment:
        text = comment.sub(r"\1", text)
    if name.endswith(".sh"):
        text = re.sub(r"\\\r?\n", "", text)
    if name.endswith(".md"):
        text = without_comments(text)
    return text.translate(WHITE)


def fingerprint(work: Mapping[str, Any]) -> str:
    """One digest over the essence of every file of a packed work, "" where no script does anything: there is no work yet.

    A file of white space and comments alone does not count.
    """
    texts = {}
    for name, entry in sorted(work.items()):
        if "data" in entry:
            texts[name] = essence(name, base64.b64decode(entry["data"]))
        elif "link" in entry:
            texts[name] = f"-> {entry['link']}"
    if not any(text for name, text in texts.items() if SCRIPTS.fullmatch(name)):
        return ""
    whole = "".join(f"{name}\0{text}\0" for name, text in texts.items() if text)
    return hashlib.sha256(whole.encode(errors="replace")).hexdigest()
