"""Faults of backends, on both Linuxes: what a client sees, and that healing leaves nothing."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from labkit.errors import ServiceError
from labkit.inside import http_client
from labkit.lab import Lab
from labkit.measure.traffic import traffic
from labkit.services.faults import Faults
from labkit.services.http_server import BackendPool

from .helpers import LabFactory, eventually, mentioning, opened, pids

FIRST, SECOND = "http://127.0.0.1:8081", "http://127.0.0.1:8082"
# Each way to make a fault, its word, and the error that a client sees (None: it is answered).
FAULTS = [
    pytest.param("stop", {}, "stopped", "refused", id="stopped"),
    pytest.param("freeze", {}, "frozen", "timeout", id="frozen"),
    pytest.param("unplug", {}, "unplugged", "timeout", id="unplugged"),
    pytest.param("slow", {"ms": 400}, "slow", None, id="slow"),
    pytest.param("flaky", {"share": 1}, "flaky", "http 500", id="flaky"),
]


@pytest.fixture(scope="module")
def lab(linux: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that can drop packets and has task 1, so that its commands would be kept."""
    with opened(linux, tmp_path_factory.mktemp("home"), needs={"drop"}, task=1) as lab:
        yield lab


@pytest.fixture
def faults(pool: BackendPool) -> Iterator[Faults]:
    """The faults of the pool, which is well before and after the test."""
    faults = Faults(pool)
    faults.heal_all()
    yield faults
    faults.heal_all()


def errors(lab: Lab, url: str, count: int = 2) -> list[Any]:
    """What went wrong with each of some requests."""
    found: list[Any] = traffic(lab, url, count, timeout=1.5)["error"].tolist()
    return found


@pytest.mark.parametrize(("method", "options", "word", "error"), FAULTS)
def test_client_sees_the_fault_until_it_is_healed(
    lab: Lab, faults: Faults, method: str, options: dict[str, Any], word: str, error: str | None
) -> None:
    """One backend has the fault, the other has not; after healing both answer, and nothing of the fault is there.

    Whatever ails a server, stop() ends it (refused, not timed out) and start() gives a well one.
    """
    server = faults.pool["backend2"]
    for heal in (lambda: faults.heal("backend2"), server.start):
        getattr(faults, method)("backend2", **options)
        assert faults.state == {"backend1": "well", "backend2": word} and server.alive == (word != "stopped")
        if heal == server.start:
            server.stop()
            assert (server.alive, server.state, errors(lab, SECOND, 1)) == (False, "stopped", ["refused"])
        else:
            assert errors(lab, SECOND) == [error, error] and errors(lab, FIRST) == [None, None]
        heal()
        assert faults.state == {"backend1": "well", "backend2": "well"} and server.alive
        assert errors(lab, SECOND) == [None, None]
    assert pids(lab, "stand_in.py") == []
    assert "labkit_drop" not in str(lab.run("nft list tables", check=False))
    assert "netem" not in lab.run("tc qdisc show dev lo").stdout


def test_delay_and_share_are_as_asked_for(lab: Lab, faults: Faults) -> None:
    """Not one answer comes sooner than the delay, and the page is the server's own; of eight requests to a backend that is flaky
    to a quarter, two get 500."""
    faults.slow("backend2", ms=400)
    table = traffic(lab, SECOND, 3)
    assert (table["ms"] >= 400).all() and table["backend"].tolist() == ["backend2"] * 3
    faults.flaky("backend2", share=0.25)
    assert traffic(lab, SECOND, 8)["status"].value_counts().to_dict() == {200: 6, 500: 2}


def test_nobody_is_refused_while_a_slow_server_comes_and_goes(lab: Lab, faults: Faults) -> None:
    """Under traffic, the change to a slow server and back loses no request: it takes the listening socket over."""
    rows: list[tuple[Any, ...]] = []
    stream = lab.stream(http_client.requests, 60, [("127.0.0.1", 8082)], "/", 100_000, 1, 30.0, 0.01, False)

    def some_more() -> None:
        until = len(rows) + 20
        while len(rows) < until:
            rows.extend(next(stream))

    try:
        some_more()
        faults.slow("backend2", ms=20)
        some_more()
        faults.heal("backend2")
        some_more()
    finally:
        stream.close()  # type: ignore[attr-defined]
    assert pd.Series([row[4] for row in rows]).value_counts().to_dict() == {}


@pytest.mark.parametrize("leave", ["heal", "stop", "pool"])
def test_firewall_that_somebody_flushed(lab: Lab, pool: BackendPool, faults: Faults, leave: str) -> None:
    """Where the learner has taken the rules away by hand, healing and stopping still work, and the next fault too."""
    faults.unplug("backend1")
    lab.run("nft flush ruleset 2>/dev/null; tc qdisc del dev lo root 2>/dev/null", check=False)
    if leave == "heal":
        faults.heal("backend1")
        assert errors(lab, FIRST) == [None, None]
    else:
        (pool["backend1"] if leave == "stop" else pool).stop()
        assert errors(lab, FIRST) == ["refused", "refused"]
    faults.heal_all()
    faults.unplug("backend1")
    assert faults.state == {"backend1": "unplugged", "backend2": "well"}


def test_two_backends_are_unplugged_and_healed_apart(lab: Lab, faults: Faults) -> None:
    """Both can be unplugged; healing one leaves the other as it is."""
    faults.unplug("backend1")
    faults.unplug("backend2")
    assert errors(lab, FIRST, 1) + errors(lab, SECOND, 1) == ["timeout", "timeout"]
    faults.heal("backend1")
    assert errors(lab, FIRST, 1) + errors(lab, SECOND, 1) == [None, "timeout"]


def test_server_that_is_killed_while_slow_is_gone(lab: Lab, faults: Faults, pool: BackendPool) -> None:
    """The one that stands in for it does not outlive it; healing starts it anew."""
    faults.slow("backend2", ms=10)
    lab.run(f"kill -9 {pool['backend2'].pid}")
    eventually(lambda: errors(lab, SECOND, 1) == ["refused"], "the end of both")
    assert faults.state["backend2"] == "stopped"
    faults.heal("backend2")
    assert errors(lab, SECOND) == [None, None]


def test_faults_are_shown_and_never_kept(lab: Lab, faults: Faults, capsys: pytest.CaptureFixture[str]) -> None:
    """Every fault heals the one before it and shows its native commands; the script of the lab's task stays as it was."""
    before = (lab.home / "task1.sh").read_text()
    for method, _, word, _ in [*(fault.values for fault in FAULTS), ("heal", {}, "well", None)]:
        getattr(faults, method)("backend2")
        assert capsys.readouterr().out.startswith("$ ") and faults.state["backend2"] == word, method
    faults.flaky("backend2", share=1)
    assert errors(lab, SECOND) == ["http 500"] * 2
    assert (lab.home / "task1.sh").read_text() == before


@pytest.mark.parametrize(("method", "made"), [("freeze", "timeout"), ("unplug", "timeout"), ("flaky", "http 500")])
def test_shown_commands_do_the_same(lab: Lab, faults: Faults, capsys: pytest.CaptureFixture[str], method: str, made: str) -> None:
    """The commands that make and heal a fault, typed by hand, make and heal it."""
    capsys.readouterr()
    getattr(faults, method)("backend2", **({"share": 1} if method == "flaky" else {}))
    make = [line[2:] for line in capsys.readouterr().out.splitlines()]
    faults.heal("backend2")
    undo = [line[2:] for line in capsys.readouterr().out.splitlines()]
    lab.run("\n".join(make))
    eventually(lambda: errors(lab, SECOND, 1) == [made], "the fault")
    lab.run("\n".join(undo))
    eventually(lambda: errors(lab, SECOND, 1) == [None], "its end")


def test_lab_closes_with_a_frozen_server(own_lab: LabFactory, linux: str) -> None:
    """A lab whose servers are frozen and slow closes like any other: no process of it is left. A pool that was never started
    cannot be healed."""
    lab = own_lab(linux, needs={"drop"})
    faults = Faults(BackendPool(lab))
    with pytest.raises(ServiceError, match=r"pool\.start"):
        faults.heal("backend1")
    faults.pool.start()
    faults.freeze("backend1")
    faults.slow("backend2", ms=60_000)
    assert mentioning(lab.folder.path.name)
    lab.close()
    eventually(lambda: not mentioning(lab.folder.path.name), "the end of everything in the lab")


def test_linux_without_the_means_says_so(lab: Lab, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither nft nor tc works, unplugging names both programs' words and the way out; the server stays well."""
    nothing = ["lk-no-such-program add"], ["true"]
    monkeypatch.setattr("labkit.services.faults.nft_commands", lambda *_: nothing)
    monkeypatch.setattr("labkit.services.faults.netem_commands", lambda *_: nothing)
    with pytest.raises(ServiceError, match="cannot be dropped in this lab"):
        faults.unplug("backend2")
    assert faults.state["backend2"] == "well" and errors(lab, SECOND, 1) == [None]
