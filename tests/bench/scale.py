"""How grading scales out: 3,000 works on 64 threads of Dask workers, where judging is a sleep and the answer a real one."""

import heapq
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import cloudpickle
import parts
import psutil
from table import Row

from labkit.grading import farm
from labkit.grading.batch import Notes, Work, file_digest, grade_files, grade_rest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' cluster
from cluster import cluster

cloudpickle.register_pickle_by_value(sys.modules[__name__])
# Four processes of workers with 16 threads each: 64 processes would measure this machine's two cores.
WORKS, PROCESSES, THREADS = 3000, 4, 16
# What a work takes at the least and at the most, seconds; the aims: of that, per cent, and of memory, MiB.
LEAST, MOST, OVERHEAD, MEMORY = 1.5, 4.5, 2.0, 300
PEAK = "peak of the collector's memory"


def measured(works: int) -> dict[str, float]:
    """Let `works` sleep; return seconds of all, of sleeps, of threads between two of them, of processors; and PEAK, MiB.

    `best` is what the same sleeps would take, in the same order, if a thread that is free had the next one at once.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (one,) = parts.submissions(folder, 1)
        (folder / "grade").write_text(json.dumps(asdict(grade_files([one])[0])))
        known = str(folder / "grade")
        pages = [folder / f"work{number}.html" for number in range(works)]
        for page in pages:
            os.link(one, page)

        def asleep(name: str, *_work: Any, stop: Any) -> str:
            began = time.time()
            time.sleep(random.uniform(LEAST, MOST))
            told = json.dumps([f"{os.getpid()} {threading.get_ident()}", began, time.time()])
            grade = json.loads(Path(known).read_text())  # not in this function, which goes there as a whole with every work
            return json.dumps({"edition": farm.edition(), "grade": grade | {"file": name, "answer": told}})

        rest = [Work(page, file_digest(page), page.name) for page in pages]
        with cluster(folder / "cluster", 0) as made:
            for _ in range(PROCESSES):
                made.start_worker(THREADS)
            with farm.on(made.address) as judges:  # every worker has imported labkit before time is taken
                while judges.room() < farm.AHEAD * PROCESSES * THREADS:
                    time.sleep(0.1)
                wait([judges.submit("", b"", ()) for _ in range(2 * farm.AHEAD * PROCESSES * THREADS)])
            scheduler, began, before = psutil.Process(made.scheduler.pid), time.monotonic(), time.process_time()
            place = farm.on(made.address, lambda *work, stop: asleep(*work, stop=stop))
            grades = grade_rest(rest, works, place, Notes(folder / "notes"))
            taken, own = time.monotonic() - began, time.process_time() - before
            theirs = sum(scheduler.cpu_times()[:2])
    sleeps: dict[str, list[tuple[float, float]]] = {}
    for each in grades.values():
        thread, begun, ended = json.loads(each.answer)
        sleeps.setdefault(thread, []).append((begun, ended))
    idle = sum(begun - ended for one in sleeps.values() for (_, ended), (begun, _) in pairwise(sorted(one)))
    asleep_for = sum(ended - begun for one in sleeps.values() for begun, ended in one)
    free = [0.0] * PROCESSES * THREADS
    for begun, ended in sorted(sleep for one in sleeps.values() for sleep in one):
        heapq.heapreplace(free, free[0] + ended - begun)
    if wrong := [each.file for each in grades.values() if each.measured != 94]:
        raise RuntimeError(f"not graded rightly: {len(wrong)} of {len(grades)}, {wrong[:3]}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = {"all": taken, "best": max(free), "asleep": asleep_for, "idle": idle, "collector": own, "scheduler": theirs}
    return seconds | {PEAK: memory}


def rows(works: int = WORKS) -> Iterator[Row]:
    """The lines of this file: what it takes beyond the sleeps, and the collector's memory."""
    found, threads = measured(works), PROCESSES * THREADS
    idle, more = 100 * found["idle"] / found["asleep"], 100 * (found["all"] / found["best"] - 1)
    what = f"labkit grade --on, {works} sleeps of {LEAST:g} to {MOST:g} s, {threads} threads in {PROCESSES} workers"
    figure = f"{found['all']:.1f} s; processor: collector {found['collector']:.1f} s, scheduler {found['scheduler']:.1f} s"
    against = f"the same sleeps without a wait between two: {found['best']:.1f} s"
    result = f"{more:.1f} % more; idle between two sleeps: {idle:.1f} %"
    yield Row(what, figure, against, result, f"≤ {OVERHEAD:g} %", more <= OVERHEAD)
    yield Row(PEAK, f"{found[PEAK]:.0f} MiB", "", "", f"≤ {MEMORY} MiB", found[PEAK] <= MEMORY)


if __name__ == "__main__":
    for line in rows(*map(int, sys.argv[1:])):
        print(line)
