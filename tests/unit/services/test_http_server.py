"""The pool's pages, commands and addresses."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.errors import PortTaken, ServiceError
from labkit.services.http_server import ASSIGNMENT, Backend, BackendPool, BackendServer


class FakeProcess:
    """A process that ended at once, or runs until it is stopped."""

    pid, log = 42, "OSError: [Errno 98] Address already in use\n"

    def __init__(self) -> None:
        self.alive = True

    def stop(self) -> int:
        self.alive = False
        return 1


@pytest.fixture
def lab(fake_lab: Any) -> Any:
    """A lab whose processes are noted in `started`."""
    fake_lab.started = []

    def start(command: str, **_options: Any) -> FakeProcess:
        fake_lab.started.append((command, process := FakeProcess()))
        return process

    fake_lab.start = start
    fake_lab.task = 1
    fake_lab.answers |= {"wait_for_listener": "listening", "listeners": []}
    return fake_lab


def test_assignment_is_exact() -> None:
    """Names, ports and pages are those of requirements 1.1 to 1.3."""
    assert [(backend.name, backend.port, backend.page) for backend in ASSIGNMENT] == [
        ("backend1", 8081, "<h1>Response from Backend Server 1</h1>"),
        ("backend2", 8082, "<h2>*** Response from Backend Server 2 ***</h2>"),
    ]


def test_command_is_what_one_types() -> None:
    """Python's own server over the folder in ~, bound where the backend says."""
    assert Backend("backend1", 8081, "x").command_for("~/backend1") == "python3 -m http.server 8081 -d ~/backend1"
    assert Backend("b", 80, "x", "127.0.0.2").command_for("~/b") == "python3 -m http.server 80 -b 127.0.0.2 -d ~/b"


def test_server_that_was_found_is_stopped_by_its_words(lab: Any) -> None:
    """What pkill searches for is readable: only the letters that mean something else in it are escaped."""
    server = BackendServer(lab, ASSIGNMENT[0])
    words = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "8082", "-d", "a+b[1]"]
    server._found = SimpleNamespace(arguments=words)  # type: ignore[assignment]
    assert server.pattern == r"[p]ython3 -m http.server --bind 127.0.0.1 8082 -d a\+b\[1\]"
    assert re.search(server.pattern, " ".join(words))


def test_address_is_where_to_ask() -> None:
    """A backend on all addresses is asked on the loopback one."""
    assert Backend("b", 8081, "x").address == "127.0.0.1:8081"
    assert Backend("b", 8081, "x", "127.0.0.2").address == "127.0.0.2:8081"


def test_same_port_on_two_addresses_is_no_conflict(lab: Any) -> None:
    """127.0.0.2:8081 and 127.0.0.3:8081 are two places."""
    assert len(list(BackendPool.at(lab, "127.0.0.2:8081", "127.0.0.3:8081"))) == 2


def test_start_writes_the_pages_and_shows_the_commands(lab: Any) -> None:
    """Each page is a file of the home; what was done is in the transcript."""
    BackendPool(lab).start()
    assert lab.written["~/backend2/index.html"] == "<h2>*** Response from Backend Server 2 ***</h2>\n"
    assert lab.transcript == [
        "mkdir -p ~/backend1", "python3 -m http.server 8081 -d ~/backend1 &",
        "mkdir -p ~/backend2", "python3 -m http.server 8082 -d ~/backend2 &",
    ]  # fmt: skip


def test_failed_server_stops_those_started_before(lab: Any) -> None:
    """When the second server finds its port taken, neither is left running."""
    states = iter(["listening", "ended"])
    lab.answers["wait_for_listener"] = lambda *_args: next(states)
    with pytest.raises(PortTaken):
        BackendPool(lab).start()
    assert [process.alive for _, process in lab.started] == [False, False]


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), RuntimeError("x")])
def test_interrupted_start_leaves_nothing(lab: Any, problem: BaseException) -> None:
    """A start that is interrupted while it waits for the listener stops the process that it had started."""

    def interrupt(*_args: object) -> None:
        raise problem

    lab.answers["wait_for_listener"] = interrupt
    with pytest.raises(type(problem)):
        BackendPool(lab).start()
    assert [process.alive for _, process in lab.started] == [False]


def test_server_that_never_listens_is_an_error(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that lives but does not listen is stopped, and the port is named."""
    lab.answers["wait_for_listener"] = "timeout"
    monkeypatch.setattr(FakeProcess, "log", "")
    server = BackendServer(lab, Backend("b", 8099, "x"))
    with pytest.raises(ServiceError, match="no listener on port 8099: timeout"):
        server.start()
    assert not server.alive


def test_starting_twice_says_so_and_changes_nothing(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A running server is not started again, and nothing is recorded twice."""
    pool = BackendPool(lab)
    pool.start()
    before = list(lab.transcript)
    pool["backend1"].start()
    pool.start()
    assert (len(lab.started), lab.transcript) == (2, before)
    assert capsys.readouterr().out.count("backend1 already runs (pid 42), and is left as it is.") == 2


def test_stopping_what_does_not_run_does_nothing(lab: Any) -> None:
    """A pool that was never started can be stopped; its pid is not known."""
    pool = BackendPool(lab)
    pool.stop()
    assert lab.transcript == []
    with pytest.raises(ServiceError, match="does not run"):
        _ = pool["backend1"].pid


def test_lab_that_is_closed_is_left_alone(lab: Any) -> None:
    """Leaving the `with` after the lab was closed tries nothing in it."""
    with BackendPool(lab):
        lab.closed = True
    assert [process.alive for _, process in lab.started] == [True, True]
