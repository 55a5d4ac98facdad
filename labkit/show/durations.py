"""How long it took: each request, and kinds of clients side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from .frames import FAILED, answered, errors_of, failures, in_order, need, nothing, outcomes, pictured
from .lanes import Lanes, lanes, points, scale
from .picture import Picture
from .style import INK, colour_of, cross, dot, sheet, styled, whole_numbers
from .words import milliseconds, plural


def _median(values: pd.Series) -> float:
    return float(values.median()) if values.notna().any() else float("nan")


@styled
def latency(traffic: pd.DataFrame) -> Picture:
    """Each request's milliseconds by its number, a dashed line at each backend's median; x where it failed.

    Columns used: n, backend, ms, error. The axis is logarithmic where the times differ by more than 50 times.
    """
    if traffic.empty:
        return nothing("How long did the answers take?")
    need(traffic, "n", "ms")
    names = outcomes(traffic)
    title = f"How long did {plural(len(traffic), 'request')} take?"
    medians = {name: _median(traffic["ms"][names == name]) for name in in_order(names)}
    finding = "Median: " + ", ".join(f"{name} {milliseconds(value)}" for name, value in medians.items())
    finding += f"; {failures(traffic)}"
    median = Line2D([], [], color=INK, linewidth=1.8, linestyle=(0, (4, 2)), label="median")
    entries = [*_entries(list(medians), f"failed: {errors_of(traffic)}"), median]
    figure, axes = sheet(title, finding, body=3.0, entries=entries)
    log = scale(axes, traffic["ms"].to_numpy(float), axis="y")
    lines = [name for name, value in medians.items() if name != FAILED and np.isfinite(value)]
    for name, value in medians.items():
        chosen = traffic[names == name]
        points(axes, chosen["n"].to_numpy(float), chosen["ms"].to_numpy(float), name)
        if name in lines:
            dashes = _dashes(lines.index(name), len(lines))
            axes.axhline(value, color=colour_of(name), linewidth=1.8, linestyle=dashes, gid=f"median {name}")
    axes.set(xlabel="request number", ylabel="milliseconds" + (", logarithmic" if log else ""))
    axes.set_xlim(traffic["n"].min() - 0.03 * len(traffic) - 0.5, traffic["n"].max() + 0.03 * len(traffic) + 0.5)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.grid()
    return pictured(figure, title, finding)


def _dashes(place: int, count: int) -> tuple[float, tuple[float, float]]:
    """Dashes with room for those of the other medians, so that equal ones are both seen."""
    return (6.0 * place, (6.0, 6.0 * max(1, count - 1) if count > 1 else 3.0))


def _entries(names: list[str], failed: str) -> list[Line2D]:
    return [cross(failed) if name == FAILED else dot(name, colour_of(name)) for name in names]


@styled
def clients(frames: Mapping[str, pd.DataFrame]) -> Picture:
    """What several kinds of clients experience: a lane each, every request a point at its milliseconds.

    `frames` is {kind of client: traffic}; columns used: backend, ms, error. In a lane requests go downwards in their
    order; the line over it says who answered, what failed and the median time.
    """
    title = "What does each kind of client experience?"
    full = {kind: frame for kind, frame in frames.items() if not frame.empty}
    if not full:
        return nothing(title)
    heads = [(kind, _experience(frame)) for kind, frame in frames.items()]
    count = plural(sum(map(len, full.values())), "request")
    median = Line2D([], [], color=INK, linewidth=2, label="median (of what was answered, of what failed)")
    seen = in_order(name for frame in full.values() for name in outcomes(frame))
    finding = f"{count} by {plural(len(frames), 'kind')} of client; each point is one"
    picture = lanes(title, finding, heads, strip=0.5, entries=[*_entries(seen, "failed"), median])
    log = scale(picture.axes, np.concatenate([frame["ms"].to_numpy(float) for frame in full.values()]))
    for lane, frame in enumerate(frames.values()):
        _client(picture, lane, frame)
    picture.axes.set_xlabel("milliseconds until the client had its answer or gave up" + (", logarithmic" if log else ""))
    return pictured(picture.figure, title, " ".join(f"{kind}: {words}." for kind, words in heads))


def _experience(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "nothing was measured"
    need(frame, "backend", "ms", "error")
    good = frame["error"].isna()
    medians = [milliseconds(_median(frame["ms"][good]))] if good.any() else []
    medians += [f"of failures {milliseconds(_median(frame['ms'][~good]))}"] if not good.all() else []
    return f"{answered(frame)}; median {', '.join(medians)}"


def _client(picture: Lanes, lane: int, frame: pd.DataFrame) -> None:
    """Draw one client's requests, and the medians of those answered and of those failed."""
    if frame.empty:
        return
    names, times, heights = outcomes(frame).to_numpy(), frame["ms"].to_numpy(float), picture.spread(lane, len(frame))
    for name in in_order(names):
        points(picture.axes, times[names == name], heights[names == name], name, 22 if len(frame) <= 60 else 10)
    for chosen in (names == FAILED, names != FAILED):
        median, (top, bottom) = _median(frame["ms"][chosen]), picture.strips[lane]
        if np.isfinite(median):
            picture.axes.plot([median, median], [top, bottom], color=INK, linewidth=2, zorder=1.5, gid="median")
