"""Who listens, found here among this process's own sockets; and interfaces as `ip -json -details address` describes them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import psutil
import pytest

from labkit.inside import sockets
from labkit.inside.sockets import end_listeners, interfaces, listeners, open_ports, row_of, wait_for_listener


def mine() -> list[dict[str, Any]]:
    """The listeners of this process."""
    return [row for row in listeners() if row["pid"] == os.getpid()]


def test_listener_is_a_row_with_its_process() -> None:
    """A listening TCP socket is there with address, port, pid, program and command; one that is only connected is not."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        (row,) = [row for row in mine() if row["port"] == server.getsockname()[1]]
    assert (row["protocol"], row["address"], row["program"]) == ("tcp", "127.0.0.1", psutil.Process().name())
    assert row["command"] == " ".join(psutil.Process().cmdline())


def test_bound_udp_socket_is_a_listener_too() -> None:
    """dnsmasq's UDP socket has no state: bound is enough, connected is somebody's client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        bound.bind(("127.0.0.1", 0))
        client.connect(bound.getsockname())
        ports = {row["port"] for row in mine() if row["protocol"] == "udp"}
        assert bound.getsockname()[1] in ports and client.getsockname()[1] not in ports


def test_waiting_ends_when_it_listens() -> None:
    """A process that listens already is found at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert wait_for_listener(os.getpid(), server.getsockname()[1], 30.0) == "listening"


def test_waiting_ends_with_the_process() -> None:
    """A process that ends before it listens is not waited for, whether it was collected or not."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        assert wait_for_listener(process.pid, 1, 30.0) == "ended"
        process.wait()
        assert wait_for_listener(process.pid, 1, 30.0) == "ended"


def test_waiting_ends_with_the_time() -> None:
    """A process that never listens is given up."""
    assert wait_for_listener(os.getpid(), 1, 0.05) == "timeout"


@pytest.mark.parametrize("then", ["listening", "ended"])
def test_process_that_may_not_be_looked_at_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """While a process is being replaced or ends, the kernel refuses a look at its files; that is no answer yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        real, refusals = psutil.Process.net_connections, iter([psutil.AccessDenied(1)] * 2)

        def look(process: psutil.Process, kind: str) -> Any:
            for refusal in refusals:
                raise refusal
            if then == "ended":
                raise psutil.NoSuchProcess(1)
            return real(process, kind)

        monkeypatch.setattr(psutil.Process, "net_connections", look)
        assert wait_for_listener(os.getpid(), server.getsockname()[1], 30.0) == then


def test_open_ports_are_those_of_the_listeners() -> None:
    """A listening TCP socket and a bound UDP socket have their ports; a connected one's own port is not open."""
    server = socket.create_server(("127.0.0.1", 0))
    client, bound = socket.create_connection(server.getsockname()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client, bound:
        bound.bind(("127.0.0.1", 0))
        found = open_ports()
        assert {server.getsockname()[1], bound.getsockname()[1]} <= found
        assert client.getsockname()[1] not in found


def test_listener_that_is_gone_already_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the end a process may end by itself; the others on the ports are ended all the same."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with subprocess.Popen(["sleep", "60"]) as there:
        rows = [{"protocol": "tcp", "port": 8081, "pid": process.pid} for process in (gone, there)]
        monkeypatch.setattr(sockets, "listeners", lambda: rows)
        end_listeners([8081])
        assert there.poll() is not None


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
