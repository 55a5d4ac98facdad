"""What is said of a frame: who answered, what failed; numbers and lists as a reader wants them."""

import math
import re
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from ..errors import require

FAILED, UNKNOWN = "failed", "unknown"


def plural(count: int, noun: str) -> str:
    """Return "1 request", "1,200 requests", "2 queries"."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def listing(parts: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    *others, last = [*parts] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def milliseconds(value: float) -> str:
    """Return "0.42 ms", "1.3 ms", "250 ms", "1,002 ms"; "no time" for NaN."""
    if math.isnan(value):
        return "no time"
    digits = 2 if value < 0.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f} ms"


def plain(value: float, _: object = None) -> str:
    """Return a tick's number: 0.5, 20, 1,500."""
    return f"{value:,.10g}"


def spans(numbers: Iterable[int]) -> str:
    """Return rising numbers as "1–7, 15": runs joined; one from end to end of many runs."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    if len(runs) > 4:
        runs = [[runs[0][0], runs[-1][-1]]]
    return ", ".join("–".join(map(str, dict.fromkeys(run))) for run in runs)


def percent(share: float) -> str:
    """Return "50 %", "33.3 %"; whole where that is exact."""
    return f"{round(100 * share, 1):g} %"


def need(frame: pd.DataFrame, *columns: str) -> None:
    """Raise BadInput when `frame` lacks one of `columns`."""
    lacks = ", ".join(column for column in columns if column not in frame.columns)
    has = ", ".join(map(str, frame.columns)) or "no columns"
    require(not lacks, f"This picture needs the column {lacks}; the table has: {has}.")


def outcomes(traffic: pd.DataFrame) -> pd.Series:
    """Return for each request who answered, "failed", or "unknown" where a page names nobody."""
    need(traffic, "backend", "error")
    names = traffic["backend"].astype(object).where(traffic["backend"].notna(), UNKNOWN)
    return names.where(traffic["error"].isna(), FAILED).map(str)


def in_order(names: Iterable[object]) -> list[str]:
    """Return each name once: backend2 before backend10, "unknown" and "failed" last."""

    def key(name: str) -> tuple[int, list[tuple[int, str]]]:
        parts = re.split(r"(\d+)", name)
        numbers = [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
        return {UNKNOWN: 1, FAILED: 2}.get(name, 0), numbers

    return sorted({str(name) for name in names}, key=key)


def errors_of(traffic: pd.DataFrame) -> str:
    """Return what went wrong: "refused", or "30 refused, 20 timeout" where it is several things."""
    kinds = Counter(traffic["error"].dropna().map(str)).most_common()
    every = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    return kinds[0][0] if len(kinds) == 1 else every


def failures(traffic: pd.DataFrame) -> str:
    """Return "0 failed", "50 failed (refused)"."""
    words = errors_of(traffic)
    return f"{traffic['error'].notna().sum():,} failed" + (f" ({words})" if words else "")


def went(counts: Iterable[tuple[str, int, str]], noun: str) -> str:
    """Return "50 requests to backend1, 50 to backend2 (3 failed)" of names, counts, more words."""
    rows = list(counts)
    said = [f"{count:,} to {name}{words}" for name, count, words in rows]
    if not said:
        return f"0 {noun}s answered"
    name, count, words = rows[0]
    return ", ".join([f"{plural(count, noun)} to {name}{words}", *said[1:]])


def answered(traffic: pd.DataFrame) -> str:
    """Return "50 requests to backend1, 50 to backend2; 0 failed"."""
    counts = outcomes(traffic).value_counts()
    good = ((name, int(counts[name]), "") for name in in_order(counts.index) if name != FAILED)
    return f"{went(good, 'request')}; {failures(traffic)}"
