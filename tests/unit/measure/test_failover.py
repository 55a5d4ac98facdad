"""Failovers: the order of what is done, and what is made of the requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from labkit.compare import Failover, disruption, failover, per_second
from labkit.measure.traffic import frame

PAGE = "<h1>Response from Backend Server 1</h1>"


class SendingLab:
    """A lab whose requests are all answered, one each hundredth of a second, until nobody wants more."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.asked: list[tuple[Any, ...]] = []

    def stream(self, _function: object, _timeout: float, *args: Any) -> Iterator[list[tuple[Any, ...]]]:
        self.asked.append(args)
        self.open.add(args[0])
        try:
            while True:
                time.sleep(0.01)
                yield [(time.time(), f"{args[0]}:80", 200, 1.0, None, PAGE)]
        finally:
            self.open.discard(args[0])

    def call(self, _function: object) -> float:
        return time.time()


SHORT = {"before": 0.05, "broken": 0.05, "after": 0.1, "patience": 0.1}
URLS = {"IPVS": "http://192.168.100.1/", "DNS": "http://name.local/"}


def test_fault_is_made_and_healed_while_all_loads_run() -> None:
    """Both loads are open at the fault and at its healing, and closed in the end; the moments are in their order."""
    lab, seen = SendingLab(), []
    run = failover(lab, URLS, lambda: seen.append(set(lab.open)), lambda: seen.append(set(lab.open)), **SHORT)  # type: ignore[arg-type]
    assert seen == [{"192.168.100.1", "name.local"}] * 2 and lab.open == set()
    assert 0 < run.broken < run.healing <= run.healed < run.requests["start"].max()
    assert list(dict.fromkeys(run.requests["balancer"])) == ["IPVS", "DNS"]
    assert run.requests["start"].min() == 0


def test_a_name_is_asked_by_dns() -> None:
    """Only for a URL with a name the client takes the first record; requests begin evenly, with senders to spare."""
    lab = SendingLab()
    failover(lab, URLS, lambda: None, lambda: None, rate=10, **SHORT)  # type: ignore[arg-type]
    assert sorted((args[0], args[-1]) for args in lab.asked) == [("192.168.100.1", False), ("name.local", True)]
    for *_, senders, timeout, every, _first in lab.asked:
        assert senders / every == pytest.approx(10) and every > timeout


def fails() -> None:
    """What goes wrong."""
    raise ZeroDivisionError


@pytest.mark.parametrize("fault_fails", [True, False])
def test_what_fails_comes_through_and_ends_the_loads(fault_fails: bool) -> None:
    """A fault that cannot be made is not healed; what its healing raises comes through; no load goes on."""
    lab, healed = SendingLab(), []

    def heal() -> None:
        healed.append(True)
        fails()

    with pytest.raises(ZeroDivisionError):
        failover(lab, URLS, fails if fault_fails else lambda: None, heal, **SHORT)  # type: ignore[arg-type]
    assert healed == ([] if fault_fails else [True])
    assert lab.open == set()


def run_of(**balancers: list[tuple[float, float, str | None]]) -> Failover:
    """A failover whose requests are (start, milliseconds, error)."""
    tables = [
        frame([(start, "a:80", None if error else 200, ms, error, "" if error else PAGE) for start, ms, error in rows]).assign(
            balancer=name, start=[start for start, _, _ in rows]
        )
        for name, rows in balancers.items()
    ]
    return Failover(pd.concat(tables, ignore_index=True), 1.0, 2.0, 2.1, 2.0)


RUN = run_of(
    nginx=[(0.1, 3, None), (1.2, 1004, None), (2.3, 3, None)],
    DNS=[(0.0, 2, None), (1.0, 2001, "timeout"), (1.4, 1990, "timeout"), (1.8, 3, None), (2.5, 1, "refused")],
)


def test_seconds_are_counted_by_when_a_request_began() -> None:
    """A row a balancer and second, in the balancers' order; late and failed are their own columns."""
    table = per_second(RUN)
    assert table.columns.tolist() == ["balancer", "second", "backend1", "late", "failed"]
    assert table.to_numpy().tolist() == [
        ["nginx", 0, 1, 0, 0], ["nginx", 1, 0, 1, 0], ["nginx", 2, 1, 0, 0],
        ["DNS", 0, 1, 0, 0], ["DNS", 1, 1, 0, 2], ["DNS", 2, 0, 0, 1],
    ]  # fmt: skip


def test_disruption_is_summed_up_for_each_balancer() -> None:
    """Failed requests, seconds with failures, late answers, the slowest, the tries, and what is left to the client."""
    table = disruption(RUN)
    assert table.index.tolist() == ["nginx", "DNS"]
    assert table.loc["nginx"].tolist() == [3, 0, 0, 1, 1.0, 1, "nothing"]
    assert table.loc["DNS"].tolist() == [5, 3, 2, 0, 0.0, 3, "give up after 2 s, try up to 3 times"]


def test_all_failed_has_no_slowest_answer() -> None:
    """Where nothing was answered there is no time of an answer."""
    table = disruption(run_of(IPVS=[(0.0, 1, "refused"), (0.5, 1, "refused")]))
    assert table["slowest s"].isna().all() and table.loc["IPVS", "tries"] == 3


@pytest.mark.parametrize(
    ("ended", "tries", "duty"),
    [
        (".", 1, "nothing"),
        ("..", 1, "nothing"),
        (".r", 2, "try up to 2 times"),  # who is refused at once needs no clock
        ("rr.r", 3, "try up to 3 times"),
        (".rtr", 4, "give up after 2 s, try up to 4 times"),
    ],
)
def test_tries_are_one_more_than_the_longest_run_of_failures(ended: str, tries: int, duty: str) -> None:
    """Wherever that run is; a request was answered (.), refused (r) or timed out (t)."""
    results = {".": (3.0, None), "r": (1.0, "refused"), "t": (2000.0, "timeout")}
    table = disruption(run_of(DNS=[(n / 10, *results[one]) for n, one in enumerate(ended)]))
    assert table.loc["DNS", ["tries", "the client must"]].tolist() == [tries, duty]
