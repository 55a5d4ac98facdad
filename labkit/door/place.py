"""Where the doors are, and what goes through them.

They are in a folder of this user alone, one socket for each open lab. It does not depend on the environment, so that a terminal
finds what a notebook has opened (as tmux does it), and no view of a lab has it. It goes with the last door.

A message is a kind (one byte) and data. The kernel keeps it whole and apart from the next one (SOCK_SEQPACKET, unix(7)), so a
time-out of the socket is one for the whole message.
"""

import contextlib
import json
import os
import socket
import stat
import struct
from pathlib import Path
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
# Making the socket in a folder that the last other door is just taking away is tried again this often.
TRIES = 5


def folder() -> Path:
    """Return the folder of this user's doors."""
    return Path(f"/tmp/labkit-{os.geteuid()}")


def check(place: Path) -> None:
    """Raise LabError when another user could have made the folder, or could look into it. One that is not there is fine."""
    try:
        found = place.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise LabError(
            f"{place} is not a folder of this user alone, so open labs cannot be found by it.",
            way_out=f"delete it, or as its owner: chmod 700 {place}",
        )


def listen(number: int) -> tuple[socket.socket, Path]:
    """Make the door number `number` of this process, and return its socket and where it is.

    Raises LabError (see `check`) and OSError.
    """
    place = folder()
    for left in reversed(range(TRIES)):
        with contextlib.suppress(FileExistsError):
            place.mkdir(0o700)
        check(place)
        with contextlib.suppress(OSError):
            sweep(place)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = place / f"{os.getpid()}.{number}"
        new = path.with_suffix(f".{number}-new")
        try:
            # It gets its name when it listens: a door that nobody answers is taken for a dead process's.
            door.bind(str(new))
            new.chmod(0o600)
            door.listen()
            new.rename(path)
            return door, path
        except BaseException as error:
            door.close()
            new.unlink(missing_ok=True)
            if not isinstance(error, FileNotFoundError) or not left:
                raise
    raise AssertionError


def remove(path: Path) -> None:
    """Take a door away, and the folder with the last one."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()


def identity(path: Path) -> str:
    """Return what tells a lab from others of its name: its process's pid, with a number where it is not that one's first lab."""
    return path.name.removesuffix(".1")


def doors() -> list[Path]:
    """Return the doors that are there, oldest process first. Raises LabError (see `check`)."""
    place = folder()
    check(place)
    numbers = []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(place):
            pid, _, number = name.partition(".")
            if pid.isdigit() and number.isdigit():
                numbers.append((int(pid), int(number)))
    return [place / f"{pid}.{number}" for pid, number in sorted(numbers)]


def sweep(place: Path) -> None:
    """Take away what processes that have ended have left."""
    for name in os.listdir(place):
        pid = name.partition(".")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            if name.endswith("-new"):
                (place / name).unlink(missing_ok=True)
            elif alive := connect(place / name, 1.0):  # of another pid namespace
                alive.close()


def connect(path: Path, timeout: float) -> socket.socket | None:
    """Connect to a door within `timeout` seconds; None when its process has ended, and the door is then taken away.

    Raises OSError when it does not answer.
    """
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    caller.settimeout(timeout)
    try:
        caller.connect(str(path))
        return caller
    except (ConnectionRefusedError, FileNotFoundError):
        caller.close()
        remove(path)
        return None
    except BaseException:
        caller.close()
        raise


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
