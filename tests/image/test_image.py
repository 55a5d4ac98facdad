"""The image of binder/Dockerfile on a real engine: every lab opens in it, and the work of others is graded, unprivileged."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile import WORKS
from works import right

from labkit.errors import wait_until
from tests.lab.test_grading import report

from .engine import IMAGE, TOP, Engine

# Each way to start a container, as an ordinary user; Docker's own seccomp filter and 64 MiB of /dev/shm are on in all of them.
LOCKED = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp:exec,mode=1777")
SETTINGS = {
    "default": (),
    "no privilege, read-only": LOCKED,
    "any user, of group 0": ("--user", "12345:0"),
    "2 GB, 256 processes": ("--memory", "2g", "--pids-limit", "256"),
}
LANDLOCK = "Landlock + User-Mode Linux"


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a right work, `right`, and reports on it and on two hostile ones, for every user to read."""
    folder = tmp_path_factory.mktemp("works")
    right("right", 1).write(folder / "right")
    report(folder, "right-report")
    for name in ("mount-hostfs", "kill-the-agent"):
        report(folder, name, task1=next(work for work in WORKS if work.name == name).script)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@dataclass
class Container:
    """Runs each shell command in a new container of one kind."""

    engine: Engine
    options: tuple[str, ...]
    works: Path

    def run(self, command: str) -> str:
        """What the command prints; it ends well."""
        mounts = ["-v", f"{self.works}:/works:ro", "-v", f"{TOP}/notebooks:/opt/labkit/notebooks:ro"]
        return self.engine.docker("run", "--rm", "--network", "none", *mounts, *self.options, IMAGE, "sh", "-c", command).stdout


@pytest.fixture(scope="module", params=SETTINGS)
def container(request: pytest.FixtureRequest, engine: Engine, works: Path) -> Container:
    """A container of each kind."""
    return Container(engine, SETTINGS[request.param], works)


def test_image_is_small_and_has_no_compiler(engine: Engine) -> None:
    """It has at most 1.1 GB, no compiler, no package of the tests', no pip, and nothing that is there twice."""
    size = int(engine.docker("image", "inspect", "-f", "{{.Size}}", IMAGE).stdout)
    print(f"{size / 1e9:.2f} GB")
    assert size <= 1.1e9
    solutions = "find / -xdev -name '*solution*' -not -path '*/site-packages/nbgrader/*' | head"
    look = f"command -v gcc cc ld pip playwright ruff pytest; {solutions}"
    assert engine.docker("run", "--rm", "--network", "none", IMAGE, "sh", "-c", look, check=False).stdout == ""


def test_health_check_says_why(engine: Engine) -> None:
    """Docker calls a container healthy once JupyterLab answers, and where it does not says what was tried."""
    name = engine.docker("run", "-d", "--network", "none", "--health-interval", "2s", IMAGE).stdout.strip()
    try:
        wait_until(
            lambda: engine.docker("inspect", "-f", "{{.State.Health.Status}}", name).stdout.strip() == "healthy",
            reason="the container to be healthy", timeout=180, interval=1,
        )  # fmt: skip
        said = engine.docker("exec", "-e", "JUPYTER_PORT=9", name, "course-health", check=False)
        assert said.returncode == 1 and "does not answer at http://127.0.0.1:9/api" in said.stdout
        assert "Couldn't connect" in said.stderr + said.stdout
    finally:
        engine.docker("rm", "-f", name)


def test_doctor(container: Container) -> None:
    """Landlock carries the labs of every task and those for the work of others; nothing is missing."""
    found = json.loads(container.run("labkit doctor --json"))
    assert (set(found["chosen"].values()), found["others"], found["missing"]) == ({LANDLOCK}, LANDLOCK, [])


def test_all_five_notebooks(container: Container) -> None:
    """`labkit report` runs the solved notebooks, all five, and what it writes has 94 points."""
    said = container.run(
        "labkit report --out /tmp/reports >&2 && ls /tmp/reports && labkit check --work /tmp/reports/work --json >/tmp/verdicts; "
        """python3 -c 'import json; print(json.load(open("/tmp/verdicts"))["points"])'"""
    ).split()
    reports = [name for name in said if name[0] in "12345" and name.endswith(".html")]
    assert (len(reports), "submission.html" in said, said[-1]) == (5, True, "94"), said


def test_right_work_is_judged(container: Container) -> None:
    """`labkit check` gives a right work all its points."""
    verdicts = json.loads(container.run("labkit check --work /works/right --json"))
    assert (verdicts["points"], verdicts["of"]) == (94, 94), verdicts


def test_works_of_others_are_graded(container: Container) -> None:
    """`labkit grade` measures a right work and hostile ones beside it, which harm nothing."""
    table = container.run("labkit grade /works/*.html --csv /tmp/table.csv >&2; cat /tmp/table.csv")
    grades = {row["file"]: row for row in csv.DictReader(table.lstrip("\ufeff").splitlines())}
    print(table)
    assert grades["right-report.html"]["points measured"] == "94", table
    assert len(grades) == 3 and all(row["state"] == "measured" for row in grades.values()), table


def test_shell(container: Container) -> None:
    """`labkit shell` reaches an open lab from another process."""
    said = container.run(
        """python3 -c 'from labkit import Lab; import time; Lab("of-a-test", home="/tmp/home").run("true"); time.sleep(300)' & """
        "n=0; until labkit ps | grep -q of-a-test; do n=$((n + 1)); [ $n -lt 60 ] || exit 1; sleep 1; done; "
        "labkit shell of-a-test -c 'id -u; hostname'"
    )
    assert said.split()[:1] == ["0"], said
