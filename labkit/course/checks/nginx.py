"""What task 4's checks measure together: requests with both backends alive, then one failover."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...errors import LabkitError, MeasureError
from ...measure.capture import PORTS, Capture
from ..bench import BACKENDS, LONG, Bench
from ..evidence import CAPTURE, MAX_CAPTURE, packed, request_rows
from .failover import GIVE_UP, LIMIT, TIMEOUT, Failover, replace_workers

ADDRESS, PORT = "127.0.0.1", 8888
HEADER = "X-high-load-test"
# A few, each on its own connection; and a crowd on one, in which even a plain server of weight 1 beside 1000 has its turn
# (smooth weighted round robin: it comes after about half the sum of the weights).
ALIVE, CROWD, CROWD_SECONDS = 20, 600, 60.0
# How often the page is asked for by its name.
BY_NAME = 2
# How often the failover is measured at the most.
TIMES = 3


@dataclass(frozen=True)
class Measured:
    """With both backends alive `alive`, the client's rows, `received`, what each backend got, and `hops`; then the failover.

    `hops` is what tshark saw of one request, or the error with which it could not look. `by_name` are the rows of a few requests
    for /index.html, and `others` what the backends received of these.
    """

    alive: list[dict[str, Any]]
    received: dict[int, list[dict[str, Any]]]
    by_name: list[dict[str, Any]]
    others: list[dict[str, Any]]
    hops: list[str] | LabkitError
    failover: Failover

    @property
    def remembering(self) -> bool:
        """True when an nginx that remembers earlier failures would behave like this."""
        return bool(self.received[8082]) or self.failover.attempts < LIMIT


def carried(request: Mapping[str, str], response: Mapping[str, str]) -> str:
    """Where the asked header is, with its value, in words."""
    found = [
        f"{name}: {value} on the {message}"
        for message, headers in (("request", request), ("response", response))
        for name, value in headers.items()
        if name.lower() == HEADER.lower()
    ]
    return "".join(f", {HEADER}{words[len(HEADER) :]}" for words in found)


def both_hops(bench: Bench, address: str, port: int) -> list[str]:
    """Record one request and return a sentence for each exchange that tshark decodes with request and response."""
    with Capture(bench.lab, PORTS) as capture:
        bench.call("fetch:fetch", address, port)
    size = capture.file.stat().st_size
    if size > MAX_CAPTURE:
        raise MeasureError(f"During one request {size:,} bytes were sent: too many to look for it.")
    exchanges = capture.exchanges()
    bench.evidence[CAPTURE] = packed(capture.file.read_bytes())
    return [
        f"{row.hop}: {row.method} {row.uri} → {row.status} ({row.ms:.1f} ms){carried(row.request_headers, row.response_headers)}"
        for row in exchanges.itertuples()
        if row.method and pd.notna(row.status)
    ]


def look(bench: Bench) -> list[str] | LabkitError:
    """What tshark sees of one request, or why it sees nothing: whatever tshark does, the other measurements go on."""
    try:
        return both_hops(bench, ADDRESS, PORT)
    except LabkitError as error:
        return error
    except Exception as error:  # of ours, at packets that nobody thought of
        return MeasureError(f"the capture could not be read: {type(error).__name__}: {error}")


def measure(bench: Bench) -> Measured:
    """Send the requests, with recorders as backends. Raises MeasureError when nobody answers."""
    bench.call("recorder:take", 8082)
    alive = bench.inside("series", ADDRESS, PORT, ALIVE, TIMEOUT, GIVE_UP)
    if all(row["error"] for row in alive):
        raise MeasureError(f"nobody answers at {ADDRESS}:{PORT}: {alive[0]['error']}{bench.words}")
    bench.inside("crowd", ADDRESS, PORT, CROWD, TIMEOUT, CROWD_SECONDS)
    received = {port: bench.call("recorder:take", port, timeout=LONG) for port in BACKENDS}
    bench.evidence["requests"] = request_rows(alive)
    bench.evidence["received"] = {str(port): len(rows) for port, rows in received.items()}
    by_name = [bench.call("fetch:fetch", ADDRESS, PORT, "/index.html", TIMEOUT) for _ in range(BY_NAME)]
    others = [row for port in BACKENDS for row in bench.call("recorder:take", port)]
    return Measured(alive, received, by_name, others, look(bench), Failover(bench, ADDRESS, PORT))


def listening(bench: Bench) -> list[dict[str, Any]]:
    """Who listens once nginx has been measured: one that reads its configuration again takes a moment to close a socket."""
    rows: list[dict[str, Any]] = bench.once("listening", lambda: bench.inside("programs"))
    return rows


def measured(bench: Bench) -> Measured:
    """Measure, and again when it may have been nginx's memory, or the machine's slowness, that was measured.

    The work's own trials, or a request before its backends ran, leave failures that nginx remembers until it reads its
    configuration again; successes soon after do not clear them (ngx_http_upstream_module, max_fails).
    """
    bench.record_backends()
    found = measure(bench)
    listening(bench)  # before it reads its configuration again
    for again in range(1, TIMES):
        if not found.failover.unclear and not (again == 1 and found.remembering):
            break
        try:
            replace_workers(bench, PORT, "masters", signal.SIGHUP)
            bench.record_backend(8081)
            found = measure(bench)
        except LabkitError:  # it cannot read its configuration again; then what was measured stands
            break
    return found
