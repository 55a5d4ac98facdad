"""Points for a course's gradebook: an export of Moodle's or Canvas' is filled in, and feedback is packed as they take it back.

Learners are known by the names of the downloads, which hold the course's own numbers. The formats are those that the programs
themselves read and write:
    Moodle's grading worksheet   mod/assign/feedback/offline/importgradeslib.php (Identifier, Grade, Last modified (grade))
    its downloads and feedback   mod/assign/feedback/file/importziplib.php (NAME_NUMBER_assignsubmission_file_/…, in a zip)
    Moodle's export of grades    grade/export/txt: First name, Last name, …, Assignment: TITLE (Real); it has no number
    Canvas' gradebook            lib/gradebook_importer.rb (Student, ID, …, Section, TITLE (NUMBER); a row Points Possible)
    its downloads                lib/content_zipper.rb (name_NUMBER_NUMBER_file or name_LATE_NUMBER_NUMBER_file)
"""

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import escape

from ..errors import BadInput
from ..judge.check import REQUIREMENTS
from ..writing import write_file
from .grade import MEASURED, Grade, printable
from .table import Sheet, harmless, read_csv

NAMES = {
    "moodle": re.compile(r"(?P<name>[^_]*)_(?P<id>\d+)_assignsubmission_[a-z]+(_.*)?", re.S),
    "canvas": re.compile(r"(?P<name>.+?)(_LATE)?_(?P<id>\d+)_\d+_.+", re.S),
}
# What it packs the feedback in, which is no work to be graded.
FEEDBACK = {kind: f"{kind}-feedback.zip" for kind in NAMES}
WHOLE = sum(one.points for one in REQUIREMENTS.values())
# A comment that begins so is labkit's own, and may be written anew.
OURS = "labkit: "
# So many of a kind are named.
NAMED = 10
WAY_OUT = "export it again, as CSV, and leave its first line as it is"
# The first line of a book that is made from what is known; "" is the column for the grade.
MADE = {
    "moodle": ["Identifier", "Full name", "", "Maximum Grade", "Last modified (grade)", "Feedback comments"],
    "canvas": ["Student", "ID", "Section", ""],
}  # fmt: skip


@dataclass(frozen=True)
class Learner:
    """A learner, as a download names them: the course's number, the name, the folder or file of that name, and the grade."""

    id: str
    name: str
    place: str
    grade: Grade


def learners(kind: str, grades: Sequence[Grade], pages: Sequence[Path]) -> tuple[list[Learner], dict[str, list[str]]]:
    """Return the learners whose grade is final, and the other works by what stands against theirs."""
    found, left = defaultdict[str, list[Learner]](list), defaultdict[str, list[str]](list)
    for grade, page in zip(grades, pages, strict=True):
        parts = [match for part in page.absolute().parts if (match := NAMES[kind].fullmatch(part))]
        if parts:
            one = Learner(parts[-1]["id"], parts[-1]["name"], parts[-1][0], grade)
            found[one.id].append(one)
        else:
            course = kind.capitalize()
            why = f"without a learner's number in their names, as {course}'s downloads have it"
            left[why].append(grade.file)
    ready = []
    for works in found.values():
        measured = [one for one in works if one.grade.state == MEASURED]
        if not measured:
            left["without a grade"] += [one.grade.file for one in works]
        elif len(measured) > 1:
            left["several works of one learner"] += [one.grade.file for one in measured]
        elif measured[0].grade.waiting:
            left["the answer to 2.3 waits for points"].append(measured[0].grade.file)
        else:
            ready += measured
    return ready, left


@dataclass
class Book:
    """An export that is filled in: what names the learner of a line, whether by names, and the columns (None: it has none).

    `name` is that of the learner's name, where a team's may stand between it and the grade; in one of `teams` it does.
    """

    sheet: Sheet
    of_line: Callable[[list[str]], str]
    grade: int
    by_names: bool = False
    maximum: int | None = None
    comment: int | None = None
    locked: int | None = None
    name: int | None = None
    teams: bool = False


def open_book(kind: str, path: Path | None, column: str) -> Book:
    """Return the export `path` of "moodle" or "canvas", None for one that is made from what is known.

    `column` names the one for the grade. Raises BadInput for a file that is no such export, or has no such column.
    """
    make = moodle_book if kind == "moodle" else canvas_book
    if path is None:
        column = "Grade" if kind == "moodle" else column or "Load balancer"
        return make(Sheet([name or column for name in MADE[kind]]), column)
    try:
        return make(read_csv(path, WAY_OUT), column)
    except LookupError as error:
        tried = f"{path} is no export of {kind.capitalize()}'s to fill in."
        raise BadInput(tried, words=str(error), way_out=WAY_OUT) from None


def moodle_book(sheet: Sheet, column: str) -> Book:
    """Return what a grading worksheet of an assignment, or an export of the grades, holds where. Raises LookupError, and
    BadInput for grades that are no points."""
    number = sheet.find("Identifier")
    first, last = sheet.find("First name"), sheet.find("Last name", "Surname")
    if number is None and first is not None and last is not None:
        grade = chosen(sheet, column, r"Assignment: .*\(Real\)")
        return Book(sheet, lambda row: person(f"{row[first]} {row[last]}"), grade, by_names=True)
    if number is None:  # a worksheet in another language: a column like "Participant 12345"
        columns = enumerate(zip(*sheet.rows, strict=False))
        like = [at for at, cells in columns if all(re.fullmatch(r"\D+\d+", cell) for cell in cells)]
        if not like:
            raise LookupError("it has no column Identifier, and not both First name and Last name")
        number = like[0]
    if sheet.find("Scale") is not None:
        way_out = "set the type of its grade to points in its settings, and export the worksheet again"
        tried = "The worksheet is of an assignment that is graded by a scale."
        raise BadInput(tried, way_out=way_out)
    at, status, team = number, sheet.find("Status"), sheet.find("Group")
    return Book(
        sheet, lambda row: re.sub(r"\D", "", row[at]), chosen(sheet, column, "Grade"), name=at + 1,
        maximum=sheet.find("Maximum Grade"), comment=sheet.find("Feedback comments"), locked=sheet.find("Grade can be changed"),
        teams=status is not None and team is not None and status < team,  # before Status a learner's own group may stand
    )  # fmt: skip


def canvas_book(sheet: Sheet, column: str) -> Book:
    """Return what a gradebook of Canvas' holds where, without other assignments: Canvas asks for no more. Raises LookupError."""
    number, section = sheet.find("ID"), sheet.find("Section")
    if number is None or section is None:
        raise LookupError("its first line has not both the columns ID and Section")
    keep = [*range(section + 1), chosen(sheet, column, r".+ \(\d+\)")]
    rows = [[row[at] for at in keep] for row in sheet.rows]
    # Without a mark of UTF-8, of which Canvas takes none off: its LastName is another column behind one.
    only = Sheet([sheet.head[at] for at in keep], rows, sheet.lines, sheet.delimiter)
    return Book(only, lambda row: row[number].strip(), section + 1)


def chosen(sheet: Sheet, column: str, usual: str) -> int:
    """Return where the grade goes: to the column of that name or part of a name, else the one of a `usual` name.

    Raises LookupError where there is none, or more than one.
    """
    heads, what = list(enumerate(sheet.head)), f"are called {column!r}"
    found = [at for at, head in heads if same(head) == same(column)]
    if not column:
        what = "could hold the grade of this assignment (--column names it)"
        found = [at for at, head in heads if re.fullmatch(usual, head.strip())]
    elif not found:
        found = [at for at, head in heads if same(column) in same(head)]
    if len(found) != 1:
        known = ", ".join(map(printable, sheet.head))
        raise LookupError(f"{len(found)} of its columns {what}; they are: {known}")
    return found[0]


def same(text: str) -> str:
    """Return what two spellings of a column's name have in common."""
    return " ".join(text.casefold().split())


def person(name: str) -> str:
    """Return what is the same of a name in either order, and without the signs that the name of a file cannot have."""
    return " ".join(sorted(re.sub(r"[^\w\s]", "", name.casefold().replace("_", " ")).split()))


def number_in(text: str) -> float | None:
    """Return the number that a cell holds, with a point or a comma; None for another cell."""
    match = re.fullmatch(r"\s*(\d+)(?:[.,](\d+))?\s*", text)
    return float(f"{match[1]}.{match[2] or 0}") if match else None


def lines_of(book: Book, ready: Sequence[Learner]) -> list[list[list[str]]]:
    """Return the lines of each of `ready`: the one line of a learner, those of a team's members, none where that is not sure.

    A team's work has the team's name and number. The number may be a learner's, too: it says nothing in a worksheet of teams.
    """
    lines, teams = defaultdict[str, list[list[str]]](list), defaultdict[str, list[list[str]]](list)
    at = book.name
    for row in book.sheet.rows:
        lines[book.of_line(row)].append(row)
        for cell in filter(None, row[at + 1 : book.grade] if at is not None else ()):
            teams[person(cell)].append(row)
    names = [person(one.name) for one in ready]
    works = names if book.by_names else [one.id for one in ready]
    of_teams = book.teams or not teams.keys().isdisjoint(names)
    found: list[list[list[str]]] = []
    for work, name in zip(works, names, strict=True):
        own = lines[work] if works.count(work) == 1 else []
        if at is not None and of_teams:
            own = [row for row in own if person(row[at]) == name]
            found.append(own or (teams[name] if names.count(name) == 1 else []))
        else:
            found.append(own if len(own) == 1 else [])
    return found


def fill(book: Book, ready: Sequence[Learner]) -> list[str]:
    """Write the grades of `ready` into their lines, and return sentences on what was done otherwise than expected.

    Where the book has another maximum than WHOLE the points are brought to that. A line of nobody here stays as it is, and so
    do one whose grade cannot be changed and a comment that is not labkit's.
    """
    rows = book.sheet.rows
    cells = [row[at] for row in rows for at in (book.grade, book.maximum) if at is not None]
    sign = "," if any(re.fullmatch(r"\d+,\d+", cell) for cell in cells) else "."
    possible = (number_in(row[book.grade]) for row in rows if "Points Possible" in row[0])
    whole = next(possible, None)
    nobody, left, replaced = list[str](), list[str](), list[str]()
    brought: set[float | None] = set()
    for one, own in zip(ready, lines_of(book, ready), strict=True):
        name = one.grade.file
        if not own:
            nobody.append(name)
        for row in own:
            most = whole if book.maximum is None else number_in(row[book.maximum])
            points = round(one.grade.total * (most or WHOLE) / WHOLE, 2)
            before, its = number_in(row[book.grade]), "" if book.comment is None else row[book.comment]
            if row[book.grade].strip().upper() in ("EX", "N/A"):  # excused, or not theirs (Canvas)
                left.append(f"{name} ({row[book.grade]})")
                continue
            if book.locked is not None and same(row[book.locked]) == "no":  # Moodle passes over it
                left.append(f"{name} (its grade cannot be changed)")
                continue
            if before not in (None, points):
                replaced.append(f"{name} ({before:g} by {points:g})")
            brought.add(most or None)
            row[book.grade] = f"{points:g}".replace(".", sign)
            if its.strip(" -") and not its.startswith(OURS):
                left.append(f"{name} (its comment)")
            elif book.comment is not None:
                row[book.comment] = str(harmless(str(escape(comment(one.grade)))))
    said = {"no line of their own there": nobody, "left as they stand there": left}
    told = [some(words, names) for words, names in (said | {"replaced there": replaced}).items() if names]
    if other := sorted(most for most in brought if most not in (None, WHOLE)):
        maximum = ", ".join(f"{most:g}" for most in other)
        told.append(f"points of {WHOLE} are brought to {maximum}, the most there")
    if None in brought:
        told.append(f"no maximum stands there: the points are of {WHOLE}")
    return told


def some(words: str, names: Sequence[str]) -> str:
    """Return a sentence that counts, and names the first few."""
    return f"{words}: {len(names)} ({', '.join(names[:NAMED])}{' …' if len(names) > NAMED else ''})"


def comment(grade: Grade) -> str:
    """Return what a learner reads beside the grade: numbers and sentences of the assignment, and a person's own words."""
    verdicts, hand = grade.judged(), grade.hand
    wrong = [row for row in verdicts if row.requirement in {*verdicts.wrong()} - {*grade.points_given}]
    not_passed = "; ".join(f"{row.requirement} {row.sentence}" for row in wrong)
    words = [f"{number or 'the whole work'}: {one.comment}" for number, one in hand.items() if one.comment]
    parts = [f"Not passed: {not_passed}."] if wrong else []
    parts += [f"By hand: {'; '.join(words)}"] if words else []
    return f"{OURS}{grade.total:g} of {grade.most} points. {' '.join(parts)}"


def blank(kind: str, ready: Sequence[Learner]) -> list[list[str]]:
    """Return the lines of a book that is made from what the downloads say."""
    lines = [] if kind == "moodle" else [["    Points Possible", "", "", str(WHOLE)]]
    for one in ready:
        name = str(harmless(one.name))
        moodle = [f"Participant {one.id}", name, "", str(WHOLE), "-", ""]
        lines.append(moodle if kind == "moodle" else [name, one.id, "", ""])
    return lines


def packed(kind: str, ready: Sequence[Learner], page: Callable[[Grade], str]) -> bytes:
    """Return the zip of the learners' pages under the names by which the course knows whose they are."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        for one in ready:
            name = Path(one.place).with_suffix(".html").name
            if kind == "moodle":
                spelled = re.sub(r"[^\w -]|_", " ", one.name)
                name = f"{spelled}_{one.id}_assignsubmission_file_/feedback.html"
            file.writestr(name, page(one.grade))
    return whole.getvalue()


def write_book(
    kind: str, book: Book, grades: Sequence[Grade], pages: Sequence[Path], folder: Path, page: Callable[[Grade], str],
) -> list[str]:  # fmt: skip
    """Write KIND.csv and KIND-feedback.zip into `folder`, and return what to say: where they are, and what was left out and why.

    A book without lines gets one for each learner. `page` makes the feedback of a grade. Raises BadInput.
    """
    ready, left = learners(kind, grades, pages)
    book.sheet.rows = book.sheet.rows or blank(kind, ready)
    said = [*fill(book, ready), *(some(why, names) for why, names in left.items())]
    table, feedback = folder / f"{kind}.csv", folder / FEEDBACK[kind]
    way_out, encoding = "name another folder with --html", "utf-8-sig" if book.sheet.mark else "utf-8"
    write_file("The gradebook", table, book.sheet.text(), way_out, encoding=encoding)
    write_file("The feedback", feedback, packed(kind, ready, page), way_out)
    order = ""
    if kind == "moodle":
        # A page that comes first makes an entry of its own, and Moodle takes no grade from a worksheet that is older than that.
        order = f" (for Moodle after {table.name}, of which it takes no grades otherwise)"
    head = f"{table}: {len(ready)} of {len(grades)} works have a final grade"
    return [head, *(f"  {line}" for line in said), f"{feedback}{order}"]
