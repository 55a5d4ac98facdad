"""Grades many reports: which those are, also as they arrive in a folder; notes to go on from; no file that stops the others."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from ..errors import BadInput, LabError, LabkitError
from ..homework.submission import BLOCK, MAX_PAGE, content
from ..judge.check import TICK
from ..services.http_server import PAGES
from ..writing import prepare_file
from . import farm
from .farm import edition
from .feedback import MARK
from .grade import NOT_MEASURED, Grade, pairs, printable, refused, row_names
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
        matching = [name] if exists(name) else [Path(match) for match in sorted(glob.glob(str(name)))]
        for each in matching or [name]:
            found += (pages_below(each) if exists(each) and each.is_dir() else []) or [each]
    return list(dict.fromkeys(found))


def exists(name: Path) -> bool:
    """Return True when there is something of that name; a name that is none on this machine is not there."""
    try:
        return os.path.lexists(name)
    except (OSError, ValueError):
        return False


def pages_below(top: Path, *, say: bool = True) -> list[Path]:
    """Return the reports and archives below a folder, and `say` how many other files there are."""
    found: list[Path] = []
    other: list[Path] = []
    for folder, folders, files in os.walk(top):
        deep = len(Path(folder).relative_to(top).parts)
        folders[:] = [each for each in folders if not each.startswith((".", "__MACOSX"))] if deep < DEPTH else []
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") or name in FEEDBACK.values():
                continue
            page = name.lower().endswith(ENDS) and path.parent.name not in PAGES
            if page and is_feedback(path):
                continue
            (found if page or name.lower().endswith(ARCHIVES) else other).append(path)
    if other and say:
        some = ", ".join(printable(path.relative_to(top)) for path in sorted(other)[:3]) + (" …" if len(other) > 3 else "")
        print(f"{len(other)} files in {printable(top)} are no reports and passed over: {some}", file=sys.stderr)
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
    seen: dict[Path, tuple[tuple[int, int], float]] = {}
    told: dict[Path, tuple[int, int]] = {}
    while True:
        now, states = time.monotonic(), dict[Path, tuple[int, int]]()
        for page in pages_below(folder, say=False):
            try:
                found = page.stat()
            except OSError:  # gone meanwhile
                continue
            states[page] = found.st_size, found.st_mtime_ns
        seen = {page: seen[page] if seen.get(page, (None,))[0] == state else (state, now) for page, state in states.items()}
        whole = {page: state for page, (state, since) in seen.items() if now - since >= quiet}
        if whole != told and whole:
            told = whole
            yield sorted(whole)
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
        for line in self._lines():
            try:
                note = json.loads(line)
                if not of_any and note["edition"] != edition():
                    continue
                grade = Grade(**note["grade"])
                if grade.state != NOT_MEASURED:
                    found[note["digest"]] = grade
            except (ValueError, KeyError, TypeError):
                continue  # the line that an interruption cut off
        return found

    def _lines(self) -> Iterator[str]:
        try:
            if self._path is not None and self._path.is_file():
                yield from self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise BadInput(f"{self._path} cannot be read.", words=str(error), way_out="name another file with --notes") from None

    def add(self, digest: str, grade: Grade) -> None:
        """Note one more. What cannot be noted is said, once; the batch goes on."""
        if self._path is None:
            return
        note = {"digest": digest, "edition": edition(), "grade": asdict(grade)}
        try:
            with self._path.open("a", encoding="utf-8") as file:  # on a line of its own, also after one that was cut off
                file.write("\n" + json.dumps(note) + "\n")
        except OSError as error:
            print(f"{self._path} cannot be written: {error}; should this batch be interrupted, it begins again", file=sys.stderr)
            self._path = None


def file_digest(page: Path) -> str:
    """What names a file's content: its SHA-256, or its path when it cannot be a report."""
    try:
        if page.is_file() and page.stat().st_size <= MAX_PAGE:
            with page.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        pass
    return f"unreadable {page}"


def grade_files(
    pages: Sequence[Path],
    *,
    jobs: int = 1,
    on: str | None = None,
    notes: Path | None = None,
    tasks: Sequence[int] = (),
    top: Path | None = None,
) -> list[Grade]:
    """Grade reports with a progress bar: here, `jobs` at once (each runs two labs), or by the workers of the Dask scheduler `on`.

    Grades in `notes` are not made again. With `tasks` these of every work are judged again, and all else is kept as it is noted,
    whichever edition of labkit measured it; a work without a note is judged whole. Rows are named from the folder `top`, by
    itself the one that holds all. Raises BadInput for no files or impossible jobs, LabError where nothing can be judged; a file
    that cannot be graded is a row that says why.
    """
    if not pages or not 1 <= jobs <= 64:
        raise BadInput("There is nothing to grade, or jobs is not from 1 to 64.", way_out="labkit grade FILE… --jobs 1")
    if notes:
        prepare_file("The notes of the batch", notes, "name another file with --notes")
    book = Notes(notes)
    before = {digest: grade for digest, grade in book.known(of_any=True).items() if grade.verdicts} if tasks else {}
    known = {} if tasks else book.known()
    names = dict(zip(pages, row_names(pages, top), strict=True))
    digests = {page: file_digest(page) for page in pages}
    # A copy for each page: two may have the same content.
    grades = {page: Grade(**asdict(known[digests[page]]) | {"file": names[page]}) for page in pages if digests[page] in known}
    if grades:
        print(f"{len(grades)} of {len(pages)} are known from {notes} (--fresh grades them again)", file=sys.stderr)
    if tasks:
        numbers, again = ", ".join(map(str, tasks)), sum(digests[page] in before for page in pages)
        whole = f"; {len(pages) - again} are not known from {notes}, and judged whole" if again < len(pages) else ""
        print(f"task {numbers} of {again} works is judged again, the rest of them kept{whole}", file=sys.stderr)
    rest = {page: (names[page], before.get(digests[page])) for page in pages if page not in grades}
    if rest:
        grades |= grade_rest(rest, len(pages), farm.here(jobs) if on is None else farm.on(on), book, digests, tasks)
    result = [grades[page] for page in pages]
    pairs(result)
    return result


def grade_rest(
    rest: Mapping[Path, tuple[str, Grade | None]],
    of: int,
    place: AbstractContextManager[farm.Judges],
    book: Notes,
    digests: Mapping[Path, str],
    tasks: Sequence[int],
) -> dict[Path, Grade]:
    """Have the pages judged that are not known yet, noting each; `of` is how many there are with the known ones.

    `rest` has each page's row name, and the grade of which only `tasks` are made again. No more are read than can be judged.
    An interrupt ends all at once; a work that was under way is not noted. Raises LabError where nothing can be judged.
    """
    grades: dict[Path, Grade] = {}
    waiting: dict[Future[str], Path] = {}
    left = iter(rest)
    bar = tqdm(total=of, initial=of - len(rest), unit="work", disable=None)

    def graded(page: Path, grade: Grade) -> None:
        grades[page] = grade
        book.add(digests[page], grade)
        bar.update()

    with bar, place as judges:
        try:
            while len(grades) < len(rest):
                for page in islice(left, max(0, judges.room() - len(waiting))):
                    name, before = rest[page]
                    try:
                        work = content(page)
                    except LabkitError as error:
                        graded(page, refused(Grade(file=name), error))
                    else:
                        waiting[judges.submit(name, work, before and asdict(before), tuple(tasks))] = page
                for done in wait(waiting, timeout=TICK, return_when=FIRST_COMPLETED).done:
                    page = waiting.pop(done)
                    name = rest[page][0]
                    try:
                        grade = farm.taken(done.result(0), name)
                    except LabError:
                        raise
                    except Exception as error:
                        grade = refused(Grade(file=name), error)
                    graded(page, grade)
        finally:
            for each in waiting:
                each.cancel()
    return grades
