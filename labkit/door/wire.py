"""What goes through a door: messages of a kind (one byte), a length and that many bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import Any

from ..errors import LabError, LabkitError

HEADER = struct.Struct("!cI")
MAX_LENGTH = 1024 * 1024
# Asked and answered in JSON; what is typed and a window's size; output, and that of standard error; the exit code.
REQUEST, REPLY, FAILURE, INPUT, RESIZE, OUTPUT, ERRORS, CODE, END = b"q", b"a", b"!", b"i", b"r", b"o", b"e", b"c", b""
# Little is under way to a slow terminal, so that Ctrl-C is felt there too, bytes.
BUFFER = 32 * 1024


class Wire:
    """One end of a connection; one thread may send while another receives."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self.socket = connection
        self._reader = connection.makefile("rb")

    def send(self, kind: bytes, data: bytes = b"") -> None:
        """Send one message. Raises OSError when nobody is there any more."""
        self.socket.sendall(HEADER.pack(kind, len(data)) + data)

    def say(self, kind: bytes, value: Any) -> None:
        """Send a message in JSON."""
        self.send(kind, json.dumps(value).encode())

    def receive(self) -> tuple[bytes, bytes]:
        """The next message; (END, b"") when the other end is gone, or sends what no door sends. Raises TimeoutError."""
        with contextlib.suppress(ConnectionError):
            header = self._reader.read(HEADER.size)
            kind, length = HEADER.unpack(header) if len(header) == HEADER.size else (END, 0)
            if length <= MAX_LENGTH and len(data := self._reader.read(length)) == length:
                return kind, data
        return END, b""

    def fail(self, error: LabkitError) -> None:
        """Send an error."""
        self.say(FAILURE, [error.tried, error.words, error.way_out])

    def shut(self) -> None:
        """Wake up who sends or receives here, and tell the other end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def shut_reading(self) -> None:
        """Let who receives here see the end; what has been sent still arrives."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close it."""
        self._reader.close()
        self.socket.close()


def raise_failure(data: bytes) -> None:
    """Raise the error that a FAILURE message holds."""
    tried, words, way_out = json.loads(data)
    raise LabError(tried, words=words, way_out=way_out)
