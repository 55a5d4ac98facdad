"""A ladder diagram: one captured exchange, from the client through nginx to the backend and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from .frames import need, nothing, pictured
from .picture import Picture
from .style import FAILURE, INK, MUTED, NOBODY, SMALL, TEXT, Look, colour_of, number_of, sheet, styled, tint
from .words import listing, milliseconds, plural, shorten

HEAD, STEP = 0.75, 0.66  # inches: the names on top, the space from arrow to arrow
LEFT, RIGHT = 1.5, 6.4  # inches: the first and the last lifeline


@dataclass(frozen=True)
class Arrow:
    """One message: from whom to whom, its first line, the header's value (None: absent), its time (seconds).

    `answer`: it goes back to who asked; `lost`: it was never answered.
    """

    source: str
    target: str
    line: str
    header: str | None
    time: float
    answer: bool
    lost: bool = False

    @property
    def words(self) -> str:
        """ "the request client → nginx"."""
        return f"the {'answer' if self.answer else 'request'} {self.source} → {self.target}"


@styled
def ladder(exchanges: pd.DataFrame, *, header: str = "X-high-load-test", which: int = 0) -> Picture:
    """One exchange of a client (the one numbered `which`, from 0) with the exchanges that it caused upstream.

    Columns used: time (seconds), hop ("client → nginx"), client, server, method, uri, status, request_headers,
    response_headers (dicts), ms. `header` is highlighted on each arrow that has it, and said to be absent on the others.
    """
    title = f"Which way did the request go, and where does it carry {header}?"
    columns = "time", "hop", "client", "server", "method", "uri", "status", "request_headers", "response_headers", "ms"
    if exchanges.empty:
        return nothing(title)
    need(exchanges, *columns)
    rows = _family([dict(zip(columns, row, strict=True)) for row in exchanges[list(columns)].itertuples(index=False)], which)
    arrows = sorted((arrow for row in rows for arrow in _arrows(row, header)), key=lambda arrow: arrow.time)
    finding = _path(rows[0], arrows)
    having = sum(arrow.header is not None for arrow in arrows)
    short = f"{finding}; {header} is on {having} of {plural(len(arrows), 'message')}"
    figure, axes = sheet(title, short, body=HEAD + STEP * len(arrows) + 0.2)
    axes.set_axis_off()
    axes.set(xlim=(0, 7.4), ylim=(HEAD + STEP * len(arrows) + 0.15, 0))
    places = _lifelines(axes, rows, HEAD + STEP * len(arrows))
    for step, arrow in enumerate(arrows):
        _draw(axes, arrow, places, HEAD + STEP * (step + 0.45), header)
        time = milliseconds(1000 * (arrow.time - arrows[0].time)) if step else "0 ms"
        axes.text(0.62, HEAD + STEP * (step + 0.45), time, ha="right", va="center", size=SMALL, color=MUTED)
    return pictured(figure, title, f"{finding}; {_said(arrows, header)}")


def _ends(hop: str) -> tuple[str, str]:
    source, _, target = (part.strip() for part in re.sub("->", "→", str(hop)).partition("→"))
    return source, target or "?"


def _family(rows: list[dict[str, Any]], which: int) -> list[dict[str, Any]]:
    """The client's exchange and, in its time, those of its server with others about the same resource."""
    rows = sorted(rows, key=lambda row: row["time"])
    outer = [row for row in rows if _ends(row["hop"])[0] == "client"] or rows
    one = outer[min(which, len(outer) - 1)]
    end = one["time"] + (one["ms"] / 1000 if pd.notna(one["ms"]) else float("inf"))  # one capture has one clock
    middle = _ends(one["hop"])[1]
    inner = [row for row in rows if _ends(row["hop"])[0] == middle and one["time"] <= row["time"] <= end]
    same = [row for row in inner if (row["method"], row["uri"]) == (one["method"], one["uri"])]
    return [one, *(same or inner)]


def _value(headers: object, header: str) -> str | None:
    """The value of a header, whose name's case does not matter."""
    known = headers if isinstance(headers, Mapping) else {}
    found = [value for name, value in known.items() if str(name).lower() == header.lower()]
    return str(found[0]) if found else None


def _arrows(row: dict[str, Any], header: str) -> list[Arrow]:
    """The request and, if there was one, the answer."""
    source, target = _ends(row["hop"])
    line = f"{row['method']} {row['uri']}"
    there = Arrow(source, target, line, _value(row["request_headers"], header), row["time"], False)
    if pd.isna(row["status"]):
        return [replace(there, lost=True)]
    time = row["time"] + (row["ms"] / 1000 if pd.notna(row["ms"]) else 0)
    return [there, Arrow(target, source, _status(int(row["status"])), _value(row["response_headers"], header), time, True)]


def _status(code: int) -> str:
    """ "200 OK"; the code alone where HTTP has no phrase for it."""
    phrases = {status.value: status.phrase for status in HTTPStatus}
    return f"{code} {phrases.get(code, '')}".strip()


def _path(row: dict[str, Any], arrows: list[Arrow]) -> str:
    """ "GET /: client → nginx → backend1, answered 200 in 2.3 ms"."""
    got = f"answered {int(row['status'])} in {milliseconds(row['ms'])}" if pd.notna(row["status"]) else "never answered"
    path = " → ".join(dict.fromkeys(name for arrow in arrows if not arrow.answer for name in (arrow.source, arrow.target)))
    return f"{shorten(arrows[0].line, TEXT, 3.0)}: {path}, {got}"


def _said(arrows: list[Arrow], header: str) -> str:
    """Which messages have the header, with its value, and which have it not."""
    having = [f"{arrow.words} ({arrow.header})" for arrow in arrows if arrow.header is not None]
    lacking = [arrow.words for arrow in arrows if arrow.header is None]
    if not having:
        return f"{header} is in none of {plural(len(arrows), 'message')}"
    return f"{header} is in {listing(having)}" + (f", not in {listing(lacking)}" if lacking else "")


def _lifelines(axes: Axes, rows: list[dict[str, Any]], bottom: float) -> dict[str, float]:
    """Draw who takes part, each with its address; return the x of each, inches."""
    addresses: dict[str, str] = {}
    for row in rows:
        source, target = _ends(row["hop"])
        addresses.setdefault(source, str(row["client"]) if source == "client" else "")
        addresses[target] = str(row["server"])
    gap = (RIGHT - LEFT) / max(1, len(addresses) - 1)
    places = {name: LEFT + gap * place for place, name in enumerate(addresses)}
    for name, x in places.items():
        colour = colour_of(name) if number_of(name) else NOBODY
        axes.plot([x, x], [0.5, bottom], color=colour, linewidth=1.6, zorder=1)
        box: Look = {"boxstyle": "round,pad=0.35", "facecolor": tint(colour, 0.82), "edgecolor": colour, "linewidth": 1.4}
        axes.text(x, 0.16, name, ha="center", va="center", weight="bold", size=TEXT + 0.5, bbox=box, zorder=3)
        axes.text(x, 0.44, addresses[name], ha="center", va="center", size=SMALL, color=MUTED, zorder=3, backgroundcolor="white")
    return places


def _draw(axes: Axes, arrow: Arrow, places: dict[str, float], y: float, header: str) -> None:
    """Draw one message with its line above and what is to say of the header below."""
    start, end = places[arrow.source], places[arrow.target]
    look: Look = {"arrowstyle": "-|>,head_width=0.28,head_length=0.6", "color": INK, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 1}
    axes.annotate("", (end, y), (start, y), arrowprops=look | {"linestyle": "--" if arrow.answer else "-"}, zorder=2)
    middle, room = (start + end) / 2, abs(end - start) - 0.3
    clear: Look = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # no lifeline through the words
    line = shorten(arrow.line, TEXT, room, bold=True)
    axes.text(middle, y - 0.06, line, ha="center", va="bottom", weight="bold", bbox=clear)
    below: Look = {"ha": "center", "va": "top", "size": SMALL}
    if arrow.lost:
        axes.scatter([end], [y], 70, FAILURE, marker="x", linewidths=2.4, zorder=4, gid="failed")
        axes.text(end + 0.12, y, "no answer", va="center", size=SMALL, color=INK, bbox=clear, zorder=4)
    if arrow.header is None:
        axes.text(middle, y + 0.07, shorten(f"no {header}", SMALL, room), color=MUTED, style="italic", bbox=clear, **below)
    else:
        box: Look = {"boxstyle": "round,pad=0.25", "facecolor": "#FFF1B8", "edgecolor": "#B08900", "linewidth": 1.0}
        words = shorten(f"{header}: {arrow.header}", SMALL, room)
        axes.text(middle, y + 0.1, words, bbox=box, gid="header", zorder=3, **below)
