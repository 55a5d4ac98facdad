"""Where the doors are, and what goes through them.

A door is a Unix socket with a name that is no file (abstract, unix(7)): `labkit-USER-PROCESS.NUMBER`. It does not depend on the
environment, so a terminal finds what a notebook has opened; it ends with its process, however that ends; and no lab sees it, for
it belongs to the network of those who are outside. Anybody may take or call such a name, so both ends ask the kernel whose the
other one is.

A message is a kind (one byte) and data. The kernel keeps it whole and apart from the next one (SOCK_SEQPACKET), so a time-out of
the socket is one for the whole message.
"""

import contextlib
import json
import os
import socket
import struct
from typing import Any

from ..errors import LabError, LabkitError

# Asked and answered in JSON; what is typed and a window's size; output, and that of standard error; the exit code.
REQUEST, REPLY, FAILURE, INPUT, RESIZE, OUTPUT, ERRORS, CODE, END = b"q", b"a", b"!", b"i", b"r", b"o", b"e", b"c", b""
SIZE = struct.Struct("!HH")
# The caller's variables that a terminal's programs go by, and what it says of leaving (shell_rc.sh).
PASSED_ON, LEAVING = ("TERM", "COLORTERM"), "LABKIT_LEAVING"
# The largest message that is taken, and the most data that is sent in one; and how much may be under way to a slow terminal,
# little, so that Ctrl-C is felt there too. Bytes.
MAX_LENGTH, CHUNK, BUFFER = 256 * 1024, 16 * 1024, 32 * 1024
# The flag of a socket that listens in /proc/net/unix (include/linux/net.h, __SO_ACCEPTCON).
LISTENS = 0x10000


def listen(number: int) -> tuple[socket.socket, str]:
    """Make the door number `number` of this process, and return its socket and its name. Raises OSError."""
    name = f"labkit-{os.geteuid()}-{os.getpid()}.{number}"
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        door.bind(f"\0{name}")
        door.listen()
    except BaseException:
        door.close()
        raise
    return door, name


def process(name: str) -> int:
    """Return the pid of a door's process."""
    return int(name.rpartition("-")[2].partition(".")[0])


def identity(name: str) -> str:
    """Return what tells a lab from others of its name: its process's pid, with a number where it is not that one's first lab."""
    return name.rpartition("-")[2].removesuffix(".1")


def doors() -> list[str]:
    """Return the names of this user's doors, oldest process first."""
    found, begins = set(), f"@labkit-{os.geteuid()}-"
    with open("/proc/net/unix", errors="replace") as file:
        for cells in map(str.split, file):
            if len(cells) == 8 and cells[7].startswith(begins) and int(cells[3], 16) & LISTENS:
                pid, _, number = cells[7].removeprefix(begins).partition(".")
                if pid.isdigit() and number.isdigit():
                    found.add((int(pid), int(number)))
    return [f"{begins[1:]}{pid}.{number}" for pid, number in sorted(found)]


def connect(name: str, timeout: float) -> socket.socket | None:
    """Connect to a door within `timeout` seconds; None when it is gone, or another user's. Raises OSError without an answer."""
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    caller.settimeout(timeout)
    try:
        with contextlib.suppress(ConnectionRefusedError):
            caller.connect(f"\0{name}")
            if user(caller) == os.geteuid():
                return caller
    except BaseException:
        caller.close()
        raise
    caller.close()
    return None


def user(connection: socket.socket) -> int:
    """Return the user id of the process at the other end (unix(7), SO_PEERCRED)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def send(connection: socket.socket, kind: bytes, data: bytes) -> None:
    """Send output or input, in several messages when it is long. Raises OSError when nobody is there any more."""
    for start in range(0, len(data), CHUNK):
        connection.send(kind + data[start : start + CHUNK])


def say(connection: socket.socket, kind: bytes, value: Any) -> None:
    """Send a message in JSON. Raises OSError."""
    connection.send(kind + json.dumps(value).encode())


def receive(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the next message; (END, b"") when the other end is gone. Raises TimeoutError."""
    try:
        data = connection.recv(MAX_LENGTH)
    except ConnectionError:
        data = b""
    return data[:1], data[1:]


def fail(connection: socket.socket, error: LabkitError) -> None:
    """Send an error, for `raise_failure`. Raises OSError."""
    say(connection, FAILURE, [error.tried, error.words, error.way_out])


def raise_failure(data: bytes) -> None:
    """Raise the error that a FAILURE message holds."""
    tried, words, way_out = json.loads(data)
    raise LabError(tried, words=words, way_out=way_out)


def shut(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Wake up who receives (or sends) here, and tell the other end."""
    with contextlib.suppress(OSError):
        connection.shutdown(how)
