"""All balancers under the same load and the same faults: a failover observed, wrk's figures, and which balancer is for whom."""

import ipaddress
import math
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from .errors import MeasureError, require, wait_until
from .lab import Lab
from .measure.traffic import MAX_AT_A_TIME, frame, sending, split_url
from .show.words import FAILED, outcomes, plural

# An answer after so many milliseconds is called late: a working backend needs a hundredth of that.
LATE = 500.0
# A failure this near to the client's patience, as a share of it, is one that the client had to time out.
WAITED = 0.9
SEEN = ["requests", "failed", "seconds failing", "late", "slowest s", "tries", "the client must"]
# More requests than any failover sends: the load is ended, not used up.
ENDLESS = 100_000
# How long each load may take to begin, seconds: on a busy machine the second one was seen to begin after two.
BEGIN_TIMEOUT = 30.0
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
    parts = {}
    for name in whose.unique():
        parts[name] = pd.crosstab(seconds[whose == name], ended[whose == name])
    table = pd.concat(parts, names=["balancer"]).fillna(0).astype(int)
    columns = [*sorted(set(table.columns) - {"late", FAILED}), "late", FAILED]
    return table.reindex(columns=columns, fill_value=0).reset_index().rename_axis(columns=None)


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
        late = (~failed & (ms > LATE)).sum()
        rows[name] = len(requests), failed.sum(), seconds, late, slowest, tries, duty
    return pd.DataFrame([*rows.values()], index=pd.Index([*rows], name="balancer"), columns=SEEN)


def failover(
    lab: Lab, urls: Mapping[str, str], fault: Callable[[], object], heal: Callable[[], object], *,
    rate: int = 5, before: float = 1.0, broken: float = 5.0, after: float = 2.0, patience: float = 2.0,
) -> Failover:  # fmt: skip
    """Send `rate` requests a second to each of `urls` ({balancer: URL}); meanwhile call `fault`, and later `heal`.

    All loads go on for `before` seconds once each has begun, then the fault is made, stays for `broken` seconds, and is
    healed; `after` seconds later the loads end. A request begins when its time has come, whether or not the ones before it are
    answered, and fails after `patience` seconds. A name in a URL is asked by DNS for each request, and the first record is taken.
    Whatever happens, a fault that was made is healed. Raises BadInput.
    """
    require(
        min(before, broken) > 0 and after >= patience,
        f"A failover cannot be observed for {before:g} s before it, {broken:g} s of it and {after:g} s after it.",
        f"times above 0, and {patience:g} s or more after it: then every request has ended",
    )
    loads, over = steady(lab, urls, rate, patience), threading.Event()
    begun: set[str] = set()

    def draw(name: str, load: Load) -> pd.DataFrame:
        rows: list[tuple[Any, ...]] = []
        try:
            for batch in load:  # at least one a second, an empty one as a sign of life
                rows += batch
                if rows:
                    begun.add(name)
                if over.is_set():
                    break
        finally:
            load.close()  # type: ignore[attr-defined]
        return frame(rows)

    with ThreadPoolExecutor(len(loads), thread_name_prefix="load") as threads:
        try:
            drawn = {name: threads.submit(draw, name, load) for name, load in loads.items()}
            wait_until(
                lambda: all(name in begun or drawn[name].done() for name in drawn),
                reason="the first answer to each load", timeout=BEGIN_TIMEOUT,
            )  # fmt: skip
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
    requests = pd.concat(tables, ignore_index=True)
    return Failover(requests, made - first, called - first, done - first, patience)


def steady(lab: Lab, urls: Mapping[str, str], rate: int, patience: float) -> dict[str, Load]:
    """Return an endless load for each of `urls`, that begins `rate` requests a second whatever becomes of them; or BadInput."""
    # So many senders that one is always free: none is busy longer than its request may take.
    senders = math.ceil(rate * patience) + 2
    require(
        urls and rate >= 1 and patience > 0 and senders <= MAX_AT_A_TIME,
        f"{rate} requests a second to {len(urls)} balancers, with a patience of {patience:g} s, cannot be sent.",
        f"one balancer, one request and more than 0 s at least, and rate · patience below {MAX_AT_A_TIME - 1}",
    )
    loads = {}
    for name, url in urls.items():
        try:
            by_name = not ipaddress.ip_address(split_url(url)[0])
        except ValueError:
            by_name = True
        loads[name] = sending(lab, url, ENDLESS, senders, patience, senders / rate, by_name)
    return loads


LOAD = ["url", "requests", "per_second", "p50", "p99", "errors"]
# wrk's units of time (wrk, src/units.c), in milliseconds.
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
# The times that half and 99 % of the answers did not exceed (a unit of one letter is filled up with a space), and what was sent.
NUMBERS = re.compile(
    r"^ +50% +([\d.]+)(us|ms|s|m|h) ?$.*^ +99% +([\d.]+)(us|ms|s|m|h) ?$"
    r".*^ +(\d+) requests in .*^Requests/sec: +([\d.]+)", re.M | re.S,
)  # fmt: skip
# "Socket errors: connect 0, read 3, write 0, timeout 2" and "Non-2xx or 3xx responses: 7", each only where there are some.
ERRORS = re.compile(
    r"^ +(?:Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)|Non-2xx or 3xx responses: (\d+))$", re.M
)
# A round in which no way carries more than its best by this share is the last one.
SETTLED = 0.05
MAX_SECONDS, MAX_CONNECTIONS = 600, 512


def wrk_command(url: str, seconds: int, connections: int) -> str:
    """Return the command as one types it. Raises BadInput.

    It has the port's number: without one wrk looks "http" up in /etc/services, which need not be there.
    """
    host, port, path = split_url(url)
    require(
        1 <= seconds <= MAX_SECONDS and 1 <= connections <= MAX_CONNECTIONS,
        f"wrk cannot send for {seconds} s over {connections} connections.",
        f"seconds from 1 to {MAX_SECONDS}, connections from 1 to {MAX_CONNECTIONS}",
    )
    place = f"[{host}]" if ":" in host else host
    target = shlex.quote(f"http://{place}:{port}{path}")
    return f"wrk -t1 -c{connections} -d{seconds}s --latency {target}"


def parse_wrk(text: str) -> dict[str, float]:
    """Return what wrk --latency printed as the numbers that `wrk` describes. Raises MeasureError for anything else."""
    found = NUMBERS.search(text)
    if not found:
        raise MeasureError("This is not what wrk --latency prints.", words=text)
    half, unit, most, its_unit, requests, speed = found.groups()
    errors = sum(int(count) for counts in ERRORS.findall(text) for count in counts if count)
    times = {"p50": float(half) * UNITS[unit], "p99": float(most) * UNITS[its_unit]}
    return {"requests": int(requests), "per_second": float(speed), **times, "errors": errors}


def wrk(lab: Lab, url: str, *, seconds: int = 1, connections: int = 8) -> pd.DataFrame:
    """Send as many requests to `url` as go for `seconds`, over `connections` that are kept open, with the real wrk.

    One row with the columns url, requests, per_second, p50 and p99 (ms until an answer came that half, and 99 of 100
    requests, did not exceed), errors (broken connections, time-outs, and answers other than 2xx and 3xx).
    Raises BadInput, and MeasureError with wrk's words when it cannot connect.
    """
    command = wrk_command(url, seconds, connections)
    done = lab.run(command, check=False, timeout=seconds + 60)
    if done.code:
        way_out = "does a server listen there in this lab?"
        raise MeasureError(f"`{command}` could not send.", words=str(done), way_out=way_out)
    return pd.DataFrame([{"url": url, **parse_wrk(done.stdout)}], columns=LOAD)


def throughput(lab: Lab, urls: Mapping[str, str], *, rounds: int = 6, seconds: int = 1, connections: int = 8) -> pd.DataFrame:
    """`wrk` on each of `urls` ({name: URL}; the first is the direct way), in turn, until no way gets better: `rounds` at most.

    A row for each name (the index), each figure from its best round, because what else the machine does can only worsen one:
    ratio (requests a second, as a share of the direct way's), p50 and p99 (ms); and errors (of all rounds). Raises as `wrk`.
    """
    tried = f"{len(urls)} ways cannot be compared in {rounds} rounds."
    require(urls and rounds >= 1, tried, "one way and one round at least")
    runs: list[pd.DataFrame] = []
    best = dict.fromkeys(urls, 0.0)
    for _ in range(rounds):
        better = False
        for name, url in urls.items():
            runs.append(wrk(lab, url, seconds=seconds, connections=connections).assign(name=name))
            reached = float(runs[-1]["per_second"].iloc[0])
            better |= reached >= best[name] * (1 + SETTLED)
            best[name] = max(best[name], reached)
        if not better:
            break
    return compared(pd.concat(runs, ignore_index=True))


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `wrk` with a name as the table that `throughput` describes; the first name is the direct way."""
    order = list(dict.fromkeys(runs["name"]))
    best = {"per_second": "max", "p50": "min", "p99": "min", "errors": "sum"}
    table = runs.groupby("name").agg(best).loc[order]
    table.insert(0, "ratio", table["per_second"] / table["per_second"].iloc[0])
    return table.drop(columns="per_second").rename_axis(None)


# Figures of load and of shares that differ by less are taken as equal: on a busy machine two ways that are the same, direct
# and DNS, differed by 0.47 of one of them (measured).
CLOSE = 0.5
CHOICES = ["if you need", "take", "because", "the others"]


def spread(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the share (0 to 1) of the answered requests that each backend got; a row a balancer, a column a backend.

    `frames` is {balancer: traffic}.
    """
    shares = {name: frame["backend"].value_counts(normalize=True) for name, frame in frames.items()}
    table = pd.DataFrame(shares).T.reindex(list(frames)).fillna(0.0)
    return table[sorted(table.columns)].rename_axis(None).rename_axis(None, axis=1)


def decide(faults: pd.DataFrame, load: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each need: which balancer to take, by which figure, and the others' figures.

    `faults` are the tables of `disruption` below each other (index: fault, balancer), `load` is `throughput`'s, `shares`
    is `spread`'s. Times and shares that differ by less than CLOSE count as equal. Columns: if you need, take, because,
    the others.
    """
    order = list(dict.fromkeys(faults.index.get_level_values("balancer")))
    seen = faults.groupby(level="balancer")
    sums = seen[["requests", "failed", "late"]].sum().loc[order]
    most = seen[["seconds failing", "tries"]].max().loc[order]
    load = load.loc[[name for name in load.index if name in order]]
    failed = 100 * sums["failed"] / sums["requests"]
    hurt, least = failed + 100 * sums["late"] / sums["requests"], 100 * shares.min(axis=1)
    rows = [
        row("no failed request when a server breaks", failed, "{:.0f} % failed"),
        row("a short disruption", most["seconds failing"], "failures in {:.0f} s at the most"),
        row("clients that need not try again", most["tries"], lambda n: plural(int(n), "try")),
        row("few that fail or come late", hurt, "{:.0f} % failed or late", CLOSE),
        row("the most requests a second", load["ratio"], "{:.2f} of direct", CLOSE, more=True),
        row("a short wait under full load", load["p50"], "half within {:.1f} ms", CLOSE),
        row("work for every server", least, "least {:.0f} %", CLOSE, more=True),
    ]
    return pd.DataFrame(rows, columns=CHOICES)


def row(
    need: str, figures: pd.Series, words: str | Callable[[float], str], close: float = 0, *, more: bool = False
) -> tuple[str, str, str, str]:  # fmt: skip
    """Return a row of `decide`: the balancers with the least (or with `more`, the most) and those within `close` of it."""
    written = words.format if isinstance(words, str) else words
    near = figures <= figures.min() * (1 + close)
    if more:
        near = figures >= figures.max() * (1 - close)
    ends = dict.fromkeys(written(end) for end in (figures[near].min(), figures[near].max()))
    others = "; ".join(f"{name}: {written(value)}" for name, value in figures[~near].items())
    return need, ", ".join(figures.index[near]), " to ".join(ends), others or "–"
