"""Backends that remember what they were asked: they take a port's place while a balancer in front of it is judged."""

import contextlib
import errno
import socket
import struct
import threading
import time
from typing import Any

END, LIMIT = b"\r\n\r\n", 65536
# How much is kept of a header's value or a path, and of all requests until they are taken, characters (each request counts for
# so many more): what a work lets its balancer send must not use up the guest's memory.
KEPT, ROOM, EACH = 200, 8 * 1024 * 1024, 500
# For a request to come once its connection is there, seconds.
PATIENCE = 2


class Recorder:
    """A server of one page, which keeps every request that it received.

    One thread, one request a connection, and no more of HTTP than a balancer needs, in four system calls a request: the
    standard library's server takes several times as long, and a check sends hundreds.
    """

    def __init__(self, port: int, page: str) -> None:
        """Begin to serve. Raises OSError."""
        self.requests: list[dict[str, Any]] = []
        self._room = ROOM
        self._answer = f"HTTP/1.0 200 OK\r\nContent-Length: {len(page)}\r\n\r\n{page}".encode()
        self.socket = socket.create_server(("0.0.0.0", port), backlog=128)
        # The kernel's own limit, which the connections inherit (socket(7)).
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", PATIENCE, 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, (client, _) = self.socket.accept()
            except OSError as error:
                if error.errno == errno.EINVAL:  # it listens no more
                    return
                continue  # nobody came in time, or who did is gone
            with connection, contextlib.suppress(OSError):
                self._handle(connection, client)

    def _handle(self, connection: socket.socket, client: str) -> None:
        """Remember the request and answer it; one that does not come in time is none."""
        text = b""
        while END not in text:
            part = connection.recv(LIMIT)
            text += part
            if not part or len(text) > LIMIT or not text[:1].isalpha():  # TLS would be waited for each time
                return
        row = request(text[: text.index(END)].decode("latin-1"))
        self._room -= EACH + len(row["path"]) + sum(len(name) + len(value) for name, value in row["headers"])
        if self._room > 0:
            self.requests.append({**row, "time": time.time(), "client": client})
        connection.sendall(self._answer)

    def take(self) -> list[dict[str, Any]]:
        """The requests that were kept since the last call."""
        taken, self.requests, self._room = self.requests, [], ROOM
        return taken

    def stop(self) -> None:
        """Stop listening; what was accepted is answered."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * PATIENCE)


def request(head: str) -> dict[str, Any]:
    """The path and the headers, (name, value), of a request's head (RFC 9112), KEPT characters of each at the most."""
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    path = (*first.split(), "", "")[1]
    return {"path": path[:KEPT], "headers": [(name[:KEPT], value.lstrip()[:KEPT]) for name, _, value in pairs]}


_running: dict[int, Recorder] = {}
_held: dict[int, socket.socket] = {}


def start(port: int, page: str) -> None:
    """Start a recorder on `port` of every address. Raises OSError when the port is taken."""
    if port in _held:
        _held.pop(port).close()
    _running[port] = Recorder(port, page)


def stop(port: int) -> None:
    """Stop the recorder on `port`; connections to it are then refused.

    Its socket keeps the port without listening, so that no server can take it meanwhile (a work may start its own again and
    again). Without SO_REUSEADDR the kernel refuses the port to everybody else (socket(7)).
    """
    recorder = _running.pop(port)
    recorder.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    recorder.stop()
    _held[port] = recorder.socket


def take(port: int) -> list[dict[str, Any]]:
    """The requests received on `port` since the last call."""
    return _running[port].take()
