"""Requests in their order: sequences, the order of DNS answers, attempts at upstreams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pandas as pd
from matplotlib.lines import Line2D

from .frames import FAILED, answered, errors_of, failures, in_order, need, nothing, outcomes, pictured
from .mosaic import Cell, limit_line, mosaic
from .picture import Picture
from .style import NOBODY, colour_of, cross, dot, styled, tint
from .words import listing, plural, spans

FAILED_ATTEMPT = (502, 504)  # nginx's own $upstream_status of an attempt that got no answer
OK, NO_LIVE = "✓", "no live upstream"


def _squares(names: Iterable[str], failed: bool, words: str = "failed") -> list[Line2D]:
    entries = [dot(name, colour_of(name), "s") for name in in_order(names)]
    return entries + ([cross(words)] if failed else [])


@styled
def sequence(traffic: pd.DataFrame) -> Picture:
    """The requests in their order, one cell each, in the colour of the backend that answered; x where none did.

    Columns used: backend, error. Rows of 50 cells; of more than 1,000 requests the first 1,000 are drawn.
    """
    if traffic.empty:
        return nothing("In which order did the backends answer?")
    names = outcomes(traffic)
    title = f"In which order were {plural(len(traffic), 'request')} answered?"
    cells = [Cell(name, name == FAILED) for name in names]
    entries = _squares(set(names) - {FAILED}, FAILED in set(names), f"failed: {errors_of(traffic)}")
    picture = mosaic(title, answered(traffic), {"": cells}, entries)
    return pictured(picture.figure, title, answered(traffic))


@styled
def answer_order(dns: pd.DataFrame) -> Picture:
    """For each DNS query the address that stood first in the answer, and below it the second.

    Columns used: answers (tuple of addresses in their order), error. The counts of each order are written beside it.
    """
    if dns.empty:
        return nothing("Which address stood first in the answers?")
    need(dns, "answers", "error")
    answers = [() if failed else tuple(found) for found, failed in zip(dns["answers"], dns["error"].notna(), strict=True)]
    title = f"In which order did {plural(len(dns), 'query')} list the addresses?"
    bare = answers.count(()) - int(dns["error"].notna().sum())
    finding = _orders(answers) + (f"; {bare:,} without an address" if bare else "")
    finding += f"; {failures(dns)}" if dns["error"].notna().any() else ""
    lanes: dict[str, list[Cell | None]] = {}
    for place in range(max(2, *map(len, answers))):
        lanes[_ordinal(place)] = [_listed(found, place) for found in answers]
    entries = _squares({name for found in answers for name in found}, () in answers, "no answer")
    picture = mosaic(title, finding, lanes, entries)
    picture.axes.set_xlabel(picture.axes.get_xlabel().replace("requests", "queries").replace("request", "query"))
    return pictured(picture.figure, title, finding)


def _listed(found: tuple[str, ...], place: int) -> Cell | None:
    if not found and place == 0:
        return Cell(FAILED, failed=True)
    return Cell(found[place]) if place < len(found) else None


def _ordinal(index: int) -> str:
    return ("1st", "2nd", "3rd")[index] if index < 3 else f"{index + 1}th"


def _orders(answers: list[tuple[str, ...]]) -> str:
    """ "100 × 127.0.0.1 before 127.0.0.2, 100 × …; the first changed 199 of 199 times"."""
    full = [found for found in answers if found]
    counts = Counter(" before ".join(found) if len(found) > 1 else f"{found[0]} alone" for found in full)
    parts = [f"{count:,} × {order}" for order, count in sorted(counts.items())]
    changes = sum(one[0] != other[0] for one, other in pairwise(full))
    turn = f"; the first changed {changes:,} of {len(full) - 1:,} times" if len(full) > 1 else ""
    return ", ".join(parts or ["no query was answered"]) + turn


@styled
def attempts(attempts: pd.DataFrame, *, limit: int = 7) -> Picture:
    """For each request of a client the upstreams that nginx tried, in order; x where the attempt failed.

    Columns used: upstreams (tuple of addresses), statuses (tuple of ints, 502 or 504 is a failed attempt), status.
    A line follows the `limit`-th failed attempt at the upstream that failed most.
    """
    if attempts.empty:
        return nothing("Which upstreams did nginx try?")
    need(attempts, "upstreams", "statuses", "status")
    tries = [_tries(*row) for row in zip(attempts["upstreams"], attempts["statuses"], strict=True)]
    title = f"Which upstreams did nginx try for {plural(len(tries), 'request')}?"
    failed = [(n, name) for n, row in enumerate(tries) for name, status in row if status in FAILED_ATTEMPT]
    finding = _fate(tries, failed) + f"; the client got {_statuses(attempts['status'])}"
    lanes: dict[str, list[Cell | None]] = {}
    for place in range(max(2, *map(len, tries))):
        lanes[f"{_ordinal(place)} try"] = [_tried(row[place]) if place < len(row) else None for row in tries]
    fine = attempts["status"].fillna(0).between(200, 399)
    lanes["client got"] = [Cell("nobody", mark=OK) if good else Cell(FAILED, failed=True) for good in fine]
    entries = _squares({name for row in tries for name, _ in row} - {NO_LIVE}, bool(failed), "this attempt failed")
    entries.append(dot(f"{OK} the client got a page", tint(NOBODY, 0.65), "s"))
    line = _limit(tries, failed, limit)
    picture = mosaic(title, finding, lanes, entries, above=0.26 if line else 0)
    if line:
        limit_line(picture, *line)
    return pictured(picture.figure, title, finding)


def _limit(tries: list[list[tuple[str, int]]], failed: list[tuple[int, str]], limit: int) -> tuple[int, str] | None:
    """At which request the upstream that failed most had failed `limit` times, and what to say of that."""
    counts = Counter(name for _, name in failed if name != NO_LIVE)
    if not counts:
        return None
    worst = counts.most_common(1)[0][0]
    requests = [n for n, name in failed if name == worst]
    if len(requests) < limit:
        return None
    last = requests[limit - 1]
    later = any(name == worst for row in tries[last + 1 :] for name, _ in row)
    return last, f"{plural(limit, 'failed attempt')} at {worst}, then " + ("others" if later else "none")


def _tries(upstreams: tuple[str, ...], statuses: tuple[int, ...]) -> list[tuple[str, int]]:
    """Upstream and status of each attempt; nginx logs the pool's bare name when no server of it may be tried."""
    return [(name if ":" in name else NO_LIVE, status) for name, status in zip(upstreams, statuses, strict=False)]


def _tried(attempt: tuple[str, int]) -> Cell:
    return Cell("nobody" if attempt[0] == NO_LIVE else attempt[0], failed=attempt[1] in FAILED_ATTEMPT)


def _fate(tries: list[list[tuple[str, int]]], failed: list[tuple[int, str]]) -> str:
    """ "7 failed attempts at 127.0.0.1:8081 (requests 1–7), then none; 127.0.0.1:8082 answered 20"."""
    parts = []
    for name in in_order({name for row in tries for name, _ in row}):
        bad = [n for n, other in failed if other == name]
        good = [n for n, row in enumerate(tries) if (name in [who for who, status in row if status not in FAILED_ATTEMPT])]
        if name == NO_LIVE:
            parts.append(f"{plural(len(bad), 'request')} found {name}")
        elif bad:
            later = sum(n > bad[-1] for n in good)
            then = f"then {later:,} answered" if later else "then none"
            where = ("requests " if bad[-1] > bad[0] else "request ") + spans(n + 1 for n in bad)
            parts.append(f"{plural(len(bad), 'failed attempt')} at {name} ({where}), {then}")
        else:
            parts.append(f"{name} answered {len(good):,}")
    return "; ".join(parts) or "no upstream was tried"


def _statuses(column: pd.Series) -> str:
    counts = Counter("no answer" if pd.isna(status) else str(int(status)) for status in column)
    if len(counts) == 1:
        return f"{next(iter(counts))} every time"
    return listing(f"{status} {count:,} times" for status, count in counts.most_common())
