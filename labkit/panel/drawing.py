"""The panel's pictures and tables, from what was seen; and all of them as one piece of HTML that needs no kernel."""

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
from ..services.http_server import BackendPool
from ..show import Picture, topology
from ..show.lanes import recent
from .topology import backend_of
from .window import SPAN, Layer, Seen

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
    """Pictures and tables as HTML of the class `mark`, with `words` below."""
    pictures = [
        {"words": data["text/plain"], "width": meta["image/png"]["width"], "png": data["image/png"]}
        for data, meta in (picture._repr_mimebundle_() for picture in drawn.pictures)
    ]
    return filled("still.html.j2", mark=mark, pictures=pictures, tables=Markup(drawn.tables), words=words)
