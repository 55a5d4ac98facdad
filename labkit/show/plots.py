"""The plots of the course, each a `Picture`: here bars, points and lines; the rest is imported."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from . import style, words
from .cells import answer_order, attempts, sequence
from .diagrams import ladder
from .lanes import clients, failover, median_of, outcome_entries, points, scale, syns
from .picture import Picture, pictured, plot, sheet
from .style import DASHED, FAILURE, INK, MUTED, NOBODY, Look, colour_of, whole_numbers
from .words import FAILED, in_order, listing, milliseconds, outcomes, percent, plural

__all__ = [
    "answer_order", "attempts", "clients", "counters", "failover", "ladder", "latency",
    "schedulers", "sequence", "shares", "syns", "throughput",
]  # fmt: skip

TITLES = {"backend": "Who answered {}?", "server": "Where did {} go?"}
TITLES["address"] = TITLES["server"]
SCHEDULERS = "How does each scheduler share the connections?"
THROUGHPUT = "How much of the direct way's load does each balancer carry?"
VALUES = {
    "conns": "connections", "in_packets": "packets in", "out_packets": "packets out",
    "in_bytes": "bytes in", "out_bytes": "bytes out", "active": "active connections",
    "inactive": "inactive connections",
}  # fmt: skip


class Bar(NamedTuple):
    """A row: its name, length, words behind; how much of it failed, how much was expected."""

    name: str
    value: float
    words: str
    colour: str
    failed: float = 0
    expected: float | None = None


def bars(title: str, finding: str, rows: Sequence[Bar], unit: str, high: float = 0.42) -> Figure:
    """Draw a bar a row, `high` inches: hatched what failed, in dashes what was expected."""
    outlined = any(row.expected is not None for row in rows)
    entries = [Line2D([], [], color=INK, label="expected", **DASHED)] if outlined else []
    figure, axes = sheet(title, finding, body=high * len(rows) + 0.55, entries=entries)
    values, behind = [row.value for row in rows], [row.words for row in rows]
    names = [style.shorten(row.name, 2.4, weight="normal") for row in rows]
    drawn = axes.barh(range(len(rows)), values, 0.66, color=[row.colour for row in rows])
    axes.bar_label(drawn, behind, padding=6)
    for y, (_, value, _, _, bad, share) in enumerate(rows):
        if bad:
            axes.barh(y, bad, 0.66, left=value - bad, gid="failed", **style.hatched(FAILURE))
        if share is not None:
            axes.barh(y, share, 0.84, fill=False, ec=INK, gid="expected", clip_on=False, **DASHED)
    axes.set(xlim=(0, max(*values, 1)), ylim=(len(rows) - 0.5, -0.5), xlabel=unit)
    axes.set_yticks(range(len(rows)), names)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.xaxis.set_major_formatter(FuncFormatter(words.plain))
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(INK)
    return figure


def connections(counters: pd.DataFrame, by: str = "server") -> dict[str, int]:
    """Return the connections of each server (or of each value of another column)."""
    if counters.empty:
        return {}
    sums = counters.groupby(counters[by].map(str))["conns"].sum()
    return {name: int(sums[name]) for name in in_order(sums.index)}


Shares = Mapping[str, float] | None


@plot("Who answered?")
def shares(frame: pd.DataFrame, *, by: str = "backend", expected: Shares = None, title: str | None = None) -> Picture:
    """Draw bars of how many requests (or connections) each got; what failed is hatched and said.

    `frame` is traffic (columns used: `by`, error) or, with by="server", counters (columns: server,
    conns). `expected` ({name: share, 0..1}) is drawn as dashed outlines.
    """
    counted, expected = "conns" in frame.columns, expected or {}
    words.need(frame, by, *([] if counted else ["error"]))
    noun, got, bad = "connection", {}, {}
    if counted:
        got = connections(frame, by)
    else:
        names = outcomes(frame) if by == "backend" else frame[by].map(str)
        noun, got = "request", names.value_counts().to_dict()
        bad = names[frame["error"].notna()].value_counts().to_dict()
    rows, told, total = [], [], sum(got.values())
    for name in in_order([*got, *expected]):
        count, lost = int(got.get(name, 0)), int(bad.get(name, 0))
        said, label = f"{lost:,} failed" if lost else "", name
        if name == FAILED:
            said, label = words.errors_of(frame), f"× {name}"
        elif count or by != "backend":
            told.append((name, count, f" ({said})" if said else ""))
        behind = f"{count:,} ({percent(count / max(1, total))})"
        behind += f", {said}" if said and "," not in said else ""
        share = expected[name] * total if name in expected else None
        rows.append(Bar(label, count, behind, colour_of(name), lost, share))
    finding = words.went(told, noun) + ("" if counted else f"; {words.failures(frame)}")
    title = title or TITLES.get(by, f"Which {by} got {{}}?").format(plural(total, noun))
    figure = bars(title, finding, rows, f"{noun}s")
    wanted = listing(f"{percent(share)} to {name}" for name, share in expected.items())
    return pictured(figure, title, f"{finding}; expected {wanted}" if wanted else finding)


@plot(SCHEDULERS, "server", "conns")
def schedulers(frames: Mapping[str, pd.DataFrame]) -> Picture:
    """Draw for each scheduler the share of the connections that each server got.

    `frames` is {scheduler: counters}; columns used: server, conns.
    """
    rows, said, every = [], [], 0
    for scheduler, frame in frames.items():
        got = connections(frame)
        told = ", ".join(f"{count:,} to {server}" for server, count in got.items())
        said.append(f"{scheduler}: {told or 'nothing was measured'}.")
        rows.append(Bar(scheduler, 0, "" if got else "nothing was measured", NOBODY))
        for server, count in got.items():
            share = count / max(1, sum(got.values()))
            behind = f"{count:,} ({percent(share)})"
            rows.append(Bar(server, 100 * share, behind, colour_of(server)))
        every += sum(got.values())
    finding = f"{plural(len(frames), 'scheduler')}, {plural(every, 'connection')}"
    figure = bars(SCHEDULERS, finding, rows, "share of the scheduler's connections, %", 0.27)
    for label, row in zip(figure.axes[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.name in frames else "normal")
    return pictured(figure, SCHEDULERS, " ".join(said))


@plot(THROUGHPUT, "ratio", "p50", "p99", "errors")
def throughput(load: pd.DataFrame) -> Picture:
    """Draw bars of the requests a second that each way lets through, as a share of the direct one's.

    Columns used: ratio, p50, p99 (milliseconds), errors; the index names the ways, the first is
    the direct one.
    """
    rows: list[Bar] = []
    for way in load.itertuples():
        half, most = milliseconds(way.p50), milliseconds(way.p99)
        behind = f"{way.ratio:.2f}; half within {half}, 99 % within {most}"
        behind += f"; {plural(int(way.errors), 'error')}" if way.errors else ""
        rows.append(Bar(str(way.Index), way.ratio, behind, MUTED if rows else NOBODY))
    direct, *ways = rows
    carried = listing(f"{way.value:.2f} through {way.name}" for way in ways)
    finding = f"{direct.name} is 1; {carried}" if ways else f"only {direct.name} was measured"
    unit = "requests a second, as a share of the direct way's in the same run"
    return pictured(bars(THROUGHPUT, finding, rows, unit), THROUGHPUT, finding)


@plot("How long did the answers take?", "n", "ms")
def latency(traffic: pd.DataFrame) -> Picture:
    """Draw each request's milliseconds by its number, dashes at each median; x where it failed.

    Columns used: n, backend, ms, error. The axis is logarithmic where times differ by 50 times.
    """
    names, ms, n = outcomes(traffic), traffic["ms"].to_numpy(float), traffic["n"].to_numpy(float)
    title = f"How long did {plural(len(traffic), 'request')} take?"
    medians = {name: median_of(ms[names == name]) for name in in_order(names)}
    times = ", ".join(f"{name} {milliseconds(value)}" for name, value in medians.items())
    finding = f"Median: {times}; {words.failures(traffic)}"
    median = Line2D([], [], color=INK, label="median", **DASHED)
    entries = [*outcome_entries(medians, f"failed: {words.errors_of(traffic)}"), median]
    figure, axes = sheet(title, finding, body=3.0, entries=entries)
    for name in medians:
        points(axes, n[names == name], ms[names == name], name)
    lined = [name for name, value in medians.items() if name != FAILED and np.isfinite(value)]
    for place, name in enumerate(lined):  # between its dashes equal medians are seen, too
        ls = (6.0 * place, (6.0, 6.0 * (len(lined) - 1) or 3.0))
        look: Look = {"color": colour_of(name), "lw": 1.8, "ls": ls, "gid": f"median {name}"}
        axes.axhline(medians[name], **look)
    axes.margins(x=0.03)
    axes.set(xlabel="request number", ylabel=f"milliseconds{scale(axes, ms, 'y')}")
    axes.xaxis.set_major_locator(whole_numbers())
    axes.grid()
    return pictured(figure, title, finding)


@plot("How did the counters of each server grow?", "time", "server")
def counters(history: pd.DataFrame, *, value: str = "conns") -> Picture:
    """Draw a line for each real server: one of its counters over time, its last value at the end.

    Columns used: time (seconds), server, the column `value`, and service where there are several.
    """
    words.need(history, value)
    unit = VALUES.get(value, value)
    title = f"How did the {unit} of each server grow?"
    title = "How did the weights change?" if value == "weight" else title
    rows = history.sort_values("time", kind="stable").reset_index()
    names = rows["server"].map(str)
    if "service" in rows and rows["service"].nunique() > 1:
        names = rows["service"].map(str) + " → " + names
    lines = {name: rows[names == name] for name in in_order(names)}
    last = {name: float(line[value].iloc[-1]) for name, line in lines.items()}
    told = [f"{end:,.0f} at {name}" for name, end in last.items()]
    told[0] = told[0].replace(" at ", f" {unit} at ", 1)
    finding = f"After {np.ptp(rows['time']):.1f} s: {listing(told)}"
    figure, axes = sheet(title, finding, body=3.0)
    axes.set(xlabel="seconds", ylabel=unit, ylim=(0, max(1.0, rows[value].max()) * 1.1))
    axes.margins(x=0.02)
    for n, (name, line) in enumerate(lines.items()):  # equal counters lie upon each other
        ls, marker = ("-", (0, (6, 3)), (0, (2, 2)), "-.")[n % 4], "osD^"[n % 4]
        look: Look = {"ls": ls, "marker": marker, "ms": 7 - 2 * (n % 3) if len(line) <= 60 else 0}
        look |= {"color": colour_of(name.split(" → ")[-1]), "lw": 2.2, "gid": name}
        axes.plot(line["time"], line[value], **look)
    # The last values stand at the ends, from the lowest up, each a line's height above the other.
    low, gap = -np.inf, 0.085 * axes.get_ylim()[1]
    for name in sorted(last, key=lambda name: last[name]):
        low, colour = max(low + gap, last[name]), colour_of(name.split(" → ")[-1])
        look = {"arrowstyle": "-", "color": colour, "lw": 2, "shrinkB": 0, "relpos": (0, 0.5)}
        at, label = (lines[name]["time"].iloc[-1], last[name]), f"{name}\u2002{last[name]:,.0f}"
        right = axes.get_yaxis_transform()
        axes.annotate(label, at, (1.03, low), textcoords=right, va="center", arrowprops=look)
    axes.yaxis.set_major_formatter(FuncFormatter(words.plain))
    axes.yaxis.set_major_locator(whole_numbers())
    axes.grid()
    return pictured(figure, title, finding)
