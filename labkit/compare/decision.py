"""Which balancer for whom: decided by the figures that were measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

# Figures of load and of shares that differ by less are taken as equal: on a busy machine two ways that are the same, direct
# and DNS, differed by 0.47 of one of them (measured).
CLOSE = 0.5
COLUMNS = ["if you need", "take", "because", "the others"]


def spread(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the share (0 to 1) of the answered requests that each backend got; a row a balancer, a column a backend.

    `frames` is {balancer: traffic}.
    """
    shares = {name: frame["backend"].value_counts(normalize=True) for name, frame in frames.items()}
    table = pd.DataFrame(shares).T.reindex(list(frames)).fillna(0.0)
    return table[sorted(table.columns)].rename_axis(None).rename_axis(None, axis=1)


def decide(faults: pd.DataFrame, load: pd.DataFrame, shares: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each need: which balancer to take, by which figure, and the others' figures.

    `faults` are the tables of `disruption` below each other (index: fault, balancer), `load` is `throughput`'s, `shares`
    is `spread`'s. Times and shares that differ by less than CLOSE count as equal. Columns: if you need, take, because,
    the others.
    """
    order = list(dict.fromkeys(faults.index.get_level_values("balancer")))
    seen = faults.groupby(level="balancer")
    sums, most = seen[["requests", "failed", "late"]].sum().loc[order], seen[["seconds failing", "tries"]].max().loc[order]
    load = load.loc[[name for name in load.index if name in order]]
    failed, hurt = 100 * sums["failed"] / sums["requests"], 100 * (sums["failed"] + sums["late"]) / sums["requests"]
    rows = [
        row("no failed request when a server breaks", failed, "{:.0f} % failed"),
        row("a short disruption", most["seconds failing"], "failures in {:.0f} s at the most"),
        row("clients that need not try again", most["tries"], lambda n: f"{n:.0f} {'try' if n == 1 else 'tries'}"),
        row("few that fail or come late", hurt, "{:.0f} % failed or late", close=CLOSE),
        row("the most requests a second", load["ratio"], "{:.2f} of direct", more=True, close=CLOSE),
        row("a short wait under full load", load["p50"], "half within {:.1f} ms", close=CLOSE),
        row("work for every server", 100 * shares.min(axis=1), "least {:.0f} %", more=True, close=CLOSE),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def row(
    need: str, figures: pd.Series, words: str | Callable[[float], str], *, more: bool = False, close: float = 0.0
) -> tuple[str, str, str, str]:
    """Return a row of `decide`: the balancers with the least (or with `more`, the most) and those within `close` of it."""
    written = words.format if isinstance(words, str) else words
    near = figures >= figures.max() * (1 - close) if more else figures <= figures.min() * (1 + close)
    ends = [written(end) for end in (figures[near].min(), figures[near].max())]
    others = [f"{name}: {written(value)}" for name, value in figures[~near].items()]
    return need, ", ".join(figures.index[near]), " to ".join(dict.fromkeys(ends)), "; ".join(others) or "–"
