"""`labkit shell`: how it ends, and what it does without a terminal."""

import os
import signal
import subprocess
from pathlib import Path

import pexpect
import pytest

from labkit.door import place
from labkit.lab import Lab

from .helpers import CANDIDATES, LabFactory, eventually, pids
from .terminal import LABKIT, PATIENCE, Terminal, address, in_front, opened

pytestmark = pytest.mark.lab


def test_closed_window_ends_what_ran_in_it(lab: Lab) -> None:
    """When the window is closed, the shell and what it had in the foreground end; the lab goes on."""
    with opened(lab) as terminal:
        terminal.sendline("sleep 1003")
        in_front(lab, "sleep 1003")
    eventually(lambda: not pids(lab, "sleep 1003"), "the end of what ran in the window")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_signal_restores_the_terminal(lab: Lab, end: signal.Signals) -> None:
    """A client that is ended by a signal leaves the terminal as it found it."""
    terminal = Terminal(lab)
    before = terminal.modes()
    terminal.ready()
    assert terminal.modes() != before
    terminal.kill(end)
    terminal.expect(pexpect.EOF)
    assert terminal.modes() == before
    terminal.close()
    assert terminal.exitstatus == 128 + end


def test_three_times_the_escape_leaves(lab: Lab) -> None:
    """^] three times ends the client, whatever the lab does, and says that the lab runs on."""
    with opened(lab) as terminal:
        terminal.sendline("trap '' HUP INT; sleep 1004")
        in_front(lab, "sleep 1004")
        terminal.send("\x1d\x1d\x1d")
        terminal.expect_exact("Left the shell; the lab tests runs on.")
        terminal.expect(pexpect.EOF)
    lab.run("pkill -f '[s]leep 1004'", check=False)


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_lab_that_closes_ends_the_shell_with_a_sentence(own_lab: LabFactory, candidate: str) -> None:
    """Closing the lab ends the client with the reason, its terminal as it was before, and leaves no thread or file."""
    lab = own_lab(candidate)
    terminal = Terminal(lab)
    before = terminal.modes()
    terminal.ready()
    terminal.sendline("printf '\\033[?1049h'; echo O''N; sleep 1005")
    terminal.expect_exact("ON\r\n")
    door = lab.door.name
    lab.close()
    terminal.expect_exact("\x1b[?1049l")
    terminal.expect_exact("The lab own was closed, and with it everything in it.")
    terminal.expect(pexpect.EOF)
    assert terminal.modes() == before
    terminal.close()
    assert terminal.exitstatus == 3
    assert door and door not in place.doors()


def test_lab_that_dies_ends_the_shell_with_a_sentence(own_lab: LabFactory, linux: str) -> None:
    """When the lab's Linux ends by itself, the client says so."""
    lab = own_lab(linux)
    with opened(lab) as terminal:
        os.kill(lab.state[1], signal.SIGKILL)
        terminal.expect_exact("The lab's Linux has ended.")
        terminal.expect(pexpect.EOF)


def run(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `labkit shell` for the lab without a terminal."""
    command = [*LABKIT, "shell", address(lab), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_command_runs_without_a_terminal(lab: Lab) -> None:
    """-c gives the command's own output, errors and code, and needs no terminal; without one a shell's error names -c."""
    done = run(lab, "-c", "echo out; echo err >&2; pwd; exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n/root\n", "err\n")
    done = run(lab, "-c", "seq 1 30000; kill -TERM $$")
    assert (done.returncode, done.stdout.split()) == (128 + signal.SIGTERM, [str(n) for n in range(1, 30001)])
    done = run(lab)
    assert (done.returncode, done.stdout) == (3, "")
    assert "A shell needs a terminal" in done.stderr and "-c" in done.stderr


def test_command_ends_with_its_caller(lab: Lab) -> None:
    """Ctrl-C at a silent command ends the command in the lab too."""
    with subprocess.Popen([*LABKIT, "shell", address(lab), "-c", "exec 2>&-; sleep 1006"], stdin=subprocess.DEVNULL) as client:
        eventually(lambda: pids(lab, "sleep 1006"), "the command")
        client.send_signal(signal.SIGINT)
    assert client.returncode == 130
    eventually(lambda: not pids(lab, "sleep 1006"), "the command's end")


def test_lab_for_the_work_of_others_has_no_shell(tmp_path: Path) -> None:
    """A lab that is opened to judge a work lets nobody in, under whatever name."""
    with Lab("judging", home=tmp_path / "home", current=False, trusted=False) as lab:
        done = run(lab, "-c", "true")
        assert done.returncode == 3
        assert "No lab is called" in done.stderr or "No lab is open" in done.stderr
