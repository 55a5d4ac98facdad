"""The topology of a lab as it is now: its pool looked at, its traffic counted, then drawn."""

from __future__ import annotations

import pandas as pd

from ..services.http_server import STOPPED, WELL, BackendPool
from ..services.http_server import Backend as Server
from ..show import Backend, Picture
from ..show import topology as draw


def sent_to(counted: pd.DataFrame, name: str, address: str) -> int:
    """How many requests of a traffic table, or connections of a counters table, went to the backend."""
    if "conns" in counted:
        return int(counted.loc[counted["server"] == address, "conns"].sum())
    return int((counted["backend"] == name).sum())


def failed_at(counted: pd.DataFrame | None, address: str) -> str:
    """A note on the requests of a traffic table that failed at the backend's own address, "" when none did."""
    if counted is None or "error" not in counted:
        return ""
    failed = int(((counted["address"] == address) & counted["error"].notna()).sum())
    return f"{failed} failed here" if failed else ""


def topology(
    pool: BackendPool, counted: pd.DataFrame | None = None, *, balancer: str | None = None, title: str | None = None
) -> Picture:
    """Draw client → `balancer` → the pool's servers: who is up now, and how much of `counted` went where.

    `counted` is a table of `traffic`, or of IPVS `counters`. `balancer` is a label, None when the client asks directly.
    """
    backends = [
        backend_of(
            server.backend,
            server.state,
            None if counted is None else sent_to(counted, server.backend.name, server.backend.address),
            failed_at(counted, server.backend.address),
        )
        for server in pool
    ]
    return draw("client", balancer, backends, title=title)


def backend_of(backend: Server, state: str, requests: int | None, note: str = "") -> Backend:
    """A backend in a `state` (a word of BackendServer.state) as it is drawn, with how many `requests` it got, and a note."""
    fault = "" if state in (WELL, STOPPED) else state
    return Backend(backend.name, backend.address, alive=state != STOPPED, requests=requests, fault=fault, note=note)
