"""What holds for every plot."""

from collections.abc import Callable
from itertools import combinations

import pandas as pd
import pytest

from labkit.errors import BadInput
from labkit.show import Backend, Picture, plots, topology

from . import samples

ON_FRAMES = [
    plots.answer_order, plots.attempts, plots.counters, plots.failover, plots.ladder, plots.latency, plots.sequence,
    plots.shares, plots.syns, plots.throughput, plots.timeline,
]  # fmt: skip
ON_GROUPS = [plots.clients, plots.schedulers]
FILLED: dict[str, Callable[[], Picture]] = {
    "answer_order": lambda: plots.answer_order(samples.dns(("127.0.0.1", "127.0.0.2"))),
    "attempts": lambda: plots.attempts(samples.attempts(([samples.FIRST], [200]))),
    "clients": lambda: plots.clients({"curl": samples.traffic("backend1")}),
    "counters": lambda: plots.counters(samples.counters(1, 2).assign(time=0.0)),
    "failover": lambda: plots.failover(samples.seconds(nginx=[(1, 0, 0, 0)])),
    "ladder": lambda: plots.ladder(samples.exchanges()),
    "latency": lambda: plots.latency(samples.traffic("backend1")),
    "schedulers": lambda: plots.schedulers({"rr": samples.counters(1, 2)}),
    "sequence": lambda: plots.sequence(samples.traffic("backend1")),
    "shares": lambda: plots.shares(samples.traffic("backend1")),
    "syns": lambda: plots.syns(samples.syns((0.0, samples.FIRST, "refused"))),
    "throughput": lambda: plots.throughput(samples.load(direct=1.0)),
    "timeline": lambda: plots.timeline(samples.traffic("backend1")),
}


def test_all_names_are_listed_sorted() -> None:
    """__all__ is sorted, and every plot in it is tested here, with one row and with none."""
    assert plots.__all__ == sorted(plots.__all__) == sorted(FILLED)
    assert {plot.__name__ for plot in ON_FRAMES + ON_GROUPS} == set(plots.__all__)


@pytest.mark.parametrize("plot", ON_FRAMES)
def test_an_empty_frame_gives_a_picture_that_says_so(plot: Callable[..., Picture]) -> None:
    """No rows, or not even columns, is no error: the picture says that nothing was measured."""
    picture = plot(pd.DataFrame())
    assert picture.alt.endswith("? Nothing was measured.")
    assert "nothing was measured" in samples.texts(picture)


@pytest.mark.parametrize("plot", ON_GROUPS)
@pytest.mark.parametrize("frames", [{}, {"one": pd.DataFrame(), "two": pd.DataFrame()}])
def test_empty_groups_give_a_picture_that_says_so(plot: Callable[..., Picture], frames: dict[str, pd.DataFrame]) -> None:
    """The same for no frames, and for frames that are all empty."""
    assert plot(frames).alt.endswith("? Nothing was measured.")


def test_an_empty_pool_gives_a_picture_that_says_so() -> None:
    """A topology without a backend is a picture too."""
    assert topology("client", "nginx", []).alt.endswith("? Nothing was measured.")


@pytest.mark.parametrize("plot", ON_FRAMES)
def test_a_missing_column_is_named(plot: Callable[..., Picture]) -> None:
    """A frame of another kind raises BadInput, which says what it has instead."""
    with pytest.raises(BadInput, match="colour"):
        plot(pd.DataFrame({"colour": ["red"]}))


@pytest.mark.parametrize("name", FILLED)
def test_one_row_is_enough(name: str) -> None:
    """Each plot draws a single observation, and its alt text is its title, a space and a sentence."""
    picture = FILLED[name]()
    question, _, answer = picture.alt.partition("? ")
    assert question in " ".join(samples.texts(picture)).replace("\n", " ")
    assert answer.endswith(".") and "nothing" not in answer.lower()
    assert picture.png().startswith(b"\x89PNG")


LONG = "a client whose name somebody wrote at some length, to see what happens"
MIXED = samples.traffic(*["backend1", "backend2", "refused", "timeout", "backend1"] * 30)
CROWDED: dict[str, Callable[[], Picture]] = {
    "attempts": lambda: plots.attempts(samples.attempts(*[([samples.FIRST, samples.SECOND], [502, 200])] * 45)),
    "clients": lambda: plots.clients({LONG: MIXED, "curl": MIXED, "nobody": MIXED.iloc[:0]}),
    "counters": lambda: plots.counters(pd.concat([samples.counters(n, n).assign(time=float(n)) for n in range(40)])),
    "failover": lambda: plots.failover(
        samples.seconds(**{LONG: [(3, 2, 0, 0), (0, 2, 1, 2)] * 10, "nginx": [(5, 0, 0, 0)] * 20}),
        events=[(1.0, "backend1 switched off"), (18.9, "and healed again")],
    ),
    "ladder": lambda: plots.ladder(samples.exchanges().assign(uri="/a/very/long/path" * 9)),
    "schedulers": lambda: plots.schedulers({LONG: samples.counters(1, 99), "rr": samples.counters(50, 50)}),
    "shares": lambda: plots.shares(MIXED.assign(backend=MIXED["backend"].map(lambda name: f"{LONG}, {name}"))),
    "throughput": lambda: plots.throughput(samples.load(direct=1.0, nginx=4.0, **{LONG: 0.001}).assign(errors=12345)),
    "timeline": lambda: plots.timeline(MIXED, events=[(5, "one switched off"), (5.1, "the other too"), (14.9, "all on again")]),
    "topology": lambda: topology(LONG, LONG, [Backend(LONG, LONG, True, 10**6, LONG), Backend(LONG, LONG, False, 0)]),
}  # fmt: skip


@pytest.mark.parametrize("draw", [*FILLED.values(), *CROWDED.values()], ids=[*FILLED, *(f"{name}, crowded" for name in CROWDED)])
def test_words_stay_in_the_picture_and_apart(draw: Callable[[], Picture]) -> None:
    """Every text lies within the figure, and no text lies upon another."""
    figure = draw().figure
    figure.savefig("/dev/null", format="png", dpi=100)
    width, height = figure.get_size_inches() * 100
    written = [*figure.texts, *(text for axes in figure.axes for text in [*axes.texts, axes.xaxis.label, axes.yaxis.label])]
    boxes = [(text.get_text(), text.get_window_extent()) for text in written if text.get_text().strip()]
    for words, box in boxes:
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, words
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        upright = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across < 1 or upright < 4, (one, other)
