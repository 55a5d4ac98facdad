"""Cells in a row, one a request: sequences, the order of DNS answers, attempts at upstreams."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .lanes import outcome_entries
from .picture import Picture, pictured, plot, sheet
from .style import FAILURE, INK, PAPER, SMALL, Look, colour_of, cross, dot, number_of, tint
from .words import FAILED, answered, errors_of, failures, in_order, listing, outcomes, plural, spans

CELL, GAP = 0.21, 0.13  # inches: the height of a cell, the space between blocks
MOST = 1000  # requests that are drawn; a picture of more is no longer read
FAILED_ATTEMPT = (502, 504)  # nginx's own $upstream_status of an attempt that got no answer
OK, NO_LIVE = "✓", "no live upstream"


class Cell(NamedTuple):
    """One try: who it went to, whether it failed, a mark instead of the backend's number."""

    name: str
    failed: bool = False
    mark: str = ""

    @property
    def colour(self) -> str:
        """The backend's colour, pale where the try failed or no backend is marked."""
        pale = 0.8 if self.failed else 0.65 if self.mark else 0
        return tint(colour_of(self.name), pale)


Lane = Sequence[Cell | None]


def cells(
    title: str, finding: str, lanes: Mapping[str, Lane], entries: Sequence[Line2D],
    noun: str = "request", line: tuple[int, str] | None = None,
) -> Figure:  # fmt: skip
    """Draw equally long `lanes` in blocks of rows; a `line` follows a request, with its words."""
    total = max(map(len, lanes.values()))
    count = min(MOST, total)
    columns = max(20, -(-count // 5) * 5) if count <= 50 else 50 if count <= 400 else 100
    block, single = len(lanes) * CELL + GAP, count <= columns
    height, above = -(-count // columns) * block - GAP, 0.26 if line else 0.0
    body = height + above + (0.55 if single else 0.36)
    figure, axes = sheet(title, finding, body=body, entries=entries)
    axes.set(xlim=(-0.1, columns + 0.1), ylim=(height + 0.02, -above - 0.02), xticks=[])
    axes.spines[:].set_visible(False)
    labels, crosses = {}, []
    for start in range(0, count, columns):
        last = min(start + columns, count)
        for lane, (name, tries) in enumerate(lanes.items()):
            top, row = start // columns * block + lane * CELL, tries[start:last]
            span = "" if single or lane else f"{start + 1}–{last}   "
            labels[top + CELL / 2] = (span + name).strip()
            colours = [[to_rgb(cell.colour if cell else PAPER) for cell in row]]
            edges = np.arange(len(row) + 1), [top, top + CELL]
            axes.pcolormesh(*edges, colours, edgecolors=PAPER, lw=0.8)
            for x, cell in enumerate(row, start=1):
                at = x - 0.5, top + CELL / 2
                # Colour is never alone: an x, the mark or the backend's number is written.
                words = "" if cell is None else cell.mark or str(number_of(cell.name) or "")
                if cell is not None and cell.failed:
                    crosses.append(at)
                elif cell is not None and words and columns <= 50:
                    light = np.dot(to_rgb(cell.colour), (0.299, 0.587, 0.114)) > 0.55
                    look: Look = {"color": INK if light else "white", "ha": "center"}
                    size = SMALL - 2 if columns > 25 else SMALL
                    axes.text(*at, words, size=size, va="center_baseline", **look)
    if crosses:
        x, y = np.transpose(crosses)
        size = 26 if columns <= 50 else 9
        axes.scatter(x, y, size, FAILURE, marker="x", lw=1.6, gid="failed", zorder=3)
    axes.set_yticks([*labels], [*labels.values()], size=SMALL)
    axes.tick_params(length=0)
    note = f"; only the first {count:,} are drawn" if count < total else ""
    axes.set_xlabel(f"{plural(columns, noun)} a row, in the order in which they were sent{note}")
    if single:
        ticks = [1, *range(5, count + 1, 5)]
        axes.set_xticks([tick - 0.5 for tick in ticks], [str(tick) for tick in ticks])
        axes.set_xlabel(f"{noun} number", loc="center" if count > 0.6 * columns else "left")
    if line and line[0] < MOST:
        x, top = line[0] % columns + 1, line[0] // columns * block
        y = [top - (0.06 if top else 0.24), top + block - GAP + 0.03]
        axes.plot([x, x], y, color=INK, lw=1.6, solid_capstyle="butt", zorder=4)
        if not top:
            ha, away = ("left", 5) if x < columns / 2 else ("right", -5)
            look = {"textcoords": "offset points", "va": "center", "size": SMALL}
            axes.annotate(line[1], (x, -0.14), (away, 0), ha=ha, **look)
    return figure


def ordinal(index: int) -> str:
    """Return "1st" for 0, "2nd", "3rd", "4th"."""
    return ("1st", "2nd", "3rd")[index] if index < 3 else f"{index + 1}th"


@plot("In which order did the backends answer?")
def sequence(traffic: pd.DataFrame) -> Picture:
    """Draw the requests in their order, one cell each, coloured by who answered; x where none did.

    Columns used: backend, error. Of more than 1,000 requests the first 1,000 are drawn.
    """
    names, finding = outcomes(traffic), answered(traffic)
    title = f"In which order were {plural(len(traffic), 'request')} answered?"
    entries = outcome_entries(in_order(names), f"failed: {errors_of(traffic)}", "s")
    lane = [Cell(name, name == FAILED) for name in names]
    return pictured(cells(title, finding, {"": lane}, entries), title, finding)


@plot("Which address stood first in the answers?", "answers", "error")
def answer_order(dns: pd.DataFrame) -> Picture:
    """Draw for each DNS query the address that stood first in the answer, and below it the second.

    Columns used: answers (tuple of addresses in their order), error. Each order is counted.
    """
    failed, full = dns["error"].notna(), []
    lists = [() if bad else tuple(found) for found, bad in zip(dns["answers"], failed, strict=True)]
    full = [found for found in lists if found]
    title = f"In which order did {plural(len(dns), 'query')} list the addresses?"
    orders = [" before ".join(found) if len(found) > 1 else f"{found[0]} alone" for found in full]
    counts = sorted(Counter(orders).items())
    finding = ", ".join(f"{n:,} × {order}" for order, n in counts) or "no query was answered"
    if len(full) > 1:
        changes = sum(one[0] != other[0] for one, other in pairwise(full))
        finding += f"; the first changed {changes:,} of {len(full) - 1:,} times"
    bare = len(lists) - len(full) - int(failed.sum())
    finding += f"; {bare:,} without an address" if bare else ""
    finding += f"; {failures(dns)}" if failed.any() else ""
    none = Cell(FAILED, failed=True)
    lanes: dict[str, Lane] = {"1st": [Cell(found[0]) if found else none for found in lists]}
    for n in range(1, max(2, *map(len, lists))):
        lanes[ordinal(n)] = [Cell(found[n]) if n < len(found) else None for found in lists]
    entries = outcome_entries(in_order(name for found in full for name in found), "", "s")
    entries += [cross("no answer")] if len(full) < len(lists) else []
    return pictured(cells(title, finding, lanes, entries, "query"), title, finding)


@plot("Which upstreams did nginx try?", "upstreams", "statuses", "status")
def attempts(attempts: pd.DataFrame, *, limit: int = 7) -> Picture:
    """Draw for each request of a client the upstreams that nginx tried; x where the attempt failed.

    Columns used: upstreams (tuple of addresses), statuses (tuple of ints, 502 or 504 is a failed
    attempt), status. A line follows the `limit`-th failed attempt at the one that failed most.
    """
    # Of each attempt who and whether it failed; nginx logs the pool's name when it may try nobody.
    tries = []
    for row in zip(attempts["upstreams"], attempts["statuses"], strict=True):
        tried = [(name if ":" in name else NO_LIVE, code) for name, code in zip(*row, strict=False)]
        tries.append([(name, code in FAILED_ATTEMPT) for name, code in tried])
    title = f"Which upstreams did nginx try for {plural(len(tries), 'request')}?"
    names = in_order(name for row in tries for name, _ in row)
    numbered = [(n, one) for n, row in enumerate(tries) for one in row]
    bad = {name: [n for n, one in numbered if one == (name, True)] for name in names}
    good = {name: [n for n, one in numbered if one == (name, False)] for name in names}
    statuses = ["no answer" if pd.isna(one) else str(int(one)) for one in attempts["status"]]
    got = Counter(statuses).most_common()
    client = f"{got[0][0]} every time"
    if len(got) > 1:
        client = listing(f"{status} {count:,} times" for status, count in got)
    said = "; ".join(_fate(name, bad[name], good[name]) for name in names)
    finding = f"{said or 'no upstream was tried'}; the client got {client}"
    lanes: dict[str, Lane] = {}
    for n in range(max(2, *map(len, tries))):
        nth = [tried[n] if n < len(tried) else None for tried in tries]
        lanes[f"{ordinal(n)} try"] = [one and Cell(*one) for one in nth]
    fine = attempts["status"].fillna(0).between(200, 399)
    page, none = Cell("nobody", mark=OK), Cell(FAILED, failed=True)
    lanes["client got"] = [page if one else none for one in fine]
    upstreams = [name for name in names if name != NO_LIVE]
    entries = outcome_entries(upstreams, "", "s")
    entries += [cross("this attempt failed")] if any(bad.values()) else []
    entries.append(dot(f"{OK} the client got a page", page.colour, "s"))
    worst, line = max(upstreams, key=lambda name: len(bad[name]), default=""), None
    if len(bad.get(worst, ())) >= limit:
        last = bad[worst][limit - 1]
        then = "others" if max(bad[worst] + good[worst]) > last else "none"
        line = last, f"{plural(limit, 'failed attempt')} at {worst}, then {then}"
    return pictured(cells(title, finding, lanes, entries, line=line), title, finding)


def _fate(name: str, bad: list[int], good: list[int]) -> str:
    """Return "7 failed attempts at 127.0.0.1:8081 (requests 1–7), then none" of its attempts."""
    if name == NO_LIVE:
        return f"{plural(len(bad), 'request')} found {name}"
    if not bad:
        return f"{name} answered {len(good):,}"
    later = sum(n > bad[-1] for n in good)
    where = ("requests " if bad[-1] > bad[0] else "request ") + spans(n + 1 for n in bad)
    then = f"{later:,} answered" if later else "none"
    return f"{plural(len(bad), 'failed attempt')} at {name} ({where}), then {then}"
