"""What the panel has seen of late, the layer before the pool with its counters, and how all is shown: as pictures, as tables
and by widgets, all of it HTML that needs no kernel; and a lab's topology."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup

from ..errors import LabError, MeasureError, require
from ..inside import dns_load, files
from ..lab import Lab
from ..measure.counters import counters, parse_attempts
from ..measure.traffic import NAME, frame, split_url
from ..services.base import Service, split_address
from ..services.daemons import Dnsmasq, Nginx
from ..services.http_server import STOPPED, WELL, Backend, BackendPool
from ..services.ipvs import VirtualService
from ..show import Member, Picture
from ..show import topology as draw_topology
from ..show.lanes import recent as draw_recent
from ..show.style import FAILURE, GRID, INK, colour_of, tint
from ..writing import filled

SPAN = 20.0  # seconds that are drawn
NOBODY = "no backend"
Table: TypeAlias = pd.DataFrame | None
COLUMNS = ["backend", "answered", "failed", "why", "median ms"]


class Window:
    """Requests as rows of inside.http_client, and what was done meanwhile. `places` maps each backend's address to its name.

    Since it was made: `answered` by whom, `failed` at whom and why, and how often each address was `connected` to.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = dict(places)
        self.rows: list[tuple[Any, ...]] = []
        self.events: list[tuple[float, str]] = []
        self.answered, self.connected = Counter[str](), Counter[str]()
        self.failed = Counter[tuple[str, str]]()

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
        return traffic.assign(who=traffic["backend"].fillna(asked).fillna(NOBODY))

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
            why = {error: n for (who, error), n in [*self.failed.items()] if who == name}
            if name != NOBODY or why:
                words = ", ".join(f"{count:,} {error}" for error, count in why.items())
                failed = sum(why.values())
                rows.append((name, self.answered[name], failed, words or "–", ms.get(name)))
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
        read = partial(dns_answers, lab, host)
        return Layer("dnsmasq\nfirst A record", [(host, port)], "DNS answers", True, path, read)
    if isinstance(via, VirtualService):
        label, read = f"IPVS {via.scheduler}\n{via.address}", partial(ipvs_table, lab, via.address)
        return Layer(label, [split_address(via.address)], "IPVS table", read=read)
    way_out = "a Dnsmasq, a VirtualService, an Nginx, or None"
    require(isinstance(via, Nginx), f"A panel cannot show {via!r}.", way_out)
    host, port, path = split_url(url or "http://127.0.0.1:8888/")
    label = f"nginx\n{host}:{port}"
    return Layer(label, [(host, port)], "nginx attempts", path=path, read=NginxAttempts(lab))


def dns_answers(lab: Lab, name: str, connected: Counter[str]) -> pd.DataFrame:
    """Return the A records that `name` has now, in the order of the last answer, and how often each was a client's first.

    Columns: A record, TTL (s), taken first (times).
    """
    row = lab.call(dns_load.ask, name, "127.0.0.1", 53, "A", 1.0, False)
    if row["error"]:
        tried = f"dnsmasq does not answer: {row['error']}."
        raise MeasureError(tried, way_out="start it: dnsmasq.start()")
    taken = Counter[str]()
    for address, count in connected.items():
        taken[address.rpartition(":")[0]] += count
    rows = [(address, row["ttl"], taken[address]) for address in row["answers"]]
    return pd.DataFrame(rows, columns=["A record", "TTL", "taken first"])


def ipvs_table(lab: Lab, service: str, _connected: Counter[str]) -> pd.DataFrame:
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
        for row in parse_attempts(text).itertuples():
            self.tried.update(row.upstreams)
            ends = zip(row.upstreams, row.statuses, strict=False)
            self.failed.update(name for name, status in ends if status in (502, 504))
        rows = [(name, self.tried[name], self.failed[name]) for name in sorted(self.tried)]
        return pd.DataFrame(rows, columns=["upstream", "attempts", "failed"])


def topology(
    pool: BackendPool, counted: Table = None, *, balancer: str | None = None, title: str | None = None
) -> Picture:  # fmt: skip
    """Draw client → `balancer` → the pool's servers: who is up now, and how much of `counted` went where.

    `counted` is a table of `traffic`, or of IPVS `counters`. `balancer` is a label, None when the client asks directly.
    """
    backends = [member_of(one.backend, one.state, *went_to(one.backend, counted)) for one in pool]
    return draw_topology("client", balancer, backends, title=title)


def went_to(backend: Backend, counted: Table) -> tuple[int | None, str]:
    """Return how many requests (connections of counters) a backend got, and a note on those that failed there."""
    if counted is None:
        return None, ""
    if "conns" in counted:
        return int(counted.loc[counted["server"] == backend.address, "conns"].sum()), ""
    here = counted["address"] == backend.address
    failed = int((here & counted["error"].notna()).sum())
    note = f"{failed} failed here" if failed else ""
    return int((counted["backend"] == backend.name).sum()), note


def member_of(backend: Backend, state: str, requests: int | None, note: str = "") -> Member:
    """Return a backend in a `state` (a word of BackendServer.state) as it is drawn, with its number of `requests` and a note."""
    fault = "" if state in (WELL, STOPPED) else state
    return Member(backend.name, backend.address, state != STOPPED, requests, note, fault)


class Drawn(NamedTuple):
    """The pictures, and the tables as HTML."""

    pictures: tuple[Picture, Picture]
    tables: str


def draw(pool: BackendPool, layer: Layer, states: Mapping[str, str], window: Window, now: float) -> Drawn:
    """Draw everything as it is at `now` (Unix seconds), the backends being in these `states`."""
    recent = window.recent(now)
    got = recent["who"].value_counts()
    backends = []
    for name, server in pool.servers.items():
        backends.append(member_of(server.backend, states[name], int(got.get(name, 0))))
    title = f"Who is up, and what went where in the last {SPAN:g} seconds?"
    scene = draw_topology("client", layer.balancer, backends, title=title)
    lanes = draw_recent(recent, list(pool.servers), SPAN, events=window.noted(now))
    tables = titled("Since the panel began", window.table(recent))
    return Drawn((scene, lanes), tables + titled(layer.title, layer.counted(window.connected)))


def titled(title: str, table: pd.DataFrame | str | None) -> str:
    """Return a table (or the words that stand for it) below its title, as HTML; "" for None."""
    if table is None:
        return ""
    if isinstance(table, pd.DataFrame):
        how = {"index": False, "border": 0, "na_rep": "–", "float_format": "{:.1f}".format}
        body = Markup(table.to_html(**how))
    else:
        body = Markup("<p>{}</p>").format(table)
    look = "display:inline-block;vertical-align:top;margin-right:2em"
    return str(Markup('<div style="{}"><b>{}</b>{}</div>').format(look, title, body))


class Still:
    """The copy in its cell; `mark` is its class, which the panel's style hides."""

    def __init__(self) -> None:
        self.mark = f"labkit-still-{uuid.uuid4().hex[:8]}"
        self.made = 0.0  # monotonic seconds
        self._shown: Any = None

    def show(self) -> None:
        """Make a place for it below the cell that runs."""
        self._shown = display(HTML(""), display_id=True)

    def renew(self, drawn: Drawn, when: float) -> None:
        """Show what was drawn at `when` (Unix seconds)."""
        self.made = time.monotonic()
        if self._shown is not None:
            words = time.strftime("The panel as it was at %H:%M:%S.", time.localtime(when))
            self._shown.update(HTML(still(drawn, self.mark, words)))


def still(drawn: Drawn, mark: str, words: str) -> str:
    """Return pictures and tables as HTML of the class `mark`, with `words` below."""
    pictures = []
    for data, meta in (picture._repr_mimebundle_() for picture in drawn.pictures):
        width = meta["image/png"]["width"]
        pictures.append({"words": data["text/plain"], "width": width, "png": data["image/png"]})
    values = {"mark": mark, "pictures": pictures, "tables": Markup(drawn.tables), "words": words}
    return filled("still.html.j2", **values)


BEAT = 10_000  # milliseconds
RATES = (1, 30)  # requests a second; on User-Mode Linux one takes about 5 ms of a processor
# What a client sees of each; the words are those of services/faults.py.
WORDS = {
    "well": "it answers",
    "stopped": "its process is killed: connections are refused",
    "frozen": "its process is stopped by a signal: connections are accepted, and never answered",
    "unplugged": "packets to it are dropped: nobody answers a SYN",
    "slow": "every answer comes 500 ms later",
    "flaky": "every second answer is an error 500",
}


class Box(widgets.VBox):
    """The panel's frame; where a page cannot show widgets, it says so in a few words."""

    def __repr__(self) -> str:
        return "(In a running notebook, here is the live panel.)"


class Controls:
    """All widgets; `box` holds them. While it is on a page, what has the class `mark` is hidden there."""

    def __init__(self, backends: Iterable[Backend], rate: float, mark: str) -> None:
        small, wide = {"width": "72px"}, {"width": "92px"}
        first = {"description": "Start", "icon": "play", "button_style": "primary"}
        self.start = widgets.Button(**first, layout=wide)
        self.stop = widgets.Button(description="Stop", icon="stop", layout=wide, disabled=True)
        words = {"description": "Clear", "tooltip": "begin to count anew"}
        self.clear = widgets.Button(**words, layout=small)
        # No slider: its handle has no name for those who do not see it.
        low, high = RATES
        how = {"min": low, "max": high, "description": "requests/s"}
        self.rate = widgets.BoundedIntText(value=rate, layout={"width": "170px"}, **how)
        self.said, self.commands, self.tables = widgets.HTML(), widgets.HTML(), widgets.HTML()
        # Of an Image nobody could say what it shows.
        self.images = [widgets.HTML() for _ in range(2)]
        look, wide = {"options": [*WORDS], "tooltips": [*WORDS.values()]}, {"button_width": "84px"}
        self.switches = {one.name: widgets.ToggleButtons(**look, style=wide) for one in backends}
        # It counts in the browser, so a page that is closed is noticed here. It counts from when `playing` becomes true on.
        self.beat = widgets.Play(max=10**9, interval=BEAT, layout={"display": "none"})
        rows = [widgets.HBox([self._name(one), self.switches[one.name]]) for one in backends]
        top = widgets.HBox([self.start, self.stop, self.rate, self.clear])
        top.layout.align_items = "center"
        colours = {"grid": GRID, "ink": INK, "alarm": tint(FAILURE, 0.75)}
        style = filled("panel.html.j2", mark=mark, **colours)
        looks = widgets.HTML(style, layout={"display": "none"})
        shown = [self.said, *self.images, self.tables, self.commands]
        self.box = Box([looks, self.beat, top, *rows, *shown])
        self.box.add_class("labkit-panel")
        # Once it is a number, the browser keeps it (ipywidgets says: experimental).
        self.box._view_count = 0

    @staticmethod
    def _name(backend: Backend) -> widgets.HTML:
        look = "display:inline-block;width:11px;height:11px;border-radius:3px;background:"
        words = Markup('<span style="{}"></span>&nbsp; <b>{}</b> <span class="muted">{}</span>').format(
            look + colour_of(backend.name), backend.name, backend.address
        )
        return widgets.HTML(str(words), layout={"width": "204px"})

    def say(self, words: str) -> None:
        self.said.value = str(Markup('<span class="muted">{}</span>').format(words))

    def show_commands(self, commands: list[str]) -> None:
        """Show the native commands of the last fault."""
        text = Markup("<b>The last change, as one types it</b><pre>{}</pre>")
        self.commands.value = str(text.format("\n".join(commands))) if commands else ""
