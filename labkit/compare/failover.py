"""A failover, observed: the same steady load through several balancers while a backend breaks; and what its clients saw."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from ..errors import BadInput
from ..lab import Lab
from ..measure.traffic import MAX_AT_A_TIME, frame, sending, split_url
from ..show.words import FAILED, outcomes

# An answer after so many milliseconds is called late: a working backend needs a hundredth of that.
LATE = 500.0
# A failure this near to the client's patience, as a share of it, is one that the client had to time out.
WAITED = 0.9
COLUMNS = ["requests", "failed", "seconds failing", "late", "slowest s", "tries", "the client must"]
# More requests than any failover sends: the load is ended, not used up.
ENDLESS = 100_000
Load = Iterator[list[tuple[Any, ...]]]  # batches of rows of inside.http_client


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


def per_second(run: Failover) -> pd.DataFrame:
    """Return how the requests that began in each second ended: one row a balancer and second.

    Columns: balancer, second (0 …), one for each backend that answered in time, late (answered after LATE ms), failed.
    """
    ended, seconds = outcomes(run.requests), run.requests["start"].astype(int).rename("second")
    ended = ended.mask((ended != FAILED) & (run.requests["ms"] > LATE), "late")
    whose = run.requests["balancer"]
    parts = {name: pd.crosstab(seconds[whose == name], ended[whose == name]) for name in dict.fromkeys(whose)}
    table = pd.concat(parts, names=["balancer"]).fillna(0).astype(int)
    names = sorted(set(table.columns) - {"late", FAILED})
    return table.reindex(columns=[*names, "late", FAILED], fill_value=0).reset_index().rename_axis(columns=None)


def disruption(run: Failover) -> pd.DataFrame:
    """Return a row for each balancer (the index): what its clients saw of the fault.

    Columns: requests, failed, seconds failing (in which a request began that failed), late (answered after LATE ms),
    slowest s (the longest that an answered request took), tries (that a client needs for a page: one more than the longest
    run of failures), the client must (words).
    """
    rows: dict[object, tuple[object, ...]] = {}
    for name, requests in run.requests.groupby("balancer", sort=False):
        failed, ms = requests["error"].notna(), requests["ms"]
        seconds = requests["start"][failed].astype(int).nunique()
        slowest = round(ms[~failed].max() / 1000, 2)  # NaN where nothing was answered
        tries = 1 + max((sum(1 for _ in run) for bad, run in groupby(failed) if bad), default=0)
        duty = "nothing" if tries == 1 else f"try up to {tries} times"
        if (ms[failed] >= WAITED * run.patience * 1000).any():
            duty = f"give up after {run.patience:g} s, {duty}"
        rows[name] = len(requests), failed.sum(), seconds, (~failed & (ms > LATE)).sum(), slowest, tries, duty
    return pd.DataFrame([*rows.values()], index=pd.Index([*rows], name="balancer"), columns=COLUMNS)


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
    loads, over = steady(lab, urls, rate, patience), threading.Event()

    def draw(load: Load) -> pd.DataFrame:
        rows: list[tuple[Any, ...]] = []
        try:
            for batch in load:  # at least one a second, an empty one as a sign of life
                rows += batch
                if over.is_set():
                    break
        finally:
            load.close()  # type: ignore[attr-defined]
        return frame(rows)

    with ThreadPoolExecutor(len(loads), thread_name_prefix="load") as threads:
        try:
            drawn = {name: threads.submit(draw, load) for name, load in loads.items()}
            over.wait(before)
            fault()
            try:
                made = lab.call(time.time)
                over.wait(broken)
                called = lab.call(time.time)
            finally:
                heal()
            done = lab.call(time.time)
            over.wait(after)
        finally:
            over.set()
    tables = [future.result(0).assign(balancer=name) for name, future in drawn.items()]
    first = min(table.attrs["epoch"] for table in tables)
    for table in tables:
        table["start"] += table.attrs.pop("epoch") - first
    return Failover(pd.concat(tables, ignore_index=True), made - first, called - first, done - first, patience)


def steady(lab: Lab, urls: Mapping[str, str], rate: int, patience: float) -> dict[str, Load]:
    """Return an endless load for each of `urls`, that begins `rate` requests a second whatever becomes of them; or BadInput."""
    # So many senders that one is always free: none is busy longer than its request may take.
    senders = math.ceil(rate * patience) + 2
    if not urls or rate < 1 or patience <= 0 or senders > MAX_AT_A_TIME:
        raise BadInput(
            f"{rate} requests a second to {len(urls)} balancers, with a patience of {patience:g} s, cannot be sent.",
            way_out=f"one balancer, one request and more than 0 s at least, and rate · patience below {MAX_AT_A_TIME - 1}",
        )
    options: dict[str, Any] = {"at_a_time": senders, "timeout": patience, "every": senders / rate}
    loads = {}
    for name, url in urls.items():
        try:
            by_name = not ipaddress.ip_address(split_url(url)[0])
        except ValueError:
            by_name = True
        loads[name] = sending(lab, url, ENDLESS, first_record=by_name, **options)
    return loads
