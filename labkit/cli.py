"""The command `labkit`: open, report, check, hand-in, unpack, grade, watch, release, shell, ps, stop, doctor."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadInput, CourseError, LabError, LabkitError, plain, shortage

if TYPE_CHECKING:
    from .grading.grade import Grade

# Where the notebooks write a work, seen from where one may stand: beside them, in the checkout, and where reports are.
PLACES = ("work", "notebooks/work", "reports/work", ".")
# Every command: its name, its function, the options of its parser, and its arguments.
Command = Callable[[Namespace], int | None]
COMMANDS: list[tuple[str, Command, dict[str, Any], tuple[Any, ...]]] = []


def arg(*names: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return an argument of a command, as ArgumentParser.add_argument takes it."""
    return names, options


def place(name: str, metavar: str, help: str, **options: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return an argument that is a path."""
    return arg(name, type=Path, metavar=metavar, help=help, **options)


def flag(name: str, help: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return an argument that is given or not."""
    return arg(name, action="store_true", help=help)


def command(name: str, help: str, *arguments: Any, **more: str) -> Callable[[Command], Command]:
    """Make a function a command; `help` is what it does, the function returns its exit code, None for 0."""

    def register(function: Command) -> Command:
        COMMANDS.append((name, function, {"help": help, **more}, arguments))
        return function

    return register


WORK = place("--work", "DIR", f"the folder of the work (default: the one changed last of {', '.join(PLACES)})")
WHO = arg("--name", default="", help="your name, for the cover"), arg("--group", default="", help="your group, for the cover")
WORKSHEET = "a grading worksheet or an export of the grades"
FILL = "also write {0}.csv and {0}-feedback.zip there: FILE, {1}, filled in; without FILE one of what is known"
NAME = "as `labkit ps` lists it: NAME, or NAME:ID where several have that name"
AT_ONCE = "how many at once; each runs two labs (default: 1)"


@command(
    "open", "JupyterLab on the notebooks",
    arg(
        "words", nargs="*", metavar="FOLDER -- OPTION",
        help="the folder of the notebooks (default: the current one), then options of JupyterLab",
    ),
    usage="%(prog)s [FOLDER] [-- OPTION…]",
)  # fmt: skip
def open_notebooks(options: Namespace) -> int:
    """Become JupyterLab on the notebooks; its terminals find the command `labkit`."""
    from .author.notebooks import INSTALLED, folder_to_open, have_solutions, jupyter_command, notebooks_in, surroundings

    named = [Path(word) for word in options.words[:1] if not word.startswith("-")]
    here = Path.cwd()
    if INSTALLED.is_dir() and not named and not notebooks_in(here):
        from .author.release import release

        print(f"the notebooks are copied to {here}", file=sys.stderr)
        release(here)
    folder = folder_to_open(*named).resolve()
    solved = have_solutions(notebooks_in(folder))
    if solved:
        print(f"{folder} holds the solutions; `release --to DIR` makes the learner's edition", file=sys.stderr)
    os.environ.update(surroundings(learner=not solved))
    os.execv(sys.executable, jupyter_command(folder, *options.words[len(named) :]))


@command(
    "report", "run the notebooks and write one HTML report each",
    arg("numbers", nargs="*", metavar="N", help="which notebooks: 1 2 3 4 5 (all without any)"),
    place("--out", "DIR", "where to (default: reports)", default=Path("reports")),
    *WHO, flag("--save", "also write the executed notebooks there"),
)  # fmt: skip
def report(options: Namespace) -> None:
    from .author.notebooks import report as run

    runs = run(options.numbers, options.out, save=options.save)
    for done in runs:
        print(done.report)
    if not options.numbers:
        from .homework.hand_in import NAME, hand_in

        stories, to = {int(done.name[0]): done.notebook for done in runs}, options.out / NAME
        who = {"name": options.name, "group": options.group}
        print(hand_in(options.out / "work", to, stories=stories, **who))


def work_of(options: Namespace) -> Path:
    """Return the folder of the work: the one that was named, else the one that the notebooks wrote last. Raises BadInput."""
    if options.work:
        return Path(options.work)
    scripts = {place: Path(place).glob("task[1-4].sh") for place in PLACES}
    times = {place: [script.stat().st_mtime for script in found] for place, found in scripts.items()}
    if not any(times.values()):
        looked = ", ".join(str(Path(place).absolute()) for place in PLACES)
        tried = "There is no work here: task1.sh … task4.sh were not found."
        way_out = "name the folder that holds them with --work"
        raise BadInput(tried, words=f"looked for in {looked}", way_out=way_out)
    found = max(PLACES, key=lambda place: max(times[place], default=0.0))
    print(f"The work is the folder {Path(found).absolute()} (--work names another)", file=sys.stderr)
    return Path(found)


@command(
    "check", "judge a work by what it does", WORK,
    arg("--task", type=int, nargs="+", action="extend", metavar="N", help="which tasks: 1 2 3 4 (all without any)"),
    flag("--as-graded", "exactly as the teacher's machine judges it: on a Linux of its own, as the work of a stranger"),
    flag("--json", "as JSON"),
)  # fmt: skip
def check(options: Namespace) -> int:
    """Judge a work; 0 all passed, 1 something failed, 2 something could not run."""
    if options.as_graded:
        from .homework.hand_in import check_as_graded as judge  # with nbformat, which takes a second to import
    else:
        from .judge.check import check_work as judge
    verdicts = judge(work_of(options), options.task or (1, 2, 3, 4))
    print(verdicts.json() if options.json else verdicts)
    return verdicts.exit_code


@command(
    "hand-in", "write the one file to hand in, from a folder of work", WORK,
    place("--notebooks", "DIR", "executed notebooks that tell the story (default: those beside the work)"),
    place("--out", "FILE", "default: submission.html", default=Path("submission.html")), *WHO,
)  # fmt: skip
def hand_in(options: Namespace) -> None:
    from .homework.hand_in import hand_in as run
    from .homework.hand_in import stories_in, summary

    work = work_of(options)
    # The notebooks lie beside their work.
    folder = options.notebooks or (work.resolve().parent if work.is_dir() else None)
    stories = stories_in(folder) if folder else {}
    file = run(work, options.out, name=options.name, group=options.group, stories=stories)
    print(file)
    if file.is_file():
        print(plain(summary(file)))


@command(
    "unpack", "give the work in a report back as files", arg("file", type=Path, metavar="FILE"),
    place("--to", "DIR", "an empty folder", required=True),
    place("--evidence", "DIR", "also write counters, requests and the capture to this empty folder"),
)  # fmt: skip
def unpack(options: Namespace) -> None:
    from .homework.submission import altered, read, write_evidence
    from .homework.submission import unpack as run

    data = read(options.file)
    for path in run(data, options.to):
        print(plain(str(path)))
    if options.evidence:
        for path in write_evidence(data["evidence"], options.evidence):
            print(path)
    for part in altered(data):
        print(plain(f"edited after it was made: {part}"), file=sys.stderr)


@command(
    "grade", "run the works in reports again, and compare with what they claim",
    place("files", "FILE", "a report, a folder of reports, or a pattern", nargs="+"),
    arg("--jobs", type=int, metavar="N", help=AT_ONCE),
    arg("--on", metavar="ADDRESS", help="by the workers of the Dask scheduler there (tcp://HOST:8786), and not here"),
    place("--csv", "FILE", "also write the table for a spreadsheet"),
    place("--html", "DIR", "also write a feedback page each, and a list"),
    place("--notes", "FILE", "where an interrupted batch goes on from (default: beside --csv, else in --html)"),
    place(
        "--by-hand", "FILE",
        "points that you give: file,requirement,points,comment (default: by_hand.csv in --html, or beside --csv)",
    ),
    arg("--moodle", nargs="?", const="", metavar="FILE", help=FILL.format("moodle", WORKSHEET)),
    arg("--canvas", nargs="?", const="", metavar="FILE", help=FILL.format("canvas", "an export of the gradebook")),
    arg("--column", default="", metavar="NAME", help="the column of that FILE for the grade, where several could be it"),
    flag("--fresh", "forget the notes and grade all again"),
    arg(
        "--task", type=int, choices=(1, 2, 3, 4), action="append", default=[], metavar="N",
        help="judge only this task of every work again, and keep the rest (may be given several times)",
    ),
)  # fmt: skip
def grade(options: Namespace) -> None:
    from .grading.batch import grade_files, reports_in
    from .grading.feedback import ANSWERS, INDEX, page, write_pages
    from .grading.grade import row_names
    from .grading.gradebook import open_book, write_book
    from .grading.table import NAME, as_text, give, read_by_hand, to_csv
    from .writing import prepare_file, prepare_folder, writing

    csv, html, notes = options.csv, options.html, options.notes
    if options.on is not None and options.jobs is not None:
        tried = "--jobs says how many works are judged at once here; with --on none is."
        way_out = "leave --jobs out: each thread of a worker judges one work at a time (dask worker --nthreads)"
        raise BadInput(tried, way_out=way_out)
    # Whatever cannot be written is told now, and not after hours.
    if csv:
        prepare_file("The table", csv, "name another file with --csv")
    if html:
        prepare_folder("The feedback", html, "name another folder with --html")
    if not notes and csv:  # beside what is written, and nowhere when nothing is
        notes = Path(f"{csv}.notes") if not csv.exists() or csv.is_file() else None
    elif not notes and html:
        notes = html / "grades.notes"
    if options.task and (options.fresh or not notes or not notes.is_file()):
        tried = "--task judges one task again and keeps the rest, and there is nothing to keep."
        words = f"no notes of a batch in {notes}" if notes else ""
        way_out = "leave --task out, or name the --html, --csv or --notes of the batch"
        raise BadInput(tried, words="--fresh forgets it" if options.fresh else words, way_out=way_out)
    if notes and options.fresh:
        with writing("The notes of the batch", notes, "name another file with --notes"):
            notes.unlink(missing_ok=True)
    folder = html or (csv and csv.parent)
    books = {}
    for kind in ("moodle", "canvas"):
        if (file := vars(options)[kind]) is None:
            continue
        if not folder:
            raise BadInput("There is no folder for the gradebook.", way_out="name one with --html")
        if file and os.path.realpath(file) == os.path.realpath(folder / f"{kind}.csv"):
            way_out = "give the export another name, or another folder with --html"
            raise BadInput(f"{file} would be written over.", way_out=way_out)
        books[kind] = open_book(kind, Path(file) if file else None, options.column)
    top = vars(options).get("top")  # where a folder is watched
    pages = reports_in(options.files)
    by_hand = options.by_hand or (folder / NAME if folder else None)
    must, names = bool(options.by_hand), row_names(pages, top)
    hand = read_by_hand(by_hand, names, missing_ok=not must) if by_hand else []
    jobs, tasks = 1 if options.jobs is None else options.jobs, sorted({*options.task})
    grades = grade_files(pages, jobs=jobs, on=options.on, notes=notes, tasks=tasks, top=top)
    give(grades, hand)
    made: list[str] = []
    try:
        if csv:
            to_csv(grades, csv)
        if html:
            write_pages(grades, html, hand)
        for kind, book in books.items():
            made += write_book(kind, book, grades, pages, folder, partial(page, learner=True))
    except LabkitError as error:
        print(as_text(grades))
        raise rescued(grades, error) from None
    print(as_text(grades))
    for line in (csv, html and html / INDEX, *made):
        if line:
            print(plain(str(line)))
    if html and (waiting := sum(bool(grade.waiting) for grade in grades)):
        where = f"{html / ANSWERS} lists them; save its table as {by_hand}"
        print(f"{waiting} answers to 2.3 wait for points: {where}")


@command(
    "watch", "grade the reports that arrive in a folder, each once, until Ctrl-C",
    place("folder", "DIR", "where they arrive: a course's upload folder, or nbgrader's exchange"),
    arg("--jobs", type=int, default=1, metavar="N", help=AT_ONCE),
    place("--csv", "FILE", "the table, kept current"), place("--html", "DIR", "the feedback, kept current"),
    place("--by-hand", "FILE", "points that you give, as for grade"),
)  # fmt: skip
def watch(options: Namespace) -> None:
    from .grading.batch import arrivals

    if not options.csv and not options.html:
        way_out = "name a folder with --html, or a file with --csv"
        raise BadInput("What is graded is kept nowhere.", way_out=way_out)
    every = dict.fromkeys(("on", "notes", "moodle", "canvas"))
    every |= {"column": "", "fresh": False, "task": [], "top": options.folder}
    try:
        for pages in arrivals(options.folder):
            try:
                grade(Namespace(**vars(options) | every | {"files": pages}))
            except LabkitError as error:  # the next arrival is another try
                print(plain(str(error)), file=sys.stderr)
    except KeyboardInterrupt:
        print("no longer watched; the same command goes on from here", file=sys.stderr)


def rescued(grades: Sequence[Grade], error: LabkitError) -> LabkitError:
    """Return the error of grades that cannot be written where they were to, which says where they are now."""
    from .grading.table import to_csv

    try:
        kept = Path(tempfile.mkdtemp(prefix="labkit-grades-")) / "grades.csv"
        to_csv(grades, kept)
        where = f"the table is kept in {kept}"
    except (OSError, LabkitError):
        where = "the grades are printed above"
    return CourseError(error.tried, words=error.words, way_out=f"{where}; {error.way_out}")


@command("release", "write the learner's edition of the notebooks", place("--to", "DIR", "an empty folder", required=True))
def release(options: Namespace) -> None:
    from .author.release import release as run

    for path in run(options.to):
        print(path)
    starter = options.to / "lab"
    begin = f"{starter} open" if starter.is_file() else f"labkit open {options.to}"
    print(f"{options.to / 'README.md'} says how it is used; {begin} begins")


@command(
    "shell", "a shell in an open lab",
    arg("lab", nargs="?", metavar="NAME", help=f"{NAME}; may be left out when one lab is open"),
    arg("-c", dest="command", metavar="COMMAND", help="run this instead, without a terminal and without input"),
    flag(
        "--record",
        "write what you type into the script of the lab's task (task1.sh … task4.sh in its home), and show it when you leave",
    ),
    arg(
        "--task", type=int, choices=(1, 2, 3, 4), metavar="N",
        help="without a notebook: open a lab for this task, its home ./work, and record; the lab ends with this shell",
    ),
    description="A shell in an open lab. `exit` leaves it, and the lab runs on; ^] three times within a second leaves a lab "
    "that does not answer. The exit code is the shell's.",
)  # fmt: skip
def shell(options: Namespace) -> int:
    """Open a shell in an open lab, or run a command there; the exit code is the shell's or the command's.

    With a task the lab is one of its own, for work without a notebook, which lives as long as this terminal's shell.
    """
    from .door import terminal
    from .door.callers import describe, open_labs, pick

    if options.task:
        from .lab import Lab

        if options.lab or options.command is not None:
            tried = "--task opens a lab of its own, and a shell in it."
            raise BadInput(tried, way_out="leave NAME and -c out")
        needs = ["ipvs"] if options.task == 3 else []
        with Lab(f"task{options.task}", task=options.task, needs=needs) as own:
            found = describe(own.door.name) if own.door.name else None
            if found is None:
                tried = "The lab has no door, so there is no way in."
                raise LabError(tried, way_out="`labkit ps` says why")
            leaving = f"ends it; another terminal is `labkit shell {own.name} --record`"
            return terminal.shell(found, record=True, leaving=leaving)
    lab = pick([lab for lab in open_labs() if lab.shell], options.lab)
    if options.command is None:
        return terminal.shell(lab, record=options.record)
    if options.record:
        way_out = f"type it: labkit shell {lab.name} --record"
        raise BadInput("What -c runs is not recorded.", way_out=way_out)
    return terminal.command(lab, options.command)


@command(
    "ps", "list the open labs: name, Linux, age, memory",
    flag("--json", "as JSON: age in seconds, memory (proportional set size) in bytes"),
)  # fmt: skip
def ps(options: Namespace) -> None:
    from .door.callers import as_text, open_labs, rows

    found = rows(open_labs())
    print(json.dumps(found, indent=2) if options.json else as_text(found))


@command("stop", "close an open lab from outside", arg("lab", metavar="NAME", help=NAME))
def stop(options: Namespace) -> None:
    from .door import callers

    lab = callers.pick(callers.open_labs(), options.lab)
    callers.stop(lab)
    print(f"The lab {lab.name} is closed.")


@command("doctor", "say what works on this machine, and what would help", flag("--json", "as JSON"))
def doctor(options: Namespace) -> int:
    """Say what works here; 0 when every task can be done."""
    from .machine.doctor import as_text, examine

    found = examine()
    print(json.dumps(found, indent=2) if options.json else as_text(found))
    return 0 if not found["missing"] and all(found["chosen"].values()) else 1


def parser() -> ArgumentParser:
    """The command line."""
    top = ArgumentParser(prog="labkit", description="Build a load balancer four times, with the real programs.")
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="what")
    for name, function, more, arguments in COMMANDS:
        added = commands.add_parser(name, **more)
        for names, options in arguments:
            added.add_argument(*names, **options)
        added.set_defaults(run=function)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: the command's own, 3 for an error, 130 when interrupted."""
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except LabkitError as error:
        print(plain(str(error)), file=sys.stderr)
        return 3
    except (OSError, RuntimeError, MemoryError) as error:
        words = str(error) or type(error).__name__
        if isinstance(error, RuntimeError) and not shortage(words):
            raise
        tried = f"`labkit {options.what}` was ended by the system."
        print(plain(str(CourseError(tried, words=words, way_out=shortage(words)))), file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
