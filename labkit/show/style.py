"""How every picture looks: one colour a backend, one font, one width, a question as title and its answer below."""

from __future__ import annotations

import colorsys
import functools
import re
import threading
import zlib
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .words import width_of, wrap

P = ParamSpec("P")
R = TypeVar("R")
Look = dict[str, Any]  # keyword arguments of matplotlib

# Okabe and Ito, "Color Universal Design" (2008): told apart with every common kind of colour blindness.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#806A00")
FAILURE = "#D55E00"
NOBODY = "#9A9A9A"
INK, MUTED, GRID, BAND = "#1F1F1F", "#595959", "#DEDEDE", "#F4F4F4"

WIDTH = 7.5  # inches of every picture
MARGIN = 0.1  # inches left and right of the text
TITLE, TEXT, SMALL = 12.5, 9.5, 8.5  # points

# A learner's own rcParams must not change the pictures: what concerns drawing starts from matplotlib's defaults.
_DRAWING = (
    "axes.", "figure.", "font.", "grid.", "hatch.", "legend.", "lines.", "markers.", "mathtext.", "patch.", "path.",
    "savefig.", "scatter.", "text.", "xtick.", "ytick.",
)  # fmt: skip
STYLE = {key: value for key, value in matplotlib.rcParamsDefault.items() if key.startswith(_DRAWING)} | {
    "axes.axisbelow": True,
    "axes.edgecolor": NOBODY,
    "axes.labelcolor": MUTED,
    "axes.labelsize": TEXT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that pictures are the same everywhere
    "font.size": TEXT,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 1.2,
    "legend.fontsize": TEXT,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a $ in a URI or a header is a $
    "xtick.color": NOBODY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL + 0.5,
    "ytick.color": NOBODY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": TEXT,
}

# matplotlib's settings are the whole process's: a panel draws in a thread of its own.
STYLING = threading.RLock()

# Which names mean a backend, the first match counts: its name, an address of its own, its port, the first address.
_PORT = r"(?::(?!8888$|53$)\d+)?"  # nginx listens on 8888 and dnsmasq on 53: no backends
_RULES = (r"backend\D{0,8}([1-9])", rf"127\.0\.0\.([2-9]){_PORT}", r"(?:.*:)?808([1-9])", rf"127\.0\.0\.(1){_PORT}")
_BETWEEN = r"(?:client|nginx|ipvs|dnsmasq)\b.*|192\.168\.100\.1(?::80)?|.*:(?:8888|53)"


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a plot: it is drawn in the course's style, whatever the learner's rcParams say."""

    @functools.wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with STYLING, matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inner


def number_of(name: object) -> int | None:
    """The number of the backend that `name` means: 1 for "backend1", ":8081", "127.0.0.1:8081" and "127.0.0.1".

    None where it means no backend, as for "nginx" or for nginx's own "127.0.0.1:8888".
    """
    text = str(name).strip().lower()
    found = next((match for rule in _RULES if (match := re.fullmatch(rule, text))), None)
    return int(found[1]) if found else None


def colour_of(name: object) -> str:
    """The colour (#rrggbb) of a backend, an address or any other name: the same one in every picture.

    "failed" has the failure's colour, nobody (None, "none", "nobody", "unknown") is grey, and what stands before the
    backends (client, nginx, port 8888, …) dark grey.
    """
    text = str(name).strip().lower()
    if text == "failed":
        return FAILURE
    if text in ("", "none", "nan", "<na>", "nobody", "unknown"):
        return NOBODY
    if re.fullmatch(_BETWEEN, text):
        return MUTED
    number = number_of(text)
    if number is not None and number <= len(PALETTE):
        return PALETTE[number - 1]
    seed = zlib.crc32(text.encode())  # muted, so that it is not taken for a backend; from the name alone, so stable
    return to_hex(colorsys.hls_to_rgb(seed % 360 / 360, (0.32, 0.45, 0.58)[seed // 360 % 3], 0.42))


def tint(colour: str, white: float = 0.8) -> str:
    """`colour` mixed with a share (0..1) of white."""
    red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
    return to_hex((red, green, blue))


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on `colour`."""
    red, green, blue = to_rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK


def sheet(title: str, finding: str, *, body: float, entries: Sequence[Line2D] = ()) -> tuple[Figure, Axes]:
    """A white figure: `title` and `finding` (wrapped) on top, axes `body` inches high, a legend of `entries` below."""
    titles, lines = (wrap(text, size, WIDTH - 2 * MARGIN) for text, size in ((title, TITLE * 1.08), (finding, TEXT)))
    below = 0.1 + 0.22 * len(titles)
    head, columns = below + 0.17 * len(lines) + 0.12, _columns(entries)
    body += 0.1 + 0.2 * -(-len(entries) // columns) if entries else 0
    height = head + body
    layout = ConstrainedLayoutEngine(rect=(0.01, 0.0, 0.98, body / height))
    figure = Figure(figsize=(WIDTH, height), layout=layout, facecolor="white")
    place: Look = {"x": MARGIN / WIDTH, "va": "top", "ha": "left", "linespacing": 1.25}
    figure.text(y=1 - 0.1 / height, s="\n".join(titles), size=TITLE, weight="bold", **place)
    figure.text(y=1 - below / height, s="\n".join(lines), size=TEXT, color=MUTED, **place)
    if entries:
        look: Look = {"handletextpad": 0.4, "columnspacing": 1.8, "borderaxespad": 0.4}
        figure.legend(handles=list(entries), loc="outside lower center", ncols=columns, **look)
    return figure, figure.add_subplot()


def _columns(entries: Sequence[Line2D]) -> int:
    """How many entries of a legend fit beside each other."""
    widths = [width_of(str(entry.get_label()), TEXT) + 0.62 for entry in entries] or [1.0]
    room = WIDTH - 2 * MARGIN
    return len(widths) if sum(widths) <= room else max(1, int(room / max(widths)))


def whole_numbers() -> MaxNLocator:
    """Ticks at round whole numbers."""
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=True)


def dot(label: str, colour: str, marker: str = "o", **more: Any) -> Line2D:
    """An entry of a legend: one marker and its words."""
    look: Look = {"markersize": 7, "linestyle": "none", "markeredgecolor": colour, "markerfacecolor": colour} | more
    return Line2D([], [], label=label, marker=marker, **look)


def cross(label: str) -> Line2D:
    """The legend's entry of a failure: an x, with words."""
    return dot(label, FAILURE, "x", markeredgewidth=2)
