"""The panel's window, its layers and its drawing, without a lab or a browser."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pandas as pd
import pytest

from labkit.errors import BadInput
from labkit.panel.controls import WORDS
from labkit.panel.drawing import draw, still, titled
from labkit.panel.panel import METHODS
from labkit.panel.window import NOBODY, SPAN, NginxAttempts, Window, layer_of
from labkit.services.daemons import Nginx
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService

FIRST, SECOND, PROXY = "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8888"
PLACES = {FIRST: "backend1", SECOND: "backend2"}


def row(address: str, *, ago: float = 1.0, error: str | None = None, page: str = "") -> tuple[Any, ...]:
    """A request of `ago` seconds before now, as inside.http_client tells it."""
    return (time.time() - ago, address, None if error else 200, 2.0, error, page)


def test_failure_belongs_to_the_backend_that_was_asked() -> None:
    """Asked directly, what fails is counted at its backend; through a proxy nobody can be blamed."""
    window = Window(PLACES)
    window.add([row(SECOND, error="refused"), row(PROXY, error="timeout"), row(PROXY, page="Backend Server 1")])
    table = window.seen(time.time()).table.set_index("backend")
    assert table["answered"].to_dict() == {"backend1": 1, "backend2": 0, NOBODY: 0}
    assert table["why"].to_dict() == {"backend1": "–", "backend2": "1 refused", NOBODY: "1 timeout"}


def test_old_requests_leave_the_picture_and_stay_in_the_count() -> None:
    """What is older than the span is not drawn any more; the table still counts it."""
    window = Window(PLACES)
    window.add([row(FIRST, ago=SPAN + 5), row(FIRST, ago=1)])
    seen = window.seen(time.time())
    assert len(seen.recent) == 1 and seen.recent["start"].between(-SPAN, 0).all()
    assert seen.table["answered"].tolist() == [2, 0]


def test_clear_begins_anew() -> None:
    """After it nothing is counted or drawn."""
    window = Window(PLACES)
    window.add([row(FIRST)])
    window.note("backend1 stopped")
    window.clear()
    seen = window.seen(time.time())
    assert (len(seen.recent), seen.events, seen.table["answered"].sum(), seen.connected) == (0, [], 0, Counter())


def test_every_fault_has_a_switch_and_a_way_to_make_it() -> None:
    """The words on the switches are the faults, in the same number."""
    assert set(WORDS) == set(METHODS)


def test_layer_asks_what_stands_before_the_pool(fake_lab: Any) -> None:
    """Without a balancer each backend is asked; with one, its address."""
    pool = BackendPool(fake_lab)
    assert layer_of(fake_lab, pool, None, None).targets == [("127.0.0.1", 8081), ("127.0.0.1", 8082)]
    assert layer_of(fake_lab, pool, VirtualService(fake_lab), None).targets == [("192.168.100.1", 80)]
    assert layer_of(fake_lab, pool, Nginx(fake_lab), "http://127.0.0.1:81/x").targets == [("127.0.0.1", 81)]


def test_what_is_no_balancer_is_refused(fake_lab: Any) -> None:
    """A service that balances nothing is BadInput."""
    with pytest.raises(BadInput, match="cannot show"):
        layer_of(fake_lab, BackendPool(fake_lab), DummyInterface(fake_lab), None)


def test_nginx_attempts_are_added_up(fake_lab: Any) -> None:
    """Each look reads what the log has grown by, and counts tries and failures of each upstream."""
    lines = iter(["", f"1.5|200|{FIRST}, {SECOND}|502, 200\n", f"1.6|200|{SECOND}|200\n"])
    fake_lab.answers["grown"] = lambda _path, _offset: (next(lines), 7)
    read = NginxAttempts(fake_lab)
    read(Counter())
    read(Counter())
    assert read(Counter()).values.tolist() == [[FIRST, 1, 1], [SECOND, 2, 0]]


def test_copy_for_the_export_needs_nothing_else(fake_lab: Any) -> None:
    """It is pictures with alt texts and tables in one piece of HTML, without scripts or links, and words are escaped."""
    pool, window = BackendPool(fake_lab), Window(PLACES)
    window.add([row(FIRST, page="Backend Server 1"), row(SECOND, error="refused")])
    states = {"backend1": "well", "backend2": "frozen"}
    drawn = draw(pool, layer_of(fake_lab, pool, None, None), states, window.seen(time.time()), "<none>")
    text = still(drawn, "mark", "at 12:00")
    assert text.startswith('<div class="mark">') and text.count('src="data:image/png;base64,') == 2
    assert "backend2 is frozen and got 1 request" in text and "&lt;none&gt;" in text
    assert "<script" not in text and "http" not in text.replace("127.0.0.1", "")


def test_missing_number_is_a_dash() -> None:
    """In a table NaN is written as a dash."""
    assert "<td>–</td>" in titled("x", pd.DataFrame({"ms": [float("nan")]}))
    assert "&lt;x&gt;" in titled("<x>", "<y>") and "<p>&lt;y&gt;</p>" in titled("<x>", "<y>")
