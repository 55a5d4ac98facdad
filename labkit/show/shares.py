"""Bars: how much went where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from .frames import FAILED, answered, errors_of, failures, in_order, need, nothing, outcomes, pictured
from .picture import Picture
from .style import FAILURE, INK, MARGIN, TEXT, WIDTH, Look, colour_of, sheet, styled, tint, whole_numbers
from .words import listing, percent, plain, plural, shorten, width_of

TITLES = {"backend": "Who answered {}?", "server": "Where did {} go?", "address": "Where did {} go?"}
ROW = 0.42  # inches
NAMES = 2.4  # inches, the most that names may take of the width


@styled
def shares(
    frame: pd.DataFrame, *, by: str = "backend", expected: Mapping[str, float] | None = None, title: str | None = None
) -> Picture:
    """Bars of how many requests (or connections) each backend got; what failed is hatched and said in words.

    `frame` is traffic (columns used: `by`, error) or, with by="server", counters (columns: server, conns).
    `expected` ({name: share, 0..1}) is drawn as dashed outlines.
    """
    if frame.empty:
        return nothing(title or "Who answered?")
    counted = "conns" in frame.columns
    table = _connections(frame, by) if counted else _requests(frame, by)
    table = table.reindex(in_order([*table.index, *(expected or {})]), fill_value=0)
    total = int(table.to_numpy().sum())
    title = title or TITLES.get(by, f"Which {by} got {{}}?").format(plural(total, "connection" if counted else "request"))
    finding = _finding(frame, table, by)
    figure, axes = sheet(title, finding, body=ROW * len(table) + 0.55, entries=[outline_entry()] if expected else [])
    _bars(axes, table, total, errors_of(frame) if "error" in frame.columns else "")
    if expected:
        _outlines(axes, [expected.get(name, 0) * total for name in table.index])
        finding += "; expected " + listing(f"{percent(share)} to {name}" for name, share in expected.items())
    axes.set_xlabel("connections" if counted else "requests")
    return pictured(figure, title, finding)


def _requests(traffic: pd.DataFrame, by: str) -> pd.DataFrame:
    """Per name the columns good and bad; by="backend" the bad ones are a name of their own, "failed"."""
    need(traffic, by, "error")
    names = outcomes(traffic) if by == "backend" else traffic[by].map(str)
    bad = traffic["error"].notna()
    return pd.DataFrame({"good": names[~bad].value_counts(), "bad": names[bad].value_counts()}).fillna(0).astype(int)


def _connections(counters: pd.DataFrame, by: str) -> pd.DataFrame:
    need(counters, by, "conns")
    good = counters.groupby(counters[by].map(str))["conns"].sum().astype(int)
    return pd.DataFrame({"good": good, "bad": 0})


def _finding(frame: pd.DataFrame, table: pd.DataFrame, by: str) -> str:
    if by == "backend" and "error" in frame.columns:
        return answered(frame)
    noun = "connections" if "conns" in frame.columns else "requests"
    rows = table.itertuples()
    counts = [f"{good + bad:,} to {name}" + (f" ({bad:,} failed)" if bad else "") for name, good, bad in rows]
    first = counts[0].replace(" to ", f" {noun} to ", 1)
    return ", ".join([first, *counts[1:]]) + (f"; {failures(frame)}" if "error" in frame.columns else "")


def _bars(axes: Axes, table: pd.DataFrame, total: int, errors: str) -> None:
    """One bar a row, what failed hatched at its end, the count and percentage behind it."""
    behind = []
    for place, (name, good, bad) in enumerate(table.itertuples()):
        axes.barh(place, good, 0.62, color=colour_of(name))
        if bad:
            look: Look = {"color": tint(FAILURE, 0.75), "edgecolor": FAILURE, "hatch": "xxx", "linewidth": 1.2}
            axes.barh(place, bad, 0.62, left=good, gid="failed", **look)
        words = f"{good + bad:,} ({percent((good + bad) / max(1, total))})"
        said = errors if name == FAILED else f"{bad:,} failed"
        behind.append(f"{words}, {said}" if bad and "," not in said else words)
    names = [f"× {name}" if name == FAILED else name for name in table.index]
    write_bars(axes, names, list(table.sum(axis=1)), behind)


def write_bars(axes: Axes, names: list[str], values: Sequence[float], behind: list[str]) -> None:
    """Name the horizontal bars, write `behind` each, and make the axis long enough for that."""
    short = [shorten(name, TEXT, NAMES) for name in names]
    axes.set_yticks(range(len(names)), short)
    room = WIDTH - 2 * MARGIN - max(width_of(name, TEXT) for name in short) - 0.25
    for place, (value, words) in enumerate(zip(values, behind, strict=True)):
        text = axes.annotate(words, (value, place), (6, 0), textcoords="offset points", va="center")
        text.set_in_layout(False)
    ends = [value / max(0.2, 1 - (width_of(words, TEXT) + 0.2) / room) for value, words in zip(values, behind, strict=True)]
    axes.set(xlim=(0, max([*ends, 1])), ylim=(len(names) - 0.5, -0.5))
    axes.set_xticks([tick for tick in whole_numbers().tick_values(0, max(values)) if tick <= max([*values, 1])])
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(INK)


def _outlines(axes: Axes, values: list[float]) -> None:
    bars = axes.barh(range(len(values)), values, 0.8, fill=False, edgecolor=INK, linewidth=1.3, linestyle=(0, (4, 2)))
    for bar in bars:
        bar.set_gid("expected")


def outline_entry() -> Line2D:
    """The legend's entry of an expected share."""
    return Line2D([], [], color=INK, linewidth=1.3, linestyle=(0, (4, 2)), label="expected")
