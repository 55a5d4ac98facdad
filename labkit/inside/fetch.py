"""Single HTTP requests with all that came back, and how many connection attempts in the lab were refused meanwhile."""

from __future__ import annotations

import http.client
from typing import Any

from .http_load import error_name

PAGE_LIMIT = 65536


def fetch(host: str, port: int, path: str = "/", timeout: float = 3.0) -> dict[str, Any]:
    """GET a page: status and headers (name, value) of the answer, its body, error (None when there was an answer)."""
    row: dict[str, Any] = {"status": None, "headers": [], "body": "", "error": None}
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        row |= {"status": response.status, "headers": response.getheaders()}
        row["body"] = response.read(PAGE_LIMIT).decode(errors="replace")
    except (OSError, http.client.HTTPException) as problem:
        row["error"] = error_name(problem)
    finally:
        connection.close()
    return row


def refused_attempts() -> int:
    """How many TCP connection attempts in this network have failed so far (/proc/net/snmp, AttemptFails: RFC 4022)."""
    with open("/proc/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("AttemptFails")])


def fetch_series(host: str, port: int, count: int, timeout: float = 3.0) -> list[dict[str, Any]]:
    """`count` fetches one after another, each row with `refused`: the attempts that failed in the lab meanwhile."""
    rows = []
    before = refused_attempts()
    for _ in range(count):
        row = fetch(host, port, "/", timeout)
        now = refused_attempts()
        rows.append(row | {"refused": now - before})
        before = now
    return rows
