"""Reading the frames that are drawn: who answered, what failed, and in which order names are listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from ..errors import BadInput
from .picture import Picture
from .style import MUTED, TEXT, sheet
from .words import natural

FAILED, UNKNOWN = "failed", "unknown"


def need(frame: pd.DataFrame, *columns: str) -> None:
    """Raise BadInput when `frame` lacks one of `columns`."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        has = ", ".join(map(str, frame.columns)) or "no columns"
        raise BadInput(f"This picture needs the column {', '.join(missing)}; the table has: {has}.")


def nothing(title: str) -> Picture:
    """The picture of an empty frame: it says that nothing was measured."""
    figure, axes = sheet(title, "", body=0.6)
    axes.set_axis_off()
    axes.text(0.5, 0.6, "nothing was measured", ha="center", va="center", size=TEXT + 2, color=MUTED, style="italic")
    return pictured(figure, title, "Nothing was measured")


def pictured(figure: Figure, title: str, said: str) -> Picture:
    """The picture whose alt text is its title and what is `said` of the data."""
    title = title if title.endswith(("?", "!", ".", ":")) else f"{title}:"
    return Picture(figure, f"{title} {said}" + ("" if said.endswith(".") else "."))


def outcomes(traffic: pd.DataFrame) -> pd.Series:
    """Per request the backend that answered, "failed", or "unknown" when a page came that names no backend."""
    need(traffic, "backend", "error")
    names = traffic["backend"].astype(object).where(traffic["backend"].notna(), UNKNOWN)
    return names.where(traffic["error"].isna(), FAILED).map(str)


def in_order(names: Iterable[object]) -> list[str]:
    """Each name once, backends in natural order, "unknown" and "failed" last."""
    last = {UNKNOWN: 1, FAILED: 2}
    return sorted({str(name) for name in names}, key=lambda name: (last.get(name, 0), natural(name)))


def errors_of(traffic: pd.DataFrame) -> str:
    """What went wrong, in words: "refused", or "30 refused, 20 timeout" where it is several things."""
    kinds = Counter(traffic["error"].dropna().map(str)).most_common()
    return kinds[0][0] if len(kinds) == 1 else ", ".join(f"{count:,} {kind}" for kind, count in kinds)


def failures(traffic: pd.DataFrame) -> str:
    """ "0 failed", "50 failed (refused)"."""
    count, words = int(traffic["error"].notna().sum()), errors_of(traffic)
    return f"{count:,} failed" + (f" ({words})" if words else "")


def answered(traffic: pd.DataFrame) -> str:
    """ "50 requests to backend1, 50 to backend2; 0 failed"."""
    counts = outcomes(traffic).value_counts()
    parts = [f"{counts[name]:,} to {name}" for name in in_order(counts.index) if name != FAILED]
    if not parts:
        return f"0 requests answered; {failures(traffic)}"
    first, *rest = parts
    noun = "request" if first.startswith("1 ") else "requests"
    return ", ".join([first.replace(" to ", f" {noun} to ", 1), *rest]) + f"; {failures(traffic)}"
