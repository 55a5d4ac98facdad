"""Load, as much as goes: wrk in the lab."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import pandas as pd

from ..errors import BadInput, MeasureError
from ..lab import Lab
from ..measure.traffic import split_url

COLUMNS = ["url", "requests", "per_second", "p50", "p99", "errors"]
# wrk's units of time (wrk, src/units.c), in milliseconds.
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
NUMBERS = {
    "requests": re.compile(r"^ +(\d+) requests in ", re.M),
    "per_second": re.compile(r"^Requests/sec: +([\d.]+)", re.M),
}
LATENCY = r"^ +{}% +([\d.]+)(us|ms|s|m|h) ?$"  # one letter is filled up with a space
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
    if not 1 <= seconds <= MAX_SECONDS or not 1 <= connections <= MAX_CONNECTIONS:
        raise BadInput(
            f"wrk cannot send for {seconds} s over {connections} connections.",
            way_out=f"seconds from 1 to {MAX_SECONDS}, connections from 1 to {MAX_CONNECTIONS}",
        )
    place = f"[{host}]" if ":" in host else host
    return f"wrk -t1 -c{connections} -d{seconds}s --latency {shlex.quote(f'http://{place}:{port}{path}')}"


def parse_wrk(text: str) -> dict[str, float]:
    """Return what wrk --latency printed as the numbers that `wrk` describes. Raises MeasureError for anything else."""
    found = {name: pattern.search(text) for name, pattern in NUMBERS.items()}
    times = {f"p{rank}": re.search(LATENCY.format(rank), text, re.M) for rank in (50, 99)}
    if not all({**found, **times}.values()):
        raise MeasureError("This is not what wrk --latency prints.", words=text)
    numbers = {name: float(match[1]) for name, match in found.items() if match}
    numbers |= {name: float(match[1]) * UNITS[match[2]] for name, match in times.items() if match}
    errors = sum(int(count) for counts in ERRORS.findall(text) for count in counts if count)
    return {**numbers, "requests": int(numbers["requests"]), "errors": errors}


def wrk(lab: Lab, url: str, *, seconds: int = 1, connections: int = 8) -> pd.DataFrame:
    """Send as many requests to `url` as go for `seconds`, over `connections` that are kept open, with the real wrk.

    One row with the columns url, requests, per_second, p50 and p99 (ms until an answer came that half, and 99 of 100
    requests, did not exceed), errors (broken connections, time-outs, and answers other than 2xx and 3xx).
    Raises BadInput, and MeasureError with wrk's words when it cannot connect.
    """
    command = wrk_command(url, seconds, connections)
    done = lab.run(command, check=False, timeout=seconds + 60)
    if done.code:
        raise MeasureError(f"`{command}` could not send.", words=str(done), way_out="does a server listen there in this lab?")
    return pd.DataFrame([{"url": url, **parse_wrk(done.stdout)}], columns=COLUMNS)


def throughput(lab: Lab, urls: Mapping[str, str], *, rounds: int = 6, seconds: int = 1, connections: int = 8) -> pd.DataFrame:
    """`wrk` on each of `urls` ({name: URL}; the first is the direct way), in turn, until no way gets better: `rounds` at most.

    A row for each name (the index), each figure from its best round, because what else the machine does can only worsen one:
    ratio (requests a second, as a share of the direct way's), p50 and p99 (ms); and errors (of all rounds). Raises as `wrk`.
    """
    if not urls or rounds < 1:
        raise BadInput(f"{len(urls)} ways cannot be compared in {rounds} rounds.", way_out="one way and one round at least")
    runs: list[pd.DataFrame] = []
    best = dict.fromkeys(urls, 0.0)
    for _ in range(rounds):
        latest = [wrk(lab, url, seconds=seconds, connections=connections).assign(name=name) for name, url in urls.items()]
        runs += latest
        reached = {name: float(run["per_second"].iloc[0]) for name, run in zip(urls, latest, strict=True)}
        if all(reached[name] < best[name] * (1 + SETTLED) for name in urls):
            break
        best = {name: max(best[name], reached[name]) for name in urls}
    return compared(pd.concat(runs, ignore_index=True))


def compared(runs: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `wrk` with a name as the table that `throughput` describes; the first name is the direct way."""
    order = list(dict.fromkeys(runs["name"]))
    table = runs.groupby("name").agg({"per_second": "max", "p50": "min", "p99": "min", "errors": "sum"}).loc[order]
    table.insert(0, "ratio", table["per_second"] / table["per_second"].iloc[0])
    return table.drop(columns="per_second").rename_axis(None)
