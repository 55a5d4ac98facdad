"""Where the doors are: a folder of this user alone, one socket for each open lab.

It does not depend on the environment, so that a terminal finds what a notebook has opened (as tmux does it), and no view of
a lab has it. It goes with the last door.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from pathlib import Path

from ..errors import LabError

# Making the socket in a folder that the last other door is just taking away is tried again this often.
TRIES = 5


def folder() -> Path:
    """The folder of this user's doors."""
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
        door = socket.socket(socket.AF_UNIX)
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
    """What tells a lab from others of its name: the pid of its process, with a number where it is not that one's first."""
    return path.name.removesuffix(".1")


def doors() -> list[Path]:
    """The doors that are there, oldest process first. Raises LabError (see `check`)."""
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
            else:
                connect(place / name, 1.0)


def connect(path: Path, timeout: float) -> socket.socket | None:
    """Connect to a door within `timeout` seconds; None when its process has ended, and the door is then taken away.

    Raises OSError when it does not answer.
    """
    caller = socket.socket(socket.AF_UNIX)
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


def peer(connection: socket.socket) -> tuple[int, int]:
    """The pid and the user id of the process at the other end (unix(7), SO_PEERCRED)."""
    pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return pid, uid
