"""When the notebook's process ends in any way, nothing of its lab stays."""

import signal
from pathlib import Path

import psutil
import pytest

from labkit.errors import LabClosed

from .helpers import CANDIDATES, LabFactory, consoles, eventually, interfaces, mentioning, python, remove_consoles, running

pytestmark = pytest.mark.lab

SCRIPT = """
import sys
from labkit.lab import Lab
from labkit.machine import bwrap, choose, uml
kinds = {"uml": "bubblewrap", "landlock": "Landlock", "bare": ""}
chosen = bwrap.HostLinux() if sys.argv[1] == "host" else uml.UmlLinux(kinds[sys.argv[1]])
choose.candidates = lambda: [chosen]
lab = Lab("killed", home=sys.argv[2])
if sys.argv[3] == "opened":
    lab.run("true")
    lab.start("sleep 1000")
    lab.start("setsid sh -c 'trap \\"\\" TERM HUP INT; sleep 1001 & wait'")
print(lab.folder.path, flush=True)
sys.stdin.read()
"""

# The moment at which bubblewrap has made its sandbox and not yet let it run: who is killed then is named by the argument.
BETWEEN = """
import os, signal, sys, threading
from pathlib import Path
from labkit.errors import NoLinux
from labkit.lab import Lab
from labkit.machine import bwrap, choose
told = threading.Event()
def kill(maps, pid):
    told.wait(60)
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent if sys.argv[2] == "bubblewrap" else os.getpid(), signal.SIGKILL)
choose.candidates = lambda: [bwrap.HostLinux()]
bwrap.write_maps = kill
bwrap.START_TIMEOUT = 5.0
choose.READY_TIMEOUT = 5.0
lab = Lab("between", home=sys.argv[1])
print(lab.folder.path, flush=True)
told.set()
try:
    lab.run("true")
except NoLinux:
    print("refused", flush=True)
"""


@pytest.mark.parametrize("killed", ["bubblewrap", "notebook"])
def test_kill_before_the_sandbox_runs_leaves_nothing(tmp_path: Path, killed: str) -> None:
    """kill -9 of bubblewrap or of the notebook's process, just before the sandbox is let run, leaves no process of it."""
    with python(BETWEEN, str(tmp_path / "home"), killed) as child:
        assert child.stdout
        said = child.stdout.read().split()
    eventually(lambda: not mentioning(Path(said[0]).name), "the end of what names the lab's folder")
    eventually(lambda: not Path(said[0]).parent.exists(), "the end of the temporary folder")
    assert said[1:] == (["refused"] if killed == "bubblewrap" else [])


@pytest.mark.parametrize(
    ("candidate", "end"), [*((name, end) for name in CANDIDATES for end in (signal.SIGKILL, "exit")), ("host", signal.SIGTERM)]
)
def test_ended_process_leaves_nothing(tmp_path: Path, candidate: str, end: signal.Signals | str) -> None:
    """kill -9, kill and an ordinary end of the process that opened a lab leave no process, interface, mount or socket."""
    network, shared = interfaces(), set(Path("/dev/shm").glob("labkit-*"))
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
    eventually(lambda: not folder.parent.exists(), "the end of the process's temporary folder")
    eventually(lambda: set(Path("/dev/shm").glob("labkit-*")) <= shared, "the end of the folder for the guest's memory")
    left = consoles(family)
    remove_consoles(left)
    assert left == []


@pytest.mark.parametrize("candidate", ["host", "uml"])
def test_killed_keeper_takes_its_lab_with_it(own_lab: LabFactory, candidate: str) -> None:
    """kill -9 of what should end a lab ends the lab in a view, and closing it leaves nothing."""
    lab = own_lab(candidate)
    keeper = psutil.Process(lab.state[1])
    family = keeper.children(recursive=True)
    keeper.kill()
    with pytest.raises(LabClosed):
        lab.run("sleep 60")
    lab.close()
    eventually(lambda: not running([keeper, *family]), f"the end of {family}")
    assert not lab.folder.path.exists()


@pytest.mark.parametrize(
    ("candidate", "end"), [*((name, signal.SIGKILL) for name in CANDIDATES), ("host", "exit"), ("landlock", "exit")]
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
    eventually(lambda: not folder.parent.exists(), "the end of the process's temporary folder")
    assert end != "exit" or child.returncode == 0
