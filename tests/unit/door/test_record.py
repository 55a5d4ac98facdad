"""What recorded terminals have written down, and the script that it becomes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.door.record import FILE, Record
from labkit.errors import LabError
from labkit.machine.folder import LabFolder
from labkit.recording import HEAD, Script


def entry(kind: str, text: str = "", *, terminal: int = 1, shell: int = 100, level: int = 0, folder: str = "/root") -> str:
    """An entry as the shell writes it."""
    return "\x1f".join((kind, str(terminal), str(shell), str(level), folder, text)) + "\0"


def lines(*texts: str, **options: Any) -> list[str]:
    """The entries of these lines, each followed by a prompt."""
    numbered = [f"{number:5}  {text}\n" for number, text in enumerate(texts, options.pop("first", 1))]
    return [one for text in numbered for one in (entry("run", text, **options), entry("prompt", text, **options))]


HOME_FILE = "/root/a b.conf\nlisten 1;\n"
CASES = {
    "a line": (lines("ls"), ["ls"]),
    "exit of the terminal's shell": (lines("ls", "exit", "logout", "exit 3;"), ["ls"]),
    "exit of a shell in it": (lines("exit", level=1), ["exit"]),
    "a line that begins like exit": (lines("exit_code=3"), ["exit_code=3"]),
    "the same line twice": (lines("ls", "ls"), ["ls", "ls"]),
    "the line before, seen again after one with a space": ([*lines("ls"), *lines("ls")], ["ls"]),
    "a comment": ([entry("prompt", "    7  # why\n")], ["# why"]),
    "a line that no shell could read": ([entry("prompt", "    7  if fi\n")], []),
    "half an entry": ([*lines("ls"), "run\x1f1\x1f100"], ["ls"]),
    "what is no entry": ([*lines("ls"), "x\0", entry("run", "    9  cd", level=0).replace("\x1f0\x1f", "\x1fx\x1f")], ["ls"]),
    "terminals in one folder": ([*lines("ls"), *lines("id", shell=7, terminal=2)], ["ls", "id"]),
    "another folder": ([*lines("ls"), *lines("id", shell=7, folder="/root/a b")], ["ls", "cd ~/'a b'", "id"]),
    "a folder that a line has led to": (
        [entry("run", "    1  cd /etc\n"), *lines("id", first=2, folder="/etc")],
        ["cd /etc", "id"],
    ),
    "a folder that a line with a space has left": (
        [*lines("ls"), entry("prompt", "", folder="/etc"), *lines("id", first=2, folder="/etc")],
        ["ls", "cd /etc", "id"],
    ),
    "a key that ends a program": (
        [
            entry("run", "    1  s -p 80\n"),
            entry("end", "s -p 8.0"),
            entry("end", "s -p 8.0"),
            entry("prompt", "    1  s -p 80\n"),
        ],
        ["s -p 80", "pkill -INT -xf 's -p 8\\.0'"],
    ),
    "a key in another terminal": ([*lines("ls"), entry("end", "sleep 1", terminal=2), *lines("id", first=2)], ["ls", "id"]),
    "an editor": (lines("sudo nano /etc/x", "vi", "nano a; ls"), ["# sudo nano /etc/x", "# vi", "nano a; ls"]),
    "a file of an editor": (
        [*lines("vi x"), entry("file", "/etc/x\nEND\n\n$x \\\n")],
        ["# vi x", "cat >/etc/x <<'END1'", "END", "", "$x \\", "END1"],
    ),
    "a file of the home": ([*lines("vi 'a b.conf'"), entry("file", HOME_FILE)], ["# vi 'a b.conf'"]),
    "a file of the home that the script writes": (
        [*lines("echo >'a b.conf'", "vi 'a b.conf'"), entry("file", HOME_FILE)],
        ["echo >'a b.conf'", "# vi 'a b.conf'", "cat >~/'a b.conf' <<'END'", "listen 1;", "END"],
    ),
}


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    """What a record needs of a lab, with a script of task 1."""
    (tmp_path / "home").mkdir()
    folder = LabFolder(tmp_path, tmp_path / "home")
    return SimpleNamespace(name="lab", task=1, folder=folder, home=folder.home, script=Script(folder.home, 1))


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("case", CASES)
def test_entries_become_the_script(lab: Any, case: str, at_once: bool) -> None:
    """Whether they are read at once or as they come."""
    entries, wanted = CASES[case]
    record = Record()
    for written in ["".join(entries)] if at_once else entries:
        with (lab.folder.path / FILE).open("a", newline="") as file:
            file.write(written)
        record.take(lab)
    script = lab.home / "task1.sh"
    assert (script.read_text() if script.exists() else HEAD) == HEAD + "".join(f"{line}\n" for line in wanted)


def test_words_of_a_terminal_are_its_own(lab: Any) -> None:
    """What is shown at the end is what was typed there, without what would steer the screen, and how to hand in."""
    record = Record()
    for terminal in (1, 2):
        record.begin(lab, terminal)
    (lab.folder.path / FILE).write_text("".join([*lines("echo \x1b[2J"), *lines("id", terminal=2, shell=7)]))
    record.take(lab)
    shown = record.shown(lab, 1)
    assert "echo" in shown and "\x1b" not in shown and "id" not in shown and f"labkit hand-in --work {lab.home}" in shown
    assert record.shown(lab, 2).splitlines()[1:-1] == ["    id"]
    record.begin(lab, 3)
    assert record.shown(lab, 3) == "Nothing was recorded.\n"


def test_script_that_cannot_be_written_is_told(lab: Any) -> None:
    """A script that is a link out of the home is not written; the terminal says why when it is left."""
    (lab.home / "task1.sh").symlink_to("/etc/passwd")
    record = Record()
    (lab.folder.path / FILE).write_text("".join(lines("ls")))
    record.take(lab)
    assert "is a link that leads out" in record.shown(lab, 1)


@pytest.mark.parametrize(("task", "words"), [(None, "without a task"), (1, "its task is solved")])
def test_lab_that_keeps_nothing_is_no_place_to_record(lab: Any, task: int | None, words: str) -> None:
    """A lab without a task, or whose recording has ended, says so."""
    lab.script, lab.task = None, task
    with pytest.raises(LabError, match=words):
        Record().begin(lab, 1)
