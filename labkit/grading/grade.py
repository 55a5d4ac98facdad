"""Grades reports: each work is run again and compared with its claim, and works that are the same are found."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput, CourseError, LabkitError, plain, shortage, tail
from ..homework.submission import altered, answers_in, machine_part, unpack
from ..judge.check import Stop, check_work
from ..judge.verdict import Verdict, Verdicts
from ..machine.temporary import own_folder
from .likeness import likenesses, texts_of

# Names and sentences of a submission are shown to the teacher this long at the most, characters; and so many edits.
SHOWN, EDITS = 200, 10
# A path is Linux's 4,096 bytes at the most; it is the learner's name in an export, so it is not cut.
LONGEST = 4096
# What came of a file. What is not measured is not the learner's fault, and looked at again at the next run.
MEASURED, NOT_MEASURED, UNREADABLE = "measured", "not measured", "unreadable"
AGAIN = "mend it and run the same command again: this work is measured again then"


@dataclass(frozen=True)
class Given:
    """What a person has given for a requirement (by_hand.csv): points, None for a comment alone."""

    points: float | None
    comment: str = ""


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
    def waiting(self) -> int:
        """The points that a person has to give yet."""
        given = self.hand.get("2.3")
        return self.by_hand if given is None or given.points is None else 0

    @property
    def most(self) -> int:
        """The points that can be earned, as far as they are judged."""
        return self.of + self.by_hand - self.waiting

    @property
    def total(self) -> float:
        """The points: measured, and in the place of these or beside them what a person has given."""
        given = {number: one.points for number, one in self.hand.items() if one.points is not None}
        return self.measured + sum(given.values()) - sum(row["points"] for row in self.verdicts if row["requirement"] in given)

    def given(self) -> str:
        """What a person has given, in words."""
        parts = []
        for number, one in self.hand.items():
            points = "" if one.points is None else f" {one.points:g}"
            parts.append(f"{number or 'comment'}{points}" + (f": {one.comment}" if one.comment else ""))
        return "; ".join(parts)

    def row(self) -> dict[str, Any]:
        """The row of the table: numbers, verdicts in short, flags."""
        short = " ".join(f"{row['requirement']}:{row['verdict']}" for row in self.verdicts)
        return {
            "file": self.file, "name": self.name, "group": self.group, "state": self.state, "points": float(self.total),
            "of": self.most, "points measured": self.measured, "points claimed": self.claimed,
            "difference": self.measured - self.claimed, "by hand": self.waiting, "given by hand": self.given(),
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


def differences(claimed: Mapping[str, str], points: int, measured: Sequence[dict[str, Any]]) -> list[str]:
    """How the points and verdicts in the report differ from those measured."""
    earned = sum(row["points"] for row in measured)
    sums = (
        [] if points == earned or any(row.get("machine") for row in measured) else [f"claims {points} points, measured {earned}"]
    )
    return sums + [
        f"{row['requirement']} claims {claimed.get(row['requirement'], 'nothing')}, measured {row['verdict']}"
        for row in measured
        if claimed.get(row["requirement"]) != row["verdict"] and not row.get("machine")
    ]


def edits(data: dict[str, Any]) -> list[str]:
    """What in the report does not fit its digest, the first few by name."""
    names = altered(data)
    more = [f"edited after it was made: {len(names) - EDITS} more"] if len(names) > EDITS else []
    return [f"edited after it was made: {printable(name)}" for name in names[:EDITS]] + more


def grade_one(
    report: bytes, *, name: str, stop: Stop | None = None, before: Grade | None = None, tasks: Sequence[int] = ()
) -> Grade:
    """Grade one report, whose row is called `name`; whatever is wrong with it, or here, becomes a flag.

    With the grade of `before` only `tasks` are judged again, and the other verdicts are kept.
    """
    grade, began = Grade(file=name), time.monotonic()
    try:
        data = machine_part(report, Path(name).name)
        grade.name, grade.group = printable(data["who"].get("name", "")), printable(data["who"].get("group", ""))
        grade.claimed = int(data["verdicts"]["points"])
        grade.claims = claims(data["verdicts"])
        grade.flags += edits(data)
        measure(grade, data, stop, before, tasks)
    except Exception as error:  # one bad file, or one bad minute of this machine, never stops the others
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
    way_out = shortage(words) or way_out
    grade.flags.append(f"could not be graded here: {printable(words)} (way out: {printable(way_out)}; {AGAIN})")
    return grade


def measure(
    grade: Grade, data: dict[str, Any], stop: Stop | None = None, before: Grade | None = None, tasks: Sequence[int] = ()
) -> None:
    """Run the work of a report again and note what differs from its claims."""
    with tempfile.TemporaryDirectory(prefix="grade-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        unpack(data, work)
        grade.fingerprint = fingerprint(data["work"])
        grade.texts = texts_of(data["work"])
        answers = answers_in(work)
        if data["answers"] != answers:
            grade.flags.append("the answers shown are not those in its work")
        try:
            if before:
                again = check_work(work, tasks, trusted=False, stop=stop)
                kept = [Verdict(**row) for row in before.verdicts if row["task"] not in tasks]
                verdicts = Verdicts(sorted([*kept, *again], key=lambda row: row.requirement), again.linux)
            else:
                verdicts = check_work(work, trusted=False, stop=stop)
        except BadInput as error:  # it was unpacked here, so what is wrong with it now is not the work
            raise CourseError(error.tried, words=error.words, way_out=error.way_out) from error
    grade.measured, grade.of, grade.by_hand = verdicts.points, verdicts.of, verdicts.by_hand
    grade.verdicts = [asdict(row) for row in verdicts]
    grade.answer = plain("\n".join(answers.values()))
    grade.linux = verdicts.linux
    faults = [row for row in verdicts if row.machine]
    grade.state = NOT_MEASURED if faults or grade.linux == "none" else MEASURED
    if grade.linux == "none":
        grade.flags.append("no lab opened on this machine, so nothing was measured")
    if faults:
        numbers = ", ".join(row.requirement for row in faults)
        grade.flags.append(
            f"no fault of the work: {numbers} could not be measured here: {printable(faults[0].hint, 3 * SHOWN)} ({AGAIN})"
        )
    grade.flags += differences(grade.claims, grade.claimed, grade.verdicts)


def row_names(pages: Sequence[Path], top: Path | None = None) -> list[str]:
    """Return what the rows are called: the path of each file from `top`, by itself the folder that all are in, no two alike."""
    whole = [Path(os.path.abspath(str(page).replace("\0", " "))) for page in pages]
    base = os.path.abspath(top) if top else os.path.commonpath([page.parent for page in whole]) if whole else "/"
    found: list[str] = []
    for page in whole:
        name = printable(page.relative_to(base), LONGEST)
        again = sum(other == name or other.startswith(f"{name} (") for other in found)
        found.append(f"{name} ({again + 1})" if again else name)
    return found


def pairs(grades: Sequence[Grade]) -> None:
    """Flag works that are the same as another's, or like it."""
    found: dict[str, list[str]] = {grade.file: [] for grade in grades}
    same: dict[str, list[str]] = {}
    for grade in grades:
        if grade.fingerprint:
            same.setdefault(grade.fingerprint, []).append(grade.file)
    for grade in grades:
        if others := [printable(file) for file in same.get(grade.fingerprint, ()) if file != grade.file]:
            found[grade.file].append(f"the same work as {', '.join(others)}")
    alike: dict[str, list[str]] = {}
    for one in likenesses([grade.texts for grade in grades]):
        first, second = grades[one.first], grades[one.second]
        if not first.fingerprint or first.fingerprint != second.fingerprint:
            for grade, other in ((first, second), (second, first)):
                alike.setdefault(grade.file, []).append(f"{printable(other.file)} ({one.part:.0%})")
    for file, others in alike.items():
        more = f" and {len(others) - EDITS} more" if len(others) > EDITS else ""
        found[file].append(f"much like the work of {', '.join(others[:EDITS])}{more}: a reason to look, and no verdict")
    for grade in grades:
        grade.similar = bool(found[grade.file])
        grade.flags += found[grade.file]


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
        text = without_html_comments(text)
    return text.translate(WHITE)


def without_html_comments(text: str) -> str:
    """Return Markdown without comments; one that never ends goes to the end. Takes time and memory in proportion to the text."""
    kept, at = io.StringIO(), 0
    while (begin := text.find("<!--", at)) >= 0:
        kept.write(f"{text[at:begin]} ")
        end = text.find("-->", begin)
        at = end + len("-->") if end >= 0 else len(text)
    kept.write(text[at:])
    return kept.getvalue()


def fingerprint(work: Mapping[str, Any]) -> str:
    """One digest over the essence of every file of a packed work, "" where no script does anything: there is no work yet.

    A file of white space and comments alone does not count.
    """
    texts = {name: essence(name, base64.b64decode(entry["data"])) for name, entry in work.items() if "data" in entry}
    texts |= {name: f"-> {entry['link']}" for name, entry in work.items() if "link" in entry}
    if not any(text for name, text in texts.items() if SCRIPTS.fullmatch(name)):
        return ""
    whole = hashlib.sha256()
    for name in sorted(name for name, text in texts.items() if text):
        whole.update(name.encode(errors="replace") + b"\0" + texts[name].encode() + b"\0")
    return whole.hexdigest()
