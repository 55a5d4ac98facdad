"""What balancers and sockets tell: IPVS's counters, the attempts in nginx's log, and who listens, as DataFrames."""

import re
import threading
import time
from collections.abc import Callable

import pandas as pd

from ..errors import MeasureError, WaitTimeout, wait_until
from ..inside import ipvs
from ..inside.sockets import listeners
from ..lab import Lab
from ..services.daemons import LOG_FORMAT, Nginx

COLUMNS = [
    "service", "scheduler", "server", "weight", "active", "inactive",
    "conns", "in_packets", "out_packets", "in_bytes", "out_bytes",
]  # fmt: skip
# The kernel sums the counters up every two seconds (net/netfilter/ipvs/ip_vs_est.c, IPVS_EST_TICK and its chains).
LAG = 2.0


def counters(lab: Lab, service: str | None = None) -> pd.DataFrame:
    """Return the counters as they stand now, one row a real server, of all virtual services or of `service` ("address:port").

    Columns: service, scheduler, server ("address:port"), weight, active and inactive (connections now), conns, in_packets,
    out_packets, in_bytes, out_bytes (since they were zeroed).
    """
    rows = lab.call(ipvs.counters)
    return pd.DataFrame([row for row in rows if service in (None, row["service"])], columns=COLUMNS)


def settled(lab: Lab, conns: int | None = None, *, service: str | None = None, timeout: float = 10) -> pd.DataFrame:
    """Return the counters once they have settled: when `conns` connections are counted in all, or have not changed for 2.5 s.

    Zeroing forgets only what has been added up, so let the counters settle before VirtualService.zero() too.

    Columns as `counters`. Raises WaitTimeout when they do not settle; its words are the last counters.
    """
    last, since = pd.DataFrame(columns=COLUMNS), time.monotonic()

    def enough() -> bool:
        nonlocal last, since
        now = counters(lab, service)
        if not now.equals(last):
            last, since = now, time.monotonic()
        if conns is None:
            return time.monotonic() - since > LAG + 0.5
        # A server with connections but no packets yet is a torn reading: they are summed up together.
        whole = (last["conns"] == 0) | (last["in_packets"] > 0)
        return last["conns"].sum() >= conns and bool(whole.all())

    reason, way_out = "counters that no longer change", "is something still being sent?"
    if conns is not None:
        reason = f"{conns} connections in the counters"
        way_out = "was every request sent through the virtual service?"
    try:
        wait_until(enough, reason=reason, timeout=timeout, interval=0.2)
    except WaitTimeout as error:
        raise WaitTimeout(error.tried, words=last.to_string(), way_out=way_out) from None
    return last


def history(lab: Lab, work: Callable[[], object], *, conns: int | None = None, every: float = 0.25) -> pd.DataFrame:
    """Read the counters every `every` seconds while `work` runs and until they have settled.

    Columns: those of `counters` and `time` (s since the first reading).
    """
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


def sockets(lab: Lab) -> pd.DataFrame:
    """Return every listening TCP socket and bound UDP socket in the lab: protocol, address, port, program, pid, command."""
    columns = ["protocol", "address", "port", "program", "pid", "command"]
    return pd.DataFrame(lab.call(listeners), columns=columns)


ATTEMPT_COLUMNS = ["n", "time", "upstreams", "statuses", "status"]
LINE = re.compile(r"(\d+(?:\.\d*)?)\|(\d+)\|([^|]*)\|([^|]*)")


def parse_attempts(text: str, skip: int = 0) -> pd.DataFrame:
    """Return lines of an access log in LOG_FORMAT, but the first `skip`, as the DataFrame that `attempts` describes.

    Lines of another format, which nginx wrote with an earlier configuration, are left out. Raises MeasureError when the
    last line is one: then nginx still writes it.
    """
    lines = text.split("\n")
    found = [LINE.fullmatch(line) for line in lines[: -1 if lines[-1] == "" else None]]
    if found and not found[-1]:
        raise MeasureError(
            "This access log does not tell the attempts.", words=lines[len(found) - 1],
            way_out=f"use in http {{ }}: {LOG_FORMAT} access_log {Nginx.access_log} attempts; then reload nginx and ask it again",
        )  # fmt: skip
    rows = []
    for number, match in enumerate([match for match in found if match][skip:], 1):
        when, status, addresses, statuses = match.groups()
        upstreams = tuple(re.findall(r"[^ ,:-][^ ,]*", addresses))  # not the - of none
        codes = tuple(map(int, re.findall(r"\d+", statuses)))
        rows.append((number, float(when), upstreams, codes, int(status)))
    table = pd.DataFrame(rows, columns=ATTEMPT_COLUMNS)
    table["time"] -= table["time"].min() if rows else 0.0
    return table


def attempts(lab: Lab, *, log: str = Nginx.access_log, skip: int = 0) -> pd.DataFrame:
    """Return the attempts of every request in nginx's access log but the first `skip` of those that tell them.

    Columns: n (1 …), time (s since the first), upstreams (tuple of addresses in the order tried), statuses (tuple of their
    status codes; 502 is a refused or broken connection, 504 a time-out), status (what the client got).
    Raises MeasureError when the log is not there or is written in another format.
    """
    text = lab.read(log)
    if text is None:
        way_out = f"use in http {{ }}: access_log {log} attempts;"
        raise MeasureError(f"nginx has written no {log}.", way_out=way_out)
    return parse_attempts(text, skip)
