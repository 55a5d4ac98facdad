"""What no service, measurement or comparison takes: it is refused before anything is run, sent or shown."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labkit.compare import failover, throughput, wrk
from labkit.errors import BadInput
from labkit.measure.capture import Capture
from labkit.measure.traffic import curl, dns, split_url, traffic
from labkit.services.base import split_address
from labkit.services.faults import Faults, PacketDrop
from labkit.services.http_server import Backend, BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService, health_checked

URL = "http://127.0.0.1:8081/"
TIMES: dict[str, Any] = {"before": 0.05, "broken": 0.05, "after": 0.1, "patience": 0.1}


def pool(lab: Any, places: list[tuple[str, int, str]]) -> BackendPool:
    """A pool of backends: name, port, bind."""
    return BackendPool(lab, [Backend(name, port, "x", bind) for name, port, bind in places])


def fault(lab: Any, case: tuple[str, str, dict[str, float]]) -> None:
    """A fault of the assignment's pool: method, backend, options."""
    getattr(Faults(BackendPool(lab)), case[0])(case[1], **case[2])


def never() -> None:
    """A fault that must not be made, or healed."""
    raise AssertionError


def observed(lab: Any, wrong: dict[str, Any]) -> None:
    """A failover, one of whose arguments is `wrong`."""
    options = TIMES | {"urls": {"IPVS": URL}} | wrong
    failover(lab, fault=never, heal=never, **options)


# What it should have been, what is made of each value, what the error says ({!r}: the value), the values.
CASES: list[tuple[str, Callable[[Any, Any], object], str, list[Any]]] = [
    ("an address and a port", lambda _lab, text: split_address(text), "{!r} is no address and port", [
        "", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http",
        "localhost:80", "256.0.0.1:80", "127.1:80", "127.0.0.1 :80", "[::1]:80", "http://127.0.0.1:80", "127.0.0.1/8:80",
        "127.0.0.1: 80", "127.0.0.1:8_0", "127.0.0.1:+80",  # which only Python understands, and no native command
    ]),
    ("an http URL", lambda _lab, url: split_url(url), "http://127.0.0.1:8081/", [
        "", "127.0.0.1:8081", "https://127.0.0.1", "http:///x", "http://127.0.0.1:port", "http://127.0.0.1:65536",
        "http://[::1", "//127.0.0.1", "http://a..b/", "http://127.0.0.1:0/x",
    ]),
    ("a path that HTTP takes", lambda _lab, path: split_url(URL + path), "write other letters as %XX", ["ü", "a b"]),
    ("an address of an interface", lambda lab, text: DummyInterface(lab, address=text), "{!r} is no IPv4 address", [
        "", "192.168.100/32", "192.168.100.1/33", "192.168.100.1/-1", "::1/128", "dummy1", "192.168.100.1/32 ",
        "192.168.100.1:80",
    ]),
    ("a name of an interface", DummyInterface, "{!r} is no name", ["", "a b", "x" * 16]),  # IFNAMSIZ, and one word of a shell
    ("an interface", lambda lab, name: Capture(lab, interface=name), "{!r} is no name", [
        "", "-D", "lo; id", "a b", "x" * 16, "lo\n", "../lo",
    ]),
    ("real servers", lambda lab, servers: VirtualService(lab, servers=servers), "", [
        {"127.0.0.1:0": 1}, {"backend1": 1}, {"127.0.0.1:8081": -1},
    ]),
    ("a weight", lambda lab, weight: VirtualService(lab).set_weight("127.0.0.1:8081", weight), "A weight of {}", [-1, 1.5]),
    ("places of their own", pool, "share a name or an address", [
        [("a", 8081, ""), ("a", 8082, "")], [("a", 8081, ""), ("b", 8081, "")],
        [("a", 8081, "127.0.0.2"), ("b", 8081, "127.0.0.2")],
    ]),
    ("a name, which is a folder too, and a port", pool, "can be no backend", [
        [("", 81, "")], [("a b", 81, "")], [("../x", 81, "")], [("b", 0, "")], [("b", 65536, "")],
    ]),
    ("a place whose packets are dropped", PacketDrop, "{!r} is no address and port", ["backend1"]),
    ("one of the pool", lambda lab, name: BackendPool(lab)[name], "Way out: it has backend1, backend2", ["backend3"]),
    ("a backend and a number", fault, "", [
        ("freeze", "backend9", {}), ("heal", "backend9", {}), ("slow", "backend1", {"ms": 0}),
        ("slow", "backend1", {"ms": 60_001}), ("flaky", "backend1", {"share": 0}), ("flaky", "backend1", {"share": 1.01}),
    ]),
    ("a check of keepalived", lambda _lab, wrong: health_checked(**wrong), "", [
        {"every": 0}, {"timeout": 0}, {"retry": -1}, {"address": "x:80"}, {"servers": {"127.0.0.1": 1}},
        {"servers": {"127.0.0.1:8": -1}},
    ]),
    ("an amount of requests", lambda lab, options: traffic(lab, URL, **options), "cannot send", [
        {"count": 0}, {"count": -1}, {"count": 10**7}, {"at_a_time": 0}, {"at_a_time": 257}, {"timeout": 0}, {"every": -0.1},
    ]),
    ("a number of curls", lambda lab, count: curl(lab, URL, count), "cannot be run {} times", [0, -5, 10**7]),
    ("a name and a number of queries", lambda lab, case: dns(lab, *case), "cannot ask", [
        ("x", 0), ("x", -1), ("x", 10**7), ("x" * 254, 1),
    ]),
    ("a failover", observed, "", [
        {"urls": {}}, {"rate": 0}, {"before": 0}, {"broken": -1}, {"after": 0.05}, {"patience": 0}, {"rate": 2600},
        {"urls": {"a": "x"}},
    ]),
    ("a load of wrk", lambda lab, options: wrk(lab, **{"url": URL} | options), "", [
        {"seconds": 0}, {"seconds": 601}, {"connections": 0}, {"connections": 513}, {"url": "x"},
    ]),
    ("ways to compare", lambda lab, options: throughput(lab, **{"urls": {"direct": URL}} | options), "", [
        {"urls": {}}, {"rounds": 0},
    ]),
]  # fmt: skip


def cases() -> Iterator[Any]:
    """Every value with what is made of it and what the error says."""
    for what, make, says, values in CASES:
        for number, value in enumerate(values):
            yield pytest.param(make, value, says.format(value), id=f"{what}-{number}")


@pytest.mark.parametrize(("make", "value", "says"), [*cases()])
def test_what_is_no_good_is_bad_input(fake_lab: Any, make: Any, value: Any, says: str) -> None:
    """The error says so, and how it is written or what there is; nothing was run, sent, shown or written."""
    with pytest.raises(BadInput) as caught:
        make(fake_lab, value)
    assert says in str(caught.value) and caught.value.way_out
    assert (fake_lab.ran, fake_lab.transcript, fake_lab.written) == ([], [], {})
