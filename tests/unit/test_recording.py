"""The script of a task, across kernels, edits by hand and second runs; and what recorded terminals make of it."""

from pathlib import Path
from typing import Any

import pytest

from labkit.errors import BadInput, LabError
from labkit.machine.folder import LabFolder
from labkit.recording import FILE, HEAD, Record, Script, heard_by

# What stands in the script before, what a new lab does, what stands there afterwards, and what is kept beside.
YESTERDAY = HEAD + "a\nb\n"
CASES = {
    "nothing was there": (None, ["a", "b"], YESTERDAY, None),
    "the first command again": (YESTERDAY, ["a"], YESTERDAY, None),
    "the whole notebook again": (YESTERDAY, ["a", "b"], YESTERDAY, None),
    "it goes on": (YESTERDAY, ["a", "b", "c"], HEAD + "a\nb\nc\n", None),
    "an interrupted run is finished": (HEAD + "a\n", ["a", "b"], YESTERDAY, None),
    "another first command": (YESTERDAY, ["x"], HEAD + "x\n", YESTERDAY),
    "an edited cell": (YESTERDAY, ["a", "x"], HEAD + "a\nx\n", YESTERDAY),
    "a part of a line is no line": (HEAD + "a -b\n", ["a"], HEAD + "a\n", HEAD + "a -b\n"),
    "by hand": ("#!/bin/sh\nmine\n", ["a"], HEAD + "a\n", "#!/bin/sh\nmine\n"),
    "by hand, and no line end": ("mine", ["a"], HEAD + "a\n", "mine"),
    "empty": ("\n", ["a"], HEAD + "a\n", None),
}


@pytest.mark.parametrize(("before", "commands", "after", "kept"), CASES.values(), ids=CASES)
def test_script_of_before(tmp_path: Path, before: Any, commands: list[str], after: str, kept: Any) -> None:
    """A new lab continues the script that is there, or keeps it beside and says so once; nothing stands in it twice."""
    file, said = tmp_path / "task1.sh", list[str]()
    if before is not None:
        file.write_text(before)
    script = Script(tmp_path, 1)
    with heard_by(said.append):
        for command in commands:
            script.add(command)
    beside = {path.name: path.read_text() for path in tmp_path.iterdir() if path != file}
    assert file.read_text() == after
    assert beside == ({} if kept is None else {"task1.sh.bak-1": kept})
    assert len(said) == len(beside) and all("~/task1.sh.bak-1" in words for words in said)


def test_what_the_solution_no_longer_does(tmp_path: Path) -> None:
    """At the end of the solution, what a script of before does beyond it is kept beside, as if the notebook had run once."""
    (tmp_path / "task1.sh").write_text(YESTERDAY)
    script = Script(tmp_path, 1)
    script.end()  # nothing was done in this lab: it says nothing about the script
    assert (tmp_path / "task1.sh").read_text() == YESTERDAY
    script.add("a")
    script.end()
    assert (tmp_path / "task1.sh").read_text() == HEAD + "a\n"
    assert (tmp_path / "task1.sh.bak-1").read_text() == YESTERDAY


def test_every_script_of_before_is_kept_once(tmp_path: Path) -> None:
    """Scripts of before have numbers; one that is kept already is not kept again; a script keeps its mode; what a learner wrote
    into it between two recorded commands is kept too."""
    file = tmp_path / "task1.sh"
    for text in ("one\n", "two\n", "one\n"):
        file.write_text(text)
        file.chmod(0o750)
        script = Script(tmp_path, 1)
        script.add("a")
        assert file.stat().st_mode & 0o777 == 0o750
    file.write_text("mine\n")
    script.add("b")
    assert file.read_text() == HEAD + "a\nb\n"
    kept = {path.name[-1]: path.read_text() for path in tmp_path.glob("task1.sh.bak-*")}
    assert kept == {"1": "one\n", "2": "two\n", "3": "mine\n"}


def test_cell_is_a_shell_of_its_own(tmp_path: Path) -> None:
    """A cell stands in brackets, as it was typed, and once where it is run twice in a row."""
    script = Script(tmp_path, 1)
    for cell in ("x=1\n", "x=1\n", "echo \u2028 \f\n\n", "x=1\n"):
        script.add_cell(cell)
    one, other = "(\nx=1\n)\n", "(\necho \u2028 \f\n)\n"
    assert (tmp_path / "task1.sh").read_text() == HEAD + one + other + one


def test_script_that_is_a_link(tmp_path: Path) -> None:
    """A link is neither followed nor copied."""
    (tmp_path / "task1.sh").symlink_to("/etc/hostname")
    with pytest.raises(BadInput, match="link"):
        Script(tmp_path, 1).add("a")
    assert [path.name for path in tmp_path.iterdir()] == ["task1.sh"]


def entry(kind: str, text: str = "", **more: Any) -> str:
    """An entry as the shell writes it, in ~ of the first shell of terminal 1 unless `more` says so."""
    fields = {"terminal": 1, "shell": 100, "level": 0, "folder": "/root"} | more
    return "\x1f".join((kind, *map(str, fields.values()), text)) + "\0"


def lines(*texts: str, first: int = 1, **options: Any) -> list[str]:
    """The entries of these lines, each followed by a prompt."""
    found = []
    for number, text in enumerate(texts, first):
        found += [entry(kind, f"{number:5}  {text}\n", **options) for kind in ("run", "prompt")]
    return found


HOME_FILE = "/root/a b.conf\nlisten 1;\n"
TYPED = {
    "a line": (lines("ls"), ["ls"]),
    "exit of the terminal's shell": (lines("ls", "exit", "logout", "exit 3;"), ["ls"]),
    "exit of a shell in it": (lines("exit", level=1), ["exit"]),
    "a line that begins like exit": (lines("exit_code=3"), ["exit_code=3"]),
    "the same line twice": (lines("ls", "ls"), ["ls", "ls"]),
    "the line before, seen again after one with a space": ([*lines("ls"), *lines("ls")], ["ls"]),
    "a comment": ([entry("prompt", "    7  # why\n")], ["# why"]),
    "a line that no shell could read": ([entry("prompt", "    7  if fi\n")], []),
    "half an entry": ([*lines("ls"), "run\x1f1\x1f100"], ["ls"]),
    "what is no entry": ([*lines("ls"), "x\0", entry("run", "    9  cd", level="x")], ["ls"]),
    "terminals in one folder": ([*lines("ls"), *lines("id", shell=7, terminal=2)], ["ls", "id"]),
    "another folder": (lines("id", shell=7, folder="/root/a b"), ["cd ~/'a b'", "id"]),
    "a folder that a line has led to": (
        [entry("run", "    1  cd /etc\n"), *lines("id", first=2, folder="/etc")],
        ["cd /etc", "id"],
    ),
    "a folder that a line with a space has left": (
        [*lines("ls"), entry("prompt", "", folder="/etc"), *lines("id", first=2, folder="/etc")],
        ["ls", "cd /etc", "id"],
    ),
    "a key that ends a program": (
        [*lines("s -p 80")[:1], *[entry("end", "s -p 8.0")] * 2, lines("s -p 80")[1]],
        ["s -p 80", "pkill -INT -xf 's -p 8\\.0'"],
    ),
    "a key in another terminal": ([entry("end", "sleep 1", terminal=2), *lines("id")], ["id"]),
    "an editor": (lines("sudo nano x", "vi; ls"), ["# sudo nano x", "vi; ls"]),
    "a file of an editor": (
        [*lines("vi x"), entry("file", "/etc/x\nEND\n\n$x \\\n")],
        ["# vi x", "cat >/etc/x <<'END1'", "END", "", "$x \\", "END1"],
    ),
    "a file of the home": ([*lines("vi"), entry("file", HOME_FILE)], ["# vi"]),
    "a file of the home that the script writes": (
        [*lines("echo >'a b.conf'", "vi 'a b.conf'"), entry("file", HOME_FILE)],
        ["echo >'a b.conf'", "# vi 'a b.conf'", "cat >~/'a b.conf' <<'END'", "listen 1;", "END"],
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """The folder of a lab, with its home."""
    (tmp_path / "home").mkdir()
    return LabFolder(tmp_path, tmp_path / "home")


@pytest.fixture
def record(folder: LabFolder) -> Record:
    """The record of a lab with task 1."""
    return Record("lab", folder, Script(folder.home, 1))


def take(record: Record, folder: LabFolder, *entries: str) -> None:
    """Let a record read entries, one after another."""
    for written in entries:
        with (folder.path / FILE).open("a", newline="") as file:
            file.write(written)
        record.take()


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
@pytest.mark.parametrize("case", TYPED)
def test_entries_become_the_script(record: Record, folder: Any, case: str, at_once: bool) -> None:
    """Whether they are read at once or as they come."""
    entries, wanted = TYPED[case]
    take(record, folder, *(["".join(entries)] if at_once else entries))
    script = folder.home / "task1.sh"
    text = script.read_text() if script.exists() else HEAD
    assert text == HEAD + "".join(f"{line}\n" for line in wanted)


def test_words_of_a_terminal_are_its_own(record: Record, folder: LabFolder) -> None:
    """What is shown at the end is what was typed there, without what would steer the screen, and how to hand in."""
    for terminal in (1, 2, 3):
        record.begin(terminal)
    take(record, folder, *lines("echo \x1b[2J"), *lines("id", terminal=2, shell=7))
    shown = record.shown(1)
    assert "echo" in shown and f"labkit hand-in --work {folder.home}" in shown
    assert "\x1b" not in shown and "id" not in shown
    assert record.shown(2).splitlines()[1:-1] == ["    id"]
    assert record.shown(3) == "Nothing was recorded.\n"


def test_script_that_cannot_be_written_is_told(record: Record, folder: LabFolder) -> None:
    """A script that is a link out of the home is not written; the terminal says why when it is left."""
    (folder.home / "task1.sh").symlink_to("/etc/passwd")
    take(record, folder, *lines("ls"))
    assert "is a link that leads out" in record.shown(1)


def test_lab_that_keeps_nothing_is_no_place_to_record(folder: LabFolder) -> None:
    """A lab without a task, or whose recording has ended, says so, and keeps nothing."""
    script = Script(folder.home, 1)
    script.recording = False
    for kept, words in ((None, "without a task"), (script, "its task is solved")):
        record = Record("lab", folder, kept)
        take(record, folder, *lines("ls"))
        with pytest.raises(LabError, match=words):
            record.begin(1)
    assert [*folder.home.iterdir()] == []
