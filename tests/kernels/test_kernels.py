"""The course on the kernels that learners have: IPVS on the running kernel, as an ordinary user and as root.

Each kernel is booted once for each user. `./lab test --kernels` runs all, `./lab test --kernels smoke` what a machine without
IPVS skips, and a look at a kernel that learners have.
"""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from fresh.machine import USER, output
from works import RIGHT

from .machine import RELEASES, Kernel, boot, kernel, make_job, system

PYTHON = ".venv/bin/python"
# What every machine without IPVS skips; it is chosen where it is marked, so that none is left out.
MARKER = "ipvs_on_host"
Step = tuple[str, str]
# A step's name and its shell command, in the checkout.
DOCTOR: Step = (
    "doctor",
    f'{PYTHON} -m labkit doctor --json >/tmp/doctor; {PYTHON} -c \'import json; (host,) = json.load(open("/tmp/doctor"))'
    '["candidates"]; missing = [row["what"] for row in host["checks"] if not row["worked"]]; '
    'print(host["words"] or missing or "all there"); raise SystemExit(not host["works"])\'',
)
CHECK: Step = ("check", f"{PYTHON} -m labkit check --work ../work | tee /tmp/said; grep -q '^94 of 94 points' /tmp/said")
# What differs for root is the lab, which doctor and check try whole: root runs the rest on one kernel alone.
ROOT_RUNS_ALL = "6.12"
# Seconds for one boot, with everything; emulated, and beside other work.
TIMEOUT = 3600.0
MARK = "@step"

# By a test's name its steps, and which of them ended with 0.
Boots = dict[str, tuple[list[Step], "Future[list[bool]]"]]


def twice(command: str, again: str = "") -> str:
    """Run pytest, and what failed once more, with the option `again`; that is said, as beside other works (tests/run.py)."""
    return (
        f"{command} >/tmp/tests 2>&1; code=$?; tail -n 40 /tmp/tests; "
        f'if [ $code = 1 ]; then echo "what failed is run once more"; '
        f"{command} {again} >/tmp/again 2>&1; code=$?; tail -n 40 /tmp/again; fi; "
    )


def lab_tests(files: list[str]) -> Step:
    """The tests of these files that a machine without IPVS skips. A skipped one is a failure here: no other run would run it."""
    pytest = f"{PYTHON} -m pytest -o cache_dir=/tmp/cache -q -rs --durations=8 -m {MARKER} {' '.join(files)}"
    return "lab tests", f"{twice(pytest, '--last-failed')} ! grep -q ' skipped' /tmp/tests && exit $code"


def notebook(name: str) -> Step:
    """A notebook as it is in the checkout, in a copy, by nbval, which gives a kernel ten seconds for its first answer."""
    pytest = (
        f"{PYTHON} -m pytest -p no:cacheprovider -q --rootdir=/tmp/notebooks --nbval-lax --nbval-current-env "
        f"--nbval-cell-timeout=600 /tmp/notebooks/{name}.ipynb"
    )
    return f"notebook {name[0]}", f"cp -rn notebooks /tmp && {{ {twice(pytest)} exit $code; }}"


def steps_of(test: str, name: str, who: str, part: int | None = None) -> list[Step]:
    """What is run on the kernel `name` as `who`; of the smoke's lab tests the `part` of two."""
    if "smoke" in test:
        return [DOCTOR] if part is None else [lab_tests(selected()[part::2])]
    if who == "root" and name != ROOT_RUNS_ALL:
        return [DOCTOR, CHECK]
    notebooks = ["3_ipvs", *(["4_nginx", "5_compare"] if name == "uml" else [])]
    return [DOCTOR, CHECK, lab_tests(selected()), *map(notebook, notebooks)]


# What came of every step: kernel, user, step, passed, seconds, the last words.
COLUMNS = ["kernel", "as", "step", "passed", "seconds", "last words"]
Table = list[tuple[str, str, str, bool, float, str]]


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """The table, printed at the end."""
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("debootstrap", "debootstrap")):
        if not shutil.which(program):
            pytest.fail(f"{program} is not installed: apt-get install {package}")
    if os.geteuid() != 0:
        pytest.fail("the guest's Debian is made by root: sudo ./lab test --kernels")
    table: Table = []
    yield table
    shown = pd.DataFrame(table, columns=COLUMNS).sort_values(COLUMNS[:2], kind="stable").round(0)
    print(f"\n{shown.to_string(index=False)}", flush=True)


def script(who: str, steps: list[Step]) -> str:
    """The guest's run.sh: as `who`, each step in the checkout, and a line with its code after it."""
    home = f"/home/{USER}"
    lines = [
        f"cp -a /job/course/. {home}/course/; cp -a /job/work {home}/work; chown -R {USER}: {home}; cd {home}/course",
        "export LABKIT_LINUX=host PYTHONDONTWRITEBYTECODE=1",
    ]
    run = "" if who == "root" else f"setpriv --reuid={USER} --regid={USER} --init-groups env HOME={home} USER={USER} "
    return "\n".join([*lines, *(step_line(run, number, command) for number, (_, command) in enumerate(steps))]) + "\n"


def step_line(run: str, number: int, command: str) -> str:
    """The line of run.sh for a step: the command, by `run`, and below what it said MARK, the step's number and the code."""
    return f"{run}sh -c {shlex.quote(command)} 2>&1; code=$?; echo; echo {MARK} {number} $code"


@cache
def selected() -> list[str]:
    """The files with tests that a machine without IPVS skips; chosen here, because collecting all files takes a guest minutes."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", MARKER, "tests/lab"]
    found = sorted({line.partition("::")[0] for line in output(*command).splitlines() if "::" in line})
    assert found, "no test has the marker"
    return found


def judge(found: Kernel, who: str, steps: list[Step], folder: Path, table: Table) -> list[bool]:
    """Boot a kernel, run the steps as a user, and note each in the table; return which ended with 0."""
    title = f"{found.release} {who}"
    make_job(folder / "job.tar", script(who, steps), RIGHT)
    began, last, done = time.monotonic(), "", []
    for line in boot(found, folder / "job.tar", timeout=TIMEOUT):
        print(f"[{title}] {line}", flush=True)
        if line.startswith(MARK):
            _, number, code = line.split()
            done.append(code == "0")
            table.append((found.release, who, steps[int(number)][0], code == "0", time.monotonic() - began, last))
            began, last = time.monotonic(), ""
        last = line.strip() or last
    return done


@pytest.fixture(scope="module")
def boots(request: pytest.FixtureRequest, table: Table, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boots]:
    """The boots of the chosen tests, as many at once as there are processors here, for a guest has one."""
    system(), selected()
    chosen = [item for item in request.session.items if isinstance(item, pytest.Function)]
    kernels = {name: kernel(name) for name in dict.fromkeys(str(item.callspec.params["name"]) for item in chosen)}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found: Boots = {}
        for item in chosen:
            steps, values = steps_of(item.name, **item.callspec.params), item.callspec.params
            boot = pool.submit(judge, kernels[values["name"]], values["who"], steps, tmp_path_factory.mktemp("job"), table)
            found[item.name] = steps, boot
        yield found


@pytest.mark.parametrize("name", [*RELEASES, "uml"])
@pytest.mark.parametrize("who", [USER, "root"])
def test_course_on_a_kernel(name: str, who: str, boots: Boots, table: Table, request: pytest.FixtureRequest) -> None:
    """On a kernel of Debian's IPVS works on the running kernel as everywhere: a user runs all steps, root on one of them."""
    steps, boot = boots[request.node.name]
    assert boot.result() == [True] * len(steps), table


@pytest.mark.parametrize(("name", "part"), [("6.1", None), ("uml", 0), ("uml", 1)])
@pytest.mark.parametrize("who", [USER])
def test_smoke(name: str, part: int | None, who: str, boots: Boots, table: Table, request: pytest.FixtureRequest) -> None:
    """A user's lab has IPVS on Debian 12's kernel, and every test that a machine without IPVS skips passes on one with it."""
    steps, boot = boots[request.node.name]
    assert boot.result() == [True] * len(steps), table
