"""On the time axis: who answered when, and attempts to connect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .frames import FAILED, answered, errors_of, in_order, need, nothing, outcomes, pictured
from .lanes import EVENT, Lanes, lanes, levels, mark_events, points
from .picture import Picture
from .style import INK, NOBODY, colour_of, cross, dot, styled, whole_numbers
from .words import plural

EVENTS, ROWS = 8, 3  # labelled lines that `recent` draws at the most, and the rows of their labels
ANSWERS = ("accepted", "refused", "none")


@styled
def timeline(traffic: pd.DataFrame, *, events: Sequence[tuple[float, str]] = ()) -> Picture:
    """Requests on a time axis: a lane for each backend and one for what failed; `events` are labelled lines.

    Columns used: start (seconds), backend, error; `events` is a list of (seconds, words).
    """
    title = "Who answered when?"
    if traffic.empty:
        return nothing(title)
    need(traffic, "start")
    names, events = outcomes(traffic), sorted(events)
    heads = []
    for name in in_order([*names, FAILED]):
        chosen = traffic[names == name]
        words = plural(len(chosen), "request") + (f" ({errors_of(traffic)})" if name == FAILED and len(chosen) else "")
        heads.append((f"× {name}" if name == FAILED else name, words + _between(chosen["start"])))
    span = _span([*traffic["start"], *(when for when, _ in events)])
    rows = levels(events, span)
    picture = lanes(title, answered(traffic), heads, above=EVENT * (max(rows) + 1) + 0.05 if rows else 0)
    for lane, name in enumerate(in_order([*names, FAILED])):
        _ticks(picture, lane, traffic["start"][names == name].to_numpy(float), name)
    mark_events(picture, events, rows, span)
    picture.axes.set(xlim=span, xlabel="seconds since the first request")
    told = "; ".join(f"at {when:.1f} s: {words}" for when, words in events)
    return pictured(picture.figure, title, answered(traffic) + (f"; {told}" if told else ""))


@styled
def recent(traffic: pd.DataFrame, names: Sequence[str], seconds: float, *, events: Sequence[tuple[float, str]] = ()) -> Picture:
    """The last `seconds` up to now, as a picture that is drawn again and again: its lanes are always `names` and the failed.

    Columns used: start (seconds before now, negative), backend, error; `events` is a list of (seconds before now, words).
    """
    title = f"Who answered in the last {seconds:g} seconds?"
    found, span = outcomes(traffic), (-seconds, 0.0)
    events = sorted(events)[-EVENTS:]
    while max(levels(events, span), default=0) >= ROWS:
        events = events[1:]
    everyone = in_order([*names, *found, FAILED])
    heads = []
    for name in everyone:
        count = int((found == name).sum())
        why = f" ({errors_of(traffic)})" if name == FAILED and count else ""
        heads.append((f"× {name}" if name == FAILED else name, plural(count, "request") + why))
    picture = lanes(title, answered(traffic), heads, above=EVENT * ROWS + 0.05)
    for lane, name in enumerate(everyone):
        _ticks(picture, lane, traffic["start"][found == name].to_numpy(float), name)
    mark_events(picture, events, levels(events, span), span)
    picture.axes.set(xlim=span, xlabel="seconds before now")
    picture.axes.xaxis.set_major_locator(whole_numbers())
    return pictured(picture.figure, title, answered(traffic))


def _between(times: pd.Series) -> str:
    return f", {times.min():.1f} to {times.max():.1f} s" if len(times) else ""


def _span(times: Sequence[float]) -> tuple[float, float]:
    low, high = float(np.min(times)), float(np.max(times))
    pad = 0.02 * (high - low) or 0.5
    return low - pad, high + pad


def _ticks(picture: Lanes, lane: int, times: np.ndarray, name: str) -> None:
    if name == FAILED:
        points(picture.axes, times, np.array(picture.middle(lane)), name, 36 if len(times) <= 15 else 14)
    elif len(times):
        top, bottom = picture.strips[lane]
        alpha = 0.85 if len(times) <= 300 else 0.4
        picture.axes.vlines(times, top + 0.03, bottom - 0.03, colour_of(name), linewidth=1.8, alpha=alpha, gid=name)


@styled
def syns(syns: pd.DataFrame) -> Picture:
    """Attempts to connect (TCP SYN packets) over time, a lane for each target; the marker says what came back.

    Columns used: time (seconds), target (address), answer ("accepted", "refused" or "none").
    """
    title = "Who was asked to connect, and what came back?"
    if syns.empty:
        return nothing(title)
    need(syns, "time", "target", "answer")
    targets = in_order(syns["target"])
    heads = [(target, _replies(syns[syns["target"] == target])) for target in targets]
    silent = dot("no answer", INK, markerfacecolor="white", markeredgewidth=1.5)
    known = {"accepted": dot("accepted", NOBODY), "refused": cross("refused"), "none": silent}
    seen = set(syns["answer"].fillna("none"))
    entries = [entry for answer, entry in known.items() if answer in seen]
    each = f"{plural(len(syns), 'attempt')} to connect; each is a SYN packet"
    picture = lanes(title, each, heads, entries=entries)
    for lane, target in enumerate(targets):
        for answer, chosen in syns[syns["target"] == target].groupby(syns["answer"].fillna("none")):
            _reply(picture, lane, chosen["time"].to_numpy(float), str(answer), colour_of(target))
    picture.axes.set(xlim=_span(list(syns["time"])), xlabel="seconds")
    return pictured(picture.figure, title, "; ".join(f"{target}: {words}" for target, words in heads))


def _replies(syns: pd.DataFrame) -> str:
    """ "7 attempts, all refused", "20 attempts, 19 accepted, 1 without an answer"."""
    counts = syns["answer"].fillna("none").value_counts()
    said = [f"{counts[answer]:,} {answer if answer != 'none' else 'without an answer'}" for answer in ANSWERS if answer in counts]
    one = [f"all {words.split(' ', 1)[1]}" for words in said] if len(said) == 1 and len(syns) > 1 else said
    return f"{plural(len(syns), 'attempt')}, {', '.join(one)}"


def _reply(picture: Lanes, lane: int, x: np.ndarray, answer: str, colour: str) -> None:
    axes, y = picture.axes, np.full(len(x), picture.middle(lane))
    if answer == "refused":
        points(axes, x, y, FAILED, 40)
    elif answer == "none":
        axes.scatter(x, y, 46, "white", edgecolors=INK, linewidths=1.5, gid="none", zorder=3)
    else:
        axes.scatter(x, y, 46, colour, edgecolors="white", linewidths=0.6, gid="accepted", zorder=2)
