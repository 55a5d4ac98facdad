"""Task 4: nginx's attempts by its own log, and by the packets."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from labkit.errors import LabClosed, MeasureError
from labkit.lab import Lab
from labkit.measure.capture import EXCHANGES, SYNS, Capture
from labkit.measure.counters import attempts
from labkit.measure.traffic import traffic
from labkit.services.daemons import Nginx
from labkit.services.http_server import BackendPool

from .helpers import BALANCER, LabFactory, eventually, named, pids

URL = "http://127.0.0.1:8888"


@pytest.fixture(scope="module")
def pool(lab: Lab) -> Iterator[BackendPool]:
    """The two backends."""
    with BackendPool(lab) as pool:
        yield pool


@pytest.fixture
def nginx(lab: Lab, pool: BackendPool) -> Iterator[Nginx]:
    """The assignment's nginx in front of them, with an empty log."""
    lab.run("rm -f /var/log/nginx/access.log")
    with Nginx(lab, BALANCER) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def recorded(lab: Lab, pool: BackendPool) -> Capture:
    """A capture of five requests through nginx."""
    with Nginx(lab, BALANCER), Capture(lab) as capture:
        traffic(lab, URL, 5)
    return capture


def logged(nginx: Nginx, count: int) -> pd.DataFrame:
    """The attempts of `count` requests; nginx writes a line after its answer, so the last may come a moment later."""
    eventually(lambda: len(attempts(nginx.lab)) == count, f"{count} lines of log")
    return attempts(nginx.lab)


def test_exactly_seven_attempts_and_then_none(nginx: Nginx, pool: BackendPool) -> None:
    """4.5: with both alive, every request is answered by backend1 at the first attempt. 4.2: with it off, seven requests try it
    and go on to the backup, the others do not, by log and by SYNs."""
    assert set(traffic(nginx.lab, URL, 5)["backend"]) == {"backend1"}
    alive = logged(nginx, 5)
    assert alive["upstreams"].tolist() == [("127.0.0.1:8081",)] * 5
    assert alive["statuses"].tolist() == [(200,)] * 5 and alive["time"].iloc[0] == 0.0
    pool["backend1"].stop()
    try:
        with Capture(nginx.lab) as capture:
            table = traffic(nginx.lab, URL, 12)
    finally:
        pool["backend1"].start()
    assert set(table["status"]) == {200} and set(table["backend"]) == {"backend2"}
    both, backup = ("127.0.0.1:8081", "127.0.0.1:8082"), ("127.0.0.1:8082",)
    tried = logged(nginx, 17)[5:]
    assert tried["upstreams"].tolist() == [both] * 7 + [backup] * 5
    assert tried["statuses"].tolist() == [(502, 200)] * 7 + [(200,)] * 5 and set(tried["status"]) == {200}
    syns = capture.syns()
    assert list(syns.columns) == SYNS
    assert syns.groupby(["target", "answer"]).size().to_dict() == {
        ("127.0.0.1:8081", "refused"): 7, ("127.0.0.1:8082", "accepted"): 12, ("127.0.0.1:8888", "accepted"): 12,
    }  # fmt: skip


def test_every_exchange_is_there_on_both_hops(recorded: Capture) -> None:
    """4.6: five requests are ten exchanges, client to nginx and nginx to backend1, none lost at either end; 4.4: the backend
    receives X-high-load-test: 123, and the client gets it in the response; all connections accepted at the first SYN."""
    table = recorded.exchanges()
    assert list(table.columns) == EXCHANGES
    assert table["hop"].value_counts().to_dict() == {"client → nginx": 5, "nginx → backend1": 5}
    assert set(table["status"]) == {200} and set(table["method"]) == {"GET"} and set(table["uri"]) == {"/"}
    assert (table["ms"] > 0).all() and table["time"].min() == 0.0
    assert set(table["server"]) == {"127.0.0.1:8888", "127.0.0.1:8081"}
    hops = dict(list(table.groupby("hop")))
    to_backend, to_nginx = hops["nginx → backend1"], hops["client → nginx"]
    assert {headers.get("X-high-load-test") for headers in to_backend["request_headers"]} == {"123"}
    assert {headers.get("X-high-load-test") for headers in to_nginx["response_headers"]} == {"123"}
    assert not any("X-high-load-test" in headers for headers in to_nginx["request_headers"])
    assert not any("X-high-load-test" in headers for headers in to_backend["response_headers"])
    syns = recorded.syns()
    assert syns["target"].value_counts().to_dict() == {"127.0.0.1:8888": 5, "127.0.0.1:8081": 5}
    assert set(syns["answer"]) == {"accepted"} and set(syns["packets"]) == {1}


def test_pyshark_looks_into_one_exchange(recorded: Capture) -> None:
    """The packets of one stream are its request and its response, in a cell too, where an event loop runs already."""
    table = recorded.exchanges()

    async def cell(stream: int) -> list[Any]:
        return recorded.packets(stream)

    for hop, request_has in (("client → nginx", None), ("nginx → backend1", "123")):
        row = table[table["hop"] == hop].iloc[0]
        request, response = asyncio.run(cell(row["stream"]))
        assert (request.http.request_method, request.http.request_uri, response.http.response_code) == ("GET", "/", "200")
        assert row["request_headers"].get("X-high-load-test") == request_has
        assert ("X-high-load-test: 123" in str(request.http)) is bool(request_has)
    assert recorded.packets(9999) == []


def test_capture_without_traffic(lab: Lab) -> None:
    """Nothing sent, nothing found, all columns there; a wrong interface is a MeasureError with the program's words; an error in
    the `with` is what is raised, and the recording can be read; nothing is left running."""
    capture = Capture(lab)
    with pytest.raises(ZeroDivisionError), capture:
        _ = 1 / 0
    for table in (capture.exchanges(), capture.syns()):
        assert (list(table.columns) in (EXCHANGES, SYNS), len(table)) == (True, 0)
    assert pids(lab, "dumpcap") == []
    with pytest.raises(MeasureError) as caught, Capture(lab, interface="eth9"):
        pytest.fail("it recorded")
    assert "eth9" in str(caught.value) and caught.value.words
    assert named(lab, "tshark") + named(lab, "dumpcap") == []


def test_capture_can_be_read_when_the_lab_is_closed(own_lab: LabFactory) -> None:
    """What was recorded outlives its lab; a closed lab records nothing more."""
    lab = own_lab("host")
    with BackendPool(lab), Capture(lab) as capture:
        traffic(lab, "http://127.0.0.1:8081", 3)
    lab.close()
    assert capture.exchanges()["hop"].tolist() == ["client → backend1"] * 3
    with pytest.raises(LabClosed), Capture(lab):
        pytest.fail("it recorded")
