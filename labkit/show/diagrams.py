"""Diagrams of who talks to whom: the pool as it is, and the ladder of one captured exchange."""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from . import style
from .picture import Picture, nothing, pictured, plot, sheet
from .style import BOLD, FAILURE, GREY, INK, NOBODY, ON_PAPER, PAPER, SMALL, Look, colour_of, tint
from .words import listing, milliseconds, plural

Point = tuple[float, float]  # inches from the left and from the top, as everything here
Lines = Sequence[tuple[str, Look]]  # words with their looks
Count = int | None  # of requests; None where they are not counted
CLIENT, BALANCER, POOL = (0.05, 1.2), (2.05, 1.65), (5.0, 2.25)  # left edge and width of a column
LINE, PAD, GAP = 0.175, 0.12, 0.16  # a line of words, the space round it, between boxes
HEAD, STEP = 0.75, 0.66  # the names on top of a ladder, the space from arrow to arrow
LEFT, RIGHT = 1.5, 6.3  # the first and the last lifeline
ALARM = "#A84300"  # FAILURE, dark enough for small words
MIDDLE: Look = {"ha": "center", "va": "center"}


@dataclass(frozen=True)
class Member:
    """A backend as it is drawn: is it `alive`, how many `requests` did it get (None: not counted), a `note` on it.

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


@style.styled
def topology(client: str, balancer: str | None, backends: Sequence[Member], *, title: str | None = None) -> Picture:
    """Draw client → balancer → backends; the more requests go a way, the wider is its arrow.

    `client` and `balancer` are labels (of several lines, if need be); with balancer None the client
    asks the backends itself. A dead backend is crossed out, and said to be dead; one with a fault
    has a broken outline, and its fault's name.
    """
    title = title or "Who is up, and how much went where?"
    if not backends:
        return nothing(title)
    counted = [one.requests for one in backends if one.requests is not None]
    total = sum(counted) if counted else None
    said = [f"{one.name} is {one.state}" for one in backends]
    for place, one in enumerate(backends):
        said[place] += "" if one.requests is None else f" and got {plural(one.requests, 'request')}"
    finding = "; ".join(said) if counted or len(said) > 2 else listing(said)
    pool = [_words_of(one) for one in backends]
    stack = sum(map(_height, pool)) + GAP * (len(pool) - 1)
    body = max(1.0, stack) + 0.1
    figure, axes = sheet(title, finding, body=body)
    axes.set(xlim=(0, 7.3), ylim=(body, 0))
    axes.set_axis_off()
    labels = {CLIENT: client} | ({} if balancer is None else {BALANCER: balancer})
    start = 0.0, 0.0
    for column, label in labels.items():
        lines = [(line, GREY if n else BOLD) for n, line in enumerate(label.splitlines() or [""])]
        look: Look = {"fc": tint(NOBODY, 0.75), "ec": NOBODY}
        _card(axes, column, (body - _height(lines)) / 2, lines, "center", look)
        if column is BALANCER:
            _arrow(axes, start, (column[0], body / 2), INK, total, total)
        start = sum(column), body / 2
    y = (body - stack) / 2
    for one, lines in zip(backends, pool, strict=True):
        colour = colour_of(one.name)
        look = {"fc": tint(colour, 0.82), "ec": colour}
        if not one.alive:
            look |= style.DASHED | {"fc": PAPER, "ec": NOBODY}
            for ends in ((y, y + _height(lines)), (y + _height(lines), y)):
                x, faint = (POOL[0], sum(POOL)), tint(FAILURE, 0.6)
                axes.plot(x, ends, color=faint, lw=2, zorder=3.5, gid="dead")
        elif one.fault:
            look |= style.DASHED | {"fc": tint(colour, 0.92), "gid": "fault"}
        _card(axes, POOL, y, lines, "left", look)
        end = POOL[0], y + _height(lines) / 2
        _arrow(axes, start, end, colour if one.alive else FAILURE, one.requests, total)
        y += _height(lines) + GAP
    way = " → ".join(" ".join(label.split()) for label in labels.values())
    return pictured(figure, title, f"{way} → the pool; {finding}")


def _words_of(backend: Member) -> list[tuple[str, Look]]:
    """Return what stands in a server's box: name, address, state, note."""
    well = backend.state == "up"
    state = {"weight": "bold", "size": SMALL, "color": INK if well else ALARM}
    lines = [(backend.name, BOLD), (backend.address, GREY)]
    lines += [(backend.state if well else f"× {backend.state}", state)]
    lines += [(line, GREY) for line in style.wrap(backend.note, POOL[1] - 2 * PAD, SMALL)]
    crossed_out = {} if backend.alive else {"bbox": ON_PAPER}
    return [(line, font | crossed_out) for line, font in lines]


def _height(lines: Lines) -> float:
    return LINE * len(lines) + 2 * PAD


def _card(axes: Axes, column: Point, top: float, lines: Lines, ha: str, look: Look) -> None:
    """Draw a box with lines of words in a column, shortened where they are too long."""
    left, width = column
    shape = "round,pad=0,rounding_size=0.08"
    box = FancyBboxPatch((left, top), width, _height(lines), boxstyle=shape, zorder=3)
    box.set(**{"lw": 1.6} | look)
    axes.add_patch(box)
    x = left + (width / 2 if ha == "center" else PAD)
    for place, (words, font) in enumerate(lines):
        y, weight = top + PAD + LINE * (place + 0.5), font.get("weight", "normal")
        short = style.shorten(words, width - 2 * PAD + 0.02, font["size"], weight)
        axes.text(x, y, short, font, ha=ha, va="center", zorder=4)


def _arrow(axes: Axes, start: Point, end: Point, ink: str, got: Count, total: Count) -> None:
    """Draw an arrow as wide as its share of `total`, dotted where nothing went; with its count."""
    wide = 1.4 + 5.1 * ((got or 0) / total if total else 0)
    look: Look = {"ls": (0, (1, 2)), "color": NOBODY} if got == 0 else {"color": ink}
    look |= {"ls": (0, (3, 1.2))} if got != 0 and ink == FAILURE else {}
    tip = f"-|>,head_width={0.14 + 0.02 * wide:.3f},head_length={0.3 + 0.02 * wide:.3f}"
    look |= {"arrowstyle": tip, "mutation_scale": 22, "shrinkA": 1, "shrinkB": 2, "lw": wide}
    axes.annotate("", end, start, arrowprops=look, zorder=2)
    if got is not None:  # there is no room in a short arrow, and nothing above a level one
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        y -= 0.19 if start[1] == end[1] else 0
        axes.text(x, y, f"{got:,}", BOLD, bbox=ON_PAPER | {"pad": 2}, zorder=5, **MIDDLE)


class Message(NamedTuple):
    """One arrow of a ladder: who to whom, its first line, the header's value (None: absent)."""

    source: str
    target: str
    line: str
    header: str | None
    time: float  # seconds
    kind: str = "request"  # or "answer"
    lost: bool = False  # never answered


@plot(
    "Which way did the request go, and where does it carry the header?", "time", "hop", "client",
    "server", "method", "uri", "status", "request_headers", "response_headers", "ms",
)  # fmt: skip
def ladder(exchanges: pd.DataFrame, *, header: str = "X-high-load-test", which: int = 0) -> Picture:
    """Draw one exchange of a client (number `which`, from 0) with those that it caused upstream.

    Columns used: time (seconds), hop ("client → nginx"), client, server, method, uri, status,
    request_headers, response_headers (dicts), ms. `header` is highlighted on each arrow that has
    it, and said to be absent on the others.
    """
    title = f"Which way did the request go, and where does it carry {header}?"
    rows = _family(exchanges.sort_values("time", kind="stable").to_dict("records"), which)
    messages = [message for row in rows for message in _messages(row, header)]
    messages.sort(key=lambda message: message.time)
    got = "never answered"
    if pd.notna(rows[0]["status"]):
        got = f"answered {int(rows[0]['status'])} in {milliseconds(rows[0]['ms'])}"
    way = " → ".join(dict.fromkeys([_ends(rows[0])[0], *(_ends(row)[1] for row in rows)]))
    asked = style.shorten(messages[0].line, 3.0, weight="normal")
    finding = f"{asked}: {way}, {got}"
    names = [(f"the {one.kind} {one.source} → {one.target}", one.header) for one in messages]
    having = [f"{name} ({value})" for name, value in names if value is not None]
    lacking = listing(name for name, value in names if value is None)
    count = plural(len(messages), "message")
    said = f"in {listing(having)}" if having else f"in none of {count}"
    said += f", not in {lacking}" if having and lacking else ""
    bottom = HEAD + STEP * len(messages)
    short = f"{finding}; {header} is on {len(having)} of {count}"
    figure, axes = sheet(title, short, body=bottom + 0.15)
    axes.set(xlim=(0, 7.3), ylim=(bottom + 0.15, 0))
    axes.set_axis_off()
    addresses: dict[str, str] = {}
    for row in rows:
        source, target = _ends(row)
        addresses.setdefault(source, str(row["client"]) if source == "client" else "")
        addresses[target] = str(row["server"])
    places = dict(zip(addresses, np.linspace(LEFT, RIGHT, max(2, len(addresses))), strict=False))
    for name, x in places.items():
        colour = colour_of(name) if style.number_of(name) else NOBODY
        axes.plot([x, x], [0.5, bottom], color=colour, lw=1.6, zorder=1)
        box = {"boxstyle": "round,pad=0.35", "fc": tint(colour, 0.82), "ec": colour, "lw": 1.4}
        axes.text(x, 0.16, name, BOLD, bbox=box, zorder=3, **MIDDLE)
        axes.text(x, 0.44, addresses[name], GREY, bbox=ON_PAPER, zorder=3, **MIDDLE)
    for step, message in enumerate(messages):
        y = HEAD + STEP * (step + 0.45)
        _message(axes, message, places[message.source], places[message.target], y, header)
        time = milliseconds(1000 * (message.time - messages[0].time)) if step else "0 ms"
        axes.text(0.62, y, time, GREY, ha="right", va="center")
    return pictured(figure, title, f"{finding}; {header} is {said}")


def _ends(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Return who asked and who was asked, of a hop like "client → nginx"."""
    source, _, target = str(row["hop"]).partition("→")
    return source.strip(), target.strip() or "?"


def _family(rows: list[dict[Any, Any]], which: int) -> list[dict[Any, Any]]:
    """Return the client's exchange and, in its time, its server's with others on the same URI."""
    outer = [row for row in rows if _ends(row)[0] == "client"] or rows
    one = outer[min(which, len(outer) - 1)]
    end = one["time"] + one["ms"] / 1000 if pd.notna(one["ms"]) else float("inf")  # one clock
    asking = _ends(one)[1]
    near = [row for row in rows if one["time"] <= row["time"] <= end and _ends(row)[0] == asking]
    same = [row for row in near if (row["method"], row["uri"]) == (one["method"], one["uri"])]
    return [one, *(same or near)]


def _messages(row: Mapping[Any, Any], header: str) -> list[Message]:
    """Return the request and, if there was one, the answer; a header's name has no case."""
    values = []
    for headers in (row["request_headers"], row["response_headers"]):
        known = headers if isinstance(headers, Mapping) else {}
        found = (str(value) for name, value in known.items() if name.lower() == header.lower())
        values.append(next(found, None))
    (source, target), lost = _ends(row), bool(pd.isna(row["status"]))
    line, time = f"{row['method']} {row['uri']}", row["time"]
    messages = [Message(source, target, line, values[0], time, lost=lost)]
    if not lost:
        code, took = int(row["status"]), row["ms"] / 1000 if pd.notna(row["ms"]) else 0
        line = f"{code} {http.client.responses.get(code, '')}".strip()
        messages.append(Message(target, source, line, values[1], time + took, "answer"))
    return messages


def _message(axes: Axes, one: Message, start: float, end: float, y: float, header: str) -> None:
    """Draw one message with its line above and what is to say of the header below."""
    look: Look = {"arrowstyle": "-|>,head_width=0.28,head_length=0.6", "shrinkA": 0, "shrinkB": 1}
    look |= {"color": INK, "lw": 1.5, "ls": "--" if one.kind == "answer" else "-"}
    axes.annotate("", (end, y), (start, y), arrowprops=look, zorder=2)
    x, room = (start + end) / 2, abs(end - start) - 0.3
    line = style.shorten(one.line, room)
    axes.text(x, y - 0.06, line, BOLD, bbox=ON_PAPER, ha="center", va="bottom")
    if one.lost:
        axes.scatter([end], [y], 70, FAILURE, marker="x", lw=2.4, zorder=4, gid="failed")
        axes.text(end + 0.12, y, "no answer", size=SMALL, va="center", bbox=ON_PAPER, zorder=4)
    box: Look = {"boxstyle": "round,pad=0.25", "fc": "#FFF1B8", "ec": "#B08900"}
    look, words = {"bbox": box, "gid": "header"}, f"{header}: {one.header}"
    if one.header is None:
        look, words = {"bbox": ON_PAPER, "style": "italic", "color": style.MUTED}, f"no {header}"
    short = style.shorten(words, room, SMALL)
    axes.text(x, y + 0.1, short, size=SMALL, ha="center", va="top", zorder=3, **look)
