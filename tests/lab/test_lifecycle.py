"""Labs open, close, and do not meet; when the notebook's process ends in any way, nothing of its lab stays."""

import contextlib
import gc
import signal
import socket
import threading
from pathlib import Path

import psutil
import pytest

from labkit.door import place
from labkit.errors import LabClosed
from labkit.lab import Lab
from labkit.machine.temporary import own_folder
from labkit.services.http_server import BackendPool

from .helpers import CANDIDATES, ON_ONE, LabFactory, consoles_left, eventually, interfaces, mentioning, python, running


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_closed_lab_leaves_nothing(own_lab: LabFactory, candidate: str) -> None:
    """After the `with` no process, interface, thread, file descriptor, folder or socket of the lab is left, and its home stays.

    Every further use is LabClosed with the way out; closing it again does nothing.
    """
    own_lab("host").close()  # what is made once and kept, is made now
    gc.collect()
    this, network = psutil.Process(), interfaces()
    before = (this.num_fds(), threading.active_count(), this.children(recursive=True))
    with own_lab(candidate) as lab:
        lab.write("~/kept", "mine")
        lab.start("sleep 1000")
        family = [process for process in this.children(recursive=True) if process not in before[2]]
        assert family and (lab.closed, lab.folder.path.exists()) == (False, True)
    gc.collect()
    assert running(family) == []
    eventually(lambda: threading.active_count() <= before[1], "the end of its threads")
    assert (this.num_fds(), interfaces(), lab.folder.path.exists()) == (before[0], network, False)
    assert consoles_left(family) == [] and (lab.home / "kept").read_text() == "mine"
    lab.close()
    for use in (lambda: lab.run("true"), lambda: lab.start("true"), lambda: lab.read("~/x"), lab.__enter__):
        with pytest.raises(LabClosed, match="own is closed") as caught:
            use()
        assert "open it again" in caught.value.way_out
    assert repr(lab) == "<Lab own: closed>"


def test_lab_can_be_closed_while_it_opens(own_lab: LabFactory, linux: str) -> None:
    """Closing a lab that nobody has used yet waits for it and leaves nothing."""
    own_folder()  # what is made once and kept, is made now
    before = psutil.Process().children(recursive=True)
    lab = own_lab(linux, wait=False)
    assert repr(lab) in ("<Lab own: opening>", f"<Lab own: {CANDIDATES[linux].title}>")
    lab.close()
    assert running([process for process in psutil.Process().children(recursive=True) if process not in before]) == []
    assert not lab.folder.path.exists()


def test_close_ends_a_command_of_another_thread(own_lab: LabFactory, linux: str) -> None:
    """A command that another thread waits for ends with LabClosed."""
    lab = own_lab(linux)
    caught: list[BaseException] = []
    on = threading.Event()

    def work() -> None:
        try:
            lab.run("echo on; exec sleep 1000", timeout=1000, on_output=lambda _text: on.set())
        except BaseException as error:
            caught.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert on.wait(60)
    lab.close()
    worker.join(60)
    assert [type(error) for error in caught] == [LabClosed]


def test_two_labs_do_not_meet(own_lab: LabFactory, linux: str, tmp_path: Path) -> None:
    """The same ports in two labs are two machines' ports, and their homes, /tmp and processes are apart."""
    labs = [own_lab(linux, home=tmp_path / name, name=name) for name in ("one", "two")]
    for lab in labs:
        BackendPool.at(lab, "127.0.0.1:8081").start()
        lab.write("~/backend1/index.html", f"{lab.name}\n")
        lab.run("touch /tmp/mine")
    labs[0].run("touch /tmp/first ~/first; pkill -f http.server")
    assert labs[1].run("curl -s http://127.0.0.1:8081").stdout == "two\n"
    assert labs[1].run("ls /tmp; ls ~").stdout.split() == ["mine", "backend1"]
    assert labs[0].run("curl -s http://127.0.0.1:8081", check=False).code == 7


def test_ports_taken_on_the_host_change_nothing(own_lab: LabFactory, linux: str) -> None:
    """With 53, 80, 8081, 8082 and 8888 in use on the host, a lab has them all."""
    with contextlib.ExitStack() as stack:
        for port in (53, 80, 8081, 8082, 8888):
            with contextlib.suppress(OSError):  # in use already, or not for this user: taken is taken
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        lab = own_lab(linux)
        BackendPool(lab).start()
        listen = "import socket; [socket.create_server(('127.0.0.1', port)) for port in (53, 80, 8888)]"
        assert lab.run(["python3", "-c", listen]).code == 0
        assert "Backend Server 2" in lab.run("curl -s http://127.0.0.1:8082").stdout


def test_lab_of_the_same_name_takes_the_place_of_the_older(own_lab: LabFactory, tmp_path: Path, linux: str) -> None:
    """The magics use the lab that was opened last, and one of its name that was opened before ends, used or opening; not one that
    is not the magics'."""
    names = [("same", True), ("other", True), ("other", True), ("same", False), ("same", True), ("other", False)]
    labs = [own_lab(linux, name=n, home=tmp_path / n, wait=n == "same" and now, current=now) for n, now in names]
    assert [lab.closed for lab in labs] == [True, True, False, False, False, False]
    assert Lab.current is labs[4]
    assert not any(lab.folder.path.exists() or lab.door.name in place.doors() for lab in labs[:2])


SCRIPT = f"""{ON_ONE}
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


# How the process ends, by candidate: while it works in its lab, and while the lab opens, before it was ever used.
ENDS = [(name, "opened", end) for name in CANDIDATES for end in (signal.SIGKILL, "exit")]
ENDS += [(name, "opening", signal.SIGKILL) for name in CANDIDATES]
ENDS += [("host", "opened", signal.SIGTERM), ("host", "opening", "exit"), ("landlock", "opening", "exit")]


@pytest.mark.parametrize(("candidate", "when", "end"), ENDS)
def test_ended_process_leaves_nothing(tmp_path: Path, candidate: str, when: str, end: signal.Signals | str) -> None:
    """kill -9, kill and an ordinary end of the process that opened a lab leave no process, interface, mount or socket."""
    network, shared = interfaces(), set(Path("/dev/shm").glob("labkit-*"))
    with python(SCRIPT, candidate, str(tmp_path / "home"), when) as child:
        assert child.stdin and child.stdout
        folder = Path(child.stdout.readline().strip())
        family = psutil.Process(child.pid).children(recursive=True)
        assert when == "opening" or (folder.is_dir() and family and mentioning(folder.name)), "the lab did not open"
        if end == "exit":
            child.stdin.close()
        else:
            child.send_signal(end)
    assert end != "exit" or child.returncode == 0
    eventually(lambda: not running(family), f"the end of {family}")
    eventually(lambda: not mentioning(folder.name), "the end of what names the lab's folder")
    assert interfaces() == network
    assert folder.name not in Path("/proc/self/mounts").read_text()
    eventually(lambda: not folder.parent.exists(), "the end of the process's temporary folder")
    eventually(lambda: set(Path("/dev/shm").glob("labkit-*")) <= shared, "the end of the folder for the guest's memory")
    assert consoles_left(family) == []


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
