"""The script of a task: taskN.sh, which a lab writes while its task is solved, from what cells apply and terminals type.

The shells of recorded terminals write down each command as they have read it (inside/shell_record.sh), all into one file of the
lab's folder, so in the order in which the commands were entered, whatever the terminal. In the script one shell runs them all, so
a `cd` of ours stands before a command that was typed in another folder. A server that keeps its terminal stays one line: whoever
judges leaves it running, as its author did (inside/typed.py); where a key has ended it, a `pkill` does. An editor's line becomes
a comment, with the files that it has changed as here-documents below.
"""

import re
import shlex
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import NamedTuple

from .errors import LabError, LabkitError, plain
from .machine.folder import LabFolder, write_below
from .machine.view import HOME

# Who hears which native commands are applied, in this thread: a cell prints them, the panel shows them itself.
listener: ContextVar[Callable[[str], object]] = ContextVar("listener", default=print)
HEAD = "#!/bin/bash\n# The commands of this task, as they were applied, in order.\n"
# The file of the lab's folder in which terminals write; its entries end with a NUL, and their fields with a unit separator.
FILE, SEPARATOR = "typed", "\x1f"
NUMBERED = re.compile(r"\s*\d+[* ] ")
LEAVING = re.compile(r"\s*(exit|logout)(\s+\d+)?[\s;]*")
EDITING = re.compile(r"\s*(sudo\s+(-\w+\s+)*)?(/usr/bin/)?(nano|vi|vim|vim\.tiny|pico|editor|sudoedit)(\s[^;&|\n]*)?")
# What in a command may write a file of the home, so that the script would write it anew over what an editor made.
WRITING = re.compile(r">|\b(tee|cp|mv|sed|install|dd|patch|curl|wget)\b")
# What has a meaning of its own in a pattern of pkill(1).
SPECIAL, BACKSLASHED = re.compile(r"[][\\.^$*+?(){}|]"), r"\\\g<0>"


@contextmanager
def heard_by(callback: Callable[[str], object]) -> Iterator[None]:
    """Give the native commands that are applied meanwhile, in this thread, to `callback` instead of printing them."""
    token = listener.set(callback)
    try:
        yield
    finally:
        listener.reset(token)


def in_shell(path: str) -> str:
    """Return a path of the lab as one types it: with ~ for the home, in quotes where it needs them."""
    if path == HOME:
        return "~"
    inside = path.removeprefix(f"{HOME}/")
    return f"~/{shlex.quote(inside)}" if inside != path else shlex.quote(path)


class Script:
    """The script of one lab's task, in the lab's home.

    It holds what was applied in this lab, in order. As long as that goes the way of the script that is there (yesterday's,
    the one of an earlier run of the notebook), nothing is written: what is there stays, and nothing stands in it twice.
    Where it goes another way, or where the script was written by hand, the file is first kept beside as taskN.sh.bak-1, -2, …
    `folder` is where in the lab the command that was added last has left the script's shell. While it is `recording`, the
    task is not solved yet.
    """

    recording = True

    def __init__(self, home: Path, task: int) -> None:
        self._home, self.name = home, f"task{task}.sh"
        self._applied: list[str] = []
        self.folder = HOME
        self._lock = threading.RLock()

    def add(self, *commands: str, folder: str = HOME) -> None:
        """Write commands that were applied in a folder of the lab. Raises LabError, and BadInput for a script that is a link."""
        with self._lock:
            if folder != self.folder:
                self._applied.append(f"cd {in_shell(folder)}")
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
        """Drop what the script that is there would do beyond this: the task is solved. Raises as `add`."""
        with self._lock:
            if self._applied:
                self._write(whole=True)

    def _write(self, *, whole: bool) -> None:
        text = HEAD + "".join(f"{command}\n" for command in self._applied)
        file = self._home / self.name
        before = ""
        # A link may lead out of the home, and is refused below.
        if file.is_file() and not file.is_symlink():
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
            tried = f"~/{self.name} cannot be kept beside."
            way_out = f"move it away yourself, or free space in {self._home}"
            raise LabError(tried, words=str(error), way_out=way_out) from error
        said = f"now holds what is done in this lab; the script of before is ~/{beside.name}."
        listener.get()(f"# ~/{self.name} {said}")


class Entry(NamedTuple):
    """One entry: a command that runs ("run"), a "prompt", a "file" that an editor has changed, a program that a key "end"s.

    `terminal` is the session's number, `shell` the shell's pid; `level` is 0 in the terminal's first shell.
    """

    kind: str
    terminal: int
    shell: str
    level: int
    folder: str
    text: str


class Record:
    """What is typed in one lab's recorded terminals, as it becomes the script of the lab's task."""

    def __init__(self, name: str, folder: LabFolder, script: Script | None) -> None:
        """`name` is the lab's; it has no `script` where it has no task."""
        self._name, self._folder, self._script, self._lock = name, folder, script, threading.Lock()
        self._size = self._taken = 0
        self._seen: set[tuple[str, str]] = set()
        self._last: tuple[int, str] = (0, "")
        self._at_prompt = True
        self._ended: dict[int, list[str]] = {}
        self._kept: dict[int, list[str]] = {}

    def begin(self, terminal: int) -> None:
        """Begin the record of a terminal. Raises LabError for a lab whose commands are not kept."""
        why, way_out = "", ""
        if self._script is None:
            why, way_out = "it was opened without a task", "open it with Lab(…, task=N)"
        elif not self._script.recording:
            why = "its task is solved, and recording has ended"
            way_out = "in the notebook: Lab.current.recording = True"
        if why:
            tried = f"What is typed in the lab {self._name} cannot be recorded: {why}."
            raise LabError(tried, way_out=way_out)
        self._kept[terminal] = []

    def take(self) -> None:
        """Write what is new into the script. What goes wrong is told when the terminal is left."""
        with self._lock:
            try:
                size = (self._folder.path / FILE).stat().st_size
            except OSError:
                return
            if size == self._size:
                return
            self._size = size
            entries = self._folder.read(FILE).split("\0")[:-1]
            new, self._taken = entries[self._taken :], len(entries)
            for fields in (entry.split(SEPARATOR, 5) for entry in new):
                fine = len(fields) == 6 and fields[1].isdigit() and fields[3].lstrip("-").isdigit()
                if not fine or self._script is None or not self._script.recording:
                    continue
                entry = Entry(fields[0], int(fields[1]), fields[2], int(fields[3]), *fields[4:])
                notes = self._kept.setdefault(entry.terminal, [])
                try:
                    with heard_by(notes.append):
                        self._add(self._script, entry)
                except LabkitError as error:
                    notes.append(f"# {error}")

    def _add(self, script: Script, entry: Entry) -> None:
        if entry.kind == "end":
            self._ended.setdefault(entry.terminal, []).append(entry.text)
            return
        if entry.kind == "file":
            self._add_file(script, entry)
            return
        for line in dict.fromkeys(self._ended.pop(entry.terminal, ())):
            end = f"pkill -INT -xf {shlex.quote(SPECIAL.sub(BACKSLASHED, line))}"
            self._keep(script, entry, end, script.folder)
        text = NUMBERED.sub("", entry.text, count=1)
        text = text.strip("\n") if entry.kind == "run" else text.strip()
        shell = (entry.terminal, entry.shell)
        fresh = (entry.shell, entry.text) not in self._seen
        self._seen.add((entry.shell, entry.text))
        if shell == self._last and not self._at_prompt:
            script.folder = entry.folder  # the command before has led there
        if entry.kind == "run" and fresh and not (entry.level <= 0 and LEAVING.fullmatch(text)):
            command = f"# {text.strip()}" if EDITING.fullmatch(text) else text
            self._keep(script, entry, command, entry.folder)
            self._last, self._at_prompt = shell, False
        elif entry.kind == "prompt":
            if fresh and text and all(line.lstrip().startswith("#") for line in text.splitlines()):
                self._keep(script, entry, text, script.folder)
            self._at_prompt = self._at_prompt or shell == self._last

    def _add_file(self, script: Script, entry: Entry) -> None:
        """Write the file that an editor has changed; one of the home is part of the work, unless the script writes it too."""
        path, _, text = entry.text.partition("\n")
        name, applied = path.rpartition("/")[2], script.applied.splitlines()
        written = any(name in line and WRITING.search(line) for line in applied)
        if path.startswith(f"{HOME}/") and not written:
            return
        lines = text.removesuffix("\n").split("\n")
        end = next(word for number in count() if (word := f"END{number or ''}") not in lines)
        command = "\n".join([f"cat >{in_shell(path)} <<'{end}'", *lines, end])
        self._keep(script, entry, command, script.folder)

    def _keep(self, script: Script, entry: Entry, command: str, folder: str) -> None:
        self._kept[entry.terminal].append(command)
        script.add(command, folder=folder)

    def shown(self, terminal: int) -> str:
        """Return what was recorded in a terminal that has been left, for its screen."""
        with self._lock:
            kept = self._kept.pop(terminal, [])
        if not kept or not self._script or not self._script.recording:
            return "Nothing was recorded.\n"
        body = "".join(f"    {line}\n" for command in kept for line in plain(command).splitlines())
        where = plain(str(self._folder.home))
        hand_in = f"labkit hand-in --work {shlex.quote(where)}"
        return f"Recorded in {where}/{self._script.name}:\n{body}To hand in: {hand_in}\n"
