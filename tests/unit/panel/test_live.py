"""The panel's window, its layers and its drawing, without a lab or a browser."""

import time
from typing import Any

import pandas as pd
import pytest

from labkit.errors import BadInput, MeasureError
from labkit.panel.drawing import NOBODY, SPAN, WORDS, Layer, Window, draw, layer_of, still, went_to
from labkit.panel.panel import METHODS
from labkit.services.daemons import Dnsmasq, Nginx
from labkit.services.http_server import Backend, BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService

FIRST, SECOND, PROXY = "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8888"
PLACES = {FIRST: "backend1", SECOND: "backend2"}


def row(address: str, *, ago: float = 1, error: Any = None, page: str = "") -> tuple[Any, ...]:
    """A request of `ago` seconds before now, as inside.http_client tells it."""
    return (time.time() - ago, address, None if error else 200, 2.0, error, page)


def test_failure_belongs_to_the_backend_that_was_asked() -> None:
    """Asked directly, what fails is counted at its backend; through a proxy nobody can be blamed."""
    window = Window(PLACES)
    window.add([row(SECOND, error="refused"), row(PROXY, error="timeout")])
    window.add([row(PROXY, page="Backend Server 1")])
    table = window.table(window.recent(time.time())).set_index("backend")
    assert table["answered"].to_dict() == {"backend1": 1, "backend2": 0, NOBODY: 0}
    assert table["why"].to_dict() == {"backend1": "–", "backend2": "1 refused", NOBODY: "1 timeout"}


def test_what_is_old_leaves_the_picture_and_stays_in_the_count() -> None:
    """Requests and notes older than the span are not drawn any more; the table still counts the requests."""
    window, now = Window(PLACES), time.time()
    window.add([row(FIRST, ago=SPAN + 5), row(FIRST, ago=1)])
    recent = window.recent(now)
    assert len(recent) == 1 and recent["start"].between(-SPAN, 0).all()
    assert window.table(recent)["answered"].tolist() == [2, 0]
    window.note("backend1 stopped")
    assert [words for _, words in window.noted(now + SPAN - 1)] == ["backend1 stopped"]
    assert window.noted(now + SPAN + 1) == []


def test_layer_asks_what_stands_before_the_pool(fake_lab: Any) -> None:
    """Without a balancer each backend is asked; with one, its address; a service that balances nothing is BadInput."""
    pool = BackendPool(fake_lab)
    for via, url, targets in (
        (None, None, [("127.0.0.1", 8081), ("127.0.0.1", 8082)]),
        (VirtualService(fake_lab), None, [("192.168.100.1", 80)]),
        (Nginx(fake_lab), "http://127.0.0.1:81/x", [("127.0.0.1", 81)]),
        (Dnsmasq(fake_lab), None, [("my-awesome-highload-app.local", 8081)]),
    ):
        assert layer_of(fake_lab, pool, via, url).targets == targets
    with pytest.raises(BadInput, match="cannot show"):
        layer_of(fake_lab, pool, DummyInterface(fake_lab), None)


def nothing(_connected: object) -> pd.DataFrame:
    """A layer that cannot be read."""
    raise MeasureError("<none>")


def test_copy_for_the_export_needs_nothing_else(fake_lab: Any) -> None:
    """It is pictures with alt texts and tables in one piece of HTML, without scripts or links; words are escaped, and what is
    missing in a table is a dash. Every fault of a picture has its switch."""
    pool, window = BackendPool(fake_lab), Window(PLACES)
    window.add([row(FIRST, page="Backend Server 1"), row(SECOND, error="refused")])
    layer = Layer(None, [], "<nginx>", read=nothing)
    drawn = draw(pool, layer, {"backend1": "well", "backend2": "frozen"}, window, time.time())
    text = still(drawn, "mark", "at 12:00")
    assert text.startswith('<div class="mark">') and text.count('src="data:image/png;base64,') == 2
    assert "backend2 is frozen and got 1 request" in text and "<td>–</td>" in text
    assert "&lt;nginx&gt;" in text and "<p>&lt;none&gt;</p>" in text
    assert "<script" not in text and "http" not in text.replace("127.0.0.1", "")
    assert set(WORDS) == set(METHODS)


BOTH = pd.DataFrame({"server": ["127.0.0.1:80", "127.0.0.2:80"], "conns": [3, 4]})
ROWS = [("127.0.0.1:80", "backend1", None), *(("127.0.0.2:80", None, why) for why in ("refused", "timeout"))]
SENT = pd.DataFrame(ROWS, columns=["address", "backend", "error"])


def test_topology_counts_requests_and_failures_where_they_happened() -> None:
    """What a table of traffic or of counters says of one backend."""
    for counted, number, went in (
        (None, 1, (None, "")),  # nothing was counted
        (SENT, 1, (1, "")),  # by the page that answered
        (SENT, 2, (0, "2 failed here")),  # at its own address, and only there
        (BOTH, 1, (3, "")),  # by the kernel's counters, which know no failures
        (BOTH, 2, (4, "")),
    ):
        assert went_to(Backend(f"backend{number}", 80, "", f"127.0.0.{number}"), counted) == went
