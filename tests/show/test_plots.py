"""What each plot says, and what holds for all of them."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from labkit.errors import BadInput
from labkit.show import Member, Picture, plots, topology
from labkit.show.lanes import recent

from . import samples
from .samples import FIRST, SECOND, attempts, counters, exchanges, seconds, texts, traffic

ONE, TWO = "127.0.0.1", "127.0.0.2"
OVER, STAY, BACK = ([FIRST, SECOND], [502, 200]), ([SECOND], [200]), ([FIRST], [200])
FAULT = [(2, 3, 0, 0), (0, 3, 0, 2), (0, 2, 1, 2)]
NEXT = exchanges(0.0041)  # 0.1 ms after the first was answered
LOST = exchanges(status=pd.array([200, None], dtype="Int64"))
UP, DEAD = Member("backend1", FIRST, True, 90), Member("backend2", SECOND, False, 10, note="backup")
FROZEN = Member("backend2", SECOND, True, requests=10, fault="frozen")
ALONE = Member("backend1", FIRST, alive=True)
STOPPED = [(-2.5, "backend2 stopped")]
POOL = {"names": ["backend1", "backend2"], "seconds": 20.0}
LONG = "a client whose name somebody wrote at some length, to see what happens"
BUSY = Member(LONG, LONG, True, 10**6, LONG)
MIXED = traffic(*["backend1", "backend2", "refused", "timeout", "backend1"] * 30)
GROWING = pd.concat([counters(n, 3 * n, time=n / 2) for n in range(5)])
PATIENT = traffic("backend1", "timeout").assign(ms=[1, 2000.0])
TRIED = [(0.0, FIRST, "refused"), (0.1, FIRST, "refused")]
TRIED += [(0.2, SECOND, "accepted"), (0.3, SECOND, "none")]
HALVES = {"backend1": 0.5, "backend2": 0.5}
UNPLUGGED = [(-1 - 0.01 * n, f"backend1 unplugged {n}") for n in range(9)]

# Every plot, as it is used and at its edges: the frame, and more arguments behind it; said.json holds the alt text of each.
CASES: dict[str, Any] = {
    "answer order": samples.dns((ONE, TWO), (TWO, ONE), (ONE, TWO), (ONE, TWO)),
    "answer order, one": samples.dns((ONE, TWO)),
    "answer order, failed": samples.dns((ONE, TWO), (), (ONE,)),
    "answer order, bare": samples.dns((ONE,), ()).assign(error=None),
    "answer order, none": samples.dns(()),
    "attempts": attempts(BACK),
    "attempts, seven": attempts(*[OVER] * 7, *[STAY] * 13),
    "attempts, a probe later": attempts(*[OVER] * 7, STAY, OVER, STAY),
    "attempts, it came back": attempts(*[OVER] * 7, BACK, BACK),
    "attempts, all down": attempts(([FIRST, SECOND], [502, 502]), (["pool"], [502])),
    "attempts, no upstream": attempts(STAY, STAY).assign(upstreams=[(), ()], status=[200, None]),
    "attempts, late": attempts(*[STAY] * 1100, *[OVER] * 7),
    "clients": {"patient": PATIENT, "curl": traffic(*["backend1"] * 2), "idle": traffic()},
    "counters": GROWING,
    "counters, of bytes": (counters(2, 3, time=0.0), {"value": "in_bytes"}),
    "counters, weights": (counters(2, 3, time=0.0, weight=1), {"value": "weight"}),
    "counters, two services": pd.concat([GROWING, GROWING.assign(service="192.168.100.1:81")]),
    "failover": (
        seconds(DNS=FAULT, nginx=[(5, 0, 0, 0)] * 3),
        {"events": [(2.5, "healed"), (1.0, "stopped")]},
    ),
    "failover, the last second is no whole one": seconds(nginx=[(5, 0, 0, 0), (1, 0, 0, 0)]),
    "ladder": exchanges(),
    "ladder, another header": (exchanges(), {"header": "X-b"}),
    "ladder, the second": (pd.concat([exchanges(), exchanges(5, uri="/later")]), {"which": 1}),
    "ladder, close ones": pd.concat([exchanges(), NEXT]),
    "ladder, unanswered": LOST.iloc[1:],
    "latency": traffic("backend1", "backend2", "timeout").assign(ms=[1.0, 2.0, 3.0]),
    "recent": (traffic("backend1", "refused").assign(start=[-3, -2.0]), POOL | {"events": STOPPED}),
    "recent, nobody": (traffic().assign(start=0.0), POOL),
    "schedulers": {"rr": counters(50, 50), "sh": counters(0, 7), "lc": pd.DataFrame()},
    "sequence": traffic("backend1", "backend2", "backend2"),
    "sequence, long": traffic(*["backend1", "timeout", "backend2"] * 40),
    "sequence, too long": traffic(*["backend1", "refused"] * 600),
    "shares": traffic(*["backend1", "backend2"] * 50),
    "shares, failed": traffic("backend1", "refused", "timeout", "refused"),
    "shares, by address": (traffic("backend1", "backend2", "refused"), {"by": "address"}),
    "shares, expected": (traffic("backend1", "refused"), {"expected": HALVES}),
    "shares, of connections": (counters(75, 25), {"by": "server", "title": "Is it three to one?"}),
    "shares, a page without a name": traffic(*["backend1"] * 2).assign(backend=["backend1", None]),
    "syns": samples.syns(*TRIED),
    "syns, one": samples.syns((0.0, FIRST, "refused")),
    "throughput": samples.load(direct=1.0, IPVS=0.8, nginx=0.25).assign(errors=[0, 0, 3]),
    "throughput, one": samples.load(direct=1.0),
    "topology": ("client", {"balancer": "nginx\n127.0.0.1:8888", "backends": [UP, DEAD]}),
    "topology, a fault": ("client", {"balancer": None, "backends": [UP, FROZEN]}),
    "topology, not counted": ("client", {"balancer": "nginx", "backends": [ALONE]}),
}
SAID: dict[str, str] = json.loads(Path(__file__).with_name("said.json").read_text(encoding="utf-8"))
BARS = {LONG: [(3, 2, 0, 0), (0, 2, 1, 2)] * 10, "nginx": [(5, 0, 0, 0)] * 20}
SWITCHED = [(1.0, "backend1 switched off"), (1.1, "the other, too"), (18.9, "and healed again")]
CROWDED: dict[str, Any] = {
    "attempts": attempts(*[OVER] * 45),
    "clients": {LONG: MIXED, "curl": MIXED, "nobody": MIXED.iloc[:0]},
    "counters": pd.concat([counters(n, n, time=float(n)) for n in range(40)]),
    "failover": (seconds(**BARS), {"events": SWITCHED}),
    "ladder": exchanges(uri="/a/very/long/path" * 9),
    "recent": (MIXED.assign(start=np.linspace(-20, 0, 150)), POOL | {"events": UNPLUGGED}),
    "schedulers": {LONG: counters(1, 99), "rr": counters(50, 50)},
    "shares": MIXED.assign(backend=MIXED["backend"].map(lambda name: f"{LONG}, {name}")),
    "throughput": samples.load(direct=1.0, nginx=4.0, **{LONG: 0.001}).assign(errors=12345),
    "topology": (LONG, {"balancer": LONG, "backends": [BUSY, DEAD]}),
}
ALL = CASES | {f"{name}, crowded": case for name, case in CROWDED.items()}
ON_GROUPS = ("clients", "schedulers")


def picture(name: str) -> Picture:
    """The picture of a case."""
    kind = name.partition(",")[0].replace(" ", "_")
    draw = getattr(plots, kind, None) or {"recent": recent, "topology": topology}[kind]
    frame, options = ALL[name] if isinstance(ALL[name], tuple) else (ALL[name], {})
    return draw(frame, **options)


@pytest.mark.parametrize("name", CASES)
def test_every_picture_is_a_sentence(name: str) -> None:
    """The alt text is the title, which is drawn, and the finding in words and numbers."""
    assert picture(name).alt == SAID[name]
    assert picture(name).alt.partition("? ")[0] in " ".join(texts(picture(name))).replace("\n", " ")


@pytest.mark.parametrize("name", plots.__all__)
def test_what_is_no_frame_of_the_plot(name: str) -> None:
    """Of no rows, or not even columns, the picture says that nothing was measured; a frame of another kind is BadInput, which
    names what it has instead. So are groups of frames, and a pool of nobody. Every plot has its case here."""
    plot, other = getattr(plots, name), pd.DataFrame({"colour": ["red"]})
    empty = [{}, {"one": pd.DataFrame()}] if name in ON_GROUPS else [pd.DataFrame()]
    for nothing in [*map(plot, empty), topology("client", "nginx", [])]:
        assert nothing.alt.endswith("? Nothing was measured.")
        assert "nothing was measured" in texts(nothing)
    with pytest.raises(BadInput, match="colour"):
        plot({"rr": other} if name in ON_GROUPS else other)
    assert name.replace("_", " ") in CASES and plots.__all__ == sorted(plots.__all__)


@pytest.mark.parametrize("name", ALL)
def test_words_stay_in_the_picture_and_apart(name: str) -> None:
    """Every text lies within the figure, and no text lies upon another."""
    figure = picture(name).figure
    figure.savefig("/dev/null", format="png", dpi=100)
    width, height = figure.get_size_inches() * 100
    written = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        written += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
    written = [text for text in written if text.get_text().strip()]  # no arrows
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in written]
    for words, box in boxes:
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, words
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        upright = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across < 1 or upright < 4, (one, other)
