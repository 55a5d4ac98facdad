"""Judges a work: each task in a fresh lab, by what it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import BadInput, LabkitError
from ..lab import Lab
from ..machine.temporary import own_folder
from .bench import NEEDS, Bench, copy_work
from .checks import task1, task2, task3, task4
from .verdict import Finding, Verdicts, could_not_run, failed, verdict, with_dependencies

CHECKS: dict[int, dict[str, Callable[[Bench], Finding]]] = {
    1: task1.CHECKS, 2: task2.CHECKS, 3: task3.CHECKS, 4: task4.CHECKS,
}  # fmt: skip
# Two labs at once are as many as two cores carry.
AT_ONCE = 2
# So that neither core is idle at the end.
LONGEST_FIRST = (4, 3, 1, 2)


def run_check(bench: Bench, check: Callable[[Bench], Finding]) -> Finding:
    """Run one check; whatever it raises makes it "could not run", with the reason."""
    try:
        return check(bench)
    except LabkitError as error:
        return could_not_run(error.tried)
    except Exception as error:  # a crash of ours earns the learner nothing, and takes nothing else down
        return could_not_run(f"the check crashed: {type(error).__name__}: {error}")


def judge(bench: Bench) -> dict[str, Finding]:
    """Judge one task in its prepared lab."""
    if bench.not_done:
        return {number: failed(bench.not_done, bench.not_done) for number in CHECKS[bench.task]}
    bench.run_scripts()
    return with_dependencies({number: run_check(bench, check) for number, check in CHECKS[bench.task].items()})


def check_task(work: Path, task: int, needs: Iterable[str], trusted: bool) -> Verdicts:
    """Judge one task of `work` in a fresh lab; the Linux of its verdicts is "none" when no lab opened."""
    with tempfile.TemporaryDirectory(prefix="work-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        copy_work(work, home)
        linux, evidence = "none", {}
        try:
            with Lab(f"check{task}", needs=list(needs), home=home, current=False, trusted=trusted) as lab:
                linux, bench = lab.linux, Bench(lab, task)
                findings, evidence = judge(bench), bench.evidence
        except LabkitError as error:
            findings = {number: could_not_run(str(error)) for number in CHECKS[task]}
    return Verdicts([verdict(number, finding) for number, finding in findings.items()], linux, evidence)


def check_work(work: str | Path, tasks: Sequence[int] = (1, 2, 3, 4), *, trusted: bool = True) -> Verdicts:
    """Judge the work in folder `work`, each of `tasks` in a fresh lab on the same Linux. Raises BadInput.

    A work that is not `trusted` (somebody else's) runs only on a Linux of its own, and cannot reach the host's files.
    """
    unknown = [task for task in tasks if task not in CHECKS]
    if unknown or not tasks:
        raise BadInput(f"There is no task {', '.join(map(str, unknown))}.", way_out="tasks are 1, 2, 3 and 4")
    if not Path(work).is_dir():
        raise BadInput(f"{work} is no folder.", way_out="name the folder that holds task1.sh … task4.sh")
    # Where only one Linux will do, a task need not wait for what another one needs.
    every = {need for task in tasks for need in NEEDS[task]}
    needs = {task: sorted(every if trusted else NEEDS[task]) for task in tasks}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {
            task: pool.submit(check_task, Path(work), task, needs[task], trusted) for task in LONGEST_FIRST if task in tasks
        }
    results = [waiting[task].result(0) for task in sorted(waiting)]
    linux = next((part.linux for part in results if part.linux != "none"), "none")
    evidence = {f"task{part.rows[0].task}": part.evidence for part in results}
    return Verdicts([row for part in results for row in part], linux, evidence)


def check(task: int, *, lab: Lab | None = None) -> Verdicts:
    """Judge one task of the work in the home of `lab` (the one opened last), from its scripts and files, in a fresh lab."""
    lab = lab or Lab.current
    if lab is None:
        raise BadInput("No lab is open, so there is no work to judge.", way_out="open one first: lab = Lab(…)")
    return check_work(lab.home, [task])
