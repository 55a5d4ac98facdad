"""Which upstreams each request tried: nginx's own log, as a DataFrame."""

from __future__ import annotations

import pandas as pd

from ..errors import MeasureError
from ..lab import Lab
from ..services.nginx import Nginx

COLUMNS = ["n", "time", "upstreams", "statuses", "status"]
# The format to give to nginx: one line a request, what it tried and what came of it (ngx_http_upstream_module,
# $upstream_addr and $upstream_status: values of several attempts are separated by commas).
LOG_FORMAT = "log_format attempts '$msec|$status|$upstream_addr|$upstream_status';"


def parse_attempts(text: str) -> pd.DataFrame:
    """Lines of an access log in LOG_FORMAT as the DataFrame that `attempts` describes. Raises MeasureError for others."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split("|")
        if len(parts) != 4:
            raise MeasureError(
                "This access log does not tell the attempts.", words=line, way_out=f"use in http {{ }}: {LOG_FORMAT}"
            )
        when, status, addresses, statuses = parts
        if not status.isdigit() or not when.replace(".", "", 1).isdigit():
            raise MeasureError(
                "This access log does not tell the attempts.", words=line, way_out=f"use in http {{ }}: {LOG_FORMAT}"
            )
        upstreams = tuple(part.strip() for part in addresses.split(",") if part.strip() not in ("", "-"))
        codes = tuple(int(part) if part.strip().isdigit() else 0 for part in statuses.split(",") if part.strip() not in ("", "-"))
        rows.append((number, float(when), upstreams, codes, int(status)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["time"] -= table["time"].min() if rows else 0.0
    return table


def attempts(lab: Lab, *, log: str = Nginx.access_log, skip: int = 0) -> pd.DataFrame:
    """The attempts of every request in nginx's access log but the first `skip`.

    Columns: n (1 …), time (s since the first), upstreams (tuple of addresses in the order tried), statuses (tuple of their
    status codes; 502 is a refused or broken connection, 504 a time-out), status (what the client got).
    Raises MeasureError when the log is not there or has another format.
    """
    text = lab.read(log)
    if text is None:
        raise MeasureError(f"nginx has written no {log}.", way_out=f"use in http {{ }}: access_log {log} attempts;")
    return parse_attempts("".join(text.splitlines(keepends=True)[skip:]))
