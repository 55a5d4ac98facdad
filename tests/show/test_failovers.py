"""Failovers second by second, and the load that the ways carry."""

import pytest

from labkit.show import plots, style

from .samples import drawn, load, seconds, texts

FAULT = [(2, 3, 0, 0), (0, 3, 0, 2), (0, 2, 1, 2)]


def test_bars_stand_on_each_other_and_are_as_high_as_the_requests_are_many() -> None:
    """Every outcome that occurred is a bar of its own; one scale for all balancers, so that heights can be compared."""
    picture = plots.failover(seconds(DNS=FAULT, nginx=[(10, 0, 0, 0)] * 3))
    heights = {
        name: [abs(bar.get_height()) for bar in drawn(picture, name)] for name in ("backend1", "backend2", "late", "failed")
    }
    assert {name: len(bars) for name, bars in heights.items()} == {"backend1": 4, "backend2": 3, "late": 1, "failed": 2}
    one = heights["late"][0]
    assert heights["failed"] == pytest.approx([2 * one] * 2) and heights["backend1"][-1] == pytest.approx(10 * one)
    tops = sorted(bar.get_y() for bar in drawn(picture, "failed"))
    assert tops[0] == pytest.approx(next(bar.get_y() + bar.get_height() for bar in drawn(picture, "late")))


def test_failed_is_told_by_more_than_its_colour() -> None:
    """What failed and what was late is hatched, what was answered is in its backend's plain colour."""
    picture = plots.failover(seconds(DNS=FAULT))
    assert all(bar.get_hatch() for name in ("failed", "late") for bar in drawn(picture, name))
    assert not any(bar.get_hatch() for bar in drawn(picture, "backend2"))


def test_words_say_what_each_balancers_clients_saw() -> None:
    """Failures with their seconds, late answers, the rate and the events are in the alt text; events are lines."""
    picture = plots.failover(seconds(DNS=FAULT, nginx=[(5, 0, 0, 0)] * 3), events=[(2.5, "healed"), (1.0, "stopped")])
    assert "5 requests a second through each; at 1.0 s: stopped; at 2.5 s: healed." in picture.alt
    assert picture.alt.endswith("DNS: 4 failed, in 2 seconds; 1 late. nginx: 0 failed.")
    assert len(drawn(picture, "event")) == 2


def test_last_second_is_not_taken_for_a_whole_one() -> None:
    """The load ends within a second, whose few requests do not lower the rate that is said."""
    assert "5 requests a second" in plots.failover(seconds(nginx=[(5, 0, 0, 0), (5, 0, 0, 0), (1, 0, 0, 0)])).alt


def test_legend_has_only_what_there_is() -> None:
    """Without a late or failed request neither is explained."""
    fine, broken = (plots.failover(seconds(nginx=bars)) for bars in ([(5, 0, 0, 0)], FAULT))
    assert not {"failed", "late (answered)"} & set(texts(fine))
    assert {"failed", "late (answered)"} <= set(texts(broken))


def test_each_way_is_a_share_of_the_direct_one() -> None:
    """A bar a way, as long as its ratio; the direct one is grey; times stand behind them, and errors where there are some."""
    picture = plots.throughput(load(direct=1.0, IPVS=0.8, nginx=0.25).assign(errors=[0, 0, 3]))
    bars = picture.figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [1.0, 0.8, 0.25]
    assert style.to_hex(bars[0].get_facecolor()) != style.to_hex(bars[1].get_facecolor())
    assert "direct is 1; 0.80 through IPVS and 0.25 through nginx." in picture.alt
    words = [text for text in texts(picture) if "half within" in text]
    assert words[1] == "0.80; half within 1.5 ms, 99 % within 12.0 ms" and words[2].endswith("; 3 errors")
