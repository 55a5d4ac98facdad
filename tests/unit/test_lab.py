"""The parts of labkit.lab that need no machine, and the life of a lab on one that does nothing."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from labkit import lab as module
from labkit.errors import BadInput, CallFailed, LabClosed, LabError
from labkit.inside import http_client
from labkit.lab import Lab, Result, argv_and_text, close_all
from labkit.machine import choose
from labkit.machine.folder import LabFolder
from labkit.machine.link import finish
from labkit.machine.temporary import Kept


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 41, "a\n", "$(id)"])
def test_bad_name_is_refused(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    """A name that cannot be part of a folder's name is BadInput, and no folder is made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BadInput, match="no name for a lab"):
        Lab(name, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_command_and_result_read_as_at_a_terminal() -> None:
    """A str goes to the shell as it is, a list is run as it is, and shown as one would type it; a result's text is its output,
    stderr last; in a notebook the command stands above, and a code that is not 0 below."""
    typed, words = "echo 'a b' | cat", ["echo", "a b", "$HOME", ""]
    assert argv_and_text(typed) == (["/bin/bash", "-c", typed], typed)
    assert argv_and_text(words) == (words, "echo 'a b' '$HOME' ''")
    said = list[str]()
    for code in (0, 7):
        result = Result("curl x", code, "page\n", "err\n", 0.1)
        result._repr_pretty_(SimpleNamespace(text=said.append), False)
    assert str(result) == "page\nerr\n"
    assert said == ["$ curl x\npage\nerr", "$ curl x\npage\nerr\n(ended with code 7)"]


def test_finish_closes_the_stream_when_an_item_is_refused() -> None:
    """An error of the receiving function (an interrupt, say) closes the stream, which cancels the call."""
    closed = list[bool]()

    def numbers() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    with pytest.raises(ZeroDivisionError):
        finish(numbers(), lambda item: item / 0)
    assert closed == [True]


class Machine:
    """What `choose` returns, as far as these tests need it; its only call fails after an item, when `before` was called."""

    linux = SimpleNamespace(name="none", title="no Linux")

    def __init__(self) -> None:
        self.link, self.before, self.stopped = self, lambda: None, 0

    def stream(self, *_arguments: object) -> Iterator[Any]:
        yield 1
        self.before()
        raise CallFailed("it failed in the lab: Function not implemented", kind="OSError")

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def machines(monkeypatch: Any) -> Iterator[list[Machine]]:
    """Labs get these machines; all are closed after the test."""
    machines: list[Machine] = []

    def open_one(*_arguments: object, **_options: object) -> Machine:
        machines.append(Machine())
        return machines[-1]

    monkeypatch.setattr(module, "choose", open_one)
    monkeypatch.setattr(Lab, "current", None)
    monkeypatch.setattr(Lab, "_all", [])
    yield machines
    close_all()


@pytest.fixture
def lab(machines: Any, tmp_path: Path) -> Lab:
    """An open lab on the first of them."""
    lab = Lab("own", home=tmp_path / "home")
    assert lab.linux
    return lab


@pytest.mark.parametrize("closes", [True, False])
def test_call_that_fails_because_the_lab_closes(lab: Lab, machines: Any, closes: bool) -> None:
    """A program that is being ended may fail in any way; that is not the caller's error. Other errors reach it."""
    stream = lab.stream(http_client.requests, 60, [], "/", 1, 1, 1.0, 1.0, False)
    assert next(stream) == 1
    machines[0].before = lab.close if closes else lambda: None
    error, words = (LabClosed, "is closed") if closes else (CallFailed, "not implemented")
    with pytest.raises(error, match=words):
        next(stream)


def test_two_that_close_at_once_end_it_once(lab: Lab, machines: Any, monkeypatch: Any) -> None:
    """`labkit stop` and the notebook may close the same lab: one of them does, and both see its end."""
    other = threading.Thread(target=lab.close)

    class Slow(Future[None]):
        """Made by whoever closes it first, in the middle of which the other comes."""

        def __init__(self) -> None:
            super().__init__()
            if not other.ident:
                other.start()
                other.join(0.5)

    monkeypatch.setattr(module, "Future", Slow)
    lab.close()
    other.join(30)
    assert machines[0].stopped == 1


def test_one_that_cannot_be_closed(lab: Lab, machines: Any, capsys: Any, monkeypatch: Any) -> None:
    """At the end of the process each lab is closed, and what one of them said is printed."""
    labs = [lab, *(Lab(name, home=lab.home) for name in "ab")]
    assert all(lab.linux for lab in labs)
    monkeypatch.setattr(machines[0], "stop", lambda: 1 / 0)
    close_all()
    assert ([machine.stopped for machine in machines], Lab._all) == ([0, 1, 1], [])
    assert capsys.readouterr().err == "division by zero\n" and all(lab.closed for lab in labs)


def test_interrupt_while_a_lab_is_made(machines: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """The interrupt is raised, and the lab that got no name is closed."""
    made = module.LabFolder.create

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return made(*arguments)

    monkeypatch.setattr(module.LabFolder, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Lab("own", home=tmp_path / "home")
    assert (Lab._all, [machine.stopped for machine in machines]) == ([], [1])


def test_lab_without_a_thread(machines: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Where none can be started, the error has the words of Python, and nothing is left."""

    def no_thread(*_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Lab, "_in_thread", no_thread)
    with pytest.raises(LabError, match="No thread can be started") as caught:
        Lab("own", home=tmp_path / "home")
    assert "new thread" in caught.value.words and caught.value.way_out
    assert (Lab._all, [*tmp_path.glob("labkit-*/own-*")]) == ([], [])


class NeverReady:
    """A Linux that starts and never says that it is ready."""

    name, title = "host", "never ready"

    def __init__(self) -> None:
        self.machines: list[Kept] = []

    def start(self, folder: LabFolder) -> Kept:
        self.machines.append(Kept(["sleep", "1000"], log=folder.path / "log"))
        return self.machines[-1]


def interrupted(lab: Lab) -> None:
    """Use the lab in a `with`, whose wait for the lab is interrupted."""
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.2, signal.pthread_kill, [threading.get_ident(), signal.SIGINT]).start()
        with lab:
            raise AssertionError("it is never ready")


@pytest.mark.parametrize("end", [Lab.close, interrupted])
def test_lab_that_is_closed_does_not_go_on_opening(tmp_path: Path, monkeypatch: Any, end: Any) -> None:
    """Closing it, or an interrupt of a `with`, ends a Linux that boots and tries no other; who waits for it is told."""
    linuxes = [NeverReady(), NeverReady()]
    monkeypatch.setattr(choose, "candidates", lambda: linuxes)
    rescue = threading.Timer(30, lambda: linuxes[0].machines[0].stop())
    rescue.start()  # so that waiting for the boot is a failure
    lab = Lab("own", home=tmp_path / "home", current=False)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lab.run, "true")
        end(lab)
        assert isinstance(waiting.exception(60), LabClosed)
        assert rescue.is_alive(), "it waited for the boot"
    rescue.cancel()
    assert [len(linux.machines) for linux in linuxes] == [1, 0]
    assert not psutil.pid_exists(linuxes[0].machines[0].pid) and not lab.folder.path.exists()
