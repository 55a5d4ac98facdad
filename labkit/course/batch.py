"""Grades many reports: a progress bar, notes to go on from after an interruption, and no file that stops the others."""

from __future__ import annotations

import glob
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from pathlib import Path

from tqdm import tqdm

from ..errors import BadInput
from .grade import Grade, grade_one, pairs, printable
from .submission import MAX_PAGE

PATTERN = "*.html"


def reports_in(names: Iterable[Path]) -> list[Path]:
    """The files that are meant: of a folder its pages, of a pattern what matches it; each once, in order.

    What is none of these stays as it is, and becomes a row that says so.
    """
    found: list[Path] = []
    for name in names:
        inside = sorted(name.glob(PATTERN)) if name.is_dir() else []
        matching = [] if name.exists() else [Path(match) for match in sorted(glob.glob(str(name)))]
        found += inside or matching or [name]
    return list(dict.fromkeys(found))


@cache
def edition() -> str:
    """What names the labkit that grades: a digest of its code. Grades of another one are not taken for its own."""
    files = sorted(Path(__file__).resolve().parents[1].rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


class Notes:
    """The grades so far, a line of JSON each, so that an interrupted batch goes on where it stopped."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def known(self) -> dict[str, Grade]:
        """The grades that this labkit has made, by the digest of their file."""
        if self._path is None or not self._path.exists():
            return {}
        found = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                note = json.loads(line)
                if note["edition"] == edition():
                    found[note["digest"]] = Grade(**note["grade"])
            except (ValueError, KeyError, TypeError):
                continue  # the line that an interruption cut off
        return found

    def add(self, digest: str, grade: Grade) -> None:
        """Note one more, unless it says nothing about the file because no lab opened."""
        if self._path is not None and grade.linux != "none":
            self._path.parent.mkdir(parents=True, exist_ok=True)
            note = {"digest": digest, "edition": edition(), "grade": asdict(grade)}
            with self._path.open("a", encoding="utf-8") as file:  # on a line of its own, also after one that was cut off
                file.write("\n" + json.dumps(note) + "\n")


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
    if grades:
        print(f"{len(grades)} of {len(pages)} are known from {notes} (--fresh grades them again)", file=sys.stderr)
    grades |= grade_rest([page for page in pages if page not in grades], len(pages), jobs, book, digests)
    result = [grades[page] for page in pages]
    pairs(result)
    return result


def grade_rest(rest: Sequence[Path], of: int, jobs: int, book: Notes, digests: dict[Path, str]) -> dict[Path, Grade]:
    """Grade the pages that are not known yet, noting each; `of` is how many there are with the known ones."""
    grades = {}
    bar = tqdm(total=of, initial=of - len(rest), unit="work", disable=None)
    with bar, ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(grade_one, page): page for page in rest}
        try:
            for done in as_completed(waiting):
                page = waiting[done]
                grades[page] = done.result(0)
                book.add(digests[page], grades[page])
                bar.update()
        except BaseException:  # the works under way are ended by the same interrupt, or soon; none of them is noted
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return grades
