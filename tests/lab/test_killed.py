"""When the notebook's process ends in any way, nothing of its lab stays."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import psutil
import pytest

from .helpers import CANDIDATES, consoles, eventually, interfaces, mentioning, python, remove_consoles, running

pytestmark = pytest.mark.lab

SCRIPT = """
import sys
from labkit.lab import Lab
from labkit.machine import bare, choose, host, uml
kinds = {"host": host.HostLinux, "uml": uml.UmlLinux, "bare": bare.BareUmlLinux}
choose.candidates = lambda: [kinds[sys.argv[1]]()]
lab = Lab("killed", home=sys.argv[2])
if sys.argv[3] == "opened":
    lab.run("true")
    lab.start("sleep 1000")
    lab.start("setsid sh -c 'trap \\"\\" TERM HUP INT; sleep 1001 & wait'")
print(lab.folder.path, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("candidate", "end"), [*((name, end) for name in CANDIDATES for end in (signal.SIGKILL, "exit")), ("host", signal.SIGTERM)]
)
def test_ended_process_leaves_nothing(tmp_path: Path, candidate: str, end: signal.Signals | str) -> None:
    """kill -9, kill and an ordinary end of the process that opened a lab leave no process, interface, mount or socket."""
    network = interfaces()
    with python(SCRIPT, candidate, str(tmp_path / "home"), "opened") as child:
        assert child.stdin and child.stdout
        folder = Path(child.stdout.readline().strip())
        assert folder.is_dir(), "the lab did not open"
        family = psutil.Process(child.pid).children(recursive=True)
        assert family
        assert mentioning(folder.name)
        if end == "exit":
            child.stdin.close()
        else:
            child.send_signal(end)
    eventually(lambda: not running(family), f"the end of {family}")
    eventually(lambda: not mentioning(folder.name), "the end of what names the lab's folder")
    assert interfaces() == network
    assert folder.name not in Path("/proc/self/mounts").read_text()
    left = consoles(family)
    remove_consoles(left)
    shutil.rmtree(folder, ignore_errors=True)
    # Alone, linux.uml keeps its console's name in the temporary directory, and nobody is left to delete that.
    assert candidate == "bare" or left == []


@pytest.mark.parametrize(
    ("candidate", "end"), [*((name, signal.SIGKILL) for name in CANDIDATES), ("host", "exit"), ("bare", "exit")]
)
def test_process_that_ends_while_its_lab_opens_leaves_nothing(tmp_path: Path, candidate: str, end: signal.Signals | str) -> None:
    """Ending at once after `Lab(…)`, before the lab was ever used, leaves no process."""
    with python(SCRIPT, candidate, str(tmp_path / "home"), "opening") as child:
        assert child.stdin and child.stdout
        folder = Path(child.stdout.readline().strip())
        if end == "exit":
            child.stdin.close()
        else:
            child.send_signal(end)
    eventually(lambda: not mentioning(folder.name), "the end of what names the lab's folder")
    if end == "exit":
        assert child.returncode == 0
        assert not folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
