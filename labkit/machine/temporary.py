"""Where labkit's temporary folders are made: in one of this process, which goes when it ends in any way."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO

from ..errors import LabError


def readable(file: int | IO[bytes], timeout: float) -> bool:
    """True when `file` can be read, or has ended, within `timeout` seconds."""
    return _ready(file, select.POLLIN, timeout)


def writable(file: int | IO[bytes], timeout: float) -> bool:
    """True when a pipe takes 4,096 bytes (PIPE_BUF, pipe(7)) at once, or has ended, within `timeout` seconds."""
    return _ready(file, select.POLLOUT, timeout)


def _ready(file: int | IO[bytes], event: int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(file, event)
    return bool(poll.poll(timeout * 1000))


# What still writes there when this process ends is ending too: for ten seconds the shell tries again.
JANITOR = """
exec 3<&0
{ trap '' HUP INT TERM; groups=' '
  while read -r sign group; do
    case $sign in
      +) groups="$groups$group " ;;
      -) case $groups in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
    esac
  done
  for group in $groups; do kill -s KILL -- "-$group"; done
  n=0
  until rm -rf -- "$1" || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done
} <&3 &
[ -w "$2" ] || exit 3
"""
ANNOUNCE = 'echo "+ $$" >"$0" && exec "$@"'
START_TIMEOUT = 10.0

_lock = threading.Lock()
_folders: dict[str, Path] = {}
# The pipe to the janitor of each folder, and how a child opens it: "" where none can, as when this process has more
# capabilities than they (ptrace(2)).
_janitors: dict[Path, tuple[int, str]] = {}


def own_folder() -> Path:
    """The folder of this process in the temporary directory, made when it is first needed. Raises LabError."""
    with _lock:
        place = tempfile.gettempdir()
        folder = _folders.get(place)
        new = None
        try:
            if folder is None or not folder.is_dir():
                folder = new = Path(tempfile.mkdtemp(prefix="labkit-"))
            _see_to_janitor(folder)
        except (OSError, subprocess.SubprocessError) as error:
            if new:
                new.rmdir()
            raise no_folder(error) from error
        _folders[place] = folder
        return folder


def _see_to_janitor(folder: Path) -> None:
    """Start the shell that deletes `folder`, also in the place of one that somebody has ended (a pipe without a reader)."""
    if folder in _janitors:
        poll = select.poll()
        poll.register(_janitors[folder][0], 0)
        if not poll.poll(0):
            return
        os.close(_janitors.pop(folder)[0])
    reading, writing = os.pipe()
    door = f"/proc/{os.getpid()}/fd/{writing}"
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", JANITOR, "labkit-janitor", str(folder), door], stdin=reading, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd="/", start_new_session=True, timeout=START_TIMEOUT, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 3):
            done.check_returncode()
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    _janitors[folder] = writing, "" if done.returncode else door


def announced(command: list[str]) -> list[str]:
    """`command` as the leader of a process group that ends when this process ends, until `ended` takes that back.

    It says so itself, before anything of it runs: between starting it and saying so, this process could be killed. When that
    has happened, it does not run. Where a child cannot say so, `command` is as it is.
    """
    folder = own_folder()
    with _lock:
        door = _janitors[folder][1]
    return ["/bin/sh", "-c", ANNOUNCE, door, *command] if door else command


def ended(group: int) -> None:
    """Take back `announced`: the group has ended."""
    with _lock:
        for pipe, _ in _janitors.values():
            with contextlib.suppress(BrokenPipeError):  # it has been ended: nothing is left to take back
                os.write(pipe, f"- {group}\n".encode())


def no_folder(error: Exception) -> LabError:
    """The error of a temporary folder that cannot be made or filled."""
    return LabError(
        f"A temporary folder in {tempfile.gettempdir()} cannot be made.", words=str(error),
        way_out="free space there (`df`) or end some processes (`ps`), or set TMPDIR to another folder that you can write to",
    )  # fmt: skip
