"""What is drawn: marks, bars, lines and their looks, read back from the figure."""

import re

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from labkit.show import Picture, plots, style, topology
from labkit.show.cells import Cell
from labkit.show.lanes import recent

from .samples import FIRST, SECOND, attempts, counters, drawn, exchanges, marks, seconds, texts, traffic
from .test_plots import CASES, DEAD, EVENTS, FAULT, FROZEN, HALVES, NEXT, OVER, STAY, UP


@pytest.mark.parametrize(
    "name, crosses",
    {
        "sequence, long": 40, "sequence, too long": 500, "answer order, failed": 1, "attempts, seven": 7, "latency": 1,
        "attempts, all down": 5,  # two tries, one without an upstream, two failed answers
        "clients": 1, "recent": 1, "syns": 2, "ladder, unanswered": 1, "shares": 0,
    }.items(),
)  # fmt: skip
def test_one_x_for_each_that_failed(name: str, crosses: int) -> None:
    """What failed is told by its mark, not by its colour alone; of a long sequence the first 1,000 are drawn."""
    assert marks(CASES[name](), "failed") == crosses


def test_cells_hold_the_number_of_who_answered() -> None:
    """Colour is never alone; a row says which requests it holds, and the last what is not drawn."""
    assert [text.get_text() for text in CASES["sequence"]().figure.axes[0].texts] == ["1", "2", "2"]
    assert {"1–50", "51–100", "101–120"} <= set(texts(CASES["sequence, long"]()))
    assert any("only the first 1,000 are drawn" in text for text in texts(CASES["sequence, too long"]()))


def test_a_failed_try_keeps_a_hint_of_whose_it_was() -> None:
    """A failed cell is pale in its upstream's colour, neither full nor another's."""
    assert Cell(FIRST, failed=True).colour == style.tint(style.colour_of(FIRST)) != style.colour_of(FIRST)


@pytest.mark.parametrize(
    "tries, limit, line",
    [
        ([OVER] * 7 + [STAY] * 9, 7, f"7 failed attempts at {FIRST}, then none"),
        ([OVER] * 7 + [STAY, OVER], 7, f"7 failed attempts at {FIRST}, then others"),
        ([OVER] * 7 + [([FIRST], [200])], 7, f"7 failed attempts at {FIRST}, then others"),
        ([STAY] * 20 + [OVER] * 7, 7, f"7 failed attempts at {FIRST}, then none"),
        ([OVER] * 3 + [STAY], 3, f"3 failed attempts at {FIRST}, then none"),
        ([OVER] * 3 + [STAY], 4, None),
    ],
)
def test_a_line_stands_where_the_limit_was_reached(tries: list, limit: int, line: str | None) -> None:
    """It says whether more attempts at that upstream followed."""
    found = [
        text for text in texts(plots.attempts(attempts(*tries), limit=limit)) if re.fullmatch(r"\d failed.*, then \w+", text)
    ]
    assert found == ([line] if line else [])


def bars(picture: Picture) -> dict[str, float]:
    """The summed lengths of the bars by their face colour, the outlines left out."""
    found: dict[str, float] = {}
    for patch in picture.figure.axes[0].patches:
        if patch.get_fill():
            colour = to_hex(patch.get_facecolor()).upper()
            found[colour] = found.get(colour, 0) + patch.get_width()
    return found


def test_bars_are_as_long_as_their_counts() -> None:
    """Each backend has a bar of its count in its colour, with the count and its share behind it."""
    picture = CASES["shares"]()
    assert bars(picture) == {style.colour_of("backend1"): 50, style.colour_of("backend2"): 50}
    assert texts(picture).count("50 (50 %)") == 2
    assert bars(CASES["shares, of connections"]()) == {style.colour_of("backend1"): 75, style.colour_of("backend2"): 25}


def test_failures_have_a_hatched_bar_and_words() -> None:
    """What failed is a bar of its own, named; by address it is the end of the address's bar."""
    picture = CASES["shares, failed"]()
    (bar,) = drawn(picture, "failed")
    assert bar.get_width() == 3 and bar.get_hatch() and "× failed" in texts(picture)
    (bar,) = drawn(CASES["shares, by address"](), "failed")
    assert (bar.get_x(), bar.get_width()) == (1, 1)


def test_expected_shares_are_outlines_also_of_who_got_nothing() -> None:
    """An expected backend that answered nothing has a row, an outline of its share and a zero."""
    picture = plots.shares(traffic("backend1", "refused"), expected=HALVES)
    outlines = drawn(picture, "expected")
    assert [bar.get_width() for bar in outlines] == [1, 1] and not any(bar.get_fill() for bar in outlines)
    assert {"0 (0 %)", "1 (50 %), refused", "expected"} <= set(texts(picture))


@pytest.mark.parametrize("first, second", [(50, 50), (1, 0)])
def test_schedulers_show_shares_of_their_own_connections(first: int, second: int) -> None:
    """Each scheduler's bars are percentages of its own total."""
    picture = plots.schedulers({"rr": counters(first, second), "sh": counters(0, 7)})
    lengths = [bar.get_width() for bar in picture.figure.axes[0].patches]
    assert lengths == [0, 100 * first / (first + second), 100 * second / (first + second), 0, 0, 100]


def test_each_way_is_a_share_of_the_direct_one() -> None:
    """A bar a way, as long as its ratio; the direct one is another grey; times and errors stand behind them."""
    picture = CASES["throughput"]()
    lengths = bars(picture)
    assert lengths == {style.NOBODY: 1.0, style.MUTED: pytest.approx(1.05)}
    words = [text for text in texts(picture) if "half within" in text]
    assert words[1] == "0.80; half within 1.5 ms, 99 % within 12.0 ms" and words[2].endswith("; 3 errors")


def test_latency_has_a_point_for_each_request_and_a_line_at_each_median() -> None:
    """Backends have points and a median, failures no line; equal medians have dashes in each other's gaps."""
    frame = traffic("backend1", "backend2", "timeout", "backend1", "backend1").assign(ms=[1.0, 2.0, 3.0, 5.0, 3.0])
    picture = plots.latency(frame)
    assert (marks(picture, "backend1"), marks(picture, "backend2")) == (3, 1)
    assert [line.get_ydata()[0] for name in ("backend1", "backend2") for line in drawn(picture, f"median {name}")] == [3, 2]
    assert drawn(picture, "median failed") == []


@pytest.mark.parametrize("slowest, scale", [(49.0, "linear"), (2000.0, "log")])
def test_the_axis_is_logarithmic_where_times_differ_much(slowest: float, scale: str) -> None:
    """Beyond a factor of 50 the axis is logarithmic, and its label says so."""
    frame = traffic("backend1", "timeout").assign(ms=[1.0, slowest])
    one, other = plots.latency(frame).figure.axes[0], plots.clients({"curl": frame}).figure.axes[0]
    assert one.get_yscale() == other.get_xscale() == scale
    assert all(("logarithmic" in label) == (scale == "log") for label in (one.get_ylabel(), other.get_xlabel()))


def test_clients_have_their_medians() -> None:
    """Points for what was answered; a line at the median of that and one at the failures'."""
    picture = CASES["clients"]()
    assert (marks(picture, "backend1"), len(drawn(picture, "median"))) == (3, 3)


def test_attempts_to_connect_are_marked_by_their_answer() -> None:
    """Accepted, refused and unanswered attempts look different."""
    picture = CASES["syns"]()
    assert (marks(picture, "failed"), marks(picture, "accepted"), marks(picture, "none")) == (2, 1, 1)
    assert {"accepted", "refused", "no answer"} <= set(texts(picture))


def test_counters_have_a_line_for_each_server() -> None:
    """A server's line goes through its values, in its colour; equal last values are written apart."""
    (line,) = drawn(CASES["counters"](), SECOND)
    assert list(line.get_ydata()) == [0, 3, 6, 9, 12]
    assert to_hex(line.get_color()).upper() == style.colour_of("backend2")
    assert {f"{FIRST}\u20024", f"{SECOND}\u200212"} <= set(texts(CASES["counters"]()))


def test_recent_has_the_same_lanes_whoever_answered() -> None:
    """A picture that is drawn again and again keeps its size: a lane for each backend and one for failures, always."""
    nobody, picture = CASES["recent, nobody"](), CASES["recent"]()
    assert list(nobody.figure.get_size_inches()) == list(picture.figure.get_size_inches())
    assert {"backend1", "backend2", "× failed", EVENTS[0][1]} <= set(texts(picture))
    assert picture.figure.axes[0].get_xlim() == (-20, 0) and len(drawn(picture, "event")) == 1
    many = [(-1 - 0.01 * n, f"backend1 unplugged {n}") for n in range(9)]
    assert len(drawn(recent(traffic("backend1").assign(start=-1.0), ["backend1"], 20.0, events=many), "event")) == 3


def test_seconds_are_bars_that_stand_on_each_other() -> None:
    """Every outcome that occurred is a bar; one scale for all balancers; late and failed are hatched; so says the legend."""
    picture = plots.failover(seconds(DNS=FAULT, nginx=[(10, 0, 0, 0)] * 3), events=[(1.0, "stopped")])
    found = {name: drawn(picture, name) for name in ("backend1", "backend2", "late", "failed")}
    assert {name: len(bars) for name, bars in found.items()} == {"backend1": 4, "backend2": 3, "late": 1, "failed": 2}
    one, late = abs(found["late"][0].get_height()), found["late"][0]
    assert [abs(bar.get_height()) for bar in found["failed"]] == pytest.approx([2 * one] * 2)
    assert abs(found["backend1"][-1].get_height()) == pytest.approx(10 * one)
    assert min(bar.get_y() for bar in found["failed"]) == pytest.approx(late.get_y() + late.get_height())
    assert all(bool(bar.get_hatch()) == (name in ("late", "failed")) for name, bars in found.items() for bar in bars)
    assert len(drawn(picture, "event")) == 1 and {"late (answered)", "failed"} <= set(texts(picture))
    assert not {"late (answered)", "failed"} & set(texts(plots.failover(seconds(nginx=[(5, 0, 0, 0)]))))


def test_the_header_is_highlighted_where_it_is_and_only_there() -> None:
    """Two of four messages carry it, the others say that it is absent; times count from the client's request."""
    picture = CASES["ladder"]()
    assert [text.get_text() for text in drawn(picture, "header")] == ["X-high-load-test: 123"] * 2
    assert texts(picture).count("no X-high-load-test") == 2
    assert [text for text in texts(picture) if re.fullmatch(r"[\d.]+ ms", text)] == ["0 ms", "1.0 ms", "3.0 ms", "4.0 ms"]
    assert drawn(CASES["ladder, another header"](), "header") == []
    assert texts(CASES["ladder, the second"]()).count("GET /later") == 2
    near = plots.ladder(pd.concat([exchanges(), NEXT]))
    assert "X-high-load-test is on 2 of 4 messages" in " ".join(texts(near)).replace("\n", " ")
    assert "no answer" in texts(CASES["ladder, unanswered"]())


def widths(picture: Picture) -> list[float]:
    """The widths of the arrows, in the order in which they were drawn."""
    found = [text for text in picture.figure.axes[0].texts if isinstance(text, Annotation) and text.arrow_patch]
    return [text.arrow_patch.get_linewidth() for text in found if text.arrow_patch]


def test_the_pool_is_drawn_as_it_is() -> None:
    """The dead is crossed out, one with a fault has a broken outline, arrows are as wide as their share."""
    picture, frozen = topology("client", "nginx", [UP, DEAD]), topology("client", None, [UP, FROZEN])
    assert len(drawn(picture, "dead")) == 2 and {"up", "× dead", "backup", "100", "90", "10"} <= set(texts(picture))
    assert drawn(frozen, "dead") == [] and len(drawn(frozen, "fault")) == 1 and "× frozen" in texts(frozen)
    total, first, second = widths(picture)
    assert total > first > second
    assert len(widths(frozen)) == 2
    assert not any(text.isdigit() for text in texts(CASES["topology, not counted"]()))
