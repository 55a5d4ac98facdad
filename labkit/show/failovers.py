"""A failover second by second, and how much each balancer lets through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .frames import FAILED, in_order, need, nothing, pictured
from .lanes import EVENT, Lanes, lanes, levels, mark_events
from .picture import Picture
from .shares import write_bars
from .style import FAILURE, MUTED, NOBODY, Look, colour_of, dot, sheet, styled, tint
from .words import listing, milliseconds, plural

LATE = "late"
KEYS = ("balancer", "second")
STRIP = 0.5  # inches


@styled
def failover(seconds: pd.DataFrame, *, events: Sequence[tuple[float, str]] = ()) -> Picture:
    """What became of the requests of each second: a lane for each balancer, a bar for each second.

    Columns used: balancer, second, one for each backend, late, failed (counts). `events` is a list of (seconds, words).
    """
    title = "What did the clients of each balancer see, second by second?"
    if seconds.empty:
        return nothing(title)
    need(seconds, *KEYS, LATE, FAILED)
    names = [*in_order(set(seconds.columns) - {*KEYS, LATE, FAILED}), LATE, FAILED]
    balancers = list(dict.fromkeys(seconds["balancer"]))
    heads = [(name, _fate(seconds[seconds["balancer"] == name])) for name in balancers]
    events, span = sorted(events), (-0.1, float(seconds["second"].max()) + 1.1)
    rows = levels(events, span)
    whole = seconds[seconds["second"] < max(1, seconds["second"].max())]  # the load ends within the last second
    each = round(whole[names].to_numpy().sum() / len(whole))
    told = "; ".join(f"at {when:.1f} s: {words}" for when, words in events)
    finding = f"{plural(each, 'request')} a second through each" + (f"; {told}" if told else "")
    late = [dot("late (answered)", NOBODY, "s", markerfacecolor=tint(NOBODY, 0.6))] if seconds[LATE].any() else []
    failed = [dot("failed", FAILURE, "s", markerfacecolor=tint(FAILURE, 0.75))] if seconds[FAILED].any() else []
    entries = [dot(name, colour_of(name), "s") for name in names[:-2]] + late + failed
    above = EVENT * (max(rows) + 1) + 0.05 if rows else 0
    picture = lanes(title, finding, heads, strip=STRIP, above=above, entries=entries)
    unit = (STRIP - 0.04) / max(1, seconds[names].sum(axis=1).max())
    for lane, name in enumerate(balancers):
        _bars(picture, lane, seconds.loc[seconds["balancer"] == name, ["second", *names]], unit)
    mark_events(picture, events, rows, span)
    picture.axes.set(xlim=span, xlabel="seconds; each request is counted in the second in which it began")
    return pictured(picture.figure, title, f"{finding}. " + " ".join(f"{name}: {words}." for name, words in heads))


def _fate(rows: pd.DataFrame) -> str:
    """ "13 failed, in 4 seconds; 2 late"."""
    bad, late = rows[rows[FAILED] > 0], int(rows[LATE].sum())
    said = f"{rows[FAILED].sum():,} failed" + (f", in {plural(len(bad), 'second')}" if len(bad) else "")
    return said + (f"; {late:,} late" if late else "")


def _bars(picture: Lanes, lane: int, rows: pd.DataFrame, unit: float) -> None:
    """One balancer's bars, from the bottom of its strip, `unit` inches a request; hatched what did not go well."""
    at, y = rows["second"].to_numpy(float) + 0.5, np.full(len(rows), picture.strips[lane][1])
    hatched: dict[str, Look] = {
        LATE: {"facecolor": tint(NOBODY, 0.6), "edgecolor": NOBODY, "hatch": "///", "linewidth": 0.8},
        FAILED: {"facecolor": tint(FAILURE, 0.75), "edgecolor": FAILURE, "hatch": "xxx", "linewidth": 0.8},
    }
    for name in rows.columns[1:]:
        height = rows[name].to_numpy(float) * unit
        look = hatched.get(name, {"color": colour_of(name)})
        some = height > 0
        picture.axes.bar(at[some], -height[some], 0.8, bottom=y[some], gid=name, zorder=2, **look)
        y = y - height


@styled
def throughput(load: pd.DataFrame) -> Picture:
    """Bars of the requests a second that each way lets through, as a share of the first, the direct one.

    Columns used: ratio, p50, p99 (milliseconds), errors; the index names the ways.
    """
    title = "How much of the direct way's load does each balancer carry?"
    if load.empty:
        return nothing(title)
    need(load, "ratio", "p50", "p99", "errors")
    names = [str(name) for name in load.index]
    shares = [f"{ratio:.2f} through {name}" for name, ratio in zip(names[1:], load["ratio"][1:], strict=True)]
    finding = f"{names[0]} is 1; " + listing(shares) if shares else f"only {names[0]} was measured"
    figure, axes = sheet(title, finding, body=0.42 * len(load) + 0.55)
    axes.barh(range(len(load)), load["ratio"], 0.62, color=[NOBODY, *[MUTED] * (len(load) - 1)])
    behind = [
        f"{row.ratio:.2f}; half within {milliseconds(row.p50)}, 99 % within {milliseconds(row.p99)}"
        + (f"; {plural(int(row.errors), 'error')}" if row.errors else "")
        for row in load.itertuples()
    ]
    write_bars(axes, names, list(load["ratio"]), behind)
    axes.set_xlabel("requests a second, as a share of the direct way's in the same run")
    return pictured(figure, title, finding)
