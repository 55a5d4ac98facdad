"""Cells in a row, one a request: the drawing that sequences, DNS answers and attempts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import FAILURE, INK, MUTED, SMALL, Look, colour_of, ink_on, number_of, sheet, tint

COLUMNS = 50  # requests a row
CELL, GAP = 0.21, 0.13  # inches: the height of a cell, the space between blocks
MOST = 1000  # requests that are drawn; a picture of more is no longer read


@dataclass(frozen=True)
class Cell:
    """One try: who it went to, whether it failed, and a mark to write instead of the backend's number."""

    name: str
    failed: bool = False
    mark: str | None = None

    @property
    def colour(self) -> str:
        """The backend's colour, pale where the try failed or something else than a backend is marked."""
        colour = colour_of(self.name)
        return tint(colour) if self.failed else tint(colour, 0.65) if self.mark else colour

    @property
    def written(self) -> str:
        """What stands in the cell: the backend's number, so that colour is never alone."""
        number = number_of(self.name)
        return self.mark if self.mark is not None else str(number or "")


Lane = Sequence[Cell | None]


@dataclass(frozen=True)
class Mosaic:
    """Lanes of cells, broken into blocks of `columns` requests; `axes` has y in inches, downwards."""

    figure: Figure
    axes: Axes
    columns: int
    lanes: int
    note: str

    def place(self, request: int, lane: int) -> tuple[float, float]:
        """The left upper corner of a cell; `request` counts from 0."""
        block, column = divmod(request, self.columns)
        return float(column), block * (self.lanes * CELL + GAP) + lane * CELL


def mosaic(title: str, finding: str, lanes: Mapping[str, Lane], entries: Sequence[Line2D], *, above: float = 0.0) -> Mosaic:
    """Draw `lanes` (name: cells), all equally long, keeping `above` inches free for what is written over the first."""
    count = min(MOST, max(map(len, lanes.values())))
    columns = max(20, -(-count // 5) * 5) if count <= COLUMNS else COLUMNS if count <= 8 * COLUMNS else 2 * COLUMNS
    blocks = -(-count // columns)
    height = blocks * (len(lanes) * CELL + GAP) - GAP
    single = blocks == 1
    figure, axes = sheet(title, finding, body=height + above + (0.55 if single else 0.36), entries=entries)
    note = "" if count == max(map(len, lanes.values())) else f"; only the first {count:,} are drawn"
    picture = Mosaic(figure, axes, columns, len(lanes), note)
    _frame(picture, list(lanes), blocks, count)
    axes.set(xlim=(-0.1, columns + 0.1), ylim=(height + 0.02, -above - 0.02))
    for index, cells in enumerate(lanes.values()):
        _lane(picture, index, cells[:count])
    return picture


def _frame(picture: Mosaic, names: list[str], blocks: int, count: int) -> None:
    """Label the rows and, where there is one block, the columns."""
    axes, columns = picture.axes, picture.columns
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    places, labels = [], []
    for block in range(blocks):
        first, last = block * columns + 1, min((block + 1) * columns, count)
        for lane, name in enumerate(names):
            places.append(picture.place(first - 1, lane)[1] + CELL / 2)
            span = f"{first}–{last}" if blocks > 1 and lane == 0 else ""
            labels.append("   ".join(filter(None, [span, name])))
    axes.set_yticks(places, labels, size=SMALL)
    if blocks == 1:
        numbers = [1, *range(5, count + 1, 5)]
        axes.set_xticks([n - 0.5 for n in numbers], list(map(str, numbers)))
        axes.set_xlabel("request number", loc="center" if count > 0.6 * columns else "left")
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{columns} requests a row, in the order in which they were sent{picture.note}", color=MUTED)


def _lane(picture: Mosaic, lane: int, cells: Lane) -> None:
    """Draw one lane's cells, their marks, and an x on each that failed."""
    axes = picture.axes
    for start in range(0, len(cells), picture.columns):
        row = cells[start : start + picture.columns]
        left, top = picture.place(start, lane)
        colours = np.array([[to_rgb(cell.colour if cell else "white") for cell in row]])
        edges = np.arange(len(row) + 1) + left, np.array([top, top + CELL])
        axes.pcolormesh(*edges, colours, edgecolors="white", linewidth=0.8)
        for column, cell in enumerate(row):
            if cell and not cell.failed and cell.written and picture.columns <= COLUMNS:
                ink = ink_on(cell.colour)
                middle: Look = {"ha": "center", "va": "center_baseline", "color": ink}
                middle["size"] = SMALL - 2 if picture.columns > 25 else SMALL
                axes.text(column + 0.5, top + CELL / 2, cell.written, **middle)
    failed = [picture.place(n, lane) for n, cell in enumerate(cells) if cell and cell.failed]
    if failed:
        x, y = np.array(failed).T
        size = 26 if picture.columns <= COLUMNS else 9
        axes.scatter(x + 0.5, y + CELL / 2, size, FAILURE, marker="x", linewidths=1.6, gid="failed", zorder=3)


def limit_line(picture: Mosaic, request: int, words: str) -> None:
    """A line after `request` (counted from 0) through all lanes, with `words` over the first block's."""
    if request >= MOST:
        return
    left, top = picture.place(request, 0)
    x, bottom = left + 1, top + picture.lanes * CELL
    first = request < picture.columns
    axes, reach = picture.axes, 0.24 if first else 0.06
    axes.plot([x, x], [top - reach, bottom + 0.03], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=4)
    if first:
        side = "left" if x < picture.columns / 2 else "right"
        nudge = 5 if side == "left" else -5
        axes.annotate(words, (x, top - 0.14), (nudge, 0), textcoords="offset points", ha=side, va="center", size=SMALL, color=INK)
