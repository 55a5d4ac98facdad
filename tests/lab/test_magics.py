"""The magics %lab and %%lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labkit.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def linux() -> str:
    """The magics are the same on both Linuxes: one will do."""
    return "host"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell with the extension loaded."""
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "labkit")
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def current(lab: Lab) -> Lab:
    """The file's lab as the current one."""
    Lab.current = lab
    return lab


def test_line_runs_in_the_lab(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """%lab runs one line of shell in the lab and prints what it prints."""
    shell.run_line_magic("lab", "hostname | tr a-z A-Z; pwd")
    assert capsys.readouterr() == ("LAB\n/root\n", "")


def test_cell_runs_in_the_lab(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """%%lab runs all lines as one script."""
    shell.run_cell_magic("lab", "", "x=1\n\necho $((x+1))\n")
    assert capsys.readouterr() == ("2\n", "")
    assert not list(current.home.glob("task*.sh"))


def test_cell_of_a_task_is_kept(
    shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a lab of a task, the lines of a cell are kept in its script, which does the same when it is run."""
    monkeypatch.setattr(current, "task", 1)
    monkeypatch.setattr(current, "recording", True)
    shell.run_cell_magic("lab", "", "x=5\necho $((x+1))\n")
    capsys.readouterr()
    assert current.run("sh ~/task1.sh").stdout == "6\n"
    current.run("rm ~/task1.sh")


def kept(shell: InteractiveShell, current: Lab, monkeypatch: pytest.MonkeyPatch, *cells: str) -> str:
    """The script of task 1 after these cells."""
    monkeypatch.setattr(current, "task", 1)
    monkeypatch.setattr(current, "recording", True)
    monkeypatch.setattr(current, "_script", [])
    for cell in cells:
        shell.run_cell_magic("lab", "", cell)
    script = current.home / "task1.sh"
    text = script.read_text() if script.exists() else ""
    script.unlink(missing_ok=True)
    return text


def test_cells_do_in_the_script_what_they_did_alone(
    shell: InteractiveShell, current: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cell begins in ~; one that goes elsewhere, or ends early, changes nothing for the cells after it."""
    cells = ("mkdir -p a\ncd a && pwd\n", "if true; then exit 3; fi\n", "x=(1 2)\necho ${#x[@]} $PWD\n")
    text = kept(shell, current, monkeypatch, *cells)
    capsys.readouterr()
    current.write("~/again.sh", text)
    assert current.run(["bash", "again.sh"]).stdout == "/root/a\n2 /root\n"
    assert text.startswith("#!/bin/bash\n")
    current.run("rm -r ~/again.sh ~/a")


def test_cell_that_no_shell_can_read_is_not_kept(
    shell: InteractiveShell, current: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unclosed quote would end the whole script, so such a cell is refused as a whole, with the shell's words."""
    text = kept(shell, current, monkeypatch, "echo one\necho 'two\n", "echo three\n")
    out, err = capsys.readouterr()
    assert "one" not in out and "unexpected EOF" in err and "nothing of it was run or kept" in err
    assert text.splitlines()[2:] == ["echo three"]


def test_cell_that_needs_a_solution(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """Under %%once_done a missing name, or an error, is one line that says what is missing, and no traceback."""
    shell.run_cell_magic("once_done", "", "pool.stop()")
    assert capsys.readouterr() == (
        "Not done yet: this cell needs your solution above (it uses `pool`, which no cell above has made).\n", "",
    )  # fmt: skip
    shell.run_cell_magic("once_done", "", "raise ValueError")
    assert "(ValueError: )" in capsys.readouterr().out


def test_code_that_is_not_zero_is_told(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed command is no traceback, and its code is told."""
    shell.run_line_magic("lab", "echo out; exit 3")
    assert capsys.readouterr() == ("out\n", "(ended with code 3)\n")


def test_without_a_lab_it_says_so(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an open lab the magic says how to open one."""
    Lab.current = None
    shell.run_line_magic("lab", "true")
    assert "Lab(" in capsys.readouterr().err
