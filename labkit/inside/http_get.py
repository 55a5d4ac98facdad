"""One HTTP GET on a connection of its own, as lean as Python can: what is measured should be the server, not the client."""

from __future__ import annotations

import http.client
import io
import re
import socket

PAGE_LIMIT, CHUNK = 65536, 65536
# RFC 9112: the status line (4), the end of the head (2.1), and what says how long the body is (6).
STATUS = re.compile(rb"HTTP/1\.\d ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*(\d+)[ \t]*\r?\n", re.I)
CHUNKED = re.compile(rb"\r?\ntransfer-encoding:", re.I)


def connect(target: str, port: int, timeout: float) -> tuple[socket.socket, str]:
    """Connect to the first address of `target` that answers; the socket, and "address:port" of the other side."""
    connection = socket.create_connection((target, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, "{}:{}".format(*connection.getpeername()[:2])


def get(connection: socket.socket, host: str, path: str) -> tuple[int, str, bool]:
    """Ask for `path` and return status, page (65,536 bytes at the most), and whether all of it came.

    Raises OSError, and http.client.HTTPException for a request that cannot be sent and an answer that is not HTTP.
    """
    if " " in path or not path.isprintable():
        raise http.client.InvalidURL(path)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
    head, body = read_head(connection)
    found = STATUS.match(head)
    if not found:
        raise http.client.BadStatusLine(repr(head[:80]))
    if CHUNKED.search(head):
        return chunked(head, body + read(connection, len(body), None))
    length = LENGTH.search(head)
    announced = int(length[1]) if length else None
    body += read(connection, len(body), announced)
    return int(found[1]), body[:PAGE_LIMIT].decode(errors="replace"), len(body) >= min(announced or 0, PAGE_LIMIT)


def read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read until the head is there; the head, and what has come of the body."""
    data = b""
    while True:
        part = connection.recv(CHUNK)
        if not part:
            if not data:
                raise http.client.RemoteDisconnected("closed without an answer")
            raise http.client.BadStatusLine(repr(data[:80]))
        data += part
        head, mark, body = data.partition(b"\r\n\r\n")
        if mark:
            return head + b"\r\n", body
        if len(data) > PAGE_LIMIT:
            raise http.client.LineTooLong("head")


def read(connection: socket.socket, have: int, announced: int | None) -> bytes:
    """Read the rest of a body of which `have` bytes are there: to the announced length, the limit, or the end of the stream."""
    wanted = PAGE_LIMIT if announced is None else min(announced, PAGE_LIMIT)
    parts = []
    while have < wanted:
        part = connection.recv(CHUNK)
        if not part:
            break
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def chunked(head: bytes, body: bytes) -> tuple[int, str, bool]:
    """The rare answer in chunks, taken apart by Python's own library."""

    class Received:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(head + b"\r\n" + body)

    response = http.client.HTTPResponse(Received())  # type: ignore[arg-type]
    response.begin()
    return response.status, response.read(PAGE_LIMIT).decode(errors="replace"), True
