"""Durations, timelines, connection attempts, counters."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from labkit.show import plots, style
from labkit.show.lanes import levels
from labkit.show.timelines import recent

from .samples import FIRST, SECOND, counters, drawn, marks, syns, texts, traffic


def test_latency_has_a_point_for_each_request_and_a_line_at_each_median() -> None:
    """Backends have points and a median, failures an x each and no line."""
    frame = traffic("backend1", "backend2", "timeout", "backend1", "backend1").assign(ms=[1.0, 2.0, 3.0, 5.0, 3.0])
    picture = plots.latency(frame)
    assert (marks(picture, "backend1"), marks(picture, "backend2"), marks(picture, "failed")) == (3, 1, 1)
    assert [line.get_ydata()[0] for name in ("backend1", "backend2") for line in drawn(picture, f"median {name}")] == [3, 2]
    assert drawn(picture, "median failed") == []
    assert "backend1 3.0 ms, backend2 2.0 ms" in picture.alt and "1 failed (timeout)" in picture.alt


@pytest.mark.parametrize("slowest, scale", [(49.0, "linear"), (2000.0, "log")])
def test_the_axis_is_logarithmic_where_times_differ_much(slowest: float, scale: str) -> None:
    """Beyond a factor of 50 the axis is logarithmic, and its label says so."""
    axes = plots.latency(traffic("backend1", "timeout").assign(ms=[1.0, slowest])).figure.axes[0]
    assert axes.get_yscale() == scale
    assert ("logarithmic" in axes.get_ylabel()) == (scale == "log")


def test_each_kind_of_client_is_told_apart() -> None:
    """Each lane has its own counts and medians, those of failures apart from those of answers."""
    frames = {
        "patient": traffic("backend1", "timeout").assign(ms=[1.0, 2000.0]),
        "curl": traffic("backend1", "backend1", ms=1.2),
        "idle": traffic(),
    }
    picture = plots.clients(frames)
    assert "patient: 1 request to backend1; 1 failed (timeout); median 1.0 ms, of failures 2,000 ms." in picture.alt
    assert "curl: 2 requests to backend1; 0 failed; median 1.2 ms." in picture.alt
    assert "idle: nothing was measured." in picture.alt
    assert (marks(picture, "backend1"), marks(picture, "failed"), len(drawn(picture, "median"))) == (3, 1, 3)


def test_a_timeline_shows_failures_and_events() -> None:
    """Each failure is an x in the lane "failed", each event a line at its time with its words."""
    events = [(0.4, "backend2 off"), (0.1, "begin")]
    picture = plots.timeline(traffic("backend1", "backend2", "refused", "refused"), events=events)
    assert marks(picture, "failed") == 2
    assert [line.get_xdata()[0] for line in drawn(picture, "event")] == [0.1, 0.4]
    assert {"backend2 off", "begin", "× failed"} <= set(texts(picture))
    assert picture.alt.endswith("; at 0.1 s: begin; at 0.4 s: backend2 off.")


def test_labels_of_close_events_go_to_different_rows() -> None:
    """Events at nearly the same time do not write over each other; distant ones share the first row."""
    near = [(1.0, "the backend is switched off"), (1.1, "nginx is reloaded"), (9.0, "on")]
    assert levels(near, (0.0, 10.0)) == [0, 1, 0]


def test_attempts_to_connect_are_marked_by_their_answer() -> None:
    """Accepted, refused and unanswered attempts look different and are counted for each target."""
    picture = plots.syns(syns((0.0, FIRST, "refused"), (0.1, FIRST, "refused"), (0.2, SECOND, "accepted"), (0.3, SECOND, "none")))
    assert (marks(picture, "failed"), marks(picture, "accepted"), marks(picture, "none")) == (2, 1, 1)
    assert f"{FIRST}: 2 attempts, all refused" in picture.alt
    assert f"{SECOND}: 2 attempts, 1 accepted, 1 without an answer." in picture.alt


def test_counters_have_a_line_for_each_server() -> None:
    """A server's line goes through its values, in its colour, and its last value is written."""
    history = pd.concat([counters(n, 3 * n).assign(time=n / 2) for n in range(5)])
    picture = plots.counters(history)
    (line,) = drawn(picture, SECOND)
    assert list(line.get_ydata()) == [0, 3, 6, 9, 12]
    assert to_hex(line.get_color()).upper() == style.colour_of("backend2")
    assert f"After 2.0 s: 4 connections at {FIRST} and 12 at {SECOND}." in picture.alt


def test_any_counter_can_be_chosen() -> None:
    """value= names the column, and the words follow it."""
    picture = plots.counters(counters(2, 3).assign(time=0.0), value="in_bytes")
    assert f"800 bytes in at {FIRST} and 1,200 at {SECOND}" in picture.alt


def test_labels_of_equal_counters_lie_apart() -> None:
    """Round robin ends with equal counts: both labels can be read."""
    figure = plots.counters(pd.concat([counters(n, n).assign(time=float(n)) for n in range(3)])).figure
    figure.savefig("/dev/null", format="png")
    low, high = sorted((text.get_window_extent() for text in figure.axes[0].texts), key=lambda box: box.y0)
    assert low.y1 - 3 <= high.y0


def test_recent_has_the_same_lanes_whoever_answered() -> None:
    """A picture that is drawn again and again keeps its size: a lane for each backend and one for failures, always."""
    nobody = recent(traffic().assign(start=0.0), ["backend1", "backend2"], 20.0)
    some = traffic("backend1", "refused").assign(start=[-3.0, -2.0])
    picture = recent(some, ["backend1", "backend2"], 20.0, events=[(-2.5, "backend2 stopped")])
    assert list(nobody.figure.get_size_inches()) == list(picture.figure.get_size_inches())
    assert {"backend1", "backend2", "× failed", "backend2 stopped"} <= set(texts(picture))
    assert picture.figure.axes[0].get_xlim() == (-20, 0)
    assert "1 request to backend1; 1 failed (refused)" in picture.alt


def test_recent_draws_as_many_events_as_fit() -> None:
    """Of many labelled lines at one time only the last ones are drawn, in three rows."""
    events = [(-1 - 0.01 * n, f"backend1 unplugged {n}") for n in range(9)]
    picture = recent(traffic("backend1").assign(start=-1.0), ["backend1"], 20.0, events=events)
    assert len(drawn(picture, "event")) == 3
