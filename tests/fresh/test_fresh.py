"""The README's two commands on a fresh machine, as an ordinary user with sudo and as root."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from .machine import FreshMachine, make_debian

# What a user waits for at the most, on a busy machine, seconds.
REPORT, TEST = 1800.0, 5400.0
# By the name of a run: Debian 13 has Python 3.13 and nginx 1.26, unstable what comes after it.
RELEASES = {"own": "", "trixie": "trixie", "sid": "sid"}


@pytest.fixture(scope="module", params=RELEASES)
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minimal Debian."""
    if not shutil.which("debootstrap"):
        pytest.fail("debootstrap is not installed: apt-get install debootstrap")
    if os.geteuid() != 0:
        pytest.fail("a fresh machine is made by root: sudo ./lab test --fresh")
    folder = tmp_path_factory.mktemp("fresh") / "debian"
    make_debian(folder, RELEASES[request.param])
    return folder


@pytest.mark.parametrize("who", ["user with sudo", "root"])
def test_the_two_commands_work(debian: Path, who: str) -> None:
    """`./lab report` installs what is missing and writes five reports and the file to hand in, and `./lab test` passes."""
    machine = FreshMachine(debian, debian.parent / who.replace(" ", "-"), root=who == "root")
    for command, limit in (("./lab report", REPORT), ("./lab test", TEST)):
        began = time.monotonic()
        done = machine.run(command, timeout=limit)
        print(f"\n{command} as {who}: code {done.returncode} after {time.monotonic() - began:.0f} s", flush=True)
        assert done.returncode == 0, done.stdout[-3000:]
    assert [path.name.split("_")[0] for path in machine.files("reports/*.html")] == ["1", "2", "3", "4", "5", "submission.html"]
