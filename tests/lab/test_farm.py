"""Real works on the workers of a Dask scheduler: workers are lost with labs open, and an interrupt ends the labs there."""

import os
import signal
import threading
from pathlib import Path

import psutil
from cluster import cluster
from hostile_pages import UNREADABLE

from labkit.grading.batch import Notes, grade_files
from labkit.grading.grade import Grade

from .helpers import PATIENCE, eventually, interrupted
from .test_grading import SLEEP, report

# `./lab test --soak` judges this many works for real.
REAL = 100 if os.environ.get("LABKIT_TESTS") == "soak" else 4


def labs(home: Path) -> list[Path]:
    """The folders of the open labs of a worker."""
    return list(home.glob("labkit-*/*check*"))


def test_works_of_workers_that_are_lost_with_labs_open(tmp_path: Path) -> None:
    """Of four workers with a work in their labs two are killed and one is frozen: the table of 100 works is that of one process,
    each is noted once, and nothing is left of a killed worker's labs."""
    pages = [report(tmp_path, f"{number:03}", task4=f"nginx -c ~/nginx.conf # {number}\n") for number in range(REAL)]
    for number in range(REAL, 100):
        pages.append(tmp_path / f"{number:03}.html")
        pages[-1].write_bytes(UNREADABLE[number % 3].make({}) + str(number).encode())
    found: list[Grade] = []
    with cluster(tmp_path / "cluster", 4, ttl="30s") as made:
        judging = threading.Thread(target=lambda: found.extend(grade_files(pages, on=made.address, notes=tmp_path / "notes")))
        judging.start()
        eventually(lambda: all(map(labs, made.homes)), "a lab of each worker")
        children = [child for worker in made.workers[:2] for child in psutil.Process(worker.pid).children(recursive=True)]
        for worker, how in zip(made.workers, (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP), strict=False):
            worker.send_signal(how)
        judging.join(PATIENCE * max(10, REAL))
        assert made.killed == [0, 1] and children
        eventually(lambda: not any(map(labs, made.homes[:2])), "the end of the labs of what was killed")
        assert not any(child.is_running() for child in children)
    table = [grade.row() | {"seconds": None} for grade in found]
    assert [row["points measured"] for row in table[:REAL]] == [94] * REAL
    assert table == [grade.row() | {"seconds": None} for grade in grade_files(pages, jobs=2)]
    assert len((tmp_path / "notes").read_text().split("\n\n")) == len(Notes(tmp_path / "notes").known()) == 100


def test_interrupt_ends_what_is_judged_elsewhere(tmp_path: Path) -> None:
    """Ctrl-C while scripts sleep in the labs of a worker, and another work waits: code 130, the labs end, nothing is noted, and
    the worker judges the next one."""
    scripts = {f"task{number}": f"sleep {SLEEP}\n" for number in (1, 2, 3, 4)}
    pages = [report(tmp_path, name, **scripts) for name in ("a", "b")]
    (tmp_path / "c.html").write_bytes(b"")
    with cluster(tmp_path / "cluster", 1) as made:
        (home,) = made.homes
        with interrupted("grade", "--on", made.address, "--csv", tmp_path / "out.csv", *pages):
            eventually(lambda: len(labs(home)) == 2, "both labs")
        eventually(lambda: not labs(home), "the end of the labs")
        assert not Notes(tmp_path / "out.csv.notes").known()
        (after,) = grade_files([tmp_path / "c.html"], on=made.address)
        assert "no whole machine part" in after.flags[0]
