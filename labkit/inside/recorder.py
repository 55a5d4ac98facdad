"""Backends that remember what they were asked: they take a port's place while a balancer in front of it is judged."""

import socket
import socketserver
import threading
import time
from typing import Any

END, LIMIT = b"\r\n\r\n", 65536
# For a request to come once its connection is there, seconds.
PATIENCE = 2.0


class Recorder(socketserver.TCPServer):
    """A server whose page names its port, and which keeps every request that it received.

    One thread, one request a connection, and no more of HTTP than a balancer needs: the standard library's server takes
    several times as long for a request, and a check sends hundreds.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("0.0.0.0", port), Handler)
        self.requests: list[dict[str, Any]] = []
        page = f"recorder {port}\n"
        self.answer = f"HTTP/1.0 200 OK\r\nContent-Length: {len(page)}\r\n\r\n{page}".encode()

    def handle_error(self, *_args: object) -> None:
        """Say nothing of a client that went away."""


class Handler(socketserver.BaseRequestHandler):
    """Answers every request with the recorder's page."""

    server: Recorder

    def handle(self) -> None:
        """Remember the request and answer it; one that does not come in time is none."""
        self.request.settimeout(PATIENCE)
        text = b""
        while END not in text:
            part = self.request.recv(LIMIT)
            if not part or len(text) > LIMIT:
                return
            text += part
        row = request(text[: text.index(END)].decode("latin-1"))
        row.update(time=time.time(), client=self.client_address[0])
        self.server.requests.append(row)
        self.request.sendall(self.server.answer)


def request(head: str) -> dict[str, Any]:
    """The path and the headers, (name, value), of a request's head (RFC 9112)."""
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return {"path": (*first.split(), "", "")[1], "headers": [(name, value.lstrip()) for name, _, value in pairs]}


_running: dict[int, Recorder] = {}
_held: dict[int, socket.socket] = {}


def start(port: int) -> None:
    """Start a recorder on `port` of every address. Raises OSError when the port is taken."""
    if port in _held:
        _held.pop(port).close()
    recorder = _running[port] = Recorder(port)
    threading.Thread(target=recorder.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


def stop(port: int) -> None:
    """Stop the recorder on `port`; connections to it are then refused.

    Its socket keeps the port without listening, so that no server can take it meanwhile (a work may start its own again and
    again). Without SO_REUSEADDR the kernel refuses the port to everybody else (socket(7)).
    """
    recorder = _running.pop(port)
    recorder.shutdown()
    recorder.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    recorder.socket.shutdown(socket.SHUT_RDWR)
    _held[port] = recorder.socket


def take(port: int) -> list[dict[str, Any]]:
    """The requests received on `port` since the last call."""
    recorder = _running[port]
    taken, recorder.requests = recorder.requests, []
    return taken
