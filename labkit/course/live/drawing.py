"""The panel's pictures and tables, from what was seen; and all of them as one piece of HTML that needs no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from ...services.http_server import BackendPool
from ...show import Picture, topology
from ...show.lanes import recent
from ..scene import backend_of
from .layers import Layer
from .window import SPAN, Seen

COUNTED = "Since the panel began"


@dataclass(frozen=True)
class Drawn:
    """The pictures, and the tables as HTML."""

    pictures: tuple[Picture, Picture]
    tables: str


def draw(pool: BackendPool, layer: Layer, states: Mapping[str, str], seen: Seen, counted: pd.DataFrame | str | None) -> Drawn:
    """Everything as it was seen, the backends being in these `states`; `counted` are the layer's counters."""
    got = seen.recent["who"].value_counts()
    backends = [backend_of(server.backend, states[name], int(got.get(name, 0))) for name, server in pool.servers.items()]
    scene = topology("client", layer.balancer, backends, title=f"Who is up, and what went where in the last {SPAN:g} seconds?")
    lanes = recent(seen.recent, list(pool.servers), SPAN, events=seen.events)
    tables = [(COUNTED, seen.table), *([(layer.title, counted)] if counted is not None else [])]
    return Drawn((scene, lanes), "".join(titled(title, table) for title, table in tables))


def titled(title: str, table: pd.DataFrame | str) -> str:
    """A table (or the words that stand for it) below its title, as HTML."""
    if isinstance(table, pd.DataFrame):
        body = Markup(table.to_html(index=False, border=0, na_rep="–", float_format=lambda value: f"{value:.1f}"))
    else:
        body = Markup("<p>{}</p>").format(table)
    block = Markup('<div style="display:inline-block;vertical-align:top;margin-right:2em"><b>{}</b>{}</div>')
    return str(block.format(title, body))
