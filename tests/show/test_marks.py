"""What is drawn: marks, bars, lines and their looks, read back from the figure."""

import re

import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from labkit.show import Picture, plots, style, topology
from labkit.show.cells import Cell
from labkit.show.lanes import recent

from .samples import FIRST, SECOND, attempts, counters, drawn, marks, seconds, texts, traffic
from .test_plots import FAULT, FROZEN, OVER, POOL, STAY, STOPPED, UNPLUGGED, UP, picture

CROSSES = {
    "sequence, long": 40, "sequence, too long": 500, "answer order, failed": 1, "attempts, seven": 7, "latency": 1,
    "attempts, all down": 5,  # two tries, one without an upstream, two failed answers
    "clients": 1, "recent": 1, "syns": 2, "ladder, unanswered": 1, "shares": 0,
}  # fmt: skip


def test_one_x_for_each_that_failed() -> None:
    """What failed is told by its mark, not by its colour alone; of a long sequence the first 1,000 are drawn."""
    assert {name: marks(picture(name), "failed") for name in CROSSES} == CROSSES


def test_cells_hold_the_number_of_who_answered() -> None:
    """Colour is never alone; a row says which requests it holds, and the last what is not drawn; a failed cell is pale in its
    upstream's colour, neither full nor another's."""
    assert [text.get_text() for text in picture("sequence").figure.axes[0].texts] == ["1", "2", "2"]
    assert {"1–50", "51–100", "101–120"} <= set(texts(picture("sequence, long")))
    assert "only the first 1,000 are drawn" in " ".join(texts(picture("sequence, too long")))
    full = style.colour_of(FIRST)
    assert Cell(FIRST, failed=True).colour == style.tint(full) != full


LIMITS: list[tuple[list, int, str]] = [
    ([OVER] * 7 + [STAY] * 9, 7, "7 failed attempts at {}, then none"),
    ([OVER] * 7 + [STAY, OVER], 7, "7 failed attempts at {}, then others"),
    ([OVER] * 7 + [([FIRST], [200])], 7, "7 failed attempts at {}, then others"),
    ([STAY] * 20 + [OVER] * 7, 7, "7 failed attempts at {}, then none"),
    ([OVER] * 3 + [STAY], 3, "3 failed attempts at {}, then none"),
    ([OVER] * 3 + [STAY], 4, ""),
]


def test_a_line_stands_where_the_limit_was_reached() -> None:
    """It says whether more attempts at that upstream followed."""
    for tries, limit, words in LIMITS:
        found = texts(plots.attempts(attempts(*tries), limit=limit))
        lines = [text for text in found if re.fullmatch(r"\d failed.*, then \w+", text)]
        assert lines == ([words.format(FIRST)] if words else [])


def bars(picture: Picture) -> dict[str, float]:
    """The summed lengths of the bars by their face colour, the outlines left out."""
    found: dict[str, float] = {}
    for patch in picture.figure.axes[0].patches:
        if patch.get_fill():
            colour = to_hex(patch.get_facecolor()).upper()
            found[colour] = found.get(colour, 0) + patch.get_width()
    return found


def test_bars_are_as_long_as_their_counts() -> None:
    """Each backend has a bar of its count in its colour, with the count and its share behind it. What failed is a hatched bar of
    its own, or the end of its address's. What was expected is an outline, also of who got nothing."""
    both = [style.colour_of(name) for name in ("backend1", "backend2")]
    assert bars(picture("shares")) == dict.fromkeys(both, 50)
    assert texts(picture("shares")).count("50 (50 %)") == 2
    assert bars(picture("shares, of connections")) == dict(zip(both, (75, 25), strict=True))
    (bar,) = drawn(picture("shares, failed"), "failed")
    assert bar.get_width() == 3 and bar.get_hatch()
    assert "× failed" in texts(picture("shares, failed"))
    (bar,) = drawn(picture("shares, by address"), "failed")
    assert (bar.get_x(), bar.get_width()) == (1, 1)
    outlines = drawn(picture("shares, expected"), "expected")
    assert [(bar.get_width(), bar.get_fill()) for bar in outlines] == [(1, False), (1, False)]
    assert {"0 (0 %)", "1 (50 %), refused", "expected"} <= set(texts(picture("shares, expected")))


def test_bars_of_groups_are_shares_of_their_own() -> None:
    """Each scheduler's bars are percentages of its own total; each way's is as long as its ratio, the direct one another grey,
    and times and errors stand behind them."""
    one = plots.schedulers({"rr": counters(50, 50), "one": counters(1, 0), "sh": counters(0, 7)})
    lengths = [bar.get_width() for bar in one.figure.axes[0].patches]
    assert lengths == [0, 50, 50, 0, 100, 0, 0, 0, 100]
    assert bars(picture("throughput")) == {style.NOBODY: 1.0, style.MUTED: pytest.approx(1.05)}
    words = [text for text in texts(picture("throughput")) if "half within" in text]
    assert words[1] == "0.80; half within 1.5 ms, 99 % within 12.0 ms"
    assert words[2].endswith("; 3 errors")


def test_latency_has_a_point_for_each_request_and_a_line_at_each_median() -> None:
    """Backends have points and a median, failures no line; equal medians have dashes in each other's gaps."""
    frame = traffic("backend1", "backend2", "timeout", "backend1", "backend1")
    one = plots.latency(frame.assign(ms=[1.0, 2, 3, 5, 3]))
    assert (marks(one, "backend1"), marks(one, "backend2")) == (3, 1)
    medians = [drawn(one, f"median {name}") for name in ("backend1", "backend2", "failed")]
    assert [[line.get_ydata()[0] for line in lines] for lines in medians] == [[3], [2], []]
    other = picture("clients")
    assert (marks(other, "backend1"), len(drawn(other, "median"))) == (3, 3)


@pytest.mark.parametrize(("slowest", "scale"), [(49.0, "linear"), (2000.0, "log")])
def test_the_axis_is_logarithmic_where_times_differ_much(slowest: float, scale: str) -> None:
    """Beyond a factor of 50 the axis is logarithmic, and its label says so."""
    frame = traffic("backend1", "timeout").assign(ms=[1.0, slowest])
    one, other = plots.latency(frame).figure.axes[0], plots.clients({"curl": frame}).figure.axes[0]
    assert one.get_yscale() == other.get_xscale() == scale
    for label in (one.get_ylabel(), other.get_xlabel()):
        assert ("logarithmic" in label) == (scale == "log")


def test_attempts_to_connect_are_marked_by_their_answer() -> None:
    """Accepted, refused and unanswered attempts look different."""
    assert [marks(picture("syns"), name) for name in ("failed", "accepted", "none")] == [2, 1, 1]
    assert {"accepted", "refused", "no answer"} <= set(texts(picture("syns")))


def test_counters_have_a_line_for_each_server() -> None:
    """A server's line goes through its values, in its colour; equal last values are written apart."""
    (line,) = drawn(picture("counters"), SECOND)
    assert list(line.get_ydata()) == [0, 3, 6, 9, 12]
    assert to_hex(line.get_color()).upper() == style.colour_of("backend2")
    assert {f"{FIRST}\u20024", f"{SECOND}\u200212"} <= set(texts(picture("counters")))


def test_recent_has_the_same_lanes_whoever_answered() -> None:
    """A picture that is drawn again and again keeps its size: a lane for each backend and one for failures, always."""
    one, nobody = picture("recent"), picture("recent, nobody")
    assert list(one.figure.get_size_inches()) == list(nobody.figure.get_size_inches())
    assert one.figure.axes[0].get_xlim() == (-20, 0)
    assert {"backend1", "backend2", "× failed", STOPPED[0][1]} <= set(texts(one))
    many = recent(traffic("backend1").assign(start=-1.0), **POOL, events=UNPLUGGED)
    assert (len(drawn(one, "event")), len(drawn(many, "event"))) == (1, 3)


def test_seconds_are_bars_that_stand_on_each_other() -> None:
    """Every outcome that occurred is a bar; one scale for all balancers; late and failed are hatched; so says the legend."""
    one = plots.failover(seconds(DNS=FAULT, nginx=[(10, 0, 0, 0)] * 3), events=[(1.0, "stopped")])
    found = {name: drawn(one, name) for name in ("backend1", "backend2", "late", "failed")}
    assert [len(bars) for bars in found.values()] == [4, 3, 1, 2]
    late = found["late"][0]
    high = abs(late.get_height())
    assert [abs(bar.get_height()) for bar in found["failed"]] == pytest.approx([2 * high] * 2)
    assert abs(found["backend1"][-1].get_height()) == pytest.approx(10 * high)
    top = late.get_y() + late.get_height()
    assert min(bar.get_y() for bar in found["failed"]) == pytest.approx(top)
    for name, bars in found.items():
        assert {bool(bar.get_hatch()) for bar in bars} == {name in ("late", "failed")}
    assert len(drawn(one, "event")) == 1 and {"late (answered)", "failed"} <= set(texts(one))
    fine = texts(picture("failover, the last second is no whole one"))
    assert not {"late (answered)", "failed"} & set(fine)


def test_the_header_is_highlighted_where_it_is_and_only_there() -> None:
    """Two of four messages carry it, the others say that it is absent; times count from the client's request."""
    said, marked = texts(picture("ladder")), drawn(picture("ladder"), "header")
    assert [text.get_text() for text in marked] == ["X-high-load-test: 123"] * 2
    assert said.count("no X-high-load-test") == 2
    assert drawn(picture("ladder, another header"), "header") == []
    times = [text for text in said if re.fullmatch(r"[\d.]+ ms", text)]
    assert times == ["0 ms", "1.0 ms", "3.0 ms", "4.0 ms"]
    assert texts(picture("ladder, the second")).count("GET /later") == 2
    assert "no answer" in texts(picture("ladder, unanswered"))


def widths(picture: Picture) -> list[float]:
    """The widths of the arrows, in the order in which they were drawn."""
    found = [text for text in picture.figure.axes[0].texts if isinstance(text, Annotation)]
    return [text.arrow_patch.get_linewidth() for text in found if text.arrow_patch]


def test_the_pool_is_drawn_as_it_is() -> None:
    """The dead is crossed out, one with a fault has a broken outline, arrows are as wide as their share."""
    one, frozen = picture("topology"), topology("client", None, [UP, FROZEN])
    assert {"up", "× dead", "backup", "100", "90", "10"} <= set(texts(one))
    assert "× frozen" in texts(frozen) and len(drawn(frozen, "fault")) == 1
    assert (len(drawn(one, "dead")), len(drawn(frozen, "dead"))) == (2, 0)
    total, first, second = widths(one)
    assert total > first > second and len(widths(frozen)) == 2
    assert not any(text.isdigit() for text in texts(picture("topology, not counted")))
