"""What no service takes: it is refused before anything is run or shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labkit.errors import BadInput
from labkit.services.base import split_address
from labkit.services.faults import Faults, PacketDrop
from labkit.services.http_server import Backend, BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService
from labkit.services.keepalived import health_checked


def backends(*places: tuple[str, int, str]) -> Callable[[Any], object]:
    """Make a pool of (name, port, bind)."""
    return lambda lab: BackendPool(lab, [Backend(name, port, "x", bind) for name, port, bind in places])


def fault(method: str, name: str = "backend1", **options: float) -> Callable[[Any], object]:
    """Make a fault of the assignment's pool."""
    return lambda lab: getattr(Faults(BackendPool(lab)), method)(name, **options)


CASES: dict[str, list[Callable[[Any], object]]] = {
    "an address and a port": [
        lambda _lab, text=text: split_address(text)  # type: ignore[misc]
        for text in [
            "", ":", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http",
            "127.0.0.1:80.0", "localhost:80", "256.0.0.1:80", "127.1:80", "127.0.0.1 :80", "127.0.0.01:80", "::1:80", "[::1]:80",
            "http://127.0.0.1:80", "127.0.0.1:80:80", "127.0.0.1/8:80", "127.0.0.1:0x50", "127.0.0.1:1e3",
            "127.0.0.1: 80", "127.0.0.1:8_0", "127.0.0.1:+80",  # which only Python understands: it goes into commands
        ]
    ],
    "an address of an interface": [
        lambda lab, text=text: DummyInterface(lab, address=text)  # type: ignore[misc]
        for text in [
            "", "192.168.100/32", "192.168.100.1/33", "192.168.100.1/-1", "::1/128", "dummy1", "192.168.100.1/32 ",
            "192.168.100.1:80",
        ]
    ],
    "a name of an interface (IFNAMSIZ, dev_valid_name), or of a shell's word": [
        lambda lab, name=name: DummyInterface(lab, name) for name in ("", "a b", "x" * 16)  # type: ignore[misc]
    ],
    "real servers": [
        lambda lab, servers=servers: VirtualService(lab, servers=servers)  # type: ignore[misc]
        for servers in ({"127.0.0.1:0": 1}, {"backend1": 1}, {"127.0.0.1:8081": -1})
    ],
    "a weight": [
        lambda lab, weight=weight: VirtualService(lab).set_weight("127.0.0.1:8081", weight)  # type: ignore[misc]
        for weight in (-1, 1.5)
    ],
    "backends that share a name or a place": [
        backends(("a", 8081, ""), ("a", 8082, "")),
        backends(("a", 8081, ""), ("b", 8081, "")),
        backends(("a", 8081, "127.0.0.2"), ("b", 8081, "127.0.0.2")),
    ],
    "a backend's name, which is a folder and stands in a command": [backends((name, 81, "")) for name in ("", "a b", "../x")],
    "a backend's port": [backends(("b", port, "")) for port in (0, 65536)],
    "a place whose packets are dropped": [lambda lab: PacketDrop(lab, "backend1")],
    "a backend of the pool": [fault("freeze", "backend9"), fault("heal", "backend9"), lambda lab: BackendPool(lab)["backend3"]],
    "a number of a fault": [
        fault("slow", ms=0), fault("slow", ms=60_001), fault("flaky", share=0), fault("flaky", share=1.01),
    ],
    "a check of keepalived": [
        lambda _lab, wrong=wrong: health_checked(**wrong)  # type: ignore[misc]
        for wrong in [
            {"every": 0}, {"timeout": 0}, {"retry": -1}, {"address": "x:80"}, {"servers": {"127.0.0.1": 1}},
            {"servers": {"127.0.0.1:8": -1}},
        ]
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "make", [pytest.param(make, id=f"{what}-{n}") for what, all in CASES.items() for n, make in enumerate(all)]
)
def test_what_is_no_good_is_bad_input_before_anything_is_run(fake_lab: Any, make: Callable[[Any], object]) -> None:
    """The error says how it is written, or which there are."""
    with pytest.raises(BadInput) as caught:
        make(fake_lab)
    assert caught.value.way_out
    assert (fake_lab.ran, fake_lab.transcript, fake_lab.written) == ([], [], {})


def test_backend_that_the_pool_has_not_is_told_from_those_it_has(fake_lab: Any) -> None:
    """The way out names them."""
    with pytest.raises(BadInput) as caught:
        BackendPool(fake_lab)["backend3"]
    assert caught.value.way_out == "it has backend1, backend2"
