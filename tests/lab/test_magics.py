"""The magics %lab and %%lab."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_notebook

from labkit.errors import BadInput, LabkitError, NotRunning
from labkit.inside import sockets
from labkit.lab import Lab
from labkit.magics import NEEDS, STUB
from labkit.services.daemons import Dnsmasq
from labkit.services.http_server import BackendPool

from .helpers import LabFactory, eventually, pids


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


def test_line_and_cell_run_in_the_lab(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """%lab runs one line of shell and prints what it prints; %%lab shows once what was typed, as a terminal does, and runs all
    lines as one script; a failed command is no traceback, and its code is told; without an open lab it says how to open one."""
    shell.run_line_magic("lab", "hostname | tr a-z A-Z; pwd")
    assert capsys.readouterr() == ("LAB\n/root\n", "")
    shell.run_cell_magic("lab", "", "x=1\n\necho $((x+1))\n")
    assert capsys.readouterr() == ("$ x=1\n> \n> echo $((x+1))\n2\n", "")
    shell.run_line_magic("lab", "echo out; exit 3")
    assert capsys.readouterr() == ("out\n", "(ended with code 3)\n")
    current.recording = True  # of a lab without a task writes nothing
    current.record("true")
    current.recording = False
    assert not list(current.home.glob("task*"))
    Lab.current = None
    shell.run_line_magic("lab", "true")
    assert "Lab(" in capsys.readouterr().err


@pytest.fixture
def solving(own_lab: LabFactory, shell: InteractiveShell) -> Lab:
    """A lab of task 1, which records."""
    return own_lab("host", task=1)


# Each breaks a script in which all cells are one shell; what both say at the end.
CELLS = {
    "cd": ("mkdir -p a\ncd a && pwd\n", "pwd\n", "/root/a\n/root\n"),
    "exit": ("if true; then exit 3; fi\n", "echo on\n", "on\n"),
    "variable": ("x=5\n", "echo [$x]\n", "[]\n"),
    "function": ("f() { echo f; }; f\n", "type f 2>/dev/null || echo none\n", "f\nnone\n"),
    "backslash": ("echo a \\\n", "echo b\n", "a\nb\n"),
    "heredoc": ("cat <<END\n (x)\n)\nEND", "echo b\n", " (x)\n)\nb\n"),
    "lines of others": ("echo a\u2028b\f c\u0085d\n", "echo e\n", "a\u2028b\f c\u0085d\ne\n"),
    "comment": ("echo a # b", "echo c # d\n", "a\nc\n"),
}


@pytest.mark.parametrize(("one", "two", "said"), CELLS.values(), ids=CELLS)
def test_script_does_what_the_cells_did(
    shell: InteractiveShell, solving: Lab, capsys: pytest.CaptureFixture[str], one: str, two: str, said: str
) -> None:
    """Every cell is a shell of its own, live and in the script, so both print the same."""
    live = []
    for cell in (one, two):
        shell.run_cell_magic("lab", "", cell)
        typed = "$ " + cell.strip("\n").replace("\n", "\n> ") + "\n"
        live.append(capsys.readouterr().out.removeprefix(typed))
    assert "".join(live) == said
    assert solving.run(["bash", "task1.sh"]).stdout == said


UNREADABLE = {
    "quote": ("echo one\necho 'two\n", "unexpected EOF"),
    "heredoc": ("cat > page <<END\none\n", "delimited by end-of-file"),
    "bracket": ("echo one\n)\n(\necho two\n", "unexpected token"),
}


@pytest.mark.parametrize(("cell", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_cell_that_no_shell_can_read_is_not_kept(
    shell: InteractiveShell, solving: Lab, capsys: pytest.CaptureFixture[str], cell: str, words: str
) -> None:
    """What would swallow the cells after it in the script is refused as a whole, with the shell's words."""
    shell.run_cell_magic("lab", "", cell)
    out, err = capsys.readouterr()
    assert out == "" and words in err and "nothing of it was run or kept" in err
    assert not (solving.home / "page").exists() and not (solving.home / "task1.sh").exists()


def test_notebook_that_is_run_again_leaves_one_script(shell: InteractiveShell, own_lab: LabFactory) -> None:
    """A solution that is run in a new lab gives the script that it gave before; a first command alone replaces nothing."""
    scripts = []
    for cells in (("echo a", "echo b"), ("echo a", "echo b"), ("echo a",)):
        lab = own_lab("host", task=1)
        with BackendPool(lab):
            for cell in cells:
                shell.run_cell_magic("lab", "", cell)
        scripts.append((lab.home / "task1.sh").read_text())
    assert scripts[0] == scripts[1] and "echo b" in scripts[0]
    lab = own_lab("host", task=1)
    BackendPool(lab)["backend1"].write_page()
    assert (lab.home / "task1.sh").read_text() == scripts[2]


def run(shell: InteractiveShell, cell: str, capsys: pytest.CaptureFixture[str]) -> tuple[BaseException | None, str]:
    """What a cell raised, and all that it showed."""
    result = shell.run_cell(cell)
    return result.error_in_exec or result.error_before_exec, capsys.readouterr().out


GONE = "from labkit.errors import NotRunning\nraise NotRunning('No nginx listens.', way_out='start it')"


def test_cell_that_needs_a_solution(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell that says what it needs is not run without it: one line, no error, and nothing else; with it, it is.

    What does not run is "not done yet" below an untouched stub; below a solution that failed it is the error itself.
    """
    shell.run_cell(STUB, store_history=True)
    error, out = run(shell, f"{NEEDS}: pool, nginx\nprint('ran')", capsys)
    assert error is None
    assert out == ("Not done yet: this cell needs your solution above (`pool`, `nginx`).\n")
    shell.user_ns |= {"pool": 1, "nginx": 2}
    assert run(shell, f"{NEEDS}: pool, nginx\nprint('ran')", capsys) == (None, "ran\n")
    assert run(shell, f"{NEEDS}: pool, nginx\n%lab echo ran", capsys) == (None, "ran\n")
    error, out = run(shell, f"{NEEDS}\n{GONE}", capsys)
    assert error is None
    assert out == "Not done yet: this cell needs your solution above. No nginx listens.\n"
    shell.run_cell(f"{STUB}\nx = 1", store_history=True)
    error, out = run(shell, f"{NEEDS}\n{GONE}", capsys)
    assert isinstance(error, NotRunning) and "Not done yet" not in out and "Way out: start it" in out


def test_name_that_an_earlier_cell_makes_is_one_sentence_about_that_cell(
    shell: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a restart a missing name is no traceback: its cell is named, and it is not this one."""
    monkeypatch.chdir(tmp_path)
    maker = "# it begins here\n%lab true\nfrom x import y as unknown\n"
    nbformat.write(new_notebook(cells=[new_code_cell("un = known = = 1"), new_code_cell(maker)]), "a.ipynb")
    error, out = run(shell, "unknown", capsys)
    assert isinstance(error, NameError) and "Traceback" in out  # another front end does not tell which notebook it is
    monkeypatch.setenv("JPY_SESSION_NAME", "/from/the/server/a.ipynb")
    for cell in ("unknown", f"{NEEDS}\nunknown"):
        error, out = run(shell, cell, capsys)
        assert isinstance(error, NameError)
        assert out == (
            "`unknown` is not there: the cell that makes it (`from x import y as unknown` …) has not run to its end in this "
            "kernel. In the menu: Run, Run All Above Selected Cell.\n"
        )
    assert "Traceback" in run(shell, "known", capsys)[1]  # no cell can make it
    own = "later = later + 1"
    nbformat.write(new_notebook(cells=[new_code_cell(own)]), "a.ipynb")
    shell.run_cell(own, store_history=True)
    assert "Traceback" in capsys.readouterr().out  # nobody else makes it


def test_cell_that_is_not_kept_says_so(shell: InteractiveShell, own_lab: LabFactory, capsys: pytest.CaptureFixture[str]) -> None:
    """A solution that is typed after the task counts as solved is no part of the script, and its author is told; nor is a start
    that failed."""
    Lab.current = lab = own_lab("host", task=2)
    with pytest.raises(LabkitError):
        Dnsmasq(lab, "no-such-option\n").start()
    assert not list(lab.home.glob("task*.sh"))
    shell.run_cell_magic("lab", "", "echo one\n")
    assert "not kept" not in capsys.readouterr().err
    lab.recording = False
    shell.run_cell_magic("lab", "", "echo two\n")
    assert capsys.readouterr().err.startswith("(not kept: this task is solved.")
    assert "two" not in (lab.home / "task2.sh").read_text()


def test_beginning_of_a_cell(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A learner who leaves the stub's line above %%lab is understood; the first cell of a notebook may be run again, also in a
    kernel that has loaded labkit by itself."""
    error, out = run(shell, f"{STUB}\n\n%%lab\necho done\n", capsys)
    assert error is None and out.endswith("done\n")
    assert run(shell, "%load_ext labkit\nprint('ran')", capsys) == (None, "ran\n")


OTHER_ERRORS = {
    "failed assertion": ("assert 1 == 2, 'not so'", AssertionError, "not so"),
    "interrupt": ("raise KeyboardInterrupt", KeyboardInterrupt, "KeyboardInterrupt"),
    "not Python": ("x = = 1", SyntaxError, "invalid syntax"),
    "other error": ("1 / 0", ZeroDivisionError, "----> 1 1 / 0"),
    "name missing in a library": ("exec('no_name', {})", NameError, "no_name"),
    "variable without a value": ("def f():\n    v\n    v = 1\nf()", UnboundLocalError, "'v'"),
    "labkit's own": ("from labkit.errors import BadInput\nraise BadInput('It is no number.')", BadInput, "It is no number."),
    "no such magic": ("%no_such_magic", UsageError, "no_such_magic"),
}


@pytest.mark.parametrize(("cell", "kind", "words"), OTHER_ERRORS.values(), ids=OTHER_ERRORS)
def test_error_that_has_nothing_to_do_with_a_solution(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], cell: str, kind: type[BaseException], words: str
) -> None:
    """In a cell that needs a solution every other error fails the cell, and is shown once, without the frames of the magic."""
    shell.run_cell(STUB, store_history=True)
    result = shell.run_cell(f"{NEEDS}\n{cell}")
    assert isinstance(result.error_in_exec or result.error_before_exec, kind)
    shown = re.sub("\x1b[^m]*m", "", "".join(capsys.readouterr()))  # no colours
    assert "Not done yet" not in shown and words in shown
    assert shown.count(f"{kind.__name__}: ") <= 1 and "once_done(" not in shown


def test_error_of_labkit_is_for_people(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    """In a notebook it is the cell's line, the sentence, the program's words and the way out; %tb shows all frames."""
    raising = "from labkit.errors import LabError\nraise LabError('It broke.', words='no disk', way_out='buy one')"
    _, out = run(shell, raising, capsys)
    assert out.splitlines() == [
        "LabError in line 2: raise LabError('It broke.', words='no disk', way_out='buy one')", "It broke.", "  | no disk",
        "Way out: buy one", "(%tb in a cell shows the whole traceback.)",
    ]  # fmt: skip
    shell.run_line_magic("tb", "")
    assert "Traceback (most recent call last)" in capsys.readouterr().out


def test_server_in_the_background_listens(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """When a cell that starts servers has ended, they listen; one that could not says why; what only rests is not waited for."""
    try:
        for port in (8085, 8086):
            shell.run_cell_magic("lab", "", f"cd /\npython3 -m http.server {port} &\n")
            assert port in current.call(sockets.open_ports)
        assert capsys.readouterr().err == ""
        shell.run_line_magic("lab", "sleep 1000 & python3 -m http.server 8085 &")
        assert "Address already in use" in capsys.readouterr().out
        shell.run_line_magic("lab", "sleep 1000 & python3 -m http.server 8085 &")
        assert capsys.readouterr().out.count("Traceback") == 1
    finally:
        current.run("pkill -f 'http.server 808[56]'; pkill -x sleep", check=False)


def test_program_that_needs_a_terminal(shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """An editor or pager is refused at once, and the terminal that it needs is named; what only looks like one is run."""
    for command in ("vi nginx.conf", "  nano", "sudo less x", "top", "top -d 1", "man dig"):
        shell.run_line_magic("lab", command)
        shell.run_cell_magic("lab", "", command + "\n")
        out, err = capsys.readouterr()
        assert out == "" and err.count("labkit shell tests") == 2, command
    for command in ("top -bn1 | head -n 1", "viable() { echo x; }; viable", "echo x | more"):
        shell.run_line_magic("lab", command)
        out, err = capsys.readouterr()
        assert out and "terminal" not in err, command


def test_interrupt_is_one_sentence(
    shell: InteractiveShell, current: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted %lab stops what it ran, fails its cell, and says so in one line."""
    run = current.run

    def interrupted(command: str, **options: Any) -> Any:
        def interrupt(text: str) -> None:
            raise KeyboardInterrupt

        return run(command, **options | {"on_output": interrupt})

    with monkeypatch.context() as patched:
        patched.setattr(current, "run", interrupted)
        result = shell.run_cell("%lab echo begun; sleep 1234")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert capsys.readouterr() == ("Interrupted: what this cell ran in the lab was stopped.\n", "")
    eventually(lambda: not pids(current, "sleep 1234"), "the end of what was interrupted")
