"""Judges a work: each task in a fresh lab, by what it does; and what each task asks, as the checks have it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

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


TASKS = sorted({one.task for one in REQUIREMENTS.values()})
# Two labs at once are as many as two cores carry.
AT_ONCE = 2
# So that neither core is idle at the end.
LONGEST_FIRST = (4, 3, 1, 2)
# The programs that the assignment asks for.
ASKED = {1: ("python3", "curl"), 2: ("dnsmasq", "dig"), 3: ("ip", "ipvsadm", "curl"), 4: ("nginx", "tshark", "curl")}
# So often a wait wakes up, seconds: an interrupt right before it is only heard after it.
TICK = 0.2
# How much of a line that tells of a shortage is shown, characters.
SHOWN = 200


class Stop:
    """Ends a judgement from another thread: its open labs are closed, and none is opened any more."""

    def __init__(self) -> None:
        self._labs: set[Lab] = set()
        self._stopped = False

    def look(self) -> None:
        """Raise CancelledError once it has been stopped."""
        if self._stopped:
            raise CancelledError

    @contextmanager
    def watching(self, lab: Lab) -> Iterator[None]:
        """Close `lab` when this is stopped meanwhile. Raises CancelledError when it has been."""
        self._labs.add(lab)
        try:
            self.look()  # whoever stops from now on sees the lab
            yield
        finally:
            self._labs.discard(lab)

    def now(self) -> None:
        """Stop: what is judged fails at once, and what is not yet begun never begins."""
        self._stopped = True
        for lab in list(self._labs):
            with suppress(LabkitError):
                lab.close()


def machines_fault(error: Exception) -> Finding:
    """Return "could not run" for an error that is not of the work's making, with its words and the way out."""
    if isinstance(error, LabkitError):
        said, more = error.tried, tail(error.words, 3).replace("\n", " / ")
        way_out = shortage(f"{said} {error.words}") or error.way_out
    else:
        said, way_out = f"the check crashed: {type(error).__name__}: {error}", ""
        more = shortage(said)
    said += f" ({more})" if more else ""
    return could_not_run(f"{said}; way out: {way_out}" if way_out else said, machine=True)


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
    strangers, reason = bench.strangers, lacking(bench)
    for number, found in findings.items():
        if strangers and found.verdict == PASSED:
            found = failed(strangers, strangers)
        if reason and found.verdict in (FAILED, COULD_NOT_RUN):
            found = Finding(COULD_NOT_RUN, found.evidence, reason, True)
        findings[number] = found
    return findings


def lacking(bench: Bench) -> str:
    """Return what this machine lacked for the work (a program, or what a program of it said to be short of) and the way out."""
    missing = [name for name in ASKED[bench.task] if not shutil.which(name, path=PATH)]
    if missing:
        packages = " ".join(PROGRAMS[name][0] for name in missing)
        return f"this machine has no {' and no '.join(missing)}; way out: apt-get install {packages}"
    printed = "\n".join(one.printed for lines in bench.said.values() for one in lines)
    # What a script says itself, on purpose, is no word of a program's.
    typed = "".join(bench.script(f"task{task}.sh") or "" for task in bench.said)
    lines = (line.strip() for line in printed.splitlines())
    line = next((line for line in lines if shortage(line) and line not in typed), "")
    # Else it is what a cell may have, or a lie.
    if line and (bench.lab.trusted or bench.call(machine_is_short)):
        return f"a program of the work met a shortage: {line[:SHOWN]}; way out: {shortage(line)}"
    return ""


def check_task(work: Path, task: int, needs: Iterable[str], trusted: bool, stop: Stop) -> Verdicts:
    """Judge one task of `work` in a fresh lab; the Linux of its verdicts is "none" when no lab opened."""
    stop.look()
    made = Verdicts([], "none")
    with tempfile.TemporaryDirectory(prefix="work-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        copy_work(work, home)
        try:
            lab = Lab(f"check{task}", needs=list(needs), home=home, current=False, trusted=trusted)
            with lab, stop.watching(lab):
                made.linux, bench = lab.linux, Bench(lab, task)
                findings, made.evidence = judge(bench), bench.evidence
        except CancelledError:
            raise
        except Exception as error:
            none = isinstance(error, NoLinux)
            if none and set(needs) > set(NEEDS[task]):  # this task can do without what another one needs
                return check_task(work, task, NEEDS[task], trusted, stop)
            fault = could_not_run(str(error), machine=True) if none else machines_fault(error)
            findings = {one.number: fault for one in of_task(task)}
    stop.look()  # a lab that was closed meanwhile could not run, which says nothing
    made.rows = [verdict(number, finding) for number, finding in findings.items()]
    return made


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
                task: pool.submit(check_task, Path(work), task, needs[task], trusted, stop)
                for task in LONGEST_FIRST
                if task in tasks
            }
            left = set(waiting.values())
            while left:
                done, left = wait(left, timeout=TICK, return_when=FIRST_COMPLETED)
                for one in done:
                    one.result(0)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.now()
            raise
    found = {task: waiting[task].result(0) for task in sorted(waiting)}
    linux = next((part.linux for part in found.values() if part.linux != "none"), "none")
    evidence = {f"task{task}": part.evidence for task, part in found.items()}
    return Verdicts([row for part in found.values() for row in part], linux, evidence)


def check(task: int, *, lab: Lab | None = None) -> Verdicts:
    """Judge one task of the work in the home of `lab` (the one opened last), from its scripts and files, in a fresh lab."""
    lab = lab or Lab.current
    if lab is None:
        raise BadInput("No lab is open, so there is no work to judge.", way_out="open one first: lab = Lab(…)")
    return check_work(lab.home, [task])
