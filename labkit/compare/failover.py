"""A failover, observed: the same steady load through several balancers while a backend breaks; and what its clients saw."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import BadInput
from ..lab import Lab
from ..measure.traffic import MAX_AT_A_TIME, frame, sending, split_url

# An answer after so many milliseconds is called late: a working backend needs a hundredth of that.
LATE = 500.0
# A failure this near to the client's patience, as a share of it, is one that the client had to time out.
WAITED = 0.9
COLUMNS = ["requests", "failed", "seconds failing", "late", "slowest s", "tries", "the client must"]


def outcomes(requests: pd.DataFrame) -> pd.Series:
    """Per request the backend that answered in time, "late", or "failed"."""
    names = requests["backend"].astype(object).where(requests["ms"] <= LATE, "late")
    return names.where(requests["error"].isna(), "failed").fillna("unknown").map(str)


def per_second(run: Failover) -> pd.DataFrame:
    """How the requests that began in each second ended: one row a balancer and second.

    Columns: balancer, second (0 …), one for each backend that answered in time, late (answered after LATE ms), failed.
    """
    ended, seconds = outcomes(run.requests), run.requests["start"].astype(int).rename("second")
    whose = run.requests["balancer"]
    parts = {name: pd.crosstab(seconds[whose == name], ended[whose == name]) for name in dict.fromkeys(whose)}
    table = pd.concat(parts, names=["balancer"]).fillna(0).astype(int)
    names = sorted(set(table.columns) - {"late", "failed"})
    table = table.reindex(columns=[*names, "late", "failed"], fill_value=0)
    return table.reset_index().rename_axis(columns=None)


def disruption(run: Failover) -> pd.DataFrame:
    """A row for each balancer (the index): what its clients saw of the fault.

    Columns: requests, failed, seconds failing (in which a request began that failed), late (answered after LATE ms),
    slowest s (the longest that an answered request took), tries (that a client needs for a page: one more than the longest
    run of failures), the client must (words).
    """
    order = list(dict.fromkeys(run.requests["balancer"]))
    rows = [_row(run.requests[run.requests["balancer"] == name], run.patience) for name in order]
    return pd.DataFrame(rows, index=pd.Index(order, name="balancer"), columns=COLUMNS)


def _row(requests: pd.DataFrame, patience: float) -> tuple[object, ...]:
    failed = requests["error"].notna()
    late = ~failed & (requests["ms"] > LATE)
    seconds = requests["start"][failed].astype(int).nunique()
    slowest = requests["ms"][~failed].max() / 1000 if not failed.all() else math.nan
    waits = bool((requests["ms"][failed] >= WAITED * patience * 1000).any())
    tries = longest_run(failed.to_numpy(bool)) + 1
    return len(requests), int(failed.sum()), seconds, int(late.sum()), round(slowest, 2), tries, duty(tries, waits, patience)


def longest_run(failed: object) -> int:
    """The length of the longest run of failures."""
    longest = now = 0
    for bad in failed:  # type: ignore[attr-defined]
        now = now + 1 if bad else 0
        longest = max(longest, now)
    return longest


def duty(tries: int, waits: bool, patience: float) -> str:
    """What is left to the client, in words."""
    if tries == 1:
        return "nothing"
    again = f"try up to {tries} times"
    return f"give up after {patience:g} s, {again}" if waits else again


NOW = "labkit.inside.http_client:now"
# More requests than any failover sends: the load is ended, not used up.
ENDLESS = 100_000


@dataclass(frozen=True)
class Failover:
    """What was observed. Times are seconds since the first request, by the lab's clock.

    `requests` has a row a request: the columns of `traffic` and `balancer`. The fault was there from `broken` to `healing`, when
    it began to be taken away (starting a server takes its time), and had gone at `healed`. `patience` is how long a client
    waits.
    """

    requests: pd.DataFrame
    broken: float
    healing: float
    healed: float
    patience: float


def is_name(url: str) -> bool:
    """True when the host of `url` is a name, which DNS has to be asked for. Raises BadInput for what is no http URL."""
    try:
        ipaddress.ip_address(split_url(url)[0])
    except ValueError:
        return True
    return False


def failover(
    lab: Lab, urls: Mapping[str, str], fault: Callable[[], object], heal: Callable[[], object], *,
    rate: int = 5, before: float = 1.0, broken: float = 5.0, after: float = 2.0, patience: float = 2.0,
) -> Failover:  # fmt: skip
    """Send `rate` requests a second to each of `urls` ({balancer: URL}); meanwhile call `fault`, and later `heal`.

    The load goes on for `before` seconds, then the fault is made, stays for `broken` seconds, and is healed; `after` seconds
    later the load ends. A request begins when its time has come, whether or not the ones before it are answered, and
    fails after `patience` seconds. A name in a URL is asked by DNS for each request, and the first record is taken.
    Whatever happens, a fault that was made is healed. Raises BadInput.
    """
    if min(before, broken) <= 0 or after < patience:
        raise BadInput(
            f"A failover cannot be observed for {before:g} s before it, {broken:g} s of it and {after:g} s after it.",
            way_out=f"times above 0, and {patience:g} s or more after it: then every request has ended",
        )
    loads = steady(lab, urls, rate, patience)
    with Load(loads) as load:
        load.wait(before)
        fault()
        try:
            made = lab.call(NOW)
            load.wait(broken)
            called = lab.call(NOW)
        finally:
            heal()
        done = lab.call(NOW)
        load.wait(after)
    return together(load.tables(), made, called, done, patience)


def steady(lab: Lab, urls: Mapping[str, str], rate: int, patience: float) -> dict[str, Iterator[list[tuple[Any, ...]]]]:
    """An endless load for each of `urls`, that begins `rate` requests a second whatever becomes of them. Raises BadInput."""
    # So many senders that one is always free: none is busy longer than its request may take.
    senders = math.ceil(rate * patience) + 2
    if not urls or rate < 1 or patience <= 0 or senders > MAX_AT_A_TIME:
        raise BadInput(
            f"{rate} requests a second to {len(urls)} balancers, with a patience of {patience:g} s, cannot be sent.",
            way_out=f"one balancer, one request and more than 0 s at least, and rate · patience below {MAX_AT_A_TIME - 1}",
        )
    options: dict[str, Any] = {"at_a_time": senders, "timeout": patience, "every": senders / rate}
    return {name: sending(lab, url, ENDLESS, first_record=is_name(url), **options) for name, url in urls.items()}


def together(tables: Mapping[str, pd.DataFrame], broken: float, healing: float, healed: float, patience: float) -> Failover:
    """Tables of `traffic` by balancer as one, timed since the first request of all; the moments are Unix times."""
    first = min(table.attrs["epoch"] for table in tables.values())
    rows = [table.assign(balancer=name, start=table["start"] + table.attrs["epoch"] - first) for name, table in tables.items()]
    for table in rows:
        table.attrs = {}
    return Failover(pd.concat(rows, ignore_index=True), broken - first, healing - first, healed - first, patience)


class Load:
    """Several loads at once, each drawn from its iterator in a thread of its own, until the `with` is left."""

    def __init__(self, loads: Mapping[str, Iterator[list[tuple[Any, ...]]]]) -> None:
        self._loads, self._over = loads, threading.Event()
        self._threads = ThreadPoolExecutor(len(loads), thread_name_prefix="load")
        self._futures: dict[str, Future[pd.DataFrame]] = {}

    def __enter__(self) -> Load:
        self._futures = {name: self._threads.submit(self._draw, load) for name, load in self._loads.items()}
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._threads.shutdown()

    def _draw(self, load: Iterator[list[tuple[Any, ...]]]) -> pd.DataFrame:
        rows: list[tuple[Any, ...]] = []
        try:
            for batch in load:  # at least one a second, an empty one as a sign of life
                rows += batch
                if self._over.is_set():
                    break
        finally:
            load.close()  # type: ignore[attr-defined]
        return frame(rows)

    def wait(self, seconds: float) -> None:
        """Let the loads go on for so long."""
        self._over.wait(seconds)

    def tables(self) -> dict[str, pd.DataFrame]:
        """What came of each, once they have ended. Raises what a load raised."""
        return {name: future.result(0) for name, future in self._futures.items()}
