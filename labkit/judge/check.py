"""Judges a work: each task in a fresh lab, by what it does; and what each task asks, as the checks have it."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BadInput, LabkitError, MeasureError, NoLinux, shortage, tail
from ..inside.judge import machine_is_short
from ..lab import Lab
from ..machine.doctor import PROGRAMS
from ..machine.temporary import own_folder
from ..machine.view import PATH
from ..writing import filled
from . import task1, task2, task3, task4  # noqa: F401 (they tell their requirements)
from .bench import NEEDS, Bench, copy_work
from .verdict import (
    COULD_NOT_RUN,
    FAILED,
    PASSED,
    REQUIREMENTS,
    Check,
    Finding,
    Verdicts,
    could_not_run,
    failed,
    of_task,
    verdict,
    with_dependencies,
)

__all__ = ["REQUIREMENTS", "Asked", "asked", "of_task"]


class Asked:
    """What a task asks, as a table: number, sentence, exact values, points."""

    def __init__(self, task: int) -> None:
        self.rows = of_task(task)

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.number} {row.sentence} ({row.points} points)" + "".join(f"\n      {value}" for value in row.exactly)
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        return filled("asked.html.j2", rows=self.rows)


def asked(task: int) -> Asked:
    """What task 1, 2, 3 or 4 asks, with every exact value and the points, as the checks have them."""
    return Asked(task)


T = TypeVar("T")
TASKS = sorted({one.task for one in REQUIREMENTS.values()})
# Two labs at once are as many as two cores carry.
AT_ONCE = 2
# So that neither core is idle at the end.
LONGEST_FIRST = (4, 3, 1, 2)
# The programs that the assignment asks for.
ASKED = {1: ("python3", "curl"), 2: ("dnsmasq", "dig"), 3: ("ip", "ipvsadm", "curl"), 4: ("nginx", "tshark", "curl")}
# How long an interrupt may be overheard, seconds.
TICK = 0.2
# How much of a line that tells of a shortage is shown, characters.
SHOWN = 200


class Stop:
    """Ends a judgement from another thread: its open labs are closed, and none is opened any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._labs: set[Lab] = set()
        self._stopped = False

    def look(self) -> None:
        """Raise CancelledError once it has been stopped."""
        if self._stopped:
            raise CancelledError

    @contextmanager
    def watching(self, lab: Lab) -> Iterator[None]:
        """Close `lab` when this is stopped meanwhile. Raises CancelledError when it has been."""
        with self._lock:
            self.look()
            self._labs.add(lab)
        try:
            yield
        finally:
            with self._lock:
                self._labs.discard(lab)

    def now(self) -> None:
        """Stop: what is judged fails at once, and what is not yet begun never begins."""
        with self._lock:
            self._stopped, labs = True, list(self._labs)
        for lab in labs:
            with suppress(LabkitError):
                lab.close()


def finished(waiting: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """Yield futures as they end. Wakes up now and then: an interrupt right before a wait is only heard after it."""
    left = set(waiting)
    while left:
        done, left = wait(left, timeout=TICK, return_when=FIRST_COMPLETED)
        yield from done


def machines_fault(error: Exception) -> Finding:
    """Return "could not run" for an error that is not of the work's making, with its words and the way out."""
    if not isinstance(error, LabkitError):
        words = f"{type(error).__name__}: {error}"
        return could_not_run(f"the check crashed: {words}{in_brackets(shortage(words))}", machine=True)
    said = error.tried + in_brackets(tail(error.words, 3).replace("\n", " / "))
    way_out = shortage(f"{error.tried} {error.words}") or error.way_out
    return could_not_run(f"{said}; way out: {way_out}" if way_out else said, machine=True)


def in_brackets(words: str) -> str:
    """Return the words in brackets, "" for none."""
    return f" ({words})" if words else ""


def run_check(bench: Bench, check: Check) -> Finding:
    """Run one check; whatever it raises makes it "could not run", with the reason.

    A MeasureError says that there is nothing to be seen, which may be the work's fault. All else is the machine's or ours: it
    earns the learner nothing, takes nothing else down, and is no verdict on the work.
    """
    try:
        return check(bench)
    except MeasureError as error:
        return machines_fault(error) if shortage(error.words) else could_not_run(error.tried)
    except Exception as error:
        return machines_fault(error)


def judge(bench: Bench) -> dict[str, Finding]:
    """Judge one task in its prepared lab.

    Where this machine lacks something that the work needs, what has not passed could not run.
    """
    if bench.not_done:
        return {one.number: failed(bench.not_done, bench.not_done) for one in of_task(bench.task)}
    bench.run_scripts()
    findings = with_dependencies({one.number: run_check(bench, one.check) for one in of_task(bench.task)})
    if strangers := bench.strangers:
        findings = {number: failed(strangers, strangers) if one.verdict == PASSED else one for number, one in findings.items()}
    reason = lacking(bench)
    if not reason:
        return findings
    wrong = {FAILED, COULD_NOT_RUN}
    return {
        number: Finding(COULD_NOT_RUN, found.evidence, reason, True) if found.verdict in wrong else found
        for number, found in findings.items()
    }


def lacking(bench: Bench) -> str:
    """Return what this machine lacked for the work (a program, or what a program of it said to be short of) and the way out."""
    missing = [name for name in ASKED[bench.task] if not shutil.which(name, path=PATH)]
    if missing:
        packages = " ".join(PROGRAMS[name][0] for name in missing)
        return f"this machine has no {' and no '.join(missing)}; way out: apt-get install {packages}"
    printed = [line.strip() for lines in bench.said.values() for one in lines for line in one.printed.splitlines()]
    # What a script says itself, on purpose, is no word of a program's.
    typed = "".join(bench.script(f"task{task}.sh") or "" for task in bench.said)
    line = next((line for line in printed if shortage(line) and line not in typed), "")
    if line and not bench.lab.trusted and not bench.call(machine_is_short):  # then it is what a cell may have, or a lie
        return ""
    return f"a program of the work met a shortage: {line.strip()[:SHOWN]}; way out: {shortage(line)}" if line else ""


def judge_in_lab(
    home: Path, task: int, needs: Iterable[str], trusted: bool, stop: Stop
) -> tuple[str, dict[str, Finding], dict[str, Any]]:
    """Open a lab and judge one task; return the name of its Linux ("none" when none opened), the findings and the evidence."""
    linux = "none"
    try:
        lab = Lab(f"check{task}", needs=list(needs), home=home, current=False, trusted=trusted)
        with lab, stop.watching(lab):
            linux, bench = lab.linux, Bench(lab, task)
            return linux, judge(bench), bench.evidence
    except CancelledError:
        raise
    except NoLinux as error:
        if set(needs) > set(NEEDS[task]):  # what another task needs is not to be had here: this one can do without
            return judge_in_lab(home, task, NEEDS[task], trusted, stop)
        fault = could_not_run(str(error), machine=True)
    except Exception as error:
        fault = machines_fault(error)
    return linux, {one.number: fault for one in of_task(task)}, {}


def check_task(work: Path, task: int, needs: Iterable[str], trusted: bool, stop: Stop) -> Verdicts:
    """Judge one task of `work` in a fresh lab; the Linux of its verdicts is "none" when no lab opened."""
    stop.look()
    with tempfile.TemporaryDirectory(prefix="work-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        copy_work(work, home)
        linux, findings, evidence = judge_in_lab(home, task, needs, trusted, stop)
    stop.look()  # a lab that was closed meanwhile could not run, which says nothing
    return Verdicts([verdict(number, finding) for number, finding in findings.items()], linux, evidence)


def check_work(
    work: str | Path, tasks: Sequence[int] = (1, 2, 3, 4), *, trusted: bool = True, stop: Stop | None = None
) -> Verdicts:
    """Judge the work in folder `work`, each of `tasks` in a fresh lab, on the same Linux where one can do all. Raises BadInput.

    A work that is not `trusted` (somebody else's) runs only on a Linux of its own, and cannot reach the host's files. An
    interrupt, or `stop` from another thread, ends it at once.
    """
    unknown = [task for task in tasks if task not in TASKS]
    if unknown or not tasks:
        raise BadInput(f"There is no task {', '.join(map(str, unknown))}.", way_out="tasks are 1, 2, 3 and 4")
    if not Path(work).is_dir():
        raise BadInput(f"{work} is no folder.", way_out="name the folder that holds task1.sh … task4.sh")
    # Where only one Linux will do, a task need not wait for what another one needs.
    every = {need for task in tasks for need in NEEDS[task]}
    needs = {task: sorted(every if trusted else NEEDS[task]) for task in tasks}
    stop = stop or Stop()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            waiting = {
                pool.submit(check_task, Path(work), task, needs[task], trusted, stop): task
                for task in LONGEST_FIRST
                if task in tasks
            }
            found = {waiting[done]: done.result(0) for done in finished(waiting)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.now()
            raise
    results = [found[task] for task in sorted(found)]
    linux = next((part.linux for part in results if part.linux != "none"), "none")
    evidence = {f"task{part.rows[0].task}": part.evidence for part in results}
    return Verdicts([row for part in results for row in part], linux, evidence)


def check(task: int, *, lab: Lab | None = None) -> Verdicts:
    """Judge one task of the work in the home of `lab` (the one opened last), from its scripts and files, in a fresh lab."""
    lab = lab or Lab.current
    if lab is None:
        raise BadInput("No lab is open, so there is no work to judge.", way_out="open one first: lab = Lab(…)")
    return check_work(lab.home, [task])
