"""What the panel has seen in the last seconds and in all, and the layer before the pool with its counters."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import BadInput, LabError, MeasureError
from ..inside import dns_load, files
from ..lab import Lab
from ..measure.counters import counters, parse_attempts
from ..measure.traffic import NAME, frame, split_url
from ..services.base import Service, split_address
from ..services.daemons import Dnsmasq, Nginx
from ..services.http_server import BackendPool
from ..services.ipvs import VirtualService

SPAN = 20.0  # seconds that are drawn
NOBODY = "no backend"
COLUMNS = ["backend", "answered", "failed", "why", "median ms"]


class Window:
    """Requests as rows of inside.http_client, and what was done meanwhile. `places` maps each backend's address to its name.

    Since it was made: `answered` by whom, `failed` at whom and why, and how often each address was `connected` to.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = dict(places)
        self.rows: list[tuple[Any, ...]] = []
        self.events: list[tuple[float, str]] = []
        self.answered, self.failed, self.connected = Counter[str](), Counter[tuple[str, str]](), Counter[str]()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        new = [tuple(row) for row in rows]
        for row in self._who(frame(new)).itertuples():
            self.connected[row.address] += 1
            if row.error is None:
                self.answered[row.who] += 1
            else:
                self.failed[row.who, row.error] += 1
        self.rows += new

    def note(self, words: str) -> None:
        self.events.append((time.time(), words))

    def _who(self, traffic: pd.DataFrame) -> pd.DataFrame:
        asked = traffic["address"].map(self.places)
        return traffic.assign(who=traffic["backend"].where(traffic["backend"].notna(), asked).fillna(NOBODY))

    def recent(self, now: float) -> pd.DataFrame:
        """Return the requests of the last SPAN seconds before `now` (Unix seconds), and forget older ones.

        Columns: those of `traffic`, `start` being seconds before `now` (negative), and who: the backend that answered, else
        the one that was asked, else nobody.
        """
        self.rows = [row for row in self.rows if row[0] >= now - SPAN]
        recent = frame(self.rows)
        recent["start"] += recent.attrs["epoch"] - now
        return self._who(recent)

    def noted(self, now: float) -> list[tuple[float, str]]:
        """Return what was done in the last SPAN seconds: seconds before `now`, words."""
        return [(when - now, words) for when, words in self.events if when >= now - SPAN]

    def table(self, recent: pd.DataFrame) -> pd.DataFrame:
        """Return a row a backend, what none got last: counts since the window was made, and the median of `recent` answers.

        Columns: backend, answered, failed, why ("3 refused, 1 timeout"), median ms.
        """
        ms = recent[recent["error"].isna()].groupby("who")["ms"].median()
        rows = []
        for name in [*self.places.values(), NOBODY]:
            why = {error: count for (who, error), count in [*self.failed.items()] if who == name}
            if name != NOBODY or why:
                words = ", ".join(f"{count:,} {error}" for error, count in why.items())
                rows.append((name, self.answered[name], sum(why.values()), words or "–", ms.get(name)))
        return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Layer:
    """`targets` are asked in turn; `read`, given how often each address was connected to, returns the layer's counters."""

    balancer: str | None
    targets: list[tuple[str, int]]
    title: str = ""
    first_record: bool = False
    path: str = "/"
    read: Callable[[Counter[str]], pd.DataFrame] | None = None

    def counted(self, connected: Counter[str]) -> pd.DataFrame | str | None:
        """Return the layer's counters, or in words why there are none; None for a pool that is asked directly."""
        try:
            return self.read and self.read(connected)
        except (LabError, MeasureError) as error:
            return str(error)


def layer_of(lab: Lab, pool: BackendPool, via: Service | None, url: str | None) -> Layer:
    """Return the layer that `via` makes: dnsmasq, an IPVS virtual service, nginx, or none. Raises BadInput for anything else."""
    if via is None:
        return Layer(None, [split_address(server.backend.address) for server in pool])
    if isinstance(via, Dnsmasq):
        host, port, path = split_url(url or f"http://{NAME}:{next(iter(pool)).backend.port}/")
        label = "dnsmasq\nfirst A record"
        return Layer(label, [(host, port)], "DNS answers", True, path, lambda connected: dns_answers(lab, host, connected))
    if isinstance(via, VirtualService):
        label = f"IPVS {via.scheduler}\n{via.address}"
        return Layer(label, [split_address(via.address)], "IPVS table", read=lambda _: ipvs_table(lab, via.address))
    if isinstance(via, Nginx):
        host, port, path = split_url(url or "http://127.0.0.1:8888/")
        return Layer(f"nginx\n{host}:{port}", [(host, port)], "nginx attempts", path=path, read=NginxAttempts(lab))
    raise BadInput(f"A panel cannot show {via!r}.", way_out="a Dnsmasq, a VirtualService, an Nginx, or None")


def dns_answers(lab: Lab, name: str, connected: Counter[str]) -> pd.DataFrame:
    """Return the A records that `name` has now, in the order of the last answer, and how often each was a client's first.

    Columns: A record, TTL (s), taken first (times).
    """
    row = lab.call(dns_load.ask, name, "127.0.0.1", 53, "A", 1.0, False)
    if row["error"]:
        raise MeasureError(f"dnsmasq does not answer: {row['error']}.", way_out="start it: dnsmasq.start()")
    taken = Counter[str]()
    for address, count in connected.items():
        taken[address.rpartition(":")[0]] += count
    rows = [(address, row["ttl"], taken[address]) for address in row["answers"]]
    return pd.DataFrame(rows, columns=["A record", "TTL", "taken first"])


def ipvs_table(lab: Lab, service: str) -> pd.DataFrame:
    """Return IPVS's real servers: real server, weight, active, inactive, connections (these lag by up to 2 s)."""
    table = counters(lab, service)[["server", "weight", "active", "inactive", "conns"]]
    return table.rename(columns={"server": "real server", "conns": "connections"})


class NginxAttempts:
    """How often nginx has tried each upstream since the panel began, from what its access log has grown by."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.tried, self.failed = lab, Counter[str](), Counter[str]()
        self._offset = -1  # the log's end

    def __call__(self, _connected: Counter[str]) -> pd.DataFrame:
        """Return the columns upstream, attempts, failed: 502 or 504 in $upstream_status (ngx_http_upstream_module)."""
        text, self._offset = self.lab.call(files.grown, Nginx.access_log, self._offset)
        for upstreams, statuses in parse_attempts(text)[["upstreams", "statuses"]].itertuples(index=False):
            self.tried.update(upstreams)
            self.failed.update(name for name, status in zip(upstreams, statuses, strict=False) if status in (502, 504))
        rows = [(name, self.tried[name], self.failed[name]) for name in sorted(self.tried)]
        return pd.DataFrame(rows, columns=["upstream", "attempts", "failed"])
