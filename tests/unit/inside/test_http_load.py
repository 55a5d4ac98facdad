"""The traffic sender, run here against a little server of the test's."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit.inside import http_client as http_load
from labkit.inside.http_client import PAGE_LIMIT, Row, connect, error_name, fetch, one_request, requests


class Handler(BaseHTTPRequestHandler):
    """/big is too large a page, /404 is not there, everything else is a small page that repeats the Host header."""

    def do_GET(self) -> None:
        page = b"x" * (2 * PAGE_LIMIT) if self.path == "/big" else (self.headers["Host"] or "").encode()
        self.send_response(404 if self.path == "/404" else 200)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a running server."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def send(
    port: int, count: int = 1, *, host: str = "127.0.0.1", path: str = "/", at_a_time: int = 1, every: float = 0.0
) -> list[Row]:
    """All rows of `requests`, which must come within ten seconds."""
    rows: list[Row] = []
    deadline = time.monotonic() + 10
    stream = requests(host, port, path, count, at_a_time, 5.0, every, False)
    for batch in stream:
        rows += batch
        assert time.monotonic() < deadline, f"{len(rows)} of {count} rows came"
    return rows


def test_row_has_address_status_and_page(port: int) -> None:
    """One request is one row, with the address connected to and the host that was asked for."""
    ((_, address, status, ms, error, page),) = send(port, host="localhost")
    assert (address, status, error, page) == (f"127.0.0.1:{port}", 200, None, "localhost")
    assert ms > 0


@pytest.mark.parametrize(("count", "at_a_time"), [(1, 1), (1, 8), (50, 1), (50, 7), (200, 50)])
def test_every_request_has_a_row(port: int, count: int, at_a_time: int) -> None:
    """However many senders share them, no request is lost or sent twice."""
    rows = send(port, count, at_a_time=at_a_time)
    assert [(row[2], row[4]) for row in rows] == [(200, None)] * count


def test_first_requests_are_spread_over_an_interval(port: int) -> None:
    """Four senders with an interval of 0.2 s begin a quarter of it apart, so that the load is even and not in bursts."""
    began = time.time()
    starts = sorted(row[0] - began for row in send(port, 4, at_a_time=4, every=0.2))
    assert all(start >= 0.05 * number - 0.005 for number, start in enumerate(starts))


def test_answer_of_failure_is_an_answer(port: int) -> None:
    """A 404 is a status, not an error of the connection."""
    assert [(row[2], row[4]) for row in send(port, path="/404")] == [(404, None)]


def test_large_page_is_cut(port: int) -> None:
    """Of a page no more than the limit travels."""
    assert len(send(port, path="/big")[0][5]) == PAGE_LIMIT


@pytest.mark.parametrize(("path", "host"), [("/ü", "127.0.0.1"), ("/", "a..b"), ("/a b", "127.0.0.1")])
def test_request_that_cannot_be_sent_has_a_row_too(port: int, path: str, host: str) -> None:
    """A request that Python's own library refuses ends in a row with an error, like any other."""
    rows = send(port, 2, path=path, host=host)
    assert len(rows) == 2
    assert all(row[2] is None and row[4] for row in rows)


def answer_with(words: bytes | None) -> Iterator[int]:
    """A port that takes one connection and answers with these bytes (None: resets it)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                if words is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    connection.sendall(words)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def drip(words: bytes) -> Iterator[int]:
    """A port that takes one connection and answers byte by byte, each long before a time-out of half a second."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for byte in words:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("words", [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 30, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5])
def test_time_is_for_the_whole_request(words: bytes) -> None:
    """An answer that drips is a time-out, in its head as in its page, though no single wait for it is long."""
    for port in drip(words):
        assert one_request("127.0.0.1", port, "/", 0.5, False)[4] == "timeout"
    for port in drip(words):
        assert fetch("127.0.0.1", port, timeout=0.5)["error"] == "timeout"


def test_connecting_is_part_of_the_request(port: int) -> None:
    """What has no time left does not connect, and not to a second address either."""
    with pytest.raises(TimeoutError):
        connect("localhost", port, time.monotonic())


LF_ONLY = b"HTTP/1.0 200 OK\nServer: x\nContent-Length: 5\n\npage\nand more"
MIXED = b"HTTP/1.0 200 OK\nServer: x\r\nContent-Length: 5\r\n\npage\n"


@pytest.mark.parametrize("words", [LF_ONLY, MIXED])
def test_lines_may_end_without_a_carriage_return(words: bytes) -> None:
    """A server that ends its lines by LF only has answered (RFC 9112, 2.2)."""
    for port in answer_with(words):
        assert [(row[2], row[4], row[5][:5]) for row in send(port)] == [(200, None, "page\n")]
    for port in answer_with(words):
        row = fetch("127.0.0.1", port)
        assert (row["status"], row["error"], row["headers"][0]) == (200, None, ("Server", "x"))


def test_fetch_gives_all_headers_and_the_page() -> None:
    """Headers come as they were sent, a doubled one twice; a page in chunks is put together."""
    chunks = b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    for port in answer_with(chunks):
        row = fetch("127.0.0.1", port)
        assert row == {
            "status": 200, "headers": [("A", "1"), ("a", "2"), ("Transfer-Encoding", "chunked")], "body": "abcde", "error": None,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"", "closed"),
        (None, "reset"),
        (b"hello\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 999999 no\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
    ],
)  # fmt: skip
def test_broken_answers_have_names(words: bytes | None, error: str) -> None:
    """A server that says nothing, resets, or does not speak HTTP is named so."""
    for port in answer_with(words):
        assert [row[4] for row in send(port)] == [error]
    for port in answer_with(words):
        assert fetch("127.0.0.1", port)["error"] == error


def test_answer_that_is_cut_short_is_an_error() -> None:
    """A server that dies in the middle of its page did not answer well."""
    for port in answer_with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"):
        assert send(port)[0][4] is not None


def test_nobody_there_is_refused() -> None:
    """A port where nobody listens refuses, and the address that was tried is in the row."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ((_, address, status, _, error, _),) = send(port)
    assert (address, status, error) == (f"127.0.0.1:{port}", None, "refused")


def test_closed_stream_stops_the_senders(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody listens to the rows any more, no further request is sent."""
    monkeypatch.setattr(http_load, "BATCH", 0.0)
    stream = requests("127.0.0.1", port, "/", 10**6, 2, 5.0, 0.0, False)
    next(stream)
    senders = [thread for thread in threading.enumerate() if thread.name == "sender"]
    assert len(senders) == 2
    stream.close()  # type: ignore[attr-defined]
    for sender in senders:
        sender.join(30)
    assert not any(sender.is_alive() for sender in senders)


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (ConnectionRefusedError(), "refused"),
        (TimeoutError(), "timeout"),
        (http.client.RemoteDisconnected(), "closed"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (socket.gaierror(), "no such name"),
        (http.client.BadStatusLine("x"), "not HTTP"),
        (OSError(113, "No route to host"), "No route to host"),
        (OSError("odd"), "OSError"),
    ],
)
def test_every_problem_has_a_name(problem: BaseException, name: str) -> None:
    """Each kind of failure has one short name."""
    assert error_name(problem) == name
