"""The topology of a lab as it is now, the panel's pictures and tables, and all of them as HTML that needs no kernel."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup

from ..html import filled
from ..services.http_server import STOPPED, WELL, Backend, BackendPool
from ..show import Member, Picture
from ..show import topology as draw_topology
from ..show.lanes import recent as draw_recent
from .window import SPAN, Layer, Window


def topology(
    pool: BackendPool, counted: pd.DataFrame | None = None, *, balancer: str | None = None, title: str | None = None
) -> Picture:
    """Draw client → `balancer` → the pool's servers: who is up now, and how much of `counted` went where.

    `counted` is a table of `traffic`, or of IPVS `counters`. `balancer` is a label, None when the client asks directly.
    """
    backends = [member_of(server.backend, server.state, *went_to(server.backend, counted)) for server in pool]
    return draw_topology("client", balancer, backends, title=title)


def went_to(backend: Backend, counted: pd.DataFrame | None) -> tuple[int | None, str]:
    """Return how many requests (connections of counters) a backend got, and a note on those that failed there."""
    if counted is None:
        return None, ""
    if "conns" in counted:
        return int(counted.loc[counted["server"] == backend.address, "conns"].sum()), ""
    failed = int(((counted["address"] == backend.address) & counted["error"].notna()).sum())
    return int((counted["backend"] == backend.name).sum()), f"{failed} failed here" if failed else ""


def member_of(backend: Backend, state: str, requests: int | None, note: str = "") -> Member:
    """Return a backend in a `state` (a word of BackendServer.state) as it is drawn, with its number of `requests` and a note."""
    fault = "" if state in (WELL, STOPPED) else state
    return Member(backend.name, backend.address, alive=state != STOPPED, requests=requests, fault=fault, note=note)


@dataclass(frozen=True)
class Drawn:
    """The pictures, and the tables as HTML."""

    pictures: tuple[Picture, Picture]
    tables: str


def draw(pool: BackendPool, layer: Layer, states: Mapping[str, str], window: Window, now: float) -> Drawn:
    """Draw everything as it is at `now` (Unix seconds), the backends being in these `states`."""
    recent = window.recent(now)
    got = recent["who"].value_counts()
    backends = [member_of(server.backend, states[name], int(got.get(name, 0))) for name, server in pool.servers.items()]
    title = f"Who is up, and what went where in the last {SPAN:g} seconds?"
    scene = draw_topology("client", layer.balancer, backends, title=title)
    lanes = draw_recent(recent, list(pool.servers), SPAN, events=window.noted(now))
    tables = titled("Since the panel began", window.table(recent)) + titled(layer.title, layer.counted(window.connected))
    return Drawn((scene, lanes), tables)


def titled(title: str, table: pd.DataFrame | str | None) -> str:
    """Return a table (or the words that stand for it) below its title, as HTML; "" for None."""
    if table is None:
        return ""
    if isinstance(table, pd.DataFrame):
        body = Markup(table.to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.1f}"))
    else:
        body = Markup("<p>{}</p>").format(table)
    block = Markup('<div style="display:inline-block;vertical-align:top;margin-right:2em"><b>{}</b>{}</div>')
    return str(block.format(title, body))


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
    pictures = [
        {"words": data["text/plain"], "width": meta["image/png"]["width"], "png": data["image/png"]}
        for data, meta in (picture._repr_mimebundle_() for picture in drawn.pictures)
    ]
    return filled("still.html.j2", mark=mark, pictures=pictures, tables=Markup(drawn.tables), words=words)
