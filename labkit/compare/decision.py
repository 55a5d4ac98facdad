"""Which balancer for whom: decided by the figures that were measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

# Figures of load and of shares that differ by less are taken as equal: on a busy machine two ways that are the same, direct
# and DNS, differed by 0.47 of one of them (measured).
CLOSE = 0.5
COLUMNS = ["if you need", "take", "because", "the others"]


@dataclass(frozen=True)
class Criterion:
    """One need: its words, a figure for each balancer, whether more is better, and how a figure is written."""

    need: str
    figures: pd.Series
    written: Callable[[float], str]
    more: bool = False
    close: float = 0.0

    @property
    def best(self) -> list[str]:
        """The balancers with the best figure, and those that come close."""
        top = self.figures.max() if self.more else self.figures.min()
        near = self.figures >= top * (1 - self.close) if self.more else self.figures <= top * (1 + self.close)
        return list(self.figures.index[near])

    def row(self) -> tuple[str, ...]:
        """The criterion as a row of `decide`."""
        best = self.best
        told = [f"{name}: {self.written(value)}" for name, value in self.figures.items() if name not in best]
        ends = [self.written(end) for end in (self.figures[best].min(), self.figures[best].max())]
        return self.need, ", ".join(best), " to ".join(dict.fromkeys(ends)), "; ".join(told) or "–"


def spread(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The share (0 to 1) of the answered requests that each backend got; a row a balancer, a column a backend.

    `frames` is {balancer: traffic}.
    """
    shares = {name: frame["backend"].value_counts(normalize=True) for name, frame in frames.items()}
    table = pd.DataFrame(shares).T.reindex(list(frames)).fillna(0.0)
    return table[sorted(table.columns)].rename_axis(None).rename_axis(None, axis=1)


def criteria(faults: pd.DataFrame, load: pd.DataFrame, shares: pd.DataFrame) -> list[Criterion]:
    """The needs, each with its figures; the arguments are those of `decide`."""
    order = list(dict.fromkeys(faults.index.get_level_values("balancer")))
    seen = faults.groupby(level="balancer")
    sums, most = seen[["requests", "failed", "late"]].sum().loc[order], seen[["seconds failing", "tries"]].max().loc[order]
    load = load.loc[[name for name in load.index if name in order]]
    failed, hurt = sums["failed"] / sums["requests"], (sums["failed"] + sums["late"]) / sums["requests"]
    return [
        Criterion("no failed request when a server breaks", failed, lambda share: f"{100 * share:.0f} % failed"),
        Criterion("a short disruption", most["seconds failing"], lambda n: f"failures in {n:.0f} s at the most"),
        Criterion("clients that need not try again", most["tries"], lambda n: f"{n:.0f} {'try' if n == 1 else 'tries'}"),
        Criterion("few that fail or come late", hurt, lambda share: f"{100 * share:.0f} % failed or late", close=CLOSE),
        Criterion("the most requests a second", load["ratio"], lambda n: f"{n:.2f} of direct", more=True, close=CLOSE),
        Criterion("a short wait under full load", load["p50"], lambda n: f"half within {n:.1f} ms", close=CLOSE),
        Criterion("work for every server", shares.min(axis=1), lambda n: f"least {100 * n:.0f} %", more=True, close=CLOSE),
    ]


def decide(faults: pd.DataFrame, load: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """A row for each need: which balancer to take, by which figure, and the others' figures.

    `faults` are the tables of `disruption` below each other (index: fault, balancer), `load` is `throughput`'s, `shares`
    is `spread`'s. Times and shares that differ by less than CLOSE count as equal. Columns: if you need, take, because,
    the others.
    """
    return pd.DataFrame([criterion.row() for criterion in criteria(faults, load, shares)], columns=COLUMNS)
