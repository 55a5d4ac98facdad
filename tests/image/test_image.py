"""The image of binder/Dockerfile on a real engine: every lab opens in it, and the work of others is graded, unprivileged."""

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import WORKS
from works import right

from tests.lab.test_grading import report

from .engine import IMAGE, Engine

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
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that has built the image."""
    for program, package in (("dockerd", "docker.io"), ("debootstrap", "debootstrap")):
        if not shutil.which(program):
            pytest.fail(f"{program} is not installed: apt-get install {package}")
    if os.geteuid() != 0:
        pytest.fail("an engine is started by root: sudo ./lab test --image")
    engine = Engine(tmp_path_factory.mktemp("engine"))
    try:
        engine.build()
        yield engine
    finally:
        engine.close()


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


@pytest.fixture(params=SETTINGS)
def run(request: pytest.FixtureRequest, engine: Engine, works: Path) -> Iterator[object]:
    """Runs a shell command in a new container of each kind, and returns what it printed."""

    def run(command: str) -> str:
        options = ["--rm", "--network", "none", "-v", f"{works}:/works:ro", *SETTINGS[request.param]]
        return engine.docker("run", *options, IMAGE, "sh", "-c", command).stdout

    yield run


def test_course_in_a_container(run: object) -> None:
    """There Landlock carries every lab; a right work has all its points; it is graded beside hostile ones, which harm nothing."""
    assert callable(run)
    found = json.loads(run("labkit doctor --json"))
    assert (set(found["chosen"].values()), found["others"], found["missing"]) == ({LANDLOCK}, LANDLOCK, [])
    verdicts = json.loads(run("labkit check --work /works/right --json"))
    assert (verdicts["points"], verdicts["of"]) == (94, 94), verdicts
    table = run("labkit grade /works/*.html --csv /tmp/table.csv >&2; cat /tmp/table.csv")
    grades = {row["file"]: row for row in csv.DictReader(table.lstrip("\ufeff").splitlines())}
    print(table)
    assert grades["right-report.html"]["points measured"] == "94", table
    assert all(row["state"] == "measured" for row in grades.values()), table
