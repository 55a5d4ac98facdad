"""Which upstreams each request tried: nginx's own log, as a DataFrame."""

from __future__ import annotations

import re

import pandas as pd

from ..errors import MeasureError
from ..lab import Lab
from ..services.nginx import LOG_FORMAT, Nginx

COLUMNS = ["n", "time", "upstreams", "statuses", "status"]
LINE = re.compile(r"(\d+(?:\.\d*)?)\|(\d+)\|([^|]*)\|([^|]*)")


def parse_attempts(text: str, skip: int = 0) -> pd.DataFrame:
    """Lines of an access log in LOG_FORMAT, but the first `skip`, as the DataFrame that `attempts` describes.

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
    for number, (when, status, addresses, statuses) in enumerate([match.groups() for match in found if match][skip:], 1):
        upstreams = tuple(part.strip() for part in addresses.split(",") if part.strip() not in ("", "-"))
        codes = tuple(int(part) if part.strip().isdigit() else 0 for part in statuses.split(",") if part.strip() not in ("", "-"))
        rows.append((number, float(when), upstreams, codes, int(status)))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["time"] -= table["time"].min() if rows else 0.0
    return table


def attempts(lab: Lab, *, log: str = Nginx.access_log, skip: int = 0) -> pd.DataFrame:
    """The attempts of every request in nginx's access log but the first `skip` of those that tell them.

    Columns: n (1 …), time (s since the first), upstreams (tuple of addresses in the order tried), statuses (tuple of their
    status codes; 502 is a refused or broken connection, 504 a time-out), status (what the client got).
    Raises MeasureError when the log is not there or is written in another format.
    """
    text = lab.read(log)
    if text is None:
        raise MeasureError(f"nginx has written no {log}.", way_out=f"use in http {{ }}: access_log {log} attempts;")
    return parse_attempts(text, skip)
