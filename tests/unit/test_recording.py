"""The script of a task, across kernels, edits by hand and second runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.commands import heard_by
from labkit.errors import BadInput
from labkit.recording import HEAD, Script

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
def test_script_of_before(tmp_path: Path, before: str | None, commands: list[str], after: str, kept: str | None) -> None:
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
    """Scripts of before have numbers; one that is kept already is not kept again; a script keeps its mode."""
    file = tmp_path / "task1.sh"
    for text in ("one\n", "two\n", "one\n"):
        file.write_text(text)
        file.chmod(0o750)
        Script(tmp_path, 1).add("x")
        assert file.stat().st_mode & 0o777 == 0o750
    kept = {path.name: path.read_text() for path in tmp_path.glob("*.bak-*")}
    assert kept == {"task1.sh.bak-1": "one\n", "task1.sh.bak-2": "two\n"}


def test_edit_by_hand_while_the_lab_is_open(tmp_path: Path) -> None:
    """What a learner wrote into the script between two recorded commands is kept too."""
    script = Script(tmp_path, 1)
    script.add("a")
    (tmp_path / "task1.sh").write_text("mine\n")
    script.add("b")
    assert (tmp_path / "task1.sh").read_text() == HEAD + "a\nb\n"
    assert (tmp_path / "task1.sh.bak-1").read_text() == "mine\n"


def test_cell_is_a_shell_of_its_own(tmp_path: Path) -> None:
    """A cell stands in brackets, as it was typed, and once where it is run twice in a row."""
    script = Script(tmp_path, 1)
    for cell in ("x=1\n", "x=1\n", "echo \u2028 \f\n\n", "x=1\n"):
        script.add_cell(cell)
    assert (tmp_path / "task1.sh").read_text() == HEAD + "(\nx=1\n)\n(\necho \u2028 \f\n)\n(\nx=1\n)\n"


def test_script_that_is_a_link(tmp_path: Path) -> None:
    """A link is neither followed nor copied."""
    (tmp_path / "task1.sh").symlink_to("/etc/hostname")
    with pytest.raises(BadInput, match="link"):
        Script(tmp_path, 1).add("a")
    assert [path.name for path in tmp_path.iterdir()] == ["task1.sh"]
