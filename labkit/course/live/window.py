"""What the panel has seen: the requests of the last seconds, and the counts since it was started."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...measure.traffic import frame

SPAN = 20.0  # seconds that are drawn
NOBODY = "no backend"
# Counts since the panel began, why as words ("3 refused, 1 timeout"), ms of the last seconds.
COLUMNS = ["backend", "answered", "failed", "why", "median ms"]


@dataclass(frozen=True)
class Seen:
    """What had been seen at one time.

    `recent`: the last seconds as `traffic` describes them, `start` being seconds before then (negative), and who: the backend
    that answered, else the one that was asked, else nobody. `events`: (seconds before then, words). `table`: a row a
    backend, what none got last, with COLUMNS. `connected`: how often each address was connected to.
    """

    recent: pd.DataFrame
    events: list[tuple[float, str]]
    table: pd.DataFrame
    connected: Counter[str]


class Window:
    """Requests as rows of inside.http_load, and what was done meanwhile. `places` maps each backend's address to its name."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places, self._lock = dict(places), threading.RLock()  # rows come in while others are drawn
        self.clear()

    def clear(self) -> None:
        """Forget all: a new count begins."""
        with self._lock:
            self.rows: deque[Sequence[Any]] = deque()
            self.events: deque[tuple[float, str]] = deque()
            self.answered, self.failed, self.connected = Counter[str](), Counter[tuple[str, str]](), Counter[str]()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take rows in, and let those that are too old go."""
        with self._lock:
            new = list(rows)
            self.rows += new
            for row in self._who(frame([tuple(row) for row in new])).itertuples():
                self.connected[row.address] += 1
                if row.error is None:
                    self.answered[row.who] += 1
                else:
                    self.failed[row.who, row.error] += 1
            self._forget(max((row[0] for row in self.rows), default=0.0))

    def note(self, words: str) -> None:
        """Remember that something was done now."""
        with self._lock:
            self.events.append((time.time(), words))

    def _forget(self, now: float) -> None:
        for seen in (self.rows, self.events):
            while seen and seen[0][0] < now - SPAN:
                seen.popleft()

    def _who(self, traffic: pd.DataFrame) -> pd.DataFrame:
        """With a column who: the backend that answered, else the one that was asked, else nobody."""
        asked = traffic["address"].map(self.places)
        return traffic.assign(who=traffic["backend"].where(traffic["backend"].notna(), asked).fillna(NOBODY))

    def seen(self, now: float) -> Seen:
        """All of it as it is at `now` (Unix seconds)."""
        with self._lock:
            self._forget(now)
            recent = frame([tuple(row) for row in self.rows])
            recent["start"] += recent.attrs["epoch"] - now
            recent = self._who(recent)
            events = [(when - now, words) for when, words in self.events]
            return Seen(recent, events, self._table(recent), Counter(self.connected))

    def _table(self, recent: pd.DataFrame) -> pd.DataFrame:
        ms = recent[recent["error"].isna()].groupby("who")["ms"].median()
        rows = []
        for name in [*self.places.values(), NOBODY]:
            why = {error: count for (who, error), count in self.failed.items() if who == name}
            if name != NOBODY or why:
                words = ", ".join(f"{count:,} {error}" for error, count in why.items())
                rows.append((name, self.answered[name], sum(why.values()), words or "–", ms.get(name)))
        return pd.DataFrame(rows, columns=COLUMNS)
