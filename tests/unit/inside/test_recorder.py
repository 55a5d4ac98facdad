"""The backends that remember what they were asked."""

from __future__ import annotations

import http.client
import http.server
import socket
from collections.abc import Iterator

import pytest

from labkit.inside import recorder


@pytest.fixture
def port() -> Iterator[int]:
    """A free port, on which nothing is left after the test."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    yield number
    if number in recorder._running:
        recorder.stop(number)
    if number in recorder._held:
        recorder._held.pop(number).close()


def ask(port: int, path: str, **headers: str) -> tuple[int, str]:
    """GET `path`: status and page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_requests_are_remembered_once(port: int) -> None:
    """Path and headers are kept as they came, in order, until they are taken."""
    recorder.start(port)
    assert ask(port, "/") == (200, f"recorder {port}\n")
    ask(port, "/index.html?x=1", **{"X-high-load-test": "123"})
    first, second = recorder.take(port)
    assert (first["path"], second["path"]) == ("/", "/index.html?x=1")
    assert ("X-high-load-test", "123") in second["headers"] and first["client"] == "127.0.0.1"
    assert recorder.take(port) == []


def test_repeated_header_and_space_are_kept() -> None:
    """A header that is there twice is twice in the row; space before a value does not belong to it."""
    found = recorder.request("GET / HTTP/1.0\r\nA: 1\r\nA:  2 \r\nEmpty:")
    assert found == {"path": "/", "headers": [("A", "1"), ("A", "2 "), ("Empty", "")]}
    assert recorder.request("")["path"] == ""


def test_client_that_says_nothing_does_not_end_it(port: int) -> None:
    """A connection that is closed again without a request is no request, and the next one is answered."""
    recorder.start(port)
    socket.create_connection(("127.0.0.1", port)).close()
    assert ask(port, "/")[0] == 200
    assert len(recorder.take(port)) == 1


def test_stopped_one_refuses_and_keeps_its_port(port: int) -> None:
    """Connections are refused, no other server gets the port meanwhile, and it can be started again."""
    recorder.start(port)
    ask(port, "/")
    recorder.stop(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(OSError, match="in use"):
        http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler)
    recorder.start(port)
    assert ask(port, "/")[0] == 200
