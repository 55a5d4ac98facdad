"""Bars of who got how much."""

import pytest
from matplotlib.colors import to_hex

from labkit.show import plots, style

from .samples import FIRST, SECOND, counters, drawn, texts, traffic


def bars(picture) -> dict[str, float]:
    """The summed lengths of the bars by their face colour, the outlines left out."""
    found: dict[str, float] = {}
    for patch in picture.figure.axes[0].patches:
        if patch.get_fill():
            found[to_hex(patch.get_facecolor()).upper()] = found.get(to_hex(patch.get_facecolor()).upper(), 0) + patch.get_width()
    return found


def test_counts_are_drawn_and_said() -> None:
    """Each backend has a bar of its count in its colour, and the alt text has the same counts."""
    picture = plots.shares(traffic(*["backend1", "backend2"] * 50))
    assert bars(picture) == {style.colour_of("backend1"): 50, style.colour_of("backend2"): 50}
    assert picture.alt == "Who answered 100 requests? 50 requests to backend1, 50 to backend2; 0 failed."
    assert texts(picture).count("50 (50 %)") == 2


def test_failures_have_a_bar_and_words() -> None:
    """What failed is a hatched bar of its own, named, with its reasons."""
    picture = plots.shares(traffic("backend1", "refused", "timeout", "refused"))
    assert picture.alt.endswith("1 request to backend1; 3 failed (2 refused, 1 timeout).")
    (bar,) = drawn(picture, "failed")
    assert bar.get_width() == 3 and bar.get_hatch()
    assert "× failed" in texts(picture)


def test_by_address_the_failures_stand_at_the_address() -> None:
    """Counted by address, a failed request belongs to the address that it was sent to."""
    picture = plots.shares(traffic("backend1", "backend2", "refused"), by="address")
    assert f"1 request to {FIRST}, 2 to {SECOND} (1 failed)" in picture.alt.replace("requests", "request")
    (bar,) = drawn(picture, "failed")
    assert (bar.get_x(), bar.get_width()) == (1, 1)


def test_expected_shares_are_outlines_also_of_who_got_nothing() -> None:
    """An expected backend that answered nothing has a row, an outline of its share and a zero."""
    picture = plots.shares(traffic("backend1", "refused"), expected={"backend1": 0.5, "backend2": 0.5})
    outlines = drawn(picture, "expected")
    assert [bar.get_width() for bar in outlines][:2] == [1, 1]
    assert not any(bar.get_fill() for bar in outlines)
    assert "0 (0 %)" in texts(picture)
    assert "expected 50 % to backend1 and 50 % to backend2" in picture.alt


def test_counters_are_counted_by_server() -> None:
    """With by="server" the connections of IPVS are the bars."""
    picture = plots.shares(counters(75, 25), by="server", title="Is it three to one?")
    assert picture.alt == f"Is it three to one? 75 connections to {FIRST}, 25 to {SECOND}."
    assert bars(picture) == {style.colour_of("backend1"): 75, style.colour_of("backend2"): 25}


def test_a_page_without_a_name_is_unknown_and_not_failed() -> None:
    """A request that was answered by a page that names no backend is not counted as failed."""
    frame = traffic("backend1", "backend1").assign(backend=["backend1", None])
    assert plots.shares(frame).alt.endswith("1 request to backend1, 1 to unknown; 0 failed.")


@pytest.mark.parametrize("first, second", [(50, 50), (1, 0)])
def test_schedulers_show_shares_of_their_own_connections(first: int, second: int) -> None:
    """Each scheduler's bars are percentages of its own total."""
    picture = plots.schedulers({"rr": counters(first, second), "sh": counters(0, 7)}, expected={"rr": {FIRST: 0.5}})
    total = first + second
    lengths = [drawn(picture, f"rr {server}")[0].get_width() for server in (FIRST, SECOND)]
    assert lengths == [100 * first / total, 100 * second / total]
    assert [bar.get_width() for bar in drawn(picture, "expected")] == [50]
    assert f"sh: 0 to {FIRST}, 7 to {SECOND}." in picture.alt
