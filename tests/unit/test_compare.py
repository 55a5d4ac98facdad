"""Comparing balancers: failovers, wrk's numbers, and the decision that follows the figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from labkit import compare
from labkit.compare import Failover, decide, disruption, failover, parse_wrk, row
from labkit.errors import MeasureError
from labkit.measure.traffic import frame

PAGE = "<h1>Response from Backend Server 1</h1>"


class SendingLab:
    """A lab whose requests are all answered, one each hundredth of a second, until nobody wants more."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.asked: list[tuple[Any, ...]] = []

    def stream(self, _function: object, _timeout: float, *args: Any) -> Iterator[list[Any]]:
        ((host, _port),), *options = args
        self.asked.append((host, *options))
        self.open.add(host)
        if host == "name.local":  # slow to begin, as on a busy machine
            time.sleep(0.4)
        try:
            while True:
                time.sleep(0.01)
                yield [(time.time(), f"{host}:80", 200, 1.0, None, PAGE)]
        finally:
            self.open.discard(host)

    def call(self, _function: object) -> float:
        return time.time()


SHORT = {"rate": 10, "before": 0.05, "broken": 0.05, "after": 0.1, "patience": 0.1}
URLS = {"IPVS": "http://192.168.100.1/", "DNS": "http://name.local/"}


def test_fault_is_made_and_healed_while_all_loads_run() -> None:
    """Both loads have begun and are open at the fault and at its healing, and closed in the end; only for a URL with a name the
    client takes the first record; requests begin evenly, with senders to spare."""
    lab, seen = SendingLab(), []
    look = lambda: seen.append(set(lab.open))  # noqa: E731
    run = failover(lab, URLS, look, look, **SHORT)  # type: ignore[arg-type]
    assert seen == [{"192.168.100.1", "name.local"}] * 2 and lab.open == set()
    requests = run.requests
    assert 0 < run.broken < run.healing <= run.healed < requests["start"].max()
    assert requests["balancer"].unique().tolist() == ["IPVS", "DNS"]
    assert requests["start"].min() == 0
    assert set(requests.loc[requests["start"] < run.broken, "balancer"]) == set(URLS)
    first_records = sorted((args[0], args[-1]) for args in lab.asked)
    assert first_records == [("192.168.100.1", False), ("name.local", True)]
    for *_, senders, timeout, every, _first in lab.asked:
        assert senders / every == pytest.approx(10) and every > timeout


@pytest.mark.parametrize("fault_fails", [True, False])
def test_what_fails_comes_through_and_ends_the_loads(fault_fails: bool) -> None:
    """A fault that cannot be made is not healed; what its healing raises comes through; no load goes on."""
    lab, healed = SendingLab(), []

    def fault() -> None:
        _ = 1 / (not fault_fails)

    def heal() -> None:
        healed.append(True)
        _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        failover(lab, URLS, fault, heal, **SHORT)  # type: ignore[arg-type]
    assert (healed, lab.open) == ([] if fault_fails else [True], set())


def run_of(**balancers: list[tuple[float, float, str | None]]) -> Failover:
    """A failover whose requests are (start, milliseconds, error)."""
    tables = []
    for name, rows in balancers.items():
        ends = [(None, "") if error else (200, PAGE) for _, _, error in rows]
        both = zip(rows, ends, strict=True)
        requests = [(at, "a:80", code, ms, error, page) for (at, ms, error), (code, page) in both]
        tables.append(frame(requests).assign(balancer=name, start=[row[0] for row in rows]))
    return Failover(pd.concat(tables, ignore_index=True), 1.0, 2.0, 2.1, 2.0)


def test_failover_is_counted_by_second_and_summed_up() -> None:
    """A row a balancer and second in which a request began; then failed requests, seconds with failures, late answers, the
    slowest, the tries, and what is left to the client; where nothing was answered there is no slowest."""
    slow = [(1.0, 2001, "timeout"), (1.4, 1990, "timeout")]
    run = run_of(
        nginx=[(0.1, 3, None), (1.2, 1004, None), (2.3, 3, None)],
        DNS=[(0.0, 2, None), *slow, (1.8, 3, None), (2.5, 1, "refused")],
    )
    table = compare.per_second(run)
    assert table.columns.tolist() == ["balancer", "second", "backend1", "late", "failed"]
    assert table.to_numpy().tolist() == [
        ["nginx", 0, 1, 0, 0], ["nginx", 1, 0, 1, 0], ["nginx", 2, 1, 0, 0],
        ["DNS", 0, 1, 0, 0], ["DNS", 1, 1, 0, 2], ["DNS", 2, 0, 0, 1],
    ]  # fmt: skip
    table = disruption(run)
    assert table.index.tolist() == ["nginx", "DNS"]
    assert table.loc["nginx"].tolist() == [3, 0, 0, 1, 1.0, 1, "nothing"]
    assert table.loc["DNS"].tolist() == [5, 3, 2, 0, 0.0, 3, "give up after 2 s, try up to 3 times"]
    table = disruption(run_of(IPVS=[(0.0, 1, "refused"), (0.5, 1, "refused")]))
    assert table["slowest s"].isna().all()


# How requests ended: answered (.), refused (r) or timed out (t); how many tries that takes, and what a client must do.
DUTIES = {
    "..": (1, "nothing"), ".r": (2, "try up to 2 times"),  # who is refused at once needs no clock
    "rr.r": (3, "try up to 3 times"), ".rtr": (4, "give up after 2 s, try up to 4 times"),
}  # fmt: skip


def test_tries_are_one_more_than_the_longest_run_of_failures() -> None:
    """Wherever that run is."""
    results = {".": (3.0, None), "r": (1.0, "refused"), "t": (2000.0, "timeout")}
    runs = {}
    for ended in DUTIES:
        runs[ended] = [(n / 10, *results[one]) for n, one in enumerate(ended)]
    table = disruption(run_of(**runs))[["tries", "the client must"]]
    assert list(table.itertuples(name=None)) == [(ended, *duty) for ended, duty in DUTIES.items()]


# Words of the real wrk 4.1.0: a good run; a server that is slow, resets and answers 500; a fast one that answers 404.
WRK = """\
Running 2s test @ http://127.0.0.1:80/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.90ms    1.01ms   9.82ms   71.78%
    Req/Sec     3.09k   419.82     3.85k    70.00%
  Latency Distribution
     50%  {p50}
     75%    2.56ms
     90%    3.21ms
     99%  {p99}
  {requests} requests in 2.00s, 1.10MB read
{errors}Requests/sec:   {speed}
Transfer/sec:    565.31KB
"""
FINE = WRK.format(p50="  1.59ms", p99="  4.71ms", requests=6161, errors="", speed="3079.13")
SOCKETS = "  Socket errors: connect 0, read 31, write 0, timeout 4\n"
SOCKETS += "  Non-2xx or 3xx responses: 37\n"
TROUBLED = WRK.format(p50=" 44.02ms", p99="  1.15s ", requests=190, errors=SOCKETS, speed="  31.65")
BAD = "  Non-2xx or 3xx responses: 3628\n"
QUICK = WRK.format(p50="129.00us", p99="174.69ms", requests=3628, errors=BAD, speed="3608.56")


def test_numbers_of_wrk() -> None:
    """Requests, requests a second, latencies in milliseconds whatever their unit; broken connections, time-outs and bad answers
    are added up, and no line of errors means none; what is not the whole output is refused, as it is."""
    command = compare.wrk_command("http://127.0.0.1/", 2, 8)
    assert command == "wrk -t1 -c8 -d2s --latency http://127.0.0.1:80/"
    names = ["requests", "per_second", "p50", "p99", "errors"]
    for text, numbers in (
        (FINE, [6161, 3079.13, 1.59, 4.71, 0]), (TROUBLED, [190, 31.65, 44.02, 1150.0, 72]),
        (QUICK, [3628, 3608.56, 0.129, 174.69, 3628]),
    ):  # fmt: skip
        assert parse_wrk(text) == dict(zip(names, numbers, strict=True))
    for text in ("", "unable to connect to 127.0.0.1:99\n", FINE.replace("99%", "98%")):
        with pytest.raises(MeasureError) as caught:
            parse_wrk(text)
        assert caught.value.words == "\n".join(text.strip().splitlines()[-15:])


def test_best_round_of_each_counts_against_the_best_of_the_first() -> None:
    """A round that something else slowed down does not count; its errors do."""
    rows = [("direct", 1000, 1.0, 0), ("nginx", 300, 9.0, 0)]
    rows += [("direct", 500, 7.0, 0), ("nginx", 400, 5.0, 2)]
    runs = pd.DataFrame(rows, columns=["name", "per_second", "p50", "errors"]).assign(p99=20.0)
    table = compare.compared(runs)[["ratio", "p50", "errors"]]
    assert list(table.itertuples(name=None)) == [("direct", 1.0, 1.0, 0), ("nginx", 0.4, 5.0, 2)]


ROUNDS = [
    ([1000, 200, 1010, 205], 2, 205 / 1010), ([500, 200, 1000, 200, 990, 100], 3, 0.2),
    ([100, 100, 200, 200, 400, 400], 3, 1.0),
]  # fmt: skip


@pytest.mark.parametrize(("speeds", "rounds", "ratio"), ROUNDS)
def test_rounds_end_when_no_way_gets_better(fake_lab: Any, speeds: Any, rounds: int, ratio: float) -> None:
    """A round without a better figure is the last, and three are the most that were allowed."""
    left, run = iter(speeds), fake_lab.run

    def next_speed(command: str, **options: object) -> object:
        fake_lab.results["wrk"] = (0, FINE.replace("3079.13", str(next(left))))
        return run(command, **options)

    fake_lab.run = next_speed
    ways = {"direct": "http://127.0.0.1/", "nginx": "http://127.0.0.1:8888/"}
    table = compare.throughput(fake_lab, ways, rounds=3)
    assert len(fake_lab.ran) == 2 * rounds
    assert table["ratio"].tolist() == [1.0, pytest.approx(ratio)]


def faults(**rows: tuple[int, int, int, int]) -> pd.DataFrame:
    """Tables of `disruption` for two equal faults: failed, seconds failing, late, tries of each balancer."""
    values = [(45, *row[:3], 0.1, row[3], "") for row in rows.values()]
    one = pd.DataFrame(values, index=pd.Index(rows, name="balancer"), columns=compare.SEEN)
    return pd.concat({"stopped": one, "frozen": one}, names=["fault"])


FAULTS = faults(DNS=(9, 5, 0, 2), IPVS=(9, 5, 0, 2), nginx=(0, 0, 18, 1))
LOAD = pd.DataFrame({"ratio": [1.0, 0.99, 0.93, 0.2], "p50": [2.0, 2.0, 2.1, 9.0]})
LOAD.index = ["direct", "DNS", "IPVS", "nginx"]
SHARES = pd.DataFrame({"backend1": [0.5, 0.5, 1.0], "backend2": [0.5, 0.5, 0.0]})
SHARES.index = LOAD.index[1:]


def test_each_need_takes_the_best_figure() -> None:
    """Failures and tries speak for nginx, all that hurts, load and shares for the others, which come close to each other.

    Nothing is typed in: exchange the figures of two balancers, and the decision is exchanged.
    """
    table = decide(FAULTS, LOAD, SHARES).set_index("if you need")
    assert table["take"].tolist() == ["nginx"] * 3 + ["DNS, IPVS"] * 4
    assert table.loc["clients that need not try again", ["because", "the others"]].tolist() == [
        "1 try", "DNS: 2 tries; IPVS: 2 tries",
    ]  # fmt: skip
    turned = faults(DNS=(0, 0, 18, 1), IPVS=(9, 5, 0, 2), nginx=(9, 5, 0, 2))
    load = LOAD.assign(ratio=[1.0, 0.2, 0.93, 0.99], p50=[2.0, 9.0, 2.1, 2.0])
    other = decide(turned, load, SHARES.iloc[::-1].set_axis(SHARES.index))
    assert other["take"].tolist() == ["DNS"] * 3 + ["IPVS, nginx"] * 4
    # The reason is the winner's figure over all faults; the others' are beside it; the direct way is no balancer.
    first = table.loc["no failed request when a server breaks"]
    assert first["because"] == "0 % failed"
    assert first["the others"] == "DNS: 20 % failed; IPVS: 20 % failed"
    assert table.loc["the most requests a second", "because"] == "0.93 of direct to 0.99 of direct"
    assert "direct:" not in " ".join(table["the others"])


def test_close_figures_are_equal() -> None:
    """Within `close` of the best, upwards or downwards, all are taken; where everyone is as good, the others are a dash."""
    figures = pd.Series({"a": 50.0, "b": 95.0, "c": 105.0})
    for more, takes in ((True, {0.0: "c", 0.1: "b, c"}), (False, {0.0: "a", 1.0: "a, b"})):
        assert {close: row("x", figures, str, close, more=more)[1] for close in takes} == takes
    assert row("x", pd.Series({"a": 1, "b": 1}), "{}") == ("x", "a, b", "1", "–")


def test_spread_is_of_what_was_answered() -> None:
    """Shares add up to 1 whatever failed; a backend that got nothing has 0."""
    answered = {"rr": ["backend2", "backend1", None], "one": ["backend1"]}
    frames = {name: pd.DataFrame({"backend": names}) for name, names in answered.items()}
    table = compare.spread(frames)
    both, alone = {"backend1": 0.5, "backend2": 0.5}, {"backend1": 1.0, "backend2": 0.0}
    assert table.to_dict("index") == {"rr": both, "one": alone}
