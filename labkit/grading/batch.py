"""Grades many reports: which those are, also as they arrive in a folder; notes to go on from; no file that stops the others."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import BadInput, LabError, LabkitError
from ..homework.submission import BLOCK, MAX_PAGE, content
from ..judge.check import TASKS, TICK
from ..services.http_server import PAGES
from ..writing import prepare_file
from . import farm
from .farm import edition
from .feedback import MARK
from .grade import NOT_MEASURED, Grade, conclude, pairs, printable, refused, row_names
from .gradebook import FEEDBACK

# What is a report in a folder, and what an export may come as, by the end of its name.
ENDS, ARCHIVES = (".html", ".htm", ".xhtml"), (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
# A course, its groups, its learners, their attempts, a zip's own folder: an export is no deeper, and a home folder is.
DEPTH = 6
# How often the folder is looked at, and how long a file must have stayed as it is to count as whole, seconds: an upload pauses.
EVERY, QUIET = 2.0, 5.0


def reports_in(names: Iterable[Path]) -> list[Path]:
    """The files that are meant: of a folder its pages and archives, also deeper ones; of a pattern what matches it.

    Each once, in order. What is none of these stays as it is, and becomes a row that says so. labkit's own feedback pages and
    the backends' pages of an unpacked work are none; what is passed over is said.
    """
    found: list[Path] = []
    for name in names:
        matching = [] if os.path.lexists(name) else map(Path, sorted(glob.glob(str(name))))
        for each in list(matching) or [name]:
            found += (pages_below(each) if os.path.isdir(each) else []) or [each]
    return list(dict.fromkeys(found))


def pages_below(top: Path, *, say: bool = True) -> list[Path]:
    """Return the reports and archives below a folder, and `say` how many other files there are."""
    found: list[Path] = []
    other: list[Path] = []
    for folder, folders, files in os.walk(top):
        if len(Path(folder).relative_to(top).parts) >= DEPTH:
            folders.clear()
        folders[:] = [each for each in folders if not each.startswith((".", "__MACOSX"))]
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") or name in FEEDBACK.values():
                continue
            page = name.lower().endswith(ENDS) and path.parent.name not in PAGES
            if page and is_feedback(path):
                continue
            (found if page or name.lower().endswith(ARCHIVES) else other).append(path)
    if other and say:
        some = ", ".join(printable(path.relative_to(top)) for path in sorted(other)[:3])
        said = f"{len(other)} files in {printable(top)} are no reports and passed over: {some}"
        print(said + (" …" if len(other) > 3 else ""), file=sys.stderr)
    return sorted(found, key=lambda path: path.relative_to(top).parts)


def is_feedback(page: Path) -> bool:
    """Return True for a page that `labkit grade --html` wrote; one that has a report's machine part is a report all the same."""
    with contextlib.suppress(OSError):
        if page.is_file() and page.stat().st_size <= MAX_PAGE:
            text = page.read_bytes()
            return MARK.encode() in text[:2000] and BLOCK.encode() not in text
    return False


def arrivals(folder: Path, *, every: float = EVERY, quiet: float = QUIET) -> Iterator[list[Path]]:
    """Yield the whole reports below `folder`, without end: at first, and then when one has come, changed or gone.

    One that still grows is left out until it does no more. Looking works on shares of other machines too, where the kernel tells
    of no change. Raises BadInput where there is no folder.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder.", way_out="name the folder into which the reports come")
    since: dict[tuple[Path, int, int], float] = {}
    told: set[tuple[Path, int, int]] = set()
    while True:
        now, before = time.monotonic(), since
        since = {}
        for page in pages_below(folder, say=False):
            with contextlib.suppress(OSError):  # gone meanwhile
                found = page.stat()
                state = page, found.st_size, found.st_mtime_ns
                since[state] = before.get(state, now)
        whole = {state for state, began in since.items() if now - began >= quiet}
        if whole != told and whole:
            told = whole
            yield sorted(page for page, *_ in whole)
        time.sleep(every)


class Notes:
    """The grades so far, a line of JSON each, so that an interrupted batch goes on where it stopped."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def known(self, *, of_any: bool = False) -> dict[str, Grade]:
        """The grades that this judge has made (or any, with `of_any`), by the digest of their file.

        What was not measured is not among them.
        """
        found: dict[str, Grade] = {}
        if self._path is None or not self._path.is_file():
            return found
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            tried, way_out = f"{self._path} cannot be read.", "name another file with --notes"
            raise BadInput(tried, words=str(error), way_out=way_out) from None
        for line in text.splitlines():
            # Else it is the line that an interruption cut off.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                note = json.loads(line)
                grade = Grade(**note["grade"])
                ours = of_any or note["edition"] == edition()
                if ours and grade.state != NOT_MEASURED:
                    found[note["digest"]] = grade
        return found

    def add(self, digest: str, grade: Grade) -> None:
        """Note one more. What cannot be noted is said, once; the batch goes on."""
        if self._path is None:
            return
        note = json.dumps({"digest": digest, "edition": edition(), "grade": asdict(grade)})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{note}\n")  # on a line of its own, also after one that was cut off
        except OSError as error:
            again = "should this batch be interrupted, it begins again"
            print(f"{self._path} cannot be written: {error}; {again}", file=sys.stderr)
            self._path = None


def file_digest(page: Path) -> str:
    """What names a file's content: its SHA-256, or its path when it cannot be a report."""
    with contextlib.suppress(OSError, ValueError):
        if page.is_file() and page.stat().st_size <= MAX_PAGE:
            return hashlib.sha256(page.read_bytes()).hexdigest()
    return f"unreadable {page}"


@dataclass
class Work:
    """A report of a batch: its file, what names its content and its row, the tasks to judge, and the verdicts that are kept."""

    page: Path
    digest: str
    name: str
    tasks: tuple[int, ...] = tuple(TASKS)
    kept: tuple[dict[str, Any], ...] = ()


def grade_files(
    pages: Sequence[Path], *, jobs: int = 1, on: str | None = None, notes: Path | None = None,
    tasks: Sequence[int] = (), top: Path | None = None,
) -> list[Grade]:  # fmt: skip
    """Grade reports with a progress bar: here, `jobs` at once (each runs two labs), or by the workers of the Dask scheduler `on`.

    Grades in `notes` are not made again. With `tasks` these of every work are judged again, and all else is kept as it is noted,
    whichever edition of labkit measured it; a work without a note is judged whole. Rows are named from the folder `top`, by
    itself the one that holds all. Raises BadInput for no files or impossible jobs, LabError where nothing can be judged; a file
    that cannot be graded is a row that says why.
    """
    if not pages or not 1 <= jobs <= 64:
        tried = "There is nothing to grade, or jobs is not from 1 to 64."
        raise BadInput(tried, way_out="labkit grade FILE… --jobs 1")
    if notes:
        prepare_file("The notes of the batch", notes, "name another file with --notes")
    book = Notes(notes)
    known = book.known(of_any=bool(tasks))
    works = [Work(page, file_digest(page), name) for page, name in zip(pages, row_names(pages, top), strict=True)]
    before = [work for work in works if work.digest in known]
    grades: dict[str, Grade] = {}
    if tasks:
        before = [work for work in before if known[work.digest].verdicts]
        for work in before:
            work.tasks = tuple(tasks)
            work.kept = tuple(row for row in known[work.digest].verdicts if row["task"] not in tasks)
        new, numbers = len(works) - len(before), ", ".join(map(str, tasks))
        whole = f"; {new} are not known from {notes}, and judged whole" if new else ""
        said = f"task {numbers} of {len(before)} works is judged again, the rest of them kept{whole}"
        print(said, file=sys.stderr)
    elif before:
        # A copy for each: two may have the same content.
        grades = {work.name: Grade(**asdict(known[work.digest]) | {"file": work.name}) for work in before}
        said = f"{len(before)} of {len(works)} are known from {notes} (--fresh grades them again)"
        print(said, file=sys.stderr)
    if len(grades) < len(works):
        rest = [work for work in works if work.name not in grades]
        place = farm.here(jobs) if on is None else farm.on(on)
        grades |= grade_rest(rest, len(works), place, book)
    result = [grades[work.name] for work in works]
    pairs(result)
    return result


def grade_rest(rest: Sequence[Work], of: int, place: AbstractContextManager[farm.Judges], book: Notes) -> dict[str, Grade]:
    """Have the works judged that are not known yet, noting each; `of` is how many there are with the known ones.

    No more are read than can be judged. An interrupt ends all at once; a work that was under way is not noted. Returns the grades
    by the names of their rows. Raises LabError where nothing can be judged.
    """
    grades: dict[str, Grade] = {}
    waiting: dict[Future[str], Work] = {}
    left = iter(rest)
    bar = tqdm(total=of, initial=of - len(rest), unit="work", disable=None)

    def graded(work: Work, grade: Grade) -> None:
        conclude(grade, work.kept)
        grades[work.name] = grade
        book.add(work.digest, grade)
        bar.update()

    with bar, place as judges:
        try:
            while len(grades) < len(rest):
                for work in islice(left, max(0, judges.room() - len(waiting))):
                    try:
                        report = content(work.page)
                    except LabkitError as error:
                        graded(work, refused(Grade(file=work.name), error))
                    else:
                        waiting[judges.submit(work.name, report, work.tasks)] = work
                for done in wait(waiting, timeout=TICK, return_when=FIRST_COMPLETED).done:
                    work = waiting.pop(done)
                    try:
                        grade = farm.taken(done.result(0), work.name)
                    except LabError:
                        raise
                    except Exception as error:
                        grade = refused(Grade(file=work.name), error)
                    graded(work, grade)
        finally:
            for each in waiting:
                each.cancel()
    return grades
