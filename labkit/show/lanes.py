"""Lanes below each other, each with a line of words over its strip: timelines, clients, connection attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .frames import FAILED
from .style import BAND, FAILURE, INK, MARGIN, MUTED, SMALL, TEXT, WIDTH, Look, colour_of, sheet
from .words import plain, shorten, width_of, wrap

LINE, STRIP, SPACE = 0.19, 0.36, 0.12  # inches: a line of words, the strip below it, the space to the next lane
EVENT = 0.2  # inches, a row of event labels
LOG_FROM = 50  # values that differ by more than this factor get a logarithmic axis


@dataclass(frozen=True)
class Lanes:
    """Axes with y in inches, downwards; `strips` has the top and the bottom of each lane's strip."""

    figure: Figure
    axes: Axes
    strips: list[tuple[float, float]]

    def middle(self, lane: int) -> float:
        """The y of the middle of a lane's strip."""
        return sum(self.strips[lane]) / 2

    def spread(self, lane: int, count: int) -> np.ndarray:
        """y values of `count` points, from the top to the bottom of a lane's strip."""
        top, bottom = self.strips[lane]
        return np.linspace(top + 0.06, bottom - 0.06, count) if count > 1 else np.array([self.middle(lane)])


def lanes(
    title: str, finding: str, heads: Sequence[tuple[str, str]], *, strip: float = STRIP, above: float = 0,
    entries: Sequence[Line2D] = (),
) -> Lanes:  # fmt: skip
    """Draw a lane for each of `heads` (its name, what is to be said of it), `above` inches kept free on top."""
    room = WIDTH - 2 * MARGIN - 0.1
    says = [_beside(name, words, room) for name, words in heads]
    y, strips = above, []
    for _, down, words in says:
        top = y + LINE * (down + len(words)) + 0.05
        strips.append((top, top + strip))
        y = top + strip + SPACE
    figure, axes = sheet(title, finding, body=y + 0.46, entries=entries)
    axes.set(ylim=(y - SPACE + 0.06, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    for (name, _), (shift, down, words), (top, bottom) in zip(heads, says, strips, strict=True):
        axes.axhspan(top, bottom, color=BAND, zorder=0)
        first = top - 0.05 - LINE * (down + len(words))
        at: Look = {"xycoords": axes.get_yaxis_transform()}
        clear: Look = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # no grid and no event's line through the words
        say: Look = {"textcoords": "offset points", "va": "top", "linespacing": 1.2, "in_layout": False, "bbox": clear}
        axes.annotate(shorten(name, TEXT, room, bold=True), (0, first), xytext=(0, 0), weight="bold", **at, **say)
        axes.annotate("\n".join(words), (0, first + LINE * down), xytext=(72 * shift, 0), color=MUTED, **at, **say)
    return Lanes(figure, axes, strips)


def _beside(name: str, words: str, room: float) -> tuple[float, int, list[str]]:
    """Where the words go, inches to the right of the name's start and lines below it, and their own lines."""
    shift = width_of(name, TEXT, bold=True) + 0.15
    return (shift, 0, wrap(words, TEXT, room - shift)) if shift < room / 2 else (0.0, 1, wrap(words, TEXT, room))


def scale(axes: Axes, values: np.ndarray, *, axis: str = "x") -> bool:
    """Make an axis of positive values logarithmic where they differ by more than 50 times; say whether it is."""
    values = values[np.isfinite(values) & (values > 0)]
    wide = values.size > 0 and values.max() / values.min() > LOG_FROM
    which = axes.xaxis if axis == "x" else axes.yaxis
    if wide:
        getattr(axes, f"set_{axis}scale")("log")
        few = values.max() / values.min() < 300
        which.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
        which.set_minor_locator(NullLocator())
        getattr(axes, f"set_{axis}lim")(values.min() / 1.5, values.max() * 1.5)
    else:
        getattr(axes, f"set_{axis}lim")(0, (values.max() if values.size else 1) * 1.06)
    which.set_major_formatter(FuncFormatter(plain))
    return wide


def points(axes: Axes, x: np.ndarray, y: np.ndarray, name: str, size: float = 26) -> None:
    """Points in the backend's colour, or an x each for what failed; y may be one value for all."""
    y = np.broadcast_to(y, np.shape(x))
    if name == FAILED:
        axes.scatter(x, y, size + 6, FAILURE, marker="x", linewidths=1.6, gid="failed", zorder=3)
    else:
        axes.scatter(x, y, size, colour_of(name), linewidths=0.4, edgecolors="white", gid=name, zorder=2)


def levels(events: Sequence[tuple[float, str]], span: tuple[float, float]) -> list[int]:
    """For each labelled time the row on which its label meets no other; times are in order."""
    start, end = span
    inches = (WIDTH - 2 * MARGIN) / max(end - start, 1e-9)
    ends: list[float] = []
    rows = []
    for when, words in events:
        left, right = _reach((when - start) * inches, width_of(words, SMALL))
        row = next((row for row, taken in enumerate(ends) if taken < left), len(ends))
        ends[row : row + 1] = [right]
        rows.append(row)
    return rows


def _reach(x: float, width: float) -> tuple[float, float]:
    """From where to where a label goes, inches: to the right of its line, to the left near the right edge."""
    left = x if x + width + 0.1 < WIDTH - 2 * MARGIN else x - width - 0.1
    return left, left + width + 0.15


def mark_events(picture: Lanes, events: Sequence[tuple[float, str]], rows: Sequence[int], span: tuple[float, float]) -> None:
    """Draw each event as a vertical line with its words on top."""
    axes, bottom = picture.axes, picture.strips[-1][1]
    for (when, words), row in zip(events, rows, strict=True):
        x = (when - span[0]) / max(span[1] - span[0], 1e-9) * (WIDTH - 2 * MARGIN)
        right = _reach(x, width_of(words, SMALL))[0] == x
        axes.plot([when, when], [row * EVENT + 0.03, bottom + 0.06], color=INK, linewidth=1.2, zorder=1.5, gid="event")
        place: Look = {"textcoords": "offset points", "ha": "left" if right else "right", "va": "center", "size": SMALL}
        axes.annotate(words, (when, row * EVENT + 0.1), (4 if right else -4, 0), in_layout=False, **place)
