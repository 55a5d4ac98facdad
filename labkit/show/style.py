"""How every picture looks: its paper, one colour a backend, one font, the marks that all share."""

import colorsys
import functools
import re
import textwrap
import threading
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

import matplotlib.style
from matplotlib.colors import to_hex, to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

P = ParamSpec("P")
R = TypeVar("R")
Look = dict[str, Any]  # keyword arguments of matplotlib

# Okabe and Ito, "Color Universal Design" (2008): told apart with every kind of colour blindness.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#806A00")
FAILURE, NOBODY = "#D55E00", "#9A9A9A"
PAPER = "#EFEEEA"  # an opaque, soft sheet: it fits a white page and does not glare on a dark one
INK, MUTED, GRID, BAND = "#1F1F1F", "#595959", "#D3D2CD", "#E3E2DD"

WIDTH, MARGIN = 7.5, 0.12  # inches: of every picture, and left and right of its text
TITLE, TEXT, SMALL = 12.5, 9.5, 8.5  # points

LOOK = {
    "axes.axisbelow": True, "axes.edgecolor": NOBODY, "axes.facecolor": PAPER,
    "axes.labelcolor": MUTED, "axes.labelsize": TEXT, "axes.spines.right": False,
    "axes.spines.top": False, "figure.facecolor": PAPER, "font.family": "DejaVu Sans",
    "font.size": TEXT, "grid.color": GRID, "grid.linewidth": 0.8, "hatch.linewidth": 1.2,
    "legend.fontsize": TEXT, "legend.frameon": False, "text.color": INK,
    "text.parse_math": False,  # a $ in a URI or a header is a $
    "xtick.color": NOBODY, "xtick.labelcolor": INK, "xtick.labelsize": SMALL + 0.5,
    "ytick.color": NOBODY, "ytick.labelcolor": INK, "ytick.labelsize": TEXT,
}  # fmt: skip
BOLD: Look = {"weight": "bold", "size": TEXT}
GREY: Look = {"color": MUTED, "size": SMALL}
DASHED: Look = {"lw": 1.3, "ls": (0, (4, 2))}
ON_PAPER: Look = {"fc": PAPER, "ec": "none", "pad": 0.8}  # a text's box: no line through its words

# matplotlib's settings are the whole process's: a panel draws in a thread of its own.
STYLING = threading.RLock()

# Which names mean a backend: its name, an address of its own, its port, the first address.
_PORT = r"(?::(?!8888$|53$)\d+)?"  # nginx listens on 8888 and dnsmasq on 53: no backends
_OWN, _FIRST = rf"127\.0\.0\.([2-9]){_PORT}", rf"127\.0\.0\.(1){_PORT}"
_RULES = (r"backend\D{0,8}([1-9])", _OWN, r"(?:.*:)?808([1-9])", _FIRST)  # the first match counts
_BETWEEN = r"(?:client|nginx|ipvs|dnsmasq)\b.*|192\.168\.100\.1(?::80)?|.*:(?:8888|53)"


def course_style() -> AbstractContextManager[None]:
    """Return a context that draws as the course does, whatever the learner's rcParams say."""
    return matplotlib.style.context(["default", LOOK])


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a plot so that it is drawn in the course's style."""

    @functools.wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with STYLING, course_style():
            return draw(*args, **kwargs)

    return inner


def number_of(name: object) -> int | None:
    """Return the backend's number: 1 for "backend1", ":8081", "127.0.0.1:8081" and "127.0.0.1".

    None for a name that means no backend, as "nginx" or nginx's own "127.0.0.1:8888".
    """
    text = str(name).strip().lower()
    found = next((match for rule in _RULES if (match := re.fullmatch(rule, text))), None)
    return int(found[1]) if found else None


def colour_of(name: object) -> str:
    """Return the colour (#rrggbb) of a backend, an address or any other name: always the same.

    "failed" has the failure's colour, nobody (None, "none", "nobody", "unknown") is grey, and what
    stands before the backends (client, nginx, port 8888, …) is dark grey.
    """
    text = str(name).strip().lower()
    if text == "failed":
        return FAILURE
    if text in ("", "none", "nan", "<na>", "nobody", "unknown", "no live upstream"):
        return NOBODY
    if re.fullmatch(_BETWEEN, text):
        return MUTED
    number = number_of(text)
    if number is not None and number <= len(PALETTE):
        return PALETTE[number - 1]
    seed = zlib.crc32(text.encode())  # from the name alone; muted, not to be taken for a backend's
    return to_hex(colorsys.hls_to_rgb(seed % 360 / 360, (0.32, 0.45, 0.58)[seed // 360 % 3], 0.42))


@functools.lru_cache(4096)
def width_of(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """Return the width of a line of words, in inches."""
    font = FontProperties(family="DejaVu Sans", weight=weight, size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def wrap(text: str, inches: float, size: float = TEXT, weight: str = "normal") -> list[str]:
    """Return `text` in lines of at most about `inches`; a unit stays with its number."""
    text = re.sub(r" (?=(?:ms|s|%)(?:\W|$))", "\u00a0", text)
    fits = inches / (width_of(text, size, weight) or 1)
    letters = len(text) if fits > 1 else int(0.97 * fits * len(text))
    return textwrap.wrap(text, max(8, letters), break_on_hyphens=False)


def shorten(text: str, inches: float, size: float = TEXT, weight: str = "bold") -> str:
    """Return `text`, its middle as … where it is too wide: both ends tell names apart."""
    most, short = len(text), text
    while most > 8 and width_of(short, size, weight) > inches:
        most -= 1
        short = f"{text[: most - most // 3].rstrip()}…{text[-(most // 3) :].lstrip()}"
    return short


def tint(colour: str, white: float = 0.8) -> str:
    """Return `colour` mixed with a share (0..1) of white."""
    red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
    return to_hex((red, green, blue))


def hatched(colour: str, hatch: str = "xxx") -> Look:
    """Return the look of a bar of no good answers: told by its hatching, not by colour alone."""
    return {"facecolor": tint(colour, 0.7), "edgecolor": colour, "hatch": hatch, "linewidth": 0.9}


def dot(label: str, colour: str, marker: str = "o", **more: Any) -> Line2D:
    """Return a legend's entry: a marker and its words."""
    return Line2D([], [], label=label, marker=marker, color=colour, ms=7, ls="none", **more)


def cross(label: str) -> Line2D:
    """Return the legend's entry of a failure: an x, with words."""
    return dot(label, FAILURE, "x", mew=2)


def whole_numbers() -> MaxNLocator:
    """Return ticks at round whole numbers."""
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=True)
