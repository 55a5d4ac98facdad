"""How many submissions an hour `labkit grade` re-runs: right ones, each with its four tasks in fresh labs."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from table import Row

from labkit.grading.batch import grade_files
from labkit.homework.submission import as_block, build

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' works
from hostile_pages import page
from works import right

# The aim of the course for two cores.
WORKS, AIM = 20, 60.0


def submissions(folder: Path, count: int) -> list[Path]:
    """`count` reports on a right work, each with an answer of its own, that claim what they deserve."""
    files = []
    for number in range(count):
        work = right("right", 1).write(folder / f"work{number}")
        with (work / "answers.md").open("a") as answers:
            answers.write(f"So say I, learner {number}.\n")
        data = build(work, {"name": f"Learner {number}", "group": "bench"}, {"points": 94, "verdicts": []}, {}, {})
        files.append(folder / f"{number:02}.html")
        files[-1].write_bytes(page(as_block(data)))
    return files


def graded(count: int, jobs: int) -> float:
    """Grade `count` right submissions and return the seconds. Raises RuntimeError when one does not get its 94 points."""
    with tempfile.TemporaryDirectory() as folder:
        files = submissions(Path(folder), count)
        began = time.monotonic()
        grades = grade_files(files, jobs=jobs)
        taken = time.monotonic() - began
    wrong = [f"{grade.file}: {grade.measured}" for grade in grades if grade.measured != 94]
    if wrong:
        raise RuntimeError(f"not graded rightly: {', '.join(wrong)}")
    return taken


def rows(count: int = WORKS, jobs: int = 2) -> Iterator[Row]:
    """The line of this file; the aim is for 20, on two cores."""
    taken, aim = graded(count, jobs), AIM * count / WORKS
    figure = f"{taken:.0f} s, {3600 * count / taken:.0f} an hour"
    what = f"labkit grade, {count} right submissions, --jobs {jobs}, {os.cpu_count()} cores"
    yield Row(what, figure, "time", f"{taken / count:.1f} s each", f"≤ {aim:g} s", taken <= aim)


if __name__ == "__main__":
    for line in rows(*map(int, sys.argv[1:])):
        print(line)
