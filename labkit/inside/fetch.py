"""Single HTTP requests with all that came back, and how many connection attempts in the lab were refused meanwhile."""

from __future__ import annotations

import http.client
import time
from typing import Any

from .http_get import PAGE_LIMIT, ask, connect, parsed
from .http_load import error_name


def fetch(host: str, port: int, path: str = "/", timeout: float = 3.0) -> dict[str, Any]:
    """GET a page within `timeout` seconds: status and headers (name, value) of the answer, its body, error (None with one)."""
    row: dict[str, Any] = {"status": None, "headers": [], "body": "", "error": None}
    deadline = time.monotonic() + timeout
    try:
        connection, _ = connect(host, port, deadline)
        with connection:
            status, head, body, _ = ask(connection, f"{host}:{port}", path, deadline)
        response = parsed(head, body)
        row |= {"status": status, "headers": response.getheaders()}
        row["body"] = response.read(PAGE_LIMIT).decode(errors="replace")
    except (OSError, http.client.HTTPException) as problem:
        row["error"] = error_name(problem)
    return row


def refused_attempts() -> int:
    """How many TCP connection attempts in this network have failed so far (/proc/net/snmp, AttemptFails: RFC 4022)."""
    with open("/proc/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("AttemptFails")])
