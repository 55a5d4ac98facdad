"""Makes the one file that is handed in: work, story and verdicts, for people and for machines."""

import datetime
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from ..errors import BadInput
from ..judge.check import check_work
from ..judge.verdict import Verdicts
from ..machine.temporary import own_folder
from ..writing import prepare_file, write_file
from .document import TITLES, document, to_html, versions
from .submission import MAX_PAGE, as_block, build, pack_work, read, unpack

NAME = "submission.html"
MAX_NAME = 200
NOT_AS_GRADED = (
    "The teacher's kind of lab (User-Mode Linux that bubblewrap or Landlock keeps in) does not open here, so the verdicts are "
    "those of `labkit check`; `labkit check --as-graded` says why."
)


def stories_in(folder: Path) -> dict[int, Any]:
    """The notebooks of a folder by their task: 1_….ipynb is task 1's. Raises BadInput for a folder or notebook that is none."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder.", way_out="name the folder with the executed notebooks")
    found = {}
    for path in sorted(folder.glob("[1-4]_*.ipynb")):
        try:
            notebook = found[int(path.name[0])] = nbformat.read(path, as_version=4)
        except Exception as error:  # what nbformat says of broken ones is of many kinds
            tried, words = f"The notebook {path} cannot be read.", str(error)[:500]
            way_out = "open and save it in JupyterLab, or take it out of that folder"
            raise BadInput(tried, words=words, way_out=way_out) from None
        for cell in notebook.cells:
            cell.pop("attachments", None)
    return found


@contextmanager
def at_the_teachers(packed: Mapping[str, Any]) -> Iterator[Path]:
    """Give the folder of a packed work as whoever grades it unpacks it. Raises BadInput."""
    with tempfile.TemporaryDirectory(prefix="hand-in-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        unpack({"work": packed}, Path(folder) / "work")
        yield Path(folder) / "work"


def check_as_graded(work: Path, tasks: Sequence[int] = (1, 2, 3, 4)) -> Verdicts:
    """Judge a work exactly as `labkit grade` does: packed and unpacked, and as somebody else's. Raises BadInput."""
    with at_the_teachers(pack_work(work)) as copy:
        return check_work(copy, tasks, trusted=False)


def said_to_the_learner(words: str) -> None:
    """Print a sentence beside the command's output."""
    print(words, file=sys.stderr)


def hand_in(
    work: Path, to: Path, *, name: str = "", group: str = "", stories: Mapping[int, Any] | None = None,
    say: Callable[[str], object] = said_to_the_learner,
) -> Path:  # fmt: skip
    """Judge the work in folder `work`, and write the file to hand in to `to`. Raises BadInput.

    What is judged is what is handed in: the work is packed, and what that unpacks to is judged and shown, as the teacher's
    machine judges it. Where no such lab opens here, `say` is given a sentence, and the work is judged as `labkit check` does.
    `stories` are executed notebooks by task; without them the file holds the work and the verdicts alone.
    """
    if not work.is_dir():
        raise BadInput(f"{work} is no folder.", way_out="name the folder that holds task1.sh … task4.sh")
    if max(len(name), len(group)) > MAX_NAME:
        raise BadInput(f"A name or group has {MAX_NAME} characters at the most.")
    what, way_out = "The file to hand in", "name another file with --out"
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    who = {"name": name.strip(), "group": group.strip(), "date": now}
    packed, tools = pack_work(work), versions()
    prepare_file(what, to, way_out)
    with at_the_teachers(packed) as copy:
        verdicts = check_work(copy, trusted=False)
        if verdicts.linux == "none":
            say(NOT_AS_GRADED)
            verdicts = check_work(copy)
        data = build(copy, who, verdicts.data(), verdicts.evidence, tools)
        homework = document(copy, who, verdicts, stories or {}, tools)
    page = to_html(homework, f"Homework of {who['name'] or 'a learner'}", block=as_block(data))
    if len(page.encode(errors="replace")) > MAX_PAGE:
        tried = f"The file to hand in has more than {MAX_PAGE:,} bytes."
        raise BadInput(tried, way_out="make the notebooks' pictures smaller")
    write_file(what, to, page, way_out)
    return to


def missing(file: Path) -> list[str]:
    """Return what a file to hand in lacks, a line each: its name, its notebooks, and what is not passed, with the hint."""
    data = read(file)
    verdicts = Verdicts.of_data(data["verdicts"])
    lines = [] if data["who"]["name"] else ["your name, on the cover"]
    if '<h2 id="notebook-' not in file.read_text(encoding="utf-8"):
        lines.append("the notebooks: the file holds the work and the verdicts alone")
    wrong: dict[str, list[str]] = {}  # several requirements may have one reason
    for row in verdicts:
        if row.requirement in verdicts.wrong():
            wrong.setdefault((row.hint or row.sentence).splitlines()[0], []).append(row.requirement)
    return lines + [f"{', '.join(numbers)}: {reason}" for reason, numbers in wrong.items()]


def summary(file: Path) -> str:
    """Return what a file to hand in holds, in words: points a task, their sum, and what is missing."""
    verdicts = Verdicts.of_data(read(file)["verdicts"])
    lines = [f"Task {task}: {verdicts.of_task(task).total()}" for task in TITLES]
    lacks = ["Missing:", *(f"  {line}" for line in missing(file))]
    return "\n".join([*lines, f"Sum: {verdicts.total()}", *(lacks if len(lacks) > 1 else [])])
