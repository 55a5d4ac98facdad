"""What each plot says, and what holds for all of them."""

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from labkit.errors import BadInput
from labkit.show import Member, Picture, plots, topology
from labkit.show.lanes import recent

from .samples import FIRST, SECOND, attempts, counters, dns, exchanges, load, seconds, syns, texts, traffic

ONE, TWO = "127.0.0.1", "127.0.0.2"
OVER, STAY, BACK = ([FIRST, SECOND], [502, 200]), ([SECOND], [200]), ([FIRST], [200])
FAULT = [(2, 3, 0, 0), (0, 3, 0, 2), (0, 2, 1, 2)]
LATER = exchanges().assign(time=lambda frame: frame["time"] + 5, uri="/later")
NEXT = exchanges().assign(time=lambda frame: frame["time"] + 0.0041)  # 0.1 ms after the first was answered
LOST = exchanges().assign(status=pd.array([200, None], dtype="Int64"))
UP, DEAD = Member("backend1", FIRST, True, requests=90), Member("backend2", SECOND, False, requests=10, note="backup")
FROZEN = Member("backend2", SECOND, True, requests=10, fault="frozen")
EVENTS = [(-2.5, "backend2 stopped")]
LONG = "a client whose name somebody wrote at some length, to see what happens"
MIXED = traffic(*["backend1", "backend2", "refused", "timeout", "backend1"] * 30)
GROWING = pd.concat([counters(n, 3 * n).assign(time=n / 2) for n in range(5)])
SERVICES = pd.concat([GROWING, GROWING.assign(service="192.168.100.1:81")])
CLIENTS = {
    "patient": traffic("backend1", "timeout").assign(ms=[1, 2000.0]),
    "curl": traffic(*["backend1"] * 2),
    "idle": traffic(),
}
HALVES = {"backend1": 0.5, "backend2": 0.5}
CARRIED = load(direct=1.0, IPVS=0.8, nginx=0.25).assign(errors=[0, 0, 3])
ORDERS = [(ONE, TWO), (TWO, ONE), (ONE, TWO), (ONE, TWO)]
TRIED = [(0.0, FIRST, "refused"), (0.1, FIRST, "refused"), (0.2, SECOND, "accepted"), (0.3, SECOND, "none")]

# Every plot, as it is used and at its edges; said.json holds the alt text of each.
CASES: dict[str, Callable[[], Picture]] = {
    "answer order": lambda: plots.answer_order(dns(*ORDERS)),
    "answer order, one": lambda: plots.answer_order(dns((ONE, TWO))),
    "answer order, failed": lambda: plots.answer_order(dns((ONE, TWO), (), (ONE,))),
    "answer order, bare": lambda: plots.answer_order(dns((ONE,), ()).assign(error=None)),
    "answer order, none": lambda: plots.answer_order(dns(())),
    "attempts": lambda: plots.attempts(attempts(BACK)),
    "attempts, seven": lambda: plots.attempts(attempts(*[OVER] * 7, *[STAY] * 13)),
    "attempts, a probe later": lambda: plots.attempts(attempts(*[OVER] * 7, STAY, OVER, STAY)),
    "attempts, it came back": lambda: plots.attempts(attempts(*[OVER] * 7, BACK, BACK)),
    "attempts, at the end": lambda: plots.attempts(attempts(*[STAY] * 60, *[OVER] * 7)),
    "attempts, all down": lambda: plots.attempts(attempts(([FIRST, SECOND], [502, 502]), (["pool"], [502]))),
    "attempts, no upstream": lambda: plots.attempts(attempts(STAY, STAY).assign(upstreams=[(), ()], status=[200, None])),
    "attempts, late": lambda: plots.attempts(attempts(*[STAY] * 1100, *[OVER] * 7)),
    "clients": lambda: plots.clients(CLIENTS),
    "counters": lambda: plots.counters(GROWING),
    "counters, of bytes": lambda: plots.counters(counters(2, 3).assign(time=0.0), value="in_bytes"),
    "counters, weights": lambda: plots.counters(counters(2, 3).assign(time=0.0, weight=1), value="weight"),
    "counters, two services": lambda: plots.counters(SERVICES),
    "failover": lambda: plots.failover(seconds(DNS=FAULT, nginx=[(5, 0, 0, 0)] * 3), events=[(2.5, "healed"), (1.0, "stopped")]),
    "failover, the last second is no whole one": lambda: plots.failover(
        seconds(nginx=[(5, 0, 0, 0), (5, 0, 0, 0), (1, 0, 0, 0)])
    ),
    "ladder": lambda: plots.ladder(exchanges()),
    "ladder, another header": lambda: plots.ladder(exchanges(), header="X-b"),
    "ladder, the second": lambda: plots.ladder(pd.concat([exchanges(), LATER]), which=1, header="X-b"),
    "ladder, close ones": lambda: plots.ladder(pd.concat([exchanges(), NEXT]), header="X-b"),
    "ladder, unanswered": lambda: plots.ladder(LOST.iloc[1:]),
    "latency": lambda: plots.latency(traffic("backend1", "backend2", "timeout").assign(ms=[1.0, 2.0, 3.0])),
    "recent": lambda: recent(
        traffic("backend1", "refused").assign(start=[-3, -2.0]), ["backend1", "backend2"], 20.0, events=EVENTS
    ),
    "recent, nobody": lambda: recent(traffic().assign(start=0.0), ["backend1", "backend2"], 20.0),
    "schedulers": lambda: plots.schedulers({"rr": counters(50, 50), "sh": counters(0, 7), "lc": pd.DataFrame()}),
    "sequence": lambda: plots.sequence(traffic("backend1", "backend2", "backend2")),
    "sequence, long": lambda: plots.sequence(traffic(*["backend1", "timeout", "backend2"] * 40)),
    "sequence, too long": lambda: plots.sequence(traffic(*["backend1", "refused"] * 600)),
    "shares": lambda: plots.shares(traffic(*["backend1", "backend2"] * 50)),
    "shares, failed": lambda: plots.shares(traffic("backend1", "refused", "timeout", "refused")),
    "shares, by address": lambda: plots.shares(traffic("backend1", "backend2", "refused"), by="address"),
    "shares, expected": lambda: plots.shares(traffic("backend1", "refused"), expected=HALVES),
    "shares, of connections": lambda: plots.shares(counters(75, 25), by="server", title="Is it three to one?"),
    "shares, a page without a name": lambda: plots.shares(traffic("backend1", "backend1").assign(backend=["backend1", None])),
    "syns": lambda: plots.syns(syns(*TRIED)),
    "syns, one": lambda: plots.syns(syns((0.0, FIRST, "refused"))),
    "throughput": lambda: plots.throughput(CARRIED),
    "throughput, one": lambda: plots.throughput(load(direct=1.0)),
    "topology": lambda: topology("client", "nginx\n127.0.0.1:8888", [UP, DEAD]),
    "topology, a fault": lambda: topology("client", None, [UP, FROZEN]),
    "topology, not counted": lambda: topology("client", "nginx", [Member("backend1", FIRST, alive=True)]),
}
SAID: dict[str, str] = json.loads(Path(__file__).with_name("said.json").read_text(encoding="utf-8"))
CROWDED: dict[str, Callable[[], Picture]] = {
    "attempts": lambda: plots.attempts(attempts(*[OVER] * 45)),
    "clients": lambda: plots.clients({LONG: MIXED, "curl": MIXED, "nobody": MIXED.iloc[:0]}),
    "counters": lambda: plots.counters(pd.concat([counters(n, n).assign(time=float(n)) for n in range(40)])),
    "failover": lambda: plots.failover(
        seconds(**{LONG: [(3, 2, 0, 0), (0, 2, 1, 2)] * 10, "nginx": [(5, 0, 0, 0)] * 20}),
        events=[(1.0, "backend1 switched off"), (1.1, "the other, too"), (18.9, "and healed again")],
    ),
    "ladder": lambda: plots.ladder(exchanges().assign(uri="/a/very/long/path" * 9)),
    "recent": lambda: recent(
        MIXED.assign(start=np.linspace(-20, 0, 150)),
        [],
        20.0,
        events=[(-1 - 0.01 * n, f"backend1 unplugged {n}") for n in range(9)],
    ),
    "schedulers": lambda: plots.schedulers({LONG: counters(1, 99), "rr": counters(50, 50)}),
    "shares": lambda: plots.shares(MIXED.assign(backend=MIXED["backend"].map(lambda name: f"{LONG}, {name}"))),
    "throughput": lambda: plots.throughput(load(direct=1.0, nginx=4.0, **{LONG: 0.001}).assign(errors=12345)),
    "topology": lambda: topology(LONG, LONG, [Member(LONG, LONG, True, 10**6, LONG), Member(LONG, LONG, False, 0)]),
}
ALL = CASES | {f"{name}, crowded": draw for name, draw in CROWDED.items()}
ON_GROUPS = ("clients", "schedulers")
ON_FRAMES = sorted(set(plots.__all__) - {*ON_GROUPS})


def test_all_names_are_listed_sorted() -> None:
    """__all__ is sorted, and every plot in it is tested here."""
    assert plots.__all__ == sorted(plots.__all__)
    assert {name.replace(" ", "_") for name in CASES} >= {*plots.__all__}
    assert [*CASES] == [*SAID]


@pytest.mark.parametrize("name", CASES)
def test_every_picture_is_a_sentence(name: str) -> None:
    """The alt text is the title, which is drawn, and the finding in words and numbers."""
    picture = CASES[name]()
    assert picture.alt == SAID[name]
    assert picture.alt.partition("? ")[0] in " ".join(texts(picture)).replace("\n", " ")


@pytest.mark.parametrize("name", ON_FRAMES)
def test_an_empty_frame_gives_a_picture_that_says_so(name: str) -> None:
    """No rows, or not even columns, is no error: the picture says that nothing was measured."""
    picture = getattr(plots, name)(pd.DataFrame())
    assert picture.alt.endswith("? Nothing was measured.")
    assert "nothing was measured" in texts(picture)


@pytest.mark.parametrize("name", ON_GROUPS)
@pytest.mark.parametrize("frames", [{}, {"one": pd.DataFrame(), "two": pd.DataFrame()}])
def test_empty_groups_give_a_picture_that_says_so(name: str, frames: dict[str, pd.DataFrame]) -> None:
    """The same for no frames, for frames that are all empty, and for a pool of nobody."""
    for picture in (getattr(plots, name)(frames), topology("client", "nginx", [])):
        assert picture.alt.endswith("? Nothing was measured.")


@pytest.mark.parametrize("name", plots.__all__)
def test_a_missing_column_is_named(name: str) -> None:
    """A frame of another kind raises BadInput, which says what it has instead."""
    frame = pd.DataFrame({"colour": ["red"]})
    with pytest.raises(BadInput, match="colour"):
        getattr(plots, name)({"rr": frame} if name in ON_GROUPS else frame)


@pytest.mark.parametrize("name", ALL)
def test_words_stay_in_the_picture_and_apart(name: str) -> None:
    """Every text lies within the figure, and no text lies upon another."""
    figure = ALL[name]().figure
    figure.savefig("/dev/null", format="png", dpi=100)
    width, height = figure.get_size_inches() * 100
    written = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    written += [text for axes in figure.axes for text in [*axes.texts, axes.xaxis.label, axes.yaxis.label]]
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in written if text.get_text().strip()]  # no arrows
    for words, box in boxes:
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, words
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        upright = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across < 1 or upright < 4, (one, other)
