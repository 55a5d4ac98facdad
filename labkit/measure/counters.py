"""IPVS's own counters, as a DataFrame, settled."""

from __future__ import annotations

import time
from collections.abc import Callable

import pandas as pd

from ..errors import WaitTimeout
from ..lab import Lab
from ..wait import wait_until

COLUMNS = [
    "service", "scheduler", "server", "weight", "active", "inactive",
    "conns", "in_packets", "out_packets", "in_bytes", "out_bytes",
]  # fmt: skip
# The kernel sums the counters up every two seconds (net/netfilter/ipvs/ip_vs_est.c, IPVS_EST_TICK and its chains).
LAG = 2.0


def counters(lab: Lab, service: str | None = None) -> pd.DataFrame:
    """The counters as they stand now, one row a real server, of all virtual services or of `service` ("address:port").

    Columns: service, scheduler, server ("address:port"), weight, active and inactive (connections now), conns, in_packets,
    out_packets, in_bytes, out_bytes (since they were zeroed).
    """
    rows = lab.call("labkit.inside.ipvs:counters")
    return pd.DataFrame([row for row in rows if service in (None, row["service"])], columns=COLUMNS)


def settled(lab: Lab, conns: int | None = None, *, service: str | None = None, timeout: float = 10.0) -> pd.DataFrame:
    """The counters once they have settled: when `conns` connections are counted in all, or have not changed for 2.5 s.

    Zeroing forgets only what has been added up, so let the counters settle before VirtualService.zero() too.

    Columns as `counters`. Raises WaitTimeout when `conns` are not reached; its words are the last counters.
    """
    if conns is None:
        return unchanged(lab, service, timeout)
    seen = [counters(lab, service)]

    def enough() -> bool:
        seen[0] = counters(lab, service)
        return int(seen[0]["conns"].sum()) >= conns and packets_settled(seen[0])

    try:
        wait_until(enough, reason=f"{conns} connections in the counters", timeout=timeout, interval=0.2)
    except WaitTimeout as error:
        raise WaitTimeout(
            error.tried, words=seen[0].to_string(), way_out="was every request sent through the virtual service?"
        ) from None
    return seen[0]


def packets_settled(table: pd.DataFrame) -> bool:
    """True unless a server has connections but no packets yet: they are summed up together, so this is a torn reading."""
    return bool(((table["conns"] == 0) | (table["in_packets"] > 0)).all())


def unchanged(lab: Lab, service: str | None, timeout: float) -> pd.DataFrame:
    """The counters once two readings, a little more than the kernel's lag apart, are equal. Raises WaitTimeout."""
    last = counters(lab, service)
    since = time.monotonic()

    def still() -> bool:
        nonlocal last, since
        now = counters(lab, service)
        if not now.equals(last):
            last, since = now, time.monotonic()
        return time.monotonic() - since > LAG + 0.5

    wait_until(still, reason="counters that no longer change", timeout=timeout, interval=0.2)
    return last


def history(lab: Lab, work: Callable[[], object], *, conns: int | None = None, every: float = 0.25) -> pd.DataFrame:
    """Read the counters every `every` seconds while `work` runs and until they have settled.

    Columns: those of `counters` and `time` (s since the first reading).
    """
    import threading

    began, readings, done = time.monotonic(), [], threading.Event()

    def read() -> None:
        readings.append(counters(lab).assign(time=time.monotonic() - began))

    def watch() -> None:
        while not done.wait(every):
            read()

    read()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        work()
        settled(lab, conns)
    finally:
        done.set()
        watcher.join(10)
    read()
    return pd.concat(readings, ignore_index=True)
