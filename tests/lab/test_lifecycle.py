"""Labs open, close, and do not meet."""

import contextlib
import gc
import socket
import threading
from pathlib import Path

import psutil
import pytest

from labkit.door import place
from labkit.errors import LabClosed
from labkit.lab import Lab
from labkit.services.http_server import BackendPool

from .helpers import CANDIDATES, LabFactory, consoles, eventually, interfaces, opened, remove_consoles, running

pytestmark = pytest.mark.lab


def test_lab_is_a_context_manager(tmp_path: Path, linux: str) -> None:
    """After the `with` the lab is closed, its folder is gone, and its home stays."""
    with opened(linux, tmp_path / "home") as lab:
        lab.write("~/kept", "mine")
        assert (lab.closed, lab.folder.path.exists()) == (False, True)
    assert (lab.closed, lab.folder.path.exists()) == (True, False)
    assert (tmp_path / "home" / "kept").read_text() == "mine"


def test_closed_lab_says_so(own_lab: LabFactory) -> None:
    """Every use of a closed lab is LabClosed with the way out; closing it again does nothing."""
    lab = own_lab("host")
    lab.close()
    lab.close()
    for use in (lambda: lab.run("true"), lambda: lab.start("true"), lambda: lab.read("~/x"), lab.__enter__):
        with pytest.raises(LabClosed, match="own is closed") as caught:
            use()
        assert "open it again" in caught.value.way_out
    assert repr(lab) == "<Lab own: closed>"


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_closed_lab_leaves_nothing(own_lab: LabFactory, candidate: str) -> None:
    """Of a closed lab no process, interface, thread, file descriptor, folder or socket is left."""
    own_lab("host").close()  # what is made once and kept, is made now
    gc.collect()
    this, network = psutil.Process(), interfaces()
    before = (this.num_fds(), threading.active_count(), this.children(recursive=True))
    lab = own_lab(candidate)
    lab.start("sleep 1000")
    family = [process for process in this.children(recursive=True) if process not in before[2]]
    assert family
    lab.close()
    gc.collect()
    assert running(family) == []
    eventually(lambda: threading.active_count() <= before[1], "the end of its threads")
    assert (this.num_fds(), interfaces(), lab.folder.path.exists()) == (before[0], network, False)
    left = consoles(family)
    remove_consoles(left)
    assert left == []


def test_lab_can_be_closed_while_it_opens(own_lab: LabFactory, linux: str) -> None:
    """Closing a lab that nobody has used yet waits for it and leaves nothing."""
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


@pytest.mark.parametrize(("candidate", "name"), [("host", "x" * 40), ("uml", "a.b-c_d"), ("landlock", "лаба")])
def test_name_and_home_may_be_of_any_script(own_lab: LabFactory, tmp_path: Path, candidate: str, name: str) -> None:
    """A lab's name in any script, and a home with blanks and quotes in its path, work on every candidate."""
    lab = own_lab(candidate, name=name, home=tmp_path / "до м's $x")
    lab.run("echo да > ~/файл")
    assert (lab.home / "файл").read_text() == "да\n"


def test_lab_of_the_same_name_takes_the_place_of_the_older(own_lab: LabFactory, tmp_path: Path, linux: str) -> None:
    """The magics use the lab that was opened last, and one of its name that was opened before ends, used or opening; not one that
    is not the magics'."""
    names = [("same", True), ("other", True), ("other", True), ("same", False), ("same", True), ("other", False)]
    labs = [own_lab(linux, name=n, home=tmp_path / n, wait=n == "same" and now, current=now) for n, now in names]
    assert [lab.closed for lab in labs] == [True, True, False, False, False, False]
    assert Lab.current is labs[4]
    assert not any(lab.folder.path.exists() or lab.door.name in place.doors() for lab in labs[:2])
