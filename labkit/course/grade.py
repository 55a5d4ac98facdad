"""Grades reports: the work in each is run again in fresh labs, and what is measured is compared with what it claims."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ..errors import BadInput, LabkitError
from ..machine.temporary import own_folder
from .check import check_work
from .similar import fingerprint
from .submission import MAX_PAGE, altered, read, unpack
from .verdict import BY_HAND

# Names and sentences of a submission are shown to the teacher this long at the most, characters.
SHOWN = 200


@dataclass
class Grade:
    """What came of one file. `flags` say what a teacher should look at; `verdicts` are those measured now."""

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

    def row(self) -> dict[str, Any]:
        """The row of the table: numbers, verdicts in short, flags."""
        short = " ".join(f"{row['requirement']}:{row['verdict']}" for row in self.verdicts)
        return {
            "file": self.file, "name": self.name, "group": self.group, "points measured": self.measured,
            "points claimed": self.claimed, "difference": self.measured - self.claimed, "of": self.of, "by hand": self.by_hand,
            "verdicts": short, "flags": "; ".join(self.flags), "seconds": round(self.seconds, 1),
        }  # fmt: skip


def printable(text: object) -> str:
    """A text of a submission, shortened, and without characters that steer a terminal or reorder letters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in str(text)[: 2 * SHOWN])
    return clean.strip()[:SHOWN]


def claims(data: dict[str, Any], measured: Sequence[dict[str, Any]]) -> list[str]:
    """How the points and verdicts in the report differ from those measured."""
    points = sum(row["points"] for row in measured)
    sums = [] if data["verdicts"]["points"] == points else [f"claims {data['verdicts']['points']} points, measured {points}"]
    claimed = {
        str(row.get("requirement")): str(row.get("verdict")) for row in data["verdicts"]["verdicts"] if isinstance(row, dict)
    }
    return sums + [
        f"{row['requirement']} claims {printable(claimed.get(row['requirement'], 'nothing'))}, measured {row['verdict']}"
        for row in measured
        if claimed.get(row["requirement"]) != row["verdict"]
    ]


def grade_one(page: Path) -> Grade:
    """Grade one file; whatever is wrong with it becomes a flag."""
    grade, began = Grade(file=printable(page.name)), time.monotonic()
    try:
        data = read(page)
        grade.name, grade.group = printable(data["who"].get("name", "")), printable(data["who"].get("group", ""))
        grade.claimed = int(data["verdicts"]["points"])
        grade.flags += [f"edited after it was made: {part}" for part in altered(data)]
        measure(grade, data)
    except LabkitError as error:
        grade.flags.append(printable(f"{error.tried} {error.words}"))
    except Exception as error:  # one bad file never stops the others
        grade.flags.append(printable(f"could not be graded: {type(error).__name__}: {error}"))
    grade.seconds = time.monotonic() - began
    return grade


def measure(grade: Grade, data: dict[str, Any]) -> None:
    """Run the work of a report again and note what differs from its claims."""
    with tempfile.TemporaryDirectory(prefix="grade-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        unpack(data, work)
        grade.fingerprint = fingerprint(data["work"])
        verdicts = check_work(work, trusted=False)
    grade.measured, grade.of, grade.by_hand = verdicts.points, verdicts.of, verdicts.by_hand
    grade.verdicts = [asdict(row) for row in verdicts]
    grade.answer = next((row.evidence for row in verdicts if row.verdict == BY_HAND), "")
    grade.flags += claims(data, grade.verdicts)


def pairs(grades: Sequence[Grade]) -> None:
    """Flag works that are the same as another's."""
    for grade in grades:
        same = [
            other.file for other in grades if other is not grade and grade.fingerprint and other.fingerprint == grade.fingerprint
        ]
        if same:
            grade.flags.append(f"the same work as {', '.join(map(printable, same))}")


class Notes:
    """The grades so far, a line of JSON each, so that an interrupted batch goes on where it stopped."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def known(self) -> dict[str, Grade]:
        """The grades by the digest of their file."""
        if self._path is None or not self._path.exists():
            return {}
        found = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                note = json.loads(line)
                found[note["digest"]] = Grade(**note["grade"])
            except (ValueError, KeyError, TypeError):
                continue  # the line that an interruption cut off
        return found

    def add(self, digest: str, grade: Grade) -> None:
        """Note one more."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:  # on a line of its own, also after one that was cut off
                file.write("\n" + json.dumps({"digest": digest, "grade": asdict(grade)}) + "\n")


def file_digest(page: Path) -> str:
    """What names a file's content: its SHA-256, or its path when it cannot be a report."""
    try:
        if page.is_file() and page.stat().st_size <= MAX_PAGE:
            with page.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return f"unreadable {page}"


def grade_files(pages: Sequence[Path], *, jobs: int = 1, notes: Path | None = None) -> list[Grade]:
    """Grade reports, `jobs` at once (each runs two labs), with a progress bar; grades in `notes` are not made again.

    Raises BadInput for no files or impossible jobs; a file that cannot be graded is a row that says why.
    """
    if not pages or not 1 <= jobs <= 64:
        raise BadInput("There is nothing to grade, or jobs is not from 1 to 64.", way_out="labkit grade FILE… --jobs 1")
    book = Notes(notes)
    known = book.known()
    digests = {page: file_digest(page) for page in pages}
    # A copy for each page: two may have the same content.
    grades = {
        page: Grade(**asdict(known[digests[page]]) | {"file": printable(page.name)}) for page in pages if digests[page] in known
    }
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(pages), initial=len(grades), unit="work", disable=None) as bar:
        waiting = {pool.submit(grade_one, page): page for page in pages if page not in grades}
        for done in as_completed(waiting):
            page = waiting[done]
            grades[page] = done.result(0)
            book.add(digests[page], grades[page])
            bar.update()
    result = [grades[page] for page in pages]
    pairs(result)
    return result


def as_table(grades: Sequence[Grade]) -> pd.DataFrame:
    """A row a file: file, name, group, points measured and claimed, difference, of, by hand, verdicts, flags, seconds."""
    return pd.DataFrame([grade.row() for grade in grades])


def to_csv(grades: Sequence[Grade], path: Path) -> None:
    """Write the table for a spreadsheet: UTF-8 with its mark, and no cell that a spreadsheet would take for a formula."""

    def harmless(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

    as_table(grades).map(harmless).to_csv(path, index=False, encoding="utf-8-sig")
