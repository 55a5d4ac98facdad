"""The last candidate, where user namespaces are refused: User-Mode Linux without a view around it.

The guest's root file system is then the host's own, as this user may read it; the view is made inside the guest.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import IO

from ..errors import LabError, WaitTimeout
from .folder import LabFolder
from .host import LOG
from .processor import on_one_processor
from .signals import DEFAULT_SIGNALS
from .uml import INIT, MEMORY_BYTES, boot_command, require_uml, write_inner_view
from .view import view_of
from .xstate import xstate_library

STOP_TIMEOUT = 10.0


class BareMachine:
    """A running linux.uml under its warden: `stdin` and `stdout` are its serial line."""

    def __init__(self, command: list[str], *, log: Path) -> None:
        """Start `command` under a warden; its stderr goes to `log`."""
        lifeline, self._lifeline = os.pipe()
        script = str(Path(__file__).with_name("warden.py"))
        warden = [*DEFAULT_SIGNALS, sys.executable, "-I", "-S", script, str(lifeline), *command]
        try:
            with log.open("ab") as stderr, on_one_processor():
                self._process = subprocess.Popen(
                    warden, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, pass_fds=(lifeline,),
                    bufsize=0, env={**os.environ, "TMPDIR": memory_folder()}, process_group=0,
                )  # fmt: skip
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)
        self.pid = self._process.pid
        assert self._process.stdin is not None and self._process.stdout is not None
        self.stdin: IO[bytes] = io.BufferedWriter(self._process.stdin)
        self.stdout: IO[bytes] = self._process.stdout

    def stop(self) -> None:
        """End every process of it and wait until they are gone; its streams are left to who reads them."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise WaitTimeout(f"Waited {STOP_TIMEOUT:g} s for the end of User-Mode Linux.", words=str(error)) from None


def memory_folder() -> str:
    """A folder for the guest's memory: linux.uml maps a file there, executable, which a noexec mount refuses."""
    tried = []
    for folder in ("/dev/shm", tempfile.gettempdir()):
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            tried.append(f"{folder} cannot be written to")
        elif os.statvfs(folder).f_flag & os.ST_NOEXEC:
            tried.append(f"{folder} is mounted noexec")
        elif free_bytes(folder) < MEMORY_BYTES:  # a guest whose memory cannot grow ends by SIGBUS; Docker gives 64 MiB
            tried.append(f"{folder} has {free_bytes(folder) >> 20} MiB free")
        else:
            return folder
    raise LabError(
        f"No folder for the memory of User-Mode Linux, {MEMORY_BYTES >> 20} MiB.", words="\n".join(tried),
        way_out="set TMPDIR to a folder with that much space, not mounted noexec (in Docker: `--shm-size 1g`)",
    )  # fmt: skip


def free_bytes(folder: str) -> int:
    """What this user can still write below `folder`, bytes."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class BareUmlLinux:
    """User-Mode Linux alone."""

    name = "uml"
    title = "User-Mode Linux alone"
    start_timeout = 60.0

    def start(self, folder: LabFolder) -> BareMachine:
        """Boot the lab's own Linux and start its agent in it. Raises LabError when it cannot be started."""
        require_uml()
        if not shutil.which("bwrap"):
            raise LabError(
                "bubblewrap (`bwrap`) is not installed; the guest makes its view with it.", way_out="apt-get install bubblewrap"
            )
        path = str(folder.path)
        if any(letter.isspace() or letter == '"' for letter in path):  # what a boot line has between words, and around some
            way_out = "set TMPDIR to a folder without spaces and quotes in its name"
            raise LabError(f"A boot line cannot name {path}.", way_out=way_out)
        write_inner_view(folder, replace(view_of(folder), folder=path))
        init = folder.path / INIT
        shutil.copy(Path(__file__).with_name(INIT), init)
        library = xstate_library()
        return BareMachine(boot_command(str(init), path, str(library) if library else None), log=folder.path / LOG)
