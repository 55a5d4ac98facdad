"""Words and their widths: numbers as a reader wants them, lists, and lines that fit."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path


@functools.cache
def _advance(letter: str, bold: bool) -> float:
    """How far a letter moves the pen, in inches at 100 points."""
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=100)
    return float(text_to_path.get_text_width_height_descent(letter, font, ismath=False)[0]) / 72


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """The width of one line of `text` in inches, at `size` points."""
    return sum(_advance(letter, bold) for letter in text) * size / 100


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break `text` between words into lines of at most `width` inches; own line breaks are kept."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in re.split(r" (?!(?:ms|s|%)(?:\W|$))", paragraph):  # a unit stays with its number
            longer = f"{line} {word}" if line else word
            if line and width_of(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


def shorten(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """`text`, its middle replaced by … where it is wider than `width` inches: both ends tell names apart."""
    keep, short = len(text), text
    while keep > 2 and width_of(short, size, bold=bold) > width:
        keep -= 1
        short = text[: keep - keep // 3].rstrip() + "…" + text[len(text) - keep // 3 :].lstrip()
    return short


def plural(count: int, noun: str) -> str:
    """ "1 request", "1,200 requests", "2 queries"."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def listing(parts: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    all_parts = list(parts)
    return " and ".join(filter(None, [", ".join(all_parts[:-1]), *all_parts[-1:]]))


def milliseconds(value: float) -> str:
    """ "0.42 ms", "1.3 ms", "250 ms", "1,002 ms"; "no time" for NaN."""
    if math.isnan(value):
        return "no time"
    digits = 2 if value < 0.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f} ms"


def plain(value: float, _: object = None) -> str:
    """A tick's number: 0.5, 20, 1,500."""
    return f"{value:,.10g}"


def spans(numbers: Iterable[int]) -> str:
    """ "1–7, 15": rising numbers, runs of them joined; first and last only where the runs are many."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= 1:
            runs[-1][-1:] = [number] if len(runs[-1]) > 1 else [runs[-1][0], number]
        else:
            runs.append([number])
    if len(runs) > 4:
        runs = [[runs[0][0], runs[-1][-1]]]
    return ", ".join("–".join(map(str, dict.fromkeys(run))) for run in runs)


def percent(share: float) -> str:
    """ "50 %", "33.3 %"; whole where that is exact."""
    value = round(100 * share, 1)
    return f"{value:.0f} %" if value == round(value) else f"{value:.1f} %"


def natural(name: object) -> list[tuple[int, str]]:
    """A sort key by which backend2 comes before backend10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(name))]
