"""What a failover was like for the clients: second by second, and summed up."""

from __future__ import annotations

import math

import pandas as pd

from .failover import Failover

# An answer after so many milliseconds is called late: a working backend needs a hundredth of that.
LATE = 500.0
# A failure this near to the client's patience, as a share of it, is one that the client had to time out.
WAITED = 0.9
COLUMNS = ["requests", "failed", "seconds failing", "late", "slowest s", "tries", "the client must"]


def outcomes(requests: pd.DataFrame) -> pd.Series:
    """Per request the backend that answered in time, "late", or "failed"."""
    names = requests["backend"].astype(object).where(requests["ms"] <= LATE, "late")
    return names.where(requests["error"].isna(), "failed").fillna("unknown").map(str)


def per_second(run: Failover) -> pd.DataFrame:
    """How the requests that began in each second ended: one row a balancer and second.

    Columns: balancer, second (0 …), one for each backend that answered in time, late (answered after LATE ms), failed.
    """
    ended, seconds = outcomes(run.requests), run.requests["start"].astype(int).rename("second")
    whose = run.requests["balancer"]
    parts = {name: pd.crosstab(seconds[whose == name], ended[whose == name]) for name in dict.fromkeys(whose)}
    table = pd.concat(parts, names=["balancer"]).fillna(0).astype(int)
    names = sorted(set(table.columns) - {"late", "failed"})
    table = table.reindex(columns=[*names, "late", "failed"], fill_value=0)
    return table.reset_index().rename_axis(columns=None)


def disruption(run: Failover) -> pd.DataFrame:
    """A row for each balancer (the index): what its clients saw of the fault.

    Columns: requests, failed, seconds failing (in which a request began that failed), late (answered after LATE ms),
    slowest s (the longest that an answered request took), tries (that a client needs for a page: one more than the longest
    run of failures), the client must (words).
    """
    order = list(dict.fromkeys(run.requests["balancer"]))
    rows = [_row(run.requests[run.requests["balancer"] == name], run.patience) for name in order]
    return pd.DataFrame(rows, index=pd.Index(order, name="balancer"), columns=COLUMNS)


def _row(requests: pd.DataFrame, patience: float) -> tuple[object, ...]:
    failed = requests["error"].notna()
    late = ~failed & (requests["ms"] > LATE)
    seconds = requests["start"][failed].astype(int).nunique()
    slowest = requests["ms"][~failed].max() / 1000 if not failed.all() else math.nan
    waits = bool((requests["ms"][failed] >= WAITED * patience * 1000).any())
    tries = longest_run(failed.to_numpy(bool)) + 1
    return len(requests), int(failed.sum()), seconds, int(late.sum()), round(slowest, 2), tries, duty(tries, waits, patience)


def longest_run(failed: object) -> int:
    """The length of the longest run of failures."""
    longest = now = 0
    for bad in failed:  # type: ignore[attr-defined]
        now = now + 1 if bad else 0
        longest = max(longest, now)
    return longest


def duty(tries: int, waits: bool, patience: float) -> str:
    """What is left to the client, in words."""
    if tries == 1:
        return "nothing"
    again = f"try up to {tries} times"
    return f"give up after {patience:g} s, {again}" if waits else again
