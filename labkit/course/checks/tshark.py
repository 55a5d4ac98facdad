"""What tshark makes of one request through nginx."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ...errors import MeasureError
from ...measure.capture import PORTS, Capture
from ..bench import Bench
from ..evidence import CAPTURE, MAX_CAPTURE, packed

HEADER = "X-high-load-test"


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
    exchanges = capture.exchanges(fast=True)
    bench.evidence[CAPTURE] = packed(capture.file.read_bytes())
    return [
        f"{row.hop}: {row.method} {row.uri} → {row.status} ({row.ms:.1f} ms){carried(row.request_headers, row.response_headers)}"
        for row in exchanges.itertuples()
        if row.method and pd.notna(row.status)
    ]
