"""Counters of IPVS: over time, and how schedulers share."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from .frames import in_order, need, nothing, pictured
from .picture import Picture
from .shares import outline_entry, write_bars
from .style import INK, TEXT, WIDTH, Look, colour_of, sheet, styled, whole_numbers
from .words import listing, percent, plain, plural, width_of

VALUES = {
    "conns": "connections", "in_packets": "packets in", "out_packets": "packets out", "in_bytes": "bytes in",
    "out_bytes": "bytes out", "active": "active connections", "inactive": "inactive connections", "weight": "weight",
}  # fmt: skip
LINES = ("-", (0, (6, 3)), (0, (2, 2)), "-.")  # told apart where they lie upon each other, as with round robin
MARKERS = "osD^"
BODY = 3.0  # inches
EXPECTED: Look = {"fill": False, "edgecolor": INK, "linewidth": 1.3, "linestyle": (0, (4, 2))}


@styled
def counters(history: pd.DataFrame, *, value: str = "conns") -> Picture:
    """A line for each real server: one of its counters over time, its last value written at the end.

    Columns used: time (seconds), server, the column `value`, and service where there are several.
    """
    words = VALUES.get(value, value)
    title = f"How did the {words} of each server grow?" if value != "weight" else "How did the weights change?"
    if history.empty:
        return nothing(title)
    need(history, "time", "server", value)
    series = _series(history, value)
    ends = {name: float(line.iloc[-1]) for name, line in series.items()}
    last = history["time"].max() - history["time"].min()
    parts = [f"{end:,.0f}{'' if place else f' {words}'} at {name}" for place, (name, end) in enumerate(ends.items())]
    finding = f"After {last:.1f} s: {listing(parts)}"
    figure, axes = sheet(title, finding, body=BODY)
    for place, (name, line) in enumerate(series.items()):
        size = 7 - 2 * (place % 3) if len(line) <= 60 else 0
        look: Look = {"linestyle": LINES[place % 4], "marker": MARKERS[place % 4], "markersize": size}
        axes.plot(line.index, line.to_numpy(), color=colour_of(name.split(" → ")[-1]), linewidth=2.2, gid=name, **look)
    axes.set(xlabel="seconds", ylabel=words, ylim=(0, max(1.0, history[value].max()) * 1.1))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))
    axes.yaxis.set_major_locator(whole_numbers())
    axes.grid()
    _end_labels(axes, {name: (line.index[-1], ends[name]) for name, line in series.items()})
    return pictured(figure, title, finding)


def _series(history: pd.DataFrame, value: str) -> dict[str, pd.Series]:
    """Per server its values by time; the service is named too where there are several."""
    names = history["server"].map(str)
    if "service" in history.columns and history["service"].nunique() > 1:
        names = history["service"].map(str) + " → " + names
    rows = history.sort_values("time", kind="stable")
    return {name: rows[names == name].set_index("time")[value].astype(float) for name in in_order(names)}


def _end_labels(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Write each line's name and last value at its end, apart from each other."""
    rising = sorted(ends.items(), key=lambda end: end[1][1])
    for (name, (x, value)), shift in zip(rising, _apart([value for _, (_, value) in rising], axes.get_ylim()), strict=True):
        line: Look = {"arrowstyle": "-", "color": colour_of(name.split(" → ")[-1]), "linewidth": 2, "shrinkA": 1, "shrinkB": 0}
        place: Look = {"xytext": (18, shift), "textcoords": "offset points", "va": "center", "in_layout": False}
        axes.annotate(f"{name}\u2002{value:,.0f}", (x, value), arrowprops=line | {"relpos": (0, 0.5)}, **place)
    room = max(width_of(f"{name}  {value:,.0f}", TEXT) for name, (_, value) in ends.items()) + 0.4
    first, last = axes.dataLim.intervalx
    width = last - first or 1.0
    axes.set_xlim(first - 0.02 * width, last + width * room / (WIDTH - 0.9 - room))


def _apart(values: list[float], limits: tuple[float, float]) -> list[float]:
    """By how many points the labels at rising `values` have to go up or down so as not to overlap."""
    point = (limits[1] - limits[0]) / (72 * 0.82 * BODY)
    at = [value / point for value in values]
    for _ in range(50):
        for low in range(len(at) - 1):
            push = max(0.0, 14 - (at[low + 1] - at[low])) / 2
            at[low], at[low + 1] = at[low] - push, at[low + 1] + push
        lift = max(0.0, 7 - at[0])
        at[0] += lift
    return [y - value / point for y, value in zip(at, values, strict=True)]


@styled
def schedulers(frames: Mapping[str, pd.DataFrame], *, expected: Mapping[str, Mapping[str, float]] | None = None) -> Picture:
    """For each scheduler the share of the connections that each server got.

    `frames` is {scheduler: counters}; columns used: server, conns. `expected` ({scheduler: {server: share 0..1}}) is
    drawn as dashed outlines.
    """
    title = "How does each scheduler share the connections?"
    if all(frame.empty for frame in frames.values()):
        return nothing(title)
    tables = {name: _conns(frame) for name, frame in frames.items()}
    told = {name: ", ".join(f"{count:,} to {server}" for server, count in table.items()) for name, table in tables.items()}
    finding = f"{plural(len(tables), 'scheduler')}, {plural(sum(int(t.sum()) for t in tables.values()), 'connection')}"
    rows = sum(max(1, len(table)) + 1 for table in tables.values())
    figure, axes = sheet(title, finding, body=0.27 * rows + 0.55, entries=[outline_entry()] if expected else [])
    _groups(axes, tables, expected or {})
    axes.set_xlabel("share of the scheduler's connections, %")
    axes.set_xticks(range(0, 101, 25))
    return pictured(figure, title, " ".join(f"{name}: {words or 'nothing was measured'}." for name, words in told.items()))


def _conns(frame: pd.DataFrame) -> pd.Series:
    if frame.empty:
        return pd.Series(dtype=int)
    need(frame, "server", "conns")
    sums = frame.groupby(frame["server"].map(str))["conns"].sum().astype(int)
    return sums.reindex(in_order(sums.index))


def _groups(axes: Axes, tables: Mapping[str, pd.Series], expected: Mapping[str, Mapping[str, float]]) -> None:
    """A heading and a bar for each server, scheduler below scheduler."""
    names: list[str] = []
    values: list[float] = []
    behind: list[str] = []
    for scheduler, table in tables.items():
        names, values = [*names, scheduler], [*values, 0]
        behind.append("" if len(table) else "nothing was measured")
        total = max(1, int(table.sum()))
        for server, count in table.items():
            axes.barh(len(names), 100 * count / total, 0.72, color=colour_of(server), gid=f"{scheduler} {server}")
            share = expected.get(scheduler, {}).get(str(server))
            if share is not None:
                axes.barh(len(names), 100 * share, 0.86, gid="expected", **EXPECTED)
            names, values = [*names, str(server)], [*values, 100 * count / total]
            behind.append(f"{count:,} ({percent(count / total)})")
    write_bars(axes, names, values, behind)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name in tables else "normal")
