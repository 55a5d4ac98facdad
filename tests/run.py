"""The test command (`./lab test`): linters, tests, notebooks. Goes on after a failed step."""

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labkit.machine.temporary import DEFAULT_SIGNALS

TOP = Path(__file__).resolve().parent.parent
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120"]
WORKERS = "3"  # on 2 cores: some tests wait, for a time-out or a page

# How many may fail beside others and be run again; more is no accident of a busy machine.
FEW = 10
# What takes long and seldom breaks, of the machine that works are judged on, of the installation and of pages in a browser: run
# with the works.
GUARDS = [
    "tests/lab/test_hostile_points.py", "tests/lab/test_landlock.py", "tests/lab/test_typed.py",
    "tests/lab/test_known_machine.py", "tests/lab/test_jupyterlab.py",
    "tests/lab/test_refused.py", "tests/lab/test_farm.py", "tests/test_lab_script.py",
    "tests/test_packaging.py::test_wheel_has_all_of_labkit_and_the_notebooks",
    "tests/test_packaging.py::test_installed_labkit_opens_and_reports",
    "tests/lab/test_report_page.py", "tests/lab/test_release.py::test_tools_for_teachers_are_on_a_teachers_screen_alone",
]  # fmt: skip
# Where a test runs that is skipped here, by how the reason begins. Any other skip is a failure: it may run nowhere.
ELSEWHERE = {
    "the probe says: ": "./lab test --kernels smoke: on a kernel with IPVS, where a skip is a failure",
    "./lab test --all": "./lab test --all",
    "refusing these things": "./lab test as root",
    "git tracks no files": "./lab test in a clone, with git",
    "none of the locked versions": "./lab test in an environment that ./lab made",
    "/usr/bin/chromium is not installed": "./lab test on a Debian, which installs it",
}
# Long runs that nothing else is run beside.
ALONE = {
    "browser": ["tests/lab/test_learner_browser.py"],
    "soak": ["tests/soak", "tests/lab/test_farm.py"],
    "fresh": ["tests/fresh", "-k", "own"],
    "trixie": ["tests/fresh", "-k", "trixie"],
    "sid": ["tests/fresh", "-k", "sid"],
    "image": ["tests/image"],
    "kernels": ["tests/kernels", "-k", "not smoke"],
    "smoke": ["tests/kernels", "-k", "smoke"],
}


@dataclass
class Outcome:
    """What one step came to: counts of tests, seconds, and the skipped tests, each after its reason."""

    step: str
    passed: int = 0
    failed: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """One line of the summary."""
        verdict = "FAILED" if self.failed else "passed"
        counts = f"{self.passed:>4} passed {self.failed:>3} failed {len(self.skipped):>3} skipped"
        return f"{verdict}  {self.step:<24} {counts} {self.seconds:7.1f} s"


def command(step: str, program: str, *arguments: str) -> Outcome:
    """Run a program of this environment whose exit status is the whole verdict."""
    run = [*DEFAULT_SIGNALS, Path(sys.executable).with_name(program), *arguments]
    status = subprocess.run(run, cwd=TOP, check=False).returncode
    return Outcome(step, passed=int(status == 0), failed=int(status != 0))


def pytest(step: str, *arguments: str | Path) -> Outcome:
    """Run pytest and count from its own record; an exit status that the record does not explain is a failure too."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "record.xml")
        options = ["-c", TOP / "pyproject.toml", "-ra", f"--junitxml={record}"]
        run = [*DEFAULT_SIGNALS, sys.executable, "-m", "pytest", *options, *arguments]
        status = subprocess.run(run, cwd=TOP, check=False).returncode
        outcome = read_record(step, record)
    if status and not outcome.failed:
        outcome.failed = 1
    return outcome


def read_record(step: str, record: Path) -> Outcome:
    """Count the cases of a JUnit record; a missing record counts nothing."""
    outcome = Outcome(step)
    for case in ET.parse(record).iter("testcase") if record.exists() else ():
        skip = case.find("skipped")
        if skip is not None:
            outcome.skipped.append((str(skip.get("message")), f"{case.get('classname')}::{case.get('name')}"))
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        else:
            outcome.passed += 1
    return outcome


def notebooks() -> Outcome:
    """Run the committed notebooks under nbval, in a copy, so that the checkout stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "notebooks")
        shutil.copytree(TOP / "notebooks", copy)
        # --rootdir gives each notebook a name of its own; without, xdist takes cells of two notebooks for the same test.
        options = ["-n", WORKERS, "--dist", "loadfile", f"--rootdir={copy}", *NBVAL]
        # The last ones take longest, so they begin first.
        return pytest("notebooks", *options, *sorted(copy.glob("*.ipynb"), reverse=True))


def works() -> Outcome:
    """Judge every work of both tables, three at once, and run GUARDS. What fails is run once more, alone."""
    files = ["tests/lab/test_works.py", *GUARDS]
    outcome = pytest("works", "-n", WORKERS, "--dist", "worksteal", "--durations=25", *files)
    if 0 < outcome.failed <= FEW:
        again = pytest("works, again", "--last-failed", *files)
        print(f"\n{outcome.failed} failed beside others; alone {again.failed} of them fail", flush=True)
        outcome.passed, outcome.failed = outcome.passed + again.passed, again.failed
    return outcome


def steps(chosen: str) -> dict[str, Callable[[], Outcome]]:
    """The steps by title, in their order; `quick` leaves out labs and notebooks, what is in ALONE is a step of its own."""
    if chosen == "works":
        return {"works": works}
    if chosen in ALONE:
        return {chosen: lambda: pytest(chosen, "-s", *ALONE[chosen])}
    left_out = [f"--deselect={test}" for test in (*GUARDS, *ALONE["browser"])] if chosen != "all" else []
    quick = ["-m", "not lab"] if chosen == "quick" else []
    result: dict[str, Callable[[], Outcome]] = {
        "ruff check": lambda: command("ruff check", "ruff", "check", "."),
        "ruff format": lambda: command("ruff format", "ruff", "format", "--check", "."),
        "mypy": lambda: command("mypy", "mypy", "labkit"),
        "pytest": lambda: pytest(
            "pytest", "-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder", *quick, *left_out, "tests"
        ),
    }
    if chosen != "quick":
        result["notebooks"] = notebooks
    return result


def run_step(title: str, step: Callable[[], Outcome]) -> Outcome:
    """Run one step under a heading and time it."""
    print(f"\n==== {title} ====", flush=True)
    start = time.monotonic()
    outcome = step()
    outcome.seconds = time.monotonic() - start
    return outcome


def report(outcomes: list[Outcome]) -> int:
    """Print the skipped tests by reason and where they run, a line a step and the sum; return the number of failures."""
    skips = sorted(skip for outcome in outcomes for skip in outcome.skipped)
    print("\n==== skipped ====" + ("" if skips else "\nnone"))
    lost = 0
    for reason, group in itertools.groupby(skips, key=lambda skip: skip[0]):
        tests = [test for _, test in group]
        place = next((place for begin, place in ELSEWHERE.items() if reason.startswith(begin)), "")
        lost += 0 if place else len(tests)
        print(f"{len(tests)} skipped: {reason}\n  They run: {place or 'NOWHERE that run.py knows of, which is a failure'}")
        print(*(f"  {test}" for test in tests), sep="\n")
    print("\n==== summary ====", *(outcome.line() for outcome in outcomes), sep="\n")
    failed = sum(outcome.failed for outcome in outcomes) + lost
    print(f"{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed, {len(skips)} skipped", flush=True)
    return failed


# What may be asked for, in one word, and its explanation.
CHOICES = {
    "quick": "no labs and no notebooks",
    "works": "every work of the tables, on both Linuxes",
    "browser": "the learner's edition in JupyterLab, as a learner clicks and types",
    "all": "the slow tests too",
    "soak": "long runs that look for leaks",
    "image": "the image, built by a Docker engine of its own, and labs in containers of each kind",
}
# And what may be followed by another word.
FURTHER = {
    "fresh": (["trixie", "sid"], "the two commands on a minimal Debian like this one, or of that release"),
    "kernels": (["smoke"], "IPVS on other kernels in QEMU; `--kernels smoke` is a short run on one"),
}


def choose() -> str:
    """Read the command line: one of CHOICES, FURTHER or the words after those, or nothing for the usual run."""
    parser = argparse.ArgumentParser(prog="lab test", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    for name, words in CHOICES.items():
        which.add_argument(f"--{name}", action="store_const", dest="tests", const=name, help=words)
    for name, (more, words) in FURTHER.items():
        options = {"nargs": "?", "dest": "tests", "const": name, "choices": [name, *more], "metavar": "|".join(more)}
        which.add_argument(f"--{name}", help=words, **options)  # type: ignore[arg-type]
    return parser.parse_args().tests or ""


if __name__ == "__main__":
    os.environ["LABKIT_TESTS"] = choose()
    sys.exit(bool(report([run_step(title, step) for title, step in steps(os.environ["LABKIT_TESTS"]).items()])))
