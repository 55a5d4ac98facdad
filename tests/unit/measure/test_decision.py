"""The decision follows the figures."""

from __future__ import annotations

import pandas as pd
import pytest

from labkit.compare import SEEN, decide, row, spread


def faults(**rows: tuple[int, int, int, int]) -> pd.DataFrame:
    """Tables of `disruption` for two equal faults: failed, seconds failing, late, tries of each balancer."""
    values = [(45, failed, seconds, late, 0.1, tries, "") for failed, seconds, late, tries in rows.values()]
    one = pd.DataFrame(values, index=pd.Index(rows, name="balancer"), columns=SEEN)
    return pd.concat({"stopped": one, "frozen": one}, names=["fault"])


FAULTS = faults(DNS=(9, 5, 0, 2), IPVS=(9, 5, 0, 2), nginx=(0, 0, 18, 1))
LOAD = pd.DataFrame(
    {"ratio": [1.0, 0.99, 0.93, 0.2], "p50": [2.0, 2.0, 2.1, 9.0], "p99": 40.0, "errors": 0},
    index=["direct", "DNS", "IPVS", "nginx"],
)
SHARES = pd.DataFrame({"backend1": [0.5, 0.5, 1.0], "backend2": [0.5, 0.5, 0.0]}, index=["DNS", "IPVS", "nginx"])


def taken(table: pd.DataFrame) -> dict[str, str]:
    """What to take for each need."""
    return dict(zip(table["if you need"], table["take"], strict=True))


def test_each_need_takes_the_best_figure() -> None:
    """Failures and tries speak for nginx, all that hurts, load and shares for the others, which come close to each other."""
    assert list(taken(decide(FAULTS, LOAD, SHARES)).values()) == ["nginx"] * 3 + ["DNS, IPVS"] * 4


def test_other_figures_give_another_decision() -> None:
    """Nothing is typed in: exchange the figures of two balancers, and the decision is exchanged."""
    turned = faults(DNS=(0, 0, 18, 1), IPVS=(9, 5, 0, 2), nginx=(9, 5, 0, 2))
    load = LOAD.assign(ratio=[1.0, 0.2, 0.93, 0.99], p50=[2.0, 9.0, 2.1, 2.0])
    shares = SHARES.iloc[::-1].set_axis(SHARES.index)
    assert list(taken(decide(turned, load, shares)).values()) == ["DNS"] * 3 + ["IPVS, nginx"] * 4


def test_figures_of_all_are_said() -> None:
    """The reason is the winner's figure over all faults; the others' are beside it; the direct way is no balancer."""
    table = decide(FAULTS, LOAD, SHARES).set_index("if you need")
    first = table.loc["no failed request when a server breaks"]
    assert first["because"] == "0 % failed" and first["the others"] == "DNS: 20 % failed; IPVS: 20 % failed"
    assert table.loc["the most requests a second", "because"] == "0.93 of direct to 0.99 of direct"
    assert "direct:" not in " ".join(table["the others"])


@pytest.mark.parametrize(
    ("more", "close", "best"), [(True, 0.0, "c"), (True, 0.1, "b, c"), (False, 0.0, "a"), (False, 1.0, "a, b")]
)
def test_close_figures_are_equal(more: bool, close: float, best: str) -> None:
    """Within `close` of the best, upwards or downwards, all are taken."""
    assert row("x", pd.Series({"a": 50.0, "b": 95.0, "c": 105.0}), str, more=more, close=close)[1] == best


def test_all_equal_leaves_no_others() -> None:
    """Where everyone is as good, everyone is taken, and the others are a dash."""
    assert row("x", pd.Series({"a": 1, "b": 1}), "{}") == ("x", "a, b", "1", "–")


def test_spread_is_of_what_was_answered() -> None:
    """Shares add up to 1 whatever failed; a backend that got nothing has 0."""
    frames = {"rr": pd.DataFrame({"backend": ["backend2", "backend1", None]}), "one": pd.DataFrame({"backend": ["backend1"]})}
    assert spread(frames).to_dict("index") == {
        "rr": {"backend1": 0.5, "backend2": 0.5},
        "one": {"backend1": 1.0, "backend2": 0.0},
    }
