"""The panel's widgets: start and stop, requests a second, a row of switches for each backend, and places for the pictures."""

from __future__ import annotations

from collections.abc import Iterable

import ipywidgets as widgets
from markupsafe import Markup

from ..services.http_server import Backend
from ..show.style import FAILURE, GRID, INK, colour_of, tint

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
        self.switches = {backend.name: self._switch() for backend in backends}
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

    @staticmethod
    def _switch() -> widgets.ToggleButtons:
        return widgets.ToggleButtons(options=list(WORDS), tooltips=list(WORDS.values()), style={"button_width": "84px"})

    def listen_to_the_page(self) -> None:
        """Let the page that shows the panel count (again: one that was loaded anew does not)."""
        self.beat.playing = False
        self.beat.playing = True

    def say(self, words: str) -> None:
        """Show one line of words."""
        self.said.value = str(Markup('<span class="muted">{}</span>').format(words))

    def show_commands(self, commands: list[str]) -> None:
        """Show the native commands of the last fault."""
        text = Markup("<b>The last change, as one types it</b><pre>{}</pre>").format("\n".join(commands))
        self.commands.value = str(text) if commands else ""
