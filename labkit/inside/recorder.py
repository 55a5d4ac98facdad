"""Backends that remember what they were asked: they take a port's place while a balancer in front of it is judged."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from typing import Any


class Recorder(http.server.ThreadingHTTPServer):
    """An HTTP server whose page names its port, and which keeps every request that it received."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("0.0.0.0", port), Handler)
        self.requests: list[dict[str, Any]] = []
        self.port = port


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET with the recorder's page."""

    server: Recorder

    def do_GET(self) -> None:
        """Remember the request and answer it."""
        row = {"time": time.time(), "path": self.path, "headers": self.headers.items(), "client": self.client_address[0]}
        self.server.requests.append(row)
        page = f"recorder {self.server.port}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


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
