"""What the panel shows: its widgets, its pictures and tables, all of it as HTML that needs no kernel; and a lab's topology."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup

from ..services.http_server import STOPPED, WELL, Backend, BackendPool
from ..show import Member, Picture
from ..show import topology as draw_topology
from ..show.lanes import recent as draw_recent
from ..show.style import FAILURE, GRID, INK, colour_of, tint
from ..writing import filled
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
DARK = "[data-jp-theme-light=false] .labkit-panel"
STYLE = f"""<style>
.labkit-panel {{ max-width: 770px; padding: 6px 10px; border: 1px solid {GRID}; border-radius: 6px; }}
.labkit-panel .widget-toggle-button {{ border-radius: 4px; margin: 0 2px; padding: 0 2px; }}
.labkit-panel .widget-toggle-button.mod-active {{ color: {INK}; box-shadow: none; font-weight: bold; }}
.labkit-panel .widget-toggle-button.mod-active {{ background: {tint(FAILURE, 0.75)}; }}
.labkit-panel .widget-toggle-button.mod-active:first-child {{ background: #E3F1EC; }}
.labkit-panel table {{ margin: 4px 0; }} .labkit-panel th, .labkit-panel td {{ padding: 2px 10px; text-align: right; }}
.labkit-panel th:first-child, .labkit-panel td:first-child {{ text-align: left; }}
.labkit-panel pre {{ margin: 2px 0; color: inherit; font-size: 12px; line-height: 1.4; white-space: pre-wrap; }}
.labkit-panel .widget-html-content {{ color: var(--jp-content-font-color1, {INK}); }}
.labkit-panel .muted {{ opacity: 0.85; }}
{DARK} {{ border-color: #5a5a5a; }}
{DARK} .widget-button:not(.mod-primary) {{ color: #e8e8e8; background: #3a3a3a; }}
{DARK} .widget-button.mod-primary {{ color: #fff; background: #0f5f9e; }}
{DARK} .widget-toggle-button.mod-active {{ color: #fff; background: #8a3c00; }}
{DARK} .widget-toggle-button.mod-active:first-child {{ color: #fff; background: #14614b; }}
{DARK} img {{ border-radius: 6px; filter: brightness(0.9); }}
.labkit-panel .jp-RenderedHTMLCommon {{ overflow-x: auto; }}
.%s {{ display: none; }}
</style>"""


class Box(widgets.VBox):
    """The panel's frame; where a page cannot show widgets, it says so in a few words."""

    def __repr__(self) -> str:
        return "(In a running notebook, here is the live panel.)"


class Controls:
    """All widgets; `box` holds them. While it is on a page, what has the class `mark` is hidden there."""

    def __init__(self, backends: Iterable[Backend], rate: float, mark: str) -> None:
        self.start = widgets.Button(description="Start", icon="play", button_style="primary", layout={"width": "92px"})
        self.stop = widgets.Button(description="Stop", icon="stop", layout={"width": "92px"}, disabled=True)
        self.clear = widgets.Button(description="Clear", layout={"width": "72px"}, tooltip="begin to count anew")
        low, high = RATES
        # No slider: its handle has no name for those who do not see it.
        self.rate = widgets.BoundedIntText(value=rate, min=low, max=high, description="requests/s", layout={"width": "170px"})
        self.said, self.commands, self.tables = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.images = [widgets.HTML() for _ in range(2)]  # of an Image nobody could say what it shows
        look = {"options": list(WORDS), "tooltips": list(WORDS.values()), "style": {"button_width": "84px"}}
        self.switches = {backend.name: widgets.ToggleButtons(**look) for backend in backends}
        # It counts in the browser, so a page that is closed is noticed here. It counts from when `playing` becomes true on.
        self.beat = widgets.Play(max=10**9, interval=BEAT, layout={"display": "none"})
        rows = [widgets.HBox([self._name(backend), self.switches[backend.name]]) for backend in backends]
        top = widgets.HBox([self.start, self.stop, self.rate, self.clear], layout={"align_items": "center"})
        style = widgets.HTML(STYLE % mark, layout={"display": "none"})
        self.box = Box([style, self.beat, top, *rows, self.said, *self.images, self.tables, self.commands])
        self.box.add_class("labkit-panel")
        self.box._view_count = 0  # once it is a number, the browser keeps it (ipywidgets says: experimental)

    @staticmethod
    def _name(backend: Backend) -> widgets.HTML:
        look = f"display:inline-block;width:11px;height:11px;border-radius:3px;background:{colour_of(backend.name)}"
        words = Markup('<span style="{}"></span>&nbsp; <b>{}</b> <span class="muted">{}</span>')
        return widgets.HTML(str(words.format(look, backend.name, backend.address)), layout={"width": "204px"})

    def say(self, words: str) -> None:
        self.said.value = str(Markup('<span class="muted">{}</span>').format(words))

    def show_commands(self, commands: list[str]) -> None:
        """Show the native commands of the last fault."""
        text = Markup("<b>The last change, as one types it</b><pre>{}</pre>").format("\n".join(commands))
        self.commands.value = str(text) if commands else ""
