"""Interfaces as `ip -json -details address` describes them."""

from __future__ import annotations

from labkit.inside.sockets import interfaces, row_of


def test_row_of_a_dummy_interface() -> None:
    """Name, kind, whether it is up, and its IPv4 addresses with their prefix lengths; IPv6 is left out."""
    addresses = [
        {"family": "inet", "local": "192.168.100.1", "prefixlen": 32},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
    ]
    link = {"ifname": "dummy1", "flags": ["BROADCAST", "NOARP", "UP"], "linkinfo": {"info_kind": "dummy"}, "addr_info": addresses}
    assert row_of(link) == {"name": "dummy1", "kind": "dummy", "up": True, "addresses": ["192.168.100.1/32"]}


def test_loopback_of_this_machine_is_there() -> None:
    """ip of this system is understood: lo has no kind, is up and has 127.0.0.1/8."""
    lo = next(row for row in interfaces() if row["name"] == "lo")
    assert (lo["kind"], lo["up"], "127.0.0.1/8" in lo["addresses"]) == ("", True, True)
