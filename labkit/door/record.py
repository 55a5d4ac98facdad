"""What is typed in a lab's recorded terminals, as it becomes the script of the lab's task.

The shells write down each command as they have read it (inside/shell_record.sh), all into one file of the lab's folder, so in
the order in which the commands were entered, whatever the terminal. In the script one shell runs them all, so a `cd` of ours
stands before a command that was typed in another folder. A server that keeps its terminal stays one line: whoever judges leaves
it running, as its author did (inside/typed.py); where a key has ended it, a `pkill` does. An editor's line becomes a comment,
with the files that it has changed as here-documents below.
"""

from __future__ import annotations

import re
import shlex
import threading
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from ..commands import heard_by
from ..errors import LabError, LabkitError, plain
from ..machine.view import HOME

if TYPE_CHECKING:
    from ..lab import Lab
    from ..recording import Script

# The file of the lab's folder; its entries end with a NUL, and their fields with a unit separator.
FILE = "typed"
SEPARATOR = "\x1f"
NUMBERED = re.compile(r"\s*\d+[* ] ")
LEAVING = re.compile(r"\s*(exit|logout)(\s+\d+)?[\s;]*")
EDITING = re.compile(r"\s*(sudo\s+(-\w+\s+)*)?(/usr/bin/)?(nano|vi|vim|vim\.tiny|pico|editor|sudoedit)(\s[^;&|\n]*)?")
# What in a command may write a file of the home, so that the script would write it anew over what an editor made.
WRITING = re.compile(r">|\b(tee|cp|mv|sed|install|dd|patch|curl|wget)\b")
# What has a meaning of its own in a pattern of pkill(1).
SPECIAL, BACKSLASHED = re.compile(r"[][\\.^$*+?(){}|]"), r"\\\g<0>"


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
    """The record of one lab's terminals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._size = self._taken = 0
        self._seen: set[tuple[str, str]] = set()
        self._last: tuple[int, str] = (0, "")
        self._at_prompt = True
        self._ended: dict[int, list[str]] = {}
        self._kept: dict[int, list[str]] = {}

    def begin(self, lab: Lab, terminal: int) -> None:
        """Begin the record of a terminal. Raises LabError for a lab whose commands are not kept."""
        if lab.script is None:
            why = "it was opened without a task" if lab.task is None else "its task is solved, and recording has ended"
            way_out = "open it with Lab(…, task=N)" if lab.task is None else "in the notebook: Lab.current.recording = True"
            raise LabError(f"What is typed in the lab {lab.name} cannot be recorded: {why}.", way_out=way_out)
        self._kept[terminal] = []

    def take(self, lab: Lab) -> None:
        """Write what is new into the script. What goes wrong is told when the terminal is left."""
        with self._lock:
            try:
                size = (lab.folder.path / FILE).stat().st_size
            except OSError:
                return
            if size == self._size:
                return
            self._size = size
            entries = lab.folder.read(FILE).split("\0")[:-1]
            new, self._taken = entries[self._taken :], len(entries)
            for fields in (entry.split(SEPARATOR, 5) for entry in new):
                if len(fields) == 6 and fields[1].isdigit() and fields[3].lstrip("-").isdigit() and lab.script:
                    entry = Entry(fields[0], int(fields[1]), fields[2], int(fields[3]), fields[4], fields[5])
                    notes = self._kept.setdefault(entry.terminal, [])
                    try:
                        with heard_by(notes.append):
                            self._add(lab.script, entry)
                    except LabkitError as error:
                        notes.append(f"# {error}")

    def _add(self, script: Script, entry: Entry) -> None:
        """Write one entry."""
        if entry.kind == "end":
            self._ended.setdefault(entry.terminal, []).append(entry.text)
            return
        if entry.kind == "file":
            self._add_file(script, entry)
            return
        for line in dict.fromkeys(self._ended.pop(entry.terminal, ())):
            self._keep(script, entry, f"pkill -INT -xf {shlex.quote(SPECIAL.sub(BACKSLASHED, line))}", script.folder)
        text = NUMBERED.sub("", entry.text, count=1).strip("\n") if entry.kind == "run" else entry.text
        text = NUMBERED.sub("", text, count=1).strip() if entry.kind == "prompt" else text
        shell = (entry.terminal, entry.shell)
        fresh = (entry.shell, entry.text) not in self._seen
        self._seen.add((entry.shell, entry.text))
        if shell == self._last and not self._at_prompt:
            script.folder = entry.folder  # the command before has led there
        if entry.kind == "run" and fresh and not (entry.level <= 0 and LEAVING.fullmatch(text)):
            self._keep(script, entry, f"# {text.strip()}" if EDITING.fullmatch(text) else text, entry.folder)
            self._last, self._at_prompt = shell, False
        elif entry.kind == "prompt":
            if fresh and text and all(line.lstrip().startswith("#") for line in text.splitlines()):
                self._keep(script, entry, text, script.folder)
            self._at_prompt = self._at_prompt or shell == self._last

    def _add_file(self, script: Script, entry: Entry) -> None:
        """Write the file that an editor has changed; one of the home is part of the work, unless the script writes it too."""
        path, _, text = entry.text.partition("\n")
        name = path.rpartition("/")[2]
        written = any(name in line and WRITING.search(line) for line in script.applied.splitlines())
        if path.startswith(f"{HOME}/") and not written:
            return
        lines = text.removesuffix("\n").split("\n")
        end = next(word for number in count() if (word := f"END{number or ''}") not in lines)
        place = f"~/{shlex.quote(path.removeprefix(f'{HOME}/'))}" if path.startswith(f"{HOME}/") else shlex.quote(path)
        self._keep(script, entry, "\n".join([f"cat >{place} <<'{end}'", *lines, end]), script.folder)

    def _keep(self, script: Script, entry: Entry, command: str, folder: str) -> None:
        self._kept[entry.terminal].append(command)
        script.add(command, folder=folder)

    def shown(self, lab: Lab, terminal: int) -> str:
        """What was recorded in a terminal that has been left, for its screen."""
        with self._lock:
            kept = self._kept.pop(terminal, [])
        script = lab.script
        if not kept or script is None:
            return "Nothing was recorded.\n"
        body = "".join(f"    {line}\n" for command in kept for line in plain(command).splitlines())
        where = plain(str(lab.home))
        return f"Recorded in {where}/{script.name}:\n{body}To hand in: labkit hand-in --work {shlex.quote(where)}\n"
