"""What the panel has seen in the last seconds and in all, and the layer before the pool with its counters."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import BadInput, LabError, MeasureError
from ..lab import Lab
from ..measure.counters import counters, parse_attempts
from ..measure.dns import NAME
from ..measure.traffic import frame, split_url
from ..services.base import Service, split_address
from ..services.daemons import Dnsmasq, Nginx
from ..services.http_server import BackendPool
from ..services.ipvs import VirtualService

SPAN = 20.0  # seconds that are drawn
NOBODY = "no backend"
# Counts since the panel began, why as words ("3 refused, 1 timeout"), ms of the last seconds.
COLUMNS = ["backend", "answered", "failed", "why", "median ms"]


@dataclass(frozen=True)
class Seen:
    """What had been seen at one time.

    `recent`: the last seconds as `traffic` describes them, `start` being seconds before then (negative), and who: the backend
    that answered, else the one that was asked, else nobody. `events`: (seconds before then, words). `table`: a row a
    backend, what none got last, with COLUMNS. `connected`: how often each address was connected to.
    """

    recent: pd.DataFrame
    events: list[tuple[float, str]]
    table: pd.DataFrame
    connected: Counter[str]


class Window:
    """Requests as rows of inside.http_client, and what was done meanwhile. `places` maps each backend's address to its name."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places, self._lock = dict(places), threading.RLock()  # rows come in while others are drawn
        self.clear()

    def clear(self) -> None:
        """Forget all: a new count begins."""
        with self._lock:
            self.rows: deque[Sequence[Any]] = deque()
            self.events: deque[tuple[float, str]] = deque()
            self.answered, self.failed, self.connected = Counter[str](), Counter[tuple[str, str]](), Counter[str]()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take rows in, and let those that are too old go."""
        with self._lock:
            new = list(rows)
            self.rows += new
            for row in self._who(frame([tuple(row) for row in new])).itertuples():
                self.connected[row.address] += 1
                if row.error is None:
                    self.answered[row.who] += 1
                else:
                    self.failed[row.who, row.error] += 1
            self._forget(max((row[0] for row in self.rows), default=0.0))

    def note(self, words: str) -> None:
        """Remember that something was done now."""
        with self._lock:
            self.events.append((time.time(), words))

    def _forget(self, now: float) -> None:
        for seen in (self.rows, self.events):
            while seen and seen[0][0] < now - SPAN:
                seen.popleft()

    def _who(self, traffic: pd.DataFrame) -> pd.DataFrame:
        """With a column who: the backend that answered, else the one that was asked, else nobody."""
        asked = traffic["address"].map(self.places)
        return traffic.assign(who=traffic["backend"].where(traffic["backend"].notna(), asked).fillna(NOBODY))

    def seen(self, now: float) -> Seen:
        """All of it as it is at `now` (Unix seconds)."""
        with self._lock:
            self._forget(now)
            recent = frame([tuple(row) for row in self.rows])
            recent["start"] += recent.attrs["epoch"] - now
            recent = self._who(recent)
            events = [(when - now, words) for when, words in self.events]
            return Seen(recent, events, self._table(recent), Counter(self.connected))

    def _table(self, recent: pd.DataFrame) -> pd.DataFrame:
        ms = recent[recent["error"].isna()].groupby("who")["ms"].median()
        rows = []
        for name in [*self.places.values(), NOBODY]:
            why = {error: count for (who, error), count in self.failed.items() if who == name}
            if name != NOBODY or why:
                words = ", ".join(f"{count:,} {error}" for error, count in why.items())
                rows.append((name, self.answered[name], sum(why.values()), words or "–", ms.get(name)))
        return pd.DataFrame(rows, columns=COLUMNS)


# How nginx logs an attempt that got no answer: $upstream_status of ngx_http_upstream_module.
NO_ANSWER = (502, 504)


@dataclass(frozen=True)
class Layer:
    """`targets` are asked in turn; `read`, given how often each address was connected to, returns the layer's counters."""

    balancer: str | None
    targets: list[tuple[str, int]]
    title: str = ""
    first_record: bool = False
    path: str = "/"
    read: Callable[[Counter[str]], pd.DataFrame] | None = None


def layer_of(lab: Lab, pool: BackendPool, via: Service | None, url: str | None) -> Layer:
    """The layer that `via` makes: dnsmasq, an IPVS virtual service, nginx, or none. Raises BadInput for anything else."""
    if via is None:
        return Layer(None, [split_address(server.backend.address) for server in pool])
    if isinstance(via, Dnsmasq):
        port = next(iter(pool)).backend.port
        host, port, path = split_url(url or f"http://{NAME}:{port}/")
        read = DnsAnswers(lab, host)
        return Layer("dnsmasq\nfirst A record", [(host, port)], "DNS answers", first_record=True, path=path, read=read)
    if isinstance(via, VirtualService):
        label = f"IPVS {via.scheduler}\n{via.address}"
        return Layer(label, [split_address(via.address)], "IPVS table", read=lambda _: ipvs_table(lab, via.address))
    if isinstance(via, Nginx):
        host, port, path = split_url(url or "http://127.0.0.1:8888/")
        return Layer(f"nginx\n{host}:{port}", [(host, port)], "nginx attempts", path=path, read=NginxAttempts(lab))
    raise BadInput(f"A panel cannot show {via!r}.", way_out="a Dnsmasq, a VirtualService, an Nginx, or None")


def ipvs_table(lab: Lab, service: str) -> pd.DataFrame:
    """IPVS's real servers: server, weight, active, inactive, connections (the last lags by up to 2 s)."""
    table = counters(lab, service)[["server", "weight", "active", "inactive", "conns"]]
    return table.rename(columns={"server": "real server", "conns": "connections"})


class DnsAnswers:
    """The A records that the name has now, in the order of the last answer, and how often each was a client's first."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name

    def __call__(self, connected: Counter[str]) -> pd.DataFrame:
        """Columns: A record, TTL (s), taken first (times)."""
        row = self.lab.call("labkit.inside.dns_load:ask", self.name, "127.0.0.1", 53, "A", 1.0, False)
        if row["error"]:
            raise MeasureError(f"dnsmasq does not answer: {row['error']}.", way_out="start it: dnsmasq.start()")
        taken = Counter[str]()
        for address, count in connected.items():
            taken[address.rpartition(":")[0]] += count
        return pd.DataFrame(
            [(address, row["ttl"], taken[address]) for address in row["answers"]], columns=["A record", "TTL", "taken first"]
        )


class NginxAttempts:
    """How often nginx has tried each upstream since the panel began, from what its access log has grown by."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.tried, self.failed = lab, Counter[str](), Counter[str]()
        self._offset = -1  # the log's end

    def __call__(self, _connected: Counter[str]) -> pd.DataFrame:
        """Columns: upstream, attempts, failed (502 or 504)."""
        text, self._offset = self.lab.call("labkit.inside.files:grown", Nginx.access_log, self._offset)
        for upstreams, statuses in parse_attempts(text)[["upstreams", "statuses"]].itertuples(index=False):
            self.tried.update(upstreams)
            self.failed.update(name for name, status in zip(upstreams, statuses, strict=False) if status in NO_ANSWER)
        rows = [(name, self.tried[name], self.failed[name]) for name in sorted(self.tried)]
        return pd.DataFrame(rows, columns=["upstream", "attempts", "failed"])


def read(layer: Layer, connected: Counter[str]) -> pd.DataFrame | str | None:
    """The layer's counters, or in words why there are none; None for a pool that is asked directly."""
    if layer.read is None:
        return None
    try:
        return layer.read(connected)
    except (LabError, MeasureError) as error:
        return str(error)
