"""Lanes below each other, a line of words over each: who answered when, what each client saw."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from . import style
from .picture import Picture, pictured, plot, sheet
from .style import FAILURE, INK, ON_PAPER, PAPER, SMALL, Look, colour_of, hatched
from .words import FAILED, answered, errors_of, in_order, milliseconds, outcomes, plain, plural

Events = Sequence[tuple[float, str]]  # seconds, words
# Inches: a line of words, the strip below it, the space to the next, a row of events' labels.
LINE, STRIP, SPACE, EVENT = 0.19, 0.36, 0.12, 0.2
ROOM = style.WIDTH - 2 * style.MARGIN - 0.1  # inches
ROWS = 3  # of events' labels that `recent` has at the most
LATE = "late"
ANSWERS = {"accepted": "accepted", "refused": "refused", "none": "without an answer"}


def lanes(
    title: str, finding: str, heads: Sequence[tuple[str, str]], unit: str, *, strip: float = STRIP,
    span: tuple[float, float] = (0, 1), events: Events = (), rows: int = 0,
    entries: Sequence[Line2D] = (),
) -> tuple[Figure, Axes, list[tuple[float, float]]]:  # fmt: skip
    """Draw a lane for each of `heads` (name, words); return its strip's top and bottom (inches).

    `events` are lines through all lanes; their labels have at least `rows` rows on top.
    """
    labels = levels(events, span)
    rows = max([rows, *(row + 1 for row, _ in labels)])
    y = EVENT * rows + 0.05 if rows else 0.0
    said, strips = [], []
    for name, words in heads:
        beside = ROOM - 0.15 - style.width_of(name, style.TEXT, "bold")
        down = LINE if beside < ROOM / 2 else 0  # below a long name, beside a short one
        lines = style.wrap(words, ROOM if down else beside)
        said.append((y, down, "\n".join(lines)))
        y += down + LINE * len(lines) + 0.05
        strips.append((y, y + strip))
        y += strip + SPACE
    bottom = y - SPACE + 0.06
    figure, axes = sheet(title, finding, body=bottom + 0.52, entries=entries)
    axes.set(ylim=(bottom, 0), yticks=[], xlabel=unit, xlim=span)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    left = axes.get_yaxis_transform()  # x from 0 to 1, y in inches
    look: Look = {"va": "top", "bbox": ON_PAPER, "linespacing": 1.2, "in_layout": False}
    for (name, _), (top, down, words), lane in zip(heads, said, strips, strict=True):
        axes.axhspan(*lane, color=style.BAND, zorder=0)
        head = axes.text(0, top, style.shorten(name, ROOM), transform=left, **style.BOLD, **look)
        at, away = ((0, 0), (0, -3)) if down else ((1, 1), (8, 0))  # from the name's own corner
        place: Look = {"xycoords": head, "textcoords": "offset points"}
        axes.annotate(words, at, away, color=style.MUTED, **place, **look)
    for (when, words), (row, right) in zip(events, labels, strict=True):
        y = row * EVENT
        axes.plot([when] * 2, [y + 0.03, bottom], color=INK, lw=1.2, zorder=1.5, gid="event")
        ha, away = ("left", (4, 0)) if right else ("right", (-4, 0))
        where: Look = {"textcoords": "offset points", "va": "center", "ha": ha, "size": SMALL}
        axes.annotate(words, (when, y + 0.1), away, in_layout=False, bbox=ON_PAPER, **where)
    return figure, axes, strips


def levels(events: Events, span: tuple[float, float]) -> list[tuple[int, bool]]:
    """Return for each label the row where it meets no other, and if it is right of its line."""
    ends: list[float] = []
    places = []
    for when, words in events:
        x = (when - span[0]) / (span[1] - span[0]) * ROOM
        width = style.width_of(words, SMALL) + 0.15
        right = x + width < ROOM
        left = x if right else x - width
        row = next((row for row, taken in enumerate(ends) if taken < left), len(ends))
        ends[row : row + 1] = [left + width]
        places.append((row, right))
    return places


def scale(axes: Axes, values: np.ndarray, axis: str = "x") -> str:
    """Make an axis logarithmic where values differ by more than 50 times; return words on that."""
    values = values[np.isfinite(values) & (values > 0)]
    low, high = (values.min(), values.max()) if values.size else (1, 1)
    log, which = high / low > 50, axes.xaxis if axis == "x" else axes.yaxis
    if log:
        axes.set(**{f"{axis}scale": "log"})
        which.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 300 else (1,)))
        which.set_minor_locator(NullLocator())
    axes.set(**{f"{axis}lim": (low / 1.5, high * 1.5) if log else (0, high * 1.06)})
    which.set_major_formatter(FuncFormatter(plain))
    return ", logarithmic" if log else ""


def points(axes: Axes, x: np.ndarray, y: np.ndarray, name: str, size: float = 26) -> None:
    """Draw points in the backend's colour, or an x each for what failed."""
    if name == FAILED:
        axes.scatter(x, y, size + 6, FAILURE, marker="x", lw=1.6, gid="failed", zorder=3)
    else:
        axes.scatter(x, y, size, colour_of(name), lw=0.4, ec=PAPER, gid=name, zorder=2)


def median_of(values: np.ndarray) -> float:
    """Return the median of the numbers in `values`, NaN when there is none."""
    return float(pd.Series(values).median())


def outcome_entries(names: Iterable[str], failed: str, marker: str = "o") -> list[Line2D]:
    """Return a legend's entry for each of `names`; "failed" is an x with the words `failed`."""
    entry = {FAILED: style.cross(failed)}
    return [entry.get(one) or style.dot(one, colour_of(one), marker) for one in names]


@style.styled
def recent(traffic: pd.DataFrame, names: Sequence[str], seconds: float, *, events: Events = ()) -> Picture:
    """Draw the last `seconds`, again and again: the lanes are always `names` and the failed.

    Columns used: start (seconds before now, negative), backend, error; `events` is a list of
    (seconds before now, words).
    """
    title = f"Who answered in the last {seconds:g} seconds?"
    found, finding, events = outcomes(traffic), answered(traffic), sorted(events)
    span = -seconds, 0.0
    while any(row >= ROWS for row, _ in levels(events, span)):
        events = events[1:]
    everyone = in_order([*names, *found, FAILED])
    heads = {name: plural(int((found == name).sum()), "request") for name in everyone}
    why = errors_of(traffic)
    heads[f"× {FAILED}"] = heads.pop(FAILED) + (f" ({why})" if why else "")
    more: Look = {"span": span, "events": events, "rows": ROWS}
    figure, axes, strips = lanes(title, finding, [*heads.items()], "seconds before now", **more)
    for name, (top, bottom) in zip(everyone, strips, strict=True):
        x = traffic["start"][found == name].to_numpy(float)
        if name == FAILED:
            y = np.full(len(x), (top + bottom) / 2)
            points(axes, x, y, name, 36 if len(x) <= 15 else 14)
        else:
            alpha = 0.85 if len(x) <= 300 else 0.4
            look: Look = {"color": colour_of(name), "lw": 1.8, "alpha": alpha, "gid": name}
            axes.vlines(x, top + 0.03, bottom - 0.03, **look)
    axes.xaxis.set_major_locator(style.whole_numbers())
    return pictured(figure, title, finding)


@plot("What does each kind of client experience?", "backend", "ms", "error")
def clients(frames: Mapping[str, pd.DataFrame]) -> Picture:
    """Draw what several kinds of clients experience: a lane each, every request a point at its time.

    `frames` is {kind of client: traffic}; columns used: backend, ms, error. In a lane requests go
    downwards in their order; the line over it says who answered, what failed, the median time.
    """
    title, full = "What does each kind of client experience?", {}
    heads: list[tuple[str, str]] = []
    for kind, frame in frames.items():
        words = "nothing was measured"
        if len(frame):
            names, ms = outcomes(frame).to_numpy(), frame["ms"].to_numpy(float)
            parts = {"": ms[names != FAILED], "of failures ": ms[names == FAILED]}
            times = [f"{of}{milliseconds(median_of(x))}" for of, x in parts.items() if x.size]
            words = f"{answered(frame)}; median {', '.join(times)}"
            full[len(heads)] = names, ms, [median_of(x) for x in parts.values()]
        heads.append((kind, words))
    every = np.concatenate([ms for _, ms, _ in full.values()])
    seen = in_order(np.concatenate([names for names, _, _ in full.values()]))
    said = "median (of what was answered, of what failed)"
    entries = [*outcome_entries(seen, FAILED), Line2D([], [], color=INK, lw=2, label=said)]
    finding = f"{plural(len(every), 'request')} by {plural(len(frames), 'kind')} of client"
    finding, unit = f"{finding}; each point is one", "milliseconds until the client had its answer"
    figure, axes, strips = lanes(title, finding, heads, "", strip=0.5, entries=entries)
    axes.set_xlabel(f"{unit} or gave up{scale(axes, every)}")
    for lane, (names, ms, medians) in full.items():
        top, bottom = strips[lane]
        y = np.linspace(top + 0.06, bottom - 0.06, len(ms)) if len(ms) > 1 else (top + bottom) / 2
        y = np.broadcast_to(y, ms.shape)
        for name in in_order(names):
            points(axes, ms[names == name], y[names == name], name, 22 if len(ms) <= 60 else 10)
        for x in medians:
            if np.isfinite(x):
                axes.plot([x, x], strips[lane], color=INK, lw=2, zorder=1.5, gid="median")
    return pictured(figure, title, " ".join(f"{kind}: {words}." for kind, words in heads))


@plot("Who was asked to connect, and what came back?", "time", "target", "answer")
def syns(syns: pd.DataFrame) -> Picture:
    """Draw attempts to connect (TCP SYN packets), a lane for each target; marked by what came back.

    Columns used: time (seconds), target (address), answer ("accepted", "refused" or "none").
    """
    title, heads = "Who was asked to connect, and what came back?", []
    answers, x = syns["answer"].fillna("none"), syns["time"].to_numpy(float)
    for target in in_order(syns["target"]):
        counts = answers[syns["target"] == target].value_counts()
        total, kinds = int(counts.sum()), [kind for kind in ANSWERS if kind in counts]
        every = len(kinds) == 1 and total > 1
        said = [f"{'all' if every else f'{counts[kind]:,}'} {ANSWERS[kind]}" for kind in kinds]
        heads.append((target, f"{plural(total, 'attempt')}, {', '.join(said)}"))
    entries = [style.dot("accepted", style.NOBODY), style.cross("refused")]
    entries.append(style.dot("no answer", INK, mfc=PAPER, mew=1.5))
    shown = [one for one, answer in zip(entries, ANSWERS, strict=True) if answer in set(answers)]
    finding = f"{plural(len(syns), 'attempt')} to connect; each is a SYN packet"
    pad = 0.02 * np.ptp(x) or 0.5
    span = float(x.min() - pad), float(x.max() + pad)
    figure, axes, strips = lanes(title, finding, heads, "seconds", span=span, entries=shown)
    for (target, _), (top, bottom) in zip(heads, strips, strict=True):
        for answer in ANSWERS:
            at = x[(syns["target"] == target) & (answers == answer)]
            y = np.full(len(at), (top + bottom) / 2)
            if answer == "refused":
                points(axes, at, y, FAILED, 40)
            else:
                fill, line = (PAPER, INK) if answer == "none" else (colour_of(target), PAPER)
                axes.scatter(at, y, 46, fill, ec=line, lw=1.2, gid=answer, zorder=2)
    return pictured(figure, title, "; ".join(f"{target}: {words}" for target, words in heads))


FAILOVER = "What did the clients of each balancer see, second by second?"


@plot(FAILOVER, "balancer", "second", LATE, FAILED)
def failover(seconds: pd.DataFrame, *, events: Events = ()) -> Picture:
    """Draw what became of the requests of each second: a lane for each balancer, a bar for each second.

    Columns used: balancer, second, one for each backend, late, failed (counts). `events` is a list
    of (seconds, words).
    """
    backends = in_order(set(seconds.columns) - {"balancer", "second", LATE, FAILED})
    looks: dict[str, Look] = {name: {"facecolor": colour_of(name)} for name in backends}
    looks |= {LATE: hatched(style.NOBODY, "///"), FAILED: hatched(FAILURE)}
    names, events, heads = [*looks], sorted(events), []
    tables = {str(name): rows for name, rows in seconds.groupby("balancer", sort=False)}
    for name, rows in tables.items():
        bad, late = int((rows[FAILED] > 0).sum()), int(rows[LATE].sum())
        words = f"{rows[FAILED].sum():,} failed" + (f", in {plural(bad, 'second')}" if bad else "")
        heads.append((name, words + (f"; {late:,} late" if late else "")))
    end = float(seconds["second"].max())
    whole = seconds[seconds["second"] < max(1, end)]  # the load ends within the last second
    each = plural(round(whole[names].to_numpy().sum() / len(whole)), "request")
    told = [f"; at {when:.1f} s: {words}" for when, words in events]
    finding = f"{each} a second through each{''.join(told)}"
    entries = []
    for name, look in looks.items():
        if name not in (LATE, FAILED) or seconds[name].any():
            fill = look["facecolor"]
            label = "late (answered)" if name == LATE else name
            entries.append(style.dot(label, str(look.get("edgecolor", fill)), "s", mfc=fill))
    unit = "seconds; each request is counted in the second in which it began"
    more: Look = {"span": (-0.1, end + 1.1), "events": events, "entries": entries}
    figure, axes, strips = lanes(FAILOVER, finding, heads, unit, strip=0.5, **more)
    tall = 0.46 / max(1, seconds[names].sum(axis=1).max())  # inches a request
    for rows, (_, bottom) in zip(tables.values(), strips, strict=True):
        y, x = np.full(len(rows), bottom), rows["second"].to_numpy(float) + 0.5
        for name, look in looks.items():
            high, some = rows[name].to_numpy(float) * tall, rows[name].to_numpy() > 0
            axes.bar(x[some], -high[some], 0.8, y[some], gid=name, zorder=2, **look)
            y = y - high
    said = " ".join(f"{name}: {words}." for name, words in heads)
    return pictured(figure, FAILOVER, f"{finding}. {said}")
