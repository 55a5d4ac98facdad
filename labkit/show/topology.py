"""The pool as it is: who is up, who is dead, how much went where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.patheffects import withStroke

from .frames import nothing, pictured
from .picture import Picture
from .style import FAILURE, INK, MUTED, NOBODY, SMALL, TEXT, Look, colour_of, sheet, styled, tint
from .words import listing, plural, shorten, wrap

CLIENT, BALANCER, POOL = (0.08, 1.17), (2.05, 1.65), (5.05, 2.25)  # inches: left edge and width of each column
LINE, PAD, GAP = 0.175, 0.12, 0.16  # inches: a line of words, the space round it, the space between boxes
THIN, THICK = 1.4, 6.5  # points, the arrow of no and of all requests


@dataclass(frozen=True)
class Backend:
    """A server of the pool: is it `alive`, how many `requests` went to it (None: not counted), a `note` on it.

    A `fault` is a word for what ails one that is alive: frozen, unplugged, slow, flaky.
    """

    name: str
    address: str
    alive: bool
    requests: int | None = None
    note: str = ""
    fault: str = ""

    @property
    def state(self) -> str:
        """ "up", "dead", or the fault of one that is alive."""
        return (self.fault or "up") if self.alive else "dead"


@styled
def topology(client: str, balancer: str | None, backends: Sequence[Backend], *, title: str | None = None) -> Picture:
    """Draw client → balancer → backends; an arrow is as wide as the requests that went its way are many.

    `client` and `balancer` are labels (of several lines, if need be); with balancer None the client asks the backends
    itself. A dead backend is crossed out, and said to be dead; one with a fault has a broken outline, and its fault's name.
    """
    title = title or "Who is up, and how much went where?"
    if not backends:
        return nothing(title)
    finding = _finding(backends)
    notes = [wrap(backend.note, SMALL, POOL[1] - 2 * PAD) if backend.note else [] for backend in backends]
    heights = [3 * LINE + LINE * len(note) + 2 * PAD for note in notes]
    body = max(1.0, sum(heights) + GAP * (len(heights) - 1)) + 0.1
    figure, axes = sheet(title, finding, body=body)
    axes.set_axis_off()
    axes.set(xlim=(0, 7.4), ylim=(body, 0))
    _label(axes, client, CLIENT, body / 2)
    source = (CLIENT[0] + CLIENT[1], body / 2)
    if balancer is not None:
        _label(axes, balancer, BALANCER, body / 2)
        _arrow(axes, source, (BALANCER[0], body / 2), INK, _sum(backends), _sum(backends))
        source = (BALANCER[0] + BALANCER[1], body / 2)
    y = (body - sum(heights) - GAP * (len(heights) - 1)) / 2
    for backend, note, height in zip(backends, notes, heights, strict=True):
        _backend(axes, backend, note, y, height)
        colour = colour_of(backend.name) if backend.alive else FAILURE
        _arrow(axes, source, (POOL[0], y + height / 2), colour, backend.requests, _sum(backends), dead=not backend.alive)
        y += height + GAP
    return pictured(figure, title, f"{_path(client, balancer)}; {finding}")


def _path(client: str, balancer: str | None) -> str:
    return " → ".join(" ".join(label.split()) for label in (client, balancer, "the pool") if label is not None)


def _sum(backends: Sequence[Backend]) -> int | None:
    counted = [backend.requests for backend in backends if backend.requests is not None]
    return sum(counted) if counted else None


def _finding(backends: Sequence[Backend]) -> str:
    """ "backend1 is up and got 50 requests; backend2 is dead and got 0 requests"."""
    parts = []
    for backend in backends:
        got = "" if backend.requests is None else f" and got {plural(backend.requests, 'request')}"
        parts.append(f"{backend.name} is {backend.state}{got}")
    return listing(parts) if len(parts) < 3 and not any("and got" in part for part in parts) else "; ".join(parts)


def _box(axes: Axes, left: float, top: float, width: float, height: float, **look: Any) -> None:
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch((left, top), width, height, boxstyle=style, linewidth=1.6, zorder=3, **look))


def _label(axes: Axes, label: str, column: tuple[float, float], y: float) -> None:
    """A grey box with the first line of `label` in bold, the others below."""
    left, width = column
    first, *rest = (shorten(line, TEXT, width - PAD, bold=True) for line in label.splitlines() or [""])
    height = LINE * (1 + len(rest)) + 2 * PAD
    top = y - height / 2
    _box(axes, left, top, width, height, facecolor=tint(NOBODY, 0.85), edgecolor=NOBODY)
    for place, line in enumerate([first, *rest]):
        look: Look = {"weight": "bold"} if place == 0 else {"size": SMALL, "color": MUTED}
        axes.text(left + width / 2, top + PAD + LINE * (place + 0.5), line, ha="center", va="center", zorder=4, **look)


def _backend(axes: Axes, backend: Backend, note: list[str], top: float, height: float) -> None:
    """A server's box: name, address, state, note; crossed out when dead, its outline broken when it has a fault."""
    left, width = POOL
    colour = colour_of(backend.name)
    well = backend.alive and not backend.fault
    if backend.alive:
        outline: Look = {} if well else {"linestyle": (0, (4, 2)), "gid": "fault"}
        _box(axes, left, top, width, height, facecolor=tint(colour, 0.82 if well else 0.92), edgecolor=colour, **outline)
    else:
        _box(axes, left, top, width, height, facecolor="white", edgecolor=NOBODY, linestyle=(0, (4, 2)))
        for ends in ((top, top + height), (top + height, top)):
            axes.plot([left, left + width], ends, color=tint(FAILURE, 0.6), linewidth=2, zorder=3.5, gid="dead")
    room = width - 2 * PAD
    lines: list[tuple[str, Look]] = [
        (shorten(backend.name, TEXT, room, bold=True), {"weight": "bold"}),
        (shorten(backend.address, SMALL, room), {"size": SMALL, "color": MUTED}),
        (("" if well else "× ") + backend.state, {"weight": "bold", "size": SMALL, "color": INK if well else "#A84300"}),
        *((line, {"size": SMALL, "color": MUTED}) for line in note),
    ]
    for place, (line, look) in enumerate(lines):
        text = axes.text(left + PAD, top + PAD + LINE * (place + 0.5), line, va="center", zorder=4, **look)
        text.set_path_effects([] if backend.alive else [withStroke(linewidth=3, foreground="white")])


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, requests: int | None, total: int | None,
    *, dead: bool = False,
) -> None:  # fmt: skip
    """An arrow as wide as its share of `total`; its count in the middle, thin and dotted where nothing went."""
    share = (requests or 0) / total if total else 0
    width = THIN + (THICK - THIN) * share
    dots: Look = {"linestyle": (0, (1, 2))} if requests == 0 else {"linestyle": (0, (3, 1.2))} if dead else {}
    tip = f"-|>,head_width={0.14 + 0.02 * width:.3f},head_length={0.3 + 0.02 * width:.3f}"
    look: Look = {"arrowstyle": tip, "mutation_scale": 22, "shrinkA": 1, "shrinkB": 2, "zorder": 2, **dots}
    axes.add_patch(FancyArrowPatch(start, end, color=NOBODY if requests == 0 else colour, linewidth=width, **look))
    if requests is not None:
        x, y = start[0] + 0.5 * (end[0] - start[0]), start[1] + 0.5 * (end[1] - start[1])
        box: Look = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}
        y -= 0.19 if start[1] == end[1] else 0  # there is no room in a short arrow, and nothing above a level one
        axes.text(x, y, f"{requests:,}", ha="center", va="center", weight="bold", bbox=box, zorder=5)
