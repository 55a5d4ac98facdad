"""The one HTTP client, the judge's requests on kept connections, and the recorder, against servers of the test's."""

import contextlib
import http.client
import http.server
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labkit.inside import http_client, recorder
from labkit.inside.http_client import PAGE_LIMIT, Row, connect, error_name, fetch, one_request, requests
from labkit.inside.judge import kept


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


@pytest.fixture
def free() -> Iterator[int]:
    """A free port, on which nothing is left after the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = int(server.getsockname()[1])
    yield number
    if number in recorder._running:
        recorder.stop(number)
    if number in recorder._held:
        recorder._held.pop(number).close()


def send(
    port: int, count: int = 1, *, host: str = "127.0.0.1", path: str = "/", at_a_time: int = 1, every: float = 0.0
) -> list[Row]:
    """All rows of `requests`, which must come within ten seconds."""
    rows: list[Row] = []
    deadline = time.monotonic() + 10
    for batch in requests([(host, port)], path, count, at_a_time, 5.0, every, False):
        rows += batch
        assert time.monotonic() < deadline, f"{len(rows)} of {count} rows came"
    return rows


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that reads a request of each connection and lets `answer` do the rest."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(65536)
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_row_has_address_status_and_page(port: int) -> None:
    """One request is one row, with the address connected to, the host that was asked for, and of a page as much as the limit."""
    ((_, address, status, ms, error, page),) = send(port, host="localhost")
    assert (address, status, error, page) == (f"127.0.0.1:{port}", 200, None, "localhost")
    assert ms > 0
    assert len(send(port, path="/big")[0][5]) == PAGE_LIMIT


@pytest.mark.parametrize(("count", "at_a_time"), [(1, 1), (1, 8), (50, 1), (50, 7), (200, 50)])
def test_every_request_has_a_row(port: int, count: int, at_a_time: int) -> None:
    """However many senders share them, no request is lost or sent twice; a 404 is a status, and no error of the connection."""
    assert [(row[2], row[4]) for row in send(port, count, at_a_time=at_a_time, path="/404")] == [(404, None)] * count


def test_first_requests_are_spread_over_an_interval(port: int) -> None:
    """Four senders with an interval of 0.2 s begin a quarter of it apart, so that the load is even and not in bursts."""
    began = time.time()
    starts = sorted(row[0] - began for row in send(port, 4, at_a_time=4, every=0.2))
    assert all(start >= 0.05 * number - 0.005 for number, start in enumerate(starts))


@pytest.mark.parametrize(("path", "host"), [("/ü", "127.0.0.1"), ("/", "a..b"), ("/a b", "127.0.0.1")])
def test_request_that_cannot_be_sent_has_a_row_too(port: int, path: str, host: str) -> None:
    """A request that Python's own library refuses ends in a row with an error, like any other."""
    rows = send(port, 2, path=path, host=host)
    assert len(rows) == 2 and all(row[2] is None and row[4] for row in rows)


@pytest.mark.parametrize("words", [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 30, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5])
def test_time_is_for_the_whole_request(port: int, words: bytes) -> None:
    """An answer that drips is a time-out, in its head as in its page, though no single wait for it is long; so is connecting."""

    def drip(connection: socket.socket) -> None:
        for byte in words:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with serving(drip) as slow:
        assert one_request("127.0.0.1", slow, "/", 0.5, False)[4] == "timeout"
    with serving(drip) as slow:
        assert fetch("127.0.0.1", slow, timeout=0.5)["error"] == "timeout"
    with pytest.raises(TimeoutError):
        connect("localhost", port, time.monotonic())


CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n"
# Answers, and what both clients make of each: status, error, the first header and the page of `fetch`.
ANSWERS: dict[str, tuple[bytes | None, int | None, str | None, tuple[str, str] | None, str]] = {
    # RFC 9112, 2.2: who ends lines by LF only has answered.
    "LF": (b"HTTP/1.0 200 OK\nServer: x\nContent-Length: 5\n\npage\nand more", 200, None, ("Server", "x"), "page\n"),
    "LF and CR LF": (b"HTTP/1.0 200 OK\nServer: x\r\nContent-Length: 5\r\n\npage\n", 200, None, ("Server", "x"), "page\n"),
    "in chunks": (
        b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n" + CHUNKS + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        200,
        None,
        ("A", "1"),
        "abcde",
    ),
    "says nothing": (b"", None, "closed", None, ""),
    "resets": (None, None, "reset", None, ""),
    "no HTTP": (b"hello\r\n\r\n", None, "not HTTP", None, ""),
    "no status": (b"HTTP/1.1 999999 no\r\n\r\n", None, "not HTTP", None, ""),
    "no chunk": (b"HTTP/1.1 200 OK\r\n" + CHUNKS + b"zz\r\n", None, "not HTTP", None, ""),
}


@pytest.mark.parametrize(("words", "status", "error", "header", "page"), ANSWERS.values(), ids=ANSWERS)
def test_answers_of_every_kind(
    words: bytes | None, status: int | None, error: str | None, header: tuple[str, str] | None, page: str
) -> None:
    """What is an answer is read whole, headers as they came, a doubled one twice; what is none has a name."""

    def answer(connection: socket.socket) -> None:
        if words is None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            connection.sendall(words)

    with serving(answer) as port:
        row = send(port)[0]
        found = fetch("127.0.0.1", port)
    assert row[4] == found["error"] == error
    if status:
        assert row[2] == found["status"] == status
        assert (found["headers"][0], found["body"]) == (header, page)
        assert header != ("A", "1") or found["headers"][1] == ("a", "2")


def test_answer_that_is_cut_short_and_nobody_are_errors(free: int) -> None:
    """A server that dies in the middle of its page did not answer well; one that is not there refuses, at an address."""
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as port:
        assert send(port)[0][4] is not None
    ((_, address, status, _, error, _),) = send(free)
    assert (address, status, error) == (f"127.0.0.1:{free}", None, "refused")
    # Of the judge's requests two without an answer are enough.
    assert [row["error"] for row in kept("127.0.0.1", free, 10, 5.0, 2)] == ["refused"] * 2


def test_closed_stream_stops_the_senders(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody listens to the rows any more, no further request is sent."""
    monkeypatch.setattr(http_client, "BATCH", 0.0)
    stream = requests([("127.0.0.1", port)], "/", 10**6, 2, 5.0, 0.0, False)
    next(stream)
    senders = [thread for thread in threading.enumerate() if thread.name == "sender"]
    assert len(senders) == 2
    stream.close()  # type: ignore[attr-defined]
    for sender in senders:
        sender.join(30)
    assert not any(sender.is_alive() for sender in senders)


def test_every_problem_has_a_name() -> None:
    """Each kind of failure has one short name."""
    names = {
        ConnectionRefusedError(): "refused", TimeoutError(): "timeout", http.client.RemoteDisconnected(): "closed",
        ConnectionResetError(): "reset", BrokenPipeError(): "reset", socket.gaierror(): "no such name",
        http.client.BadStatusLine("x"): "not HTTP", OSError(113, "No route to host"): "No route to host",
        OSError("odd"): "OSError",
    }  # fmt: skip
    assert {problem: error_name(problem) for problem in names} == names


# What a server does: requests it takes on a connection, whether it announces the last, the rest of its answer; and on how many
# connections `asked` requests are answered by it, as few as it allows.
OK = b"Content-Length: 2\r\n\r\nok"
KEPT: list[tuple[int, bool, bytes, int, int]] = [
    (100, False, OK, 10, 3), (3, False, OK, 10, 4), (3, True, OK, 10, 4), (1, False, OK, 10, 10), (1, True, OK, 10, 10),
    (100, False, CHUNKS + b"2\r\nok\r\n0\r\n\r\n", 4, 2),
    (1, False, b"Connection: close\r\n\r\nok", 4, 4),  # up to the end of the connection
    (1, False, b"Content-Length: 9\r\n\r\nok", 4, 4),  # cut off by it: what came is the page
]  # fmt: skip


@pytest.mark.parametrize(("each", "announce", "answer", "asked", "connections"), KEPT)
def test_requests_stay_on_one_connection(
    each: int, announce: bool, answer: bytes, asked: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request is answered once, on as few connections as the server allows, and each is put down to who accepted it.

    But twice we close one, at places of which no server can know.
    """
    ours = iter((2, 7))
    monkeypatch.setattr(random, "randint", lambda _first, _last: next(ours))
    count: list[None] = []

    def serve(connection: socket.socket) -> None:
        count.append(None)
        for number in range(1, each + 1):
            close = b"Connection: close\r\n" if announce and number == each else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + close + answer)
            text = b"" if number < each else b"\r\n\r\n"
            while b"\r\n\r\n" not in text:
                if not (part := connection.recv(65536)):
                    return
                text += part

    with serving(serve) as port:
        rows = kept("127.0.0.1", port, asked, 10.0, 2)
    assert [(row["status"], row["body"], row["error"]) for row in rows] == [(200, "ok", None)] * asked
    assert {row["worker"] for row in rows} == {os.getpid()} and len(count) == connections
    assert all(row["refused"] >= 0 and row["ended"] >= row["began"] for row in rows)


def test_a_backend_that_is_back_for_one_request(free: int) -> None:
    """After so many requests the recorder runs for one more, whose row says so, and is stopped again."""
    recorder.start(free, "page\n")
    recorder.stop(free)
    rows = kept("127.0.0.1", free, 5, 10.0, 9, (2, free, "again\n"))
    assert [(row["back"], row["body"], row["error"]) for row in rows] == [
        *[(False, "", "refused")] * 2, (True, "again\n", None), *[(False, "", "refused")] * 3,
    ]  # fmt: skip
    assert [row["refused"] > 0 for row in rows] == [True, True, False, True, True, True]


def ask(port: int, path: str, **headers: str) -> tuple[int, str]:
    """GET `path`: status and page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_recorder_remembers_requests_once(free: int) -> None:
    """Path and headers are kept as they came, in order, until they are taken; a connection without a request is none."""
    recorder.start(free, "page\n")
    assert ask(free, "/") == (200, "page\n")
    ask(free, "/index.html?x=1", **{"X-high-load-test": "123"})
    first, second = recorder.take(free)
    assert (first["path"], second["path"]) == ("/", "/index.html?x=1")
    assert ("X-high-load-test", "123") in second["headers"] and first["client"] == "127.0.0.1"
    socket.create_connection(("127.0.0.1", free)).close()
    assert ask(free, "/")[0] == 200
    assert (len(recorder.take(free)), recorder.take(free)) == (1, [])
    found = recorder.request("GET / HTTP/1.0\r\nA: 1\r\nA:  2 \r\nEmpty:")  # space before a value does not belong to it
    assert found == {"path": "/", "headers": [("A", "1"), ("A", "2 "), ("Empty", "")]}
    assert recorder.request("")["path"] == ""


def test_stopped_recorder_refuses_and_keeps_its_port(free: int) -> None:
    """Connections are refused, no other server gets the port meanwhile, and it can be started again."""
    recorder.start(free, "page")
    ask(free, "/")
    recorder.stop(free)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free))
    with pytest.raises(OSError, match="in use"):
        http.server.HTTPServer(("127.0.0.1", free), http.server.SimpleHTTPRequestHandler)
    recorder.start(free, "page")
    assert ask(free, "/")[0] == 200
