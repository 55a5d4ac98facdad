"""One HTTP GET on a connection of its own, as lean as Python can: what is measured should be the server, not the client.

A `deadline` (time.monotonic) is the end of the whole request: of connecting, sending, and all parts of the answer together.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import time

PAGE_LIMIT, CHUNK = 65536, 65536
# RFC 9112: the status line (4), the end of the head (2.1; 2.2 lets a line end without CR), what says how long the body is (6).
STATUS = re.compile(rb"HTTP/1\.\d ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
HEAD_END = re.compile(rb"\r?\n\r?\n")
LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*(\d+)[ \t]*\r?\n", re.I)
CHUNKED = re.compile(rb"\r?\ntransfer-encoding:", re.I)


def left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError when it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def connect(target: str, port: int, deadline: float) -> tuple[socket.socket, str]:
    """Connect to the first address of `target` that answers; the socket, and "address:port" of the other side."""
    problem: OSError = socket.gaierror("no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(target, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left(deadline))
            connection.connect(place)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, "{}:{}".format(*connection.getpeername()[:2])
        except OSError as error:
            connection.close()
            problem = error
    raise problem


def get(connection: socket.socket, host: str, path: str, deadline: float) -> tuple[int, str, bool]:
    """Ask for `path` and return status, page (65,536 bytes at the most), and whether all of it came. Raises as `ask`."""
    status, head, body, whole = ask(connection, host, path, deadline)
    if CHUNKED.search(head):
        body, whole = parsed(head, body).read(PAGE_LIMIT), True
    return status, body[:PAGE_LIMIT].decode(errors="replace"), whole


def ask(connection: socket.socket, host: str, path: str, deadline: float) -> tuple[int, bytes, bytes, bool]:
    """Ask for `path` and return status, head, body as it came, and whether it is as long as announced.

    Raises OSError, and http.client.HTTPException for a request that cannot be sent and an answer that is not HTTP.
    """
    if " " in path or not path.isprintable():
        raise http.client.InvalidURL(path)
    connection.settimeout(left(deadline))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
    head, body = read_head(connection, deadline)
    found = STATUS.match(head)
    if not found:
        raise http.client.BadStatusLine(repr(head[:80]))
    length = None if CHUNKED.search(head) else LENGTH.search(head)
    wanted = min(int(length[1]), PAGE_LIMIT) if length else PAGE_LIMIT
    parts, have = [body], len(body)
    while have < wanted and (part := receive(connection, deadline)):
        parts.append(part)
        have += len(part)
    return int(found[1]), head, b"".join(parts), not length or have >= wanted


def receive(connection: socket.socket, deadline: float) -> bytes:
    """Return what comes next, nothing at the end of the stream. Raises TimeoutError at the deadline."""
    connection.settimeout(left(deadline))
    return connection.recv(CHUNK)


def read_head(connection: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    """Read until the head is there; the head, and what has come of the body."""
    data = b""
    while part := receive(connection, deadline):
        data += part
        if end := HEAD_END.search(data):
            return data[: end.start()] + b"\r\n", data[end.end() :]
        if len(data) > PAGE_LIMIT:
            raise http.client.LineTooLong("head")
    if not data:
        raise http.client.RemoteDisconnected("closed without an answer")
    raise http.client.BadStatusLine(repr(data[:80]))


def parsed(head: bytes, body: bytes) -> http.client.HTTPResponse:
    """Return an answer taken apart by Python's own library, for what is rare: headers, and a body in chunks."""

    class Received:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(head + b"\r\n" + body)

    response = http.client.HTTPResponse(Received())  # type: ignore[arg-type]
    response.begin()
    return response
