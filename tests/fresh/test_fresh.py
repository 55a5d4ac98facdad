"""The README's two commands on a fresh machine, as an ordinary user with sudo and as root."""

import os
import shutil
import time
from pathlib import Path

import pytest

from .machine import FreshMachine, make_debian

# What a user waits for at the most, on a busy machine, seconds.
REPORT, TEST = 1800.0, 5400.0
# The release of a run, and who types the commands: Debian 13 has Python 3.13 and nginx 1.26, unstable what comes after.
RUNS = [("own", "user with sudo"), ("own", "root"), ("trixie", "user with sudo"), ("sid", "user with sudo")]


@pytest.fixture(scope="module")
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minimal Debian: of this machine's own release, or of the one that is asked for."""
    if not shutil.which("debootstrap"):
        pytest.fail("debootstrap is not installed: apt-get install debootstrap")
    if os.geteuid() != 0:
        pytest.fail("a fresh machine is made by root: sudo ./lab test --fresh")
    folder = tmp_path_factory.mktemp("fresh") / "debian"
    make_debian(folder, "" if request.param == "own" else request.param)
    return folder


@pytest.mark.parametrize(("debian", "who"), RUNS, indirect=["debian"])
def test_the_two_commands_work(debian: Path, who: str) -> None:
    """`./lab report` installs what is missing and writes five reports and the file to hand in, and `./lab test` passes."""
    machine = FreshMachine(debian, debian.parent / who.replace(" ", "-"), root=who == "root")
    codes = {}
    for command, limit in (("./lab report", REPORT), ("./lab test", TEST)):
        began = time.monotonic()
        codes[command] = machine.run(command, timeout=limit).returncode
        print(f"\n{command} as {who}: code {codes[command]} after {time.monotonic() - began:.0f} s", flush=True)
    assert set(codes.values()) == {0}, codes
    assert [path.name.split("_")[0] for path in machine.files("reports/*.html")] == ["1", "2", "3", "4", "5", "submission.html"]
