"""The script of a task: taskN.sh, which a lab writes while its task is solved."""

from __future__ import annotations

import shlex
import shutil
import threading
from itertools import count
from pathlib import Path

from .commands import listener
from .errors import LabError
from .machine.folder import write_below
from .machine.view import HOME

HEAD = "#!/bin/bash\n# The commands of this task, as they were applied, in order.\n"


class Script:
    """The script of one lab's task, in the lab's home.

    It holds what was applied in this lab, in order. As long as that goes the way of the script that is there (yesterday's,
    the one of an earlier run of the notebook), nothing is written: what is there stays, and nothing stands in it twice.
    Where it goes another way, or where the script was written by hand, the file is first kept beside as taskN.sh.bak-1, -2, …
    `folder` is where in the lab the command that was added last has left the script's shell.
    """

    def __init__(self, home: Path, task: int) -> None:
        self._home, self.name = home, f"task{task}.sh"
        self._applied: list[str] = []
        self.folder = HOME
        self._lock = threading.RLock()

    def add(self, *commands: str, folder: str = HOME) -> None:
        """Write commands that were applied in a folder of the lab. Raises LabError, and BadInput for a script that is a link."""
        with self._lock:
            if folder != self.folder:
                inside = folder.removeprefix(f"{HOME}/")
                place = "~" if folder == HOME else f"~/{shlex.quote(inside)}" if inside != folder else shlex.quote(folder)
                self._applied.append(f"cd {place}")
            self._applied += commands
            self.folder = folder
            self._write(whole=False)

    @property
    def applied(self) -> str:
        """The commands that were applied in this lab, as text."""
        return "\n".join(self._applied)

    def add_cell(self, cell: str) -> None:
        """Write the lines of a cell as a shell of their own; the same cell at once again counts once. Raises as `add`."""
        command = "(\n" + cell.strip("\n") + "\n)"
        with self._lock:
            if self._applied[-1:] != [command]:
                self.add(command)

    def end(self) -> None:
        """The task is solved: what the script that is there would do beyond this is no part of it. Raises as `add`."""
        with self._lock:
            if self._applied:
                self._write(whole=True)

    def _write(self, *, whole: bool) -> None:
        text = HEAD + "".join(f"{command}\n" for command in self._applied)
        file = self._home / self.name
        before = ""
        if file.is_file() and not file.is_symlink():  # a link may lead out of the home, and is refused below
            before = file.read_text(encoding="utf-8", errors="replace").rstrip("\n") + "\n"
        if before == text or (before.startswith(text) and not whole):
            return
        if before.strip() and not text.startswith(before):
            self._keep(file)
        write_below(self._home, self.name, text)

    def _keep(self, file: Path) -> None:
        """Copy the script beside, unless such a copy is there already, and say so. Raises LabError."""
        try:
            for number in count(1):
                beside = file.with_name(f"{file.name}.bak-{number}")
                if not beside.exists():
                    shutil.copy2(file, beside)
                if beside.is_file() and beside.read_bytes() == file.read_bytes():
                    break
        except OSError as error:
            way_out = f"move it away yourself, or free space in {self._home}"
            raise LabError(f"~/{self.name} cannot be kept beside.", words=str(error), way_out=way_out) from error
        listener.get()(f"# ~/{self.name} now holds what is done in this lab; the script of before is ~/{beside.name}.")
