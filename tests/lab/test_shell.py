"""`labkit shell`: a terminal in an open lab, typed in through a pseudo-terminal; how it ends, and without one."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from labkit.door import place
from labkit.lab import Lab

from .helpers import CANDIDATES, LabFactory, eventually, pids
from .terminal import LABKIT, PATIENCE, Terminal, address, in_front, opened


@pytest.fixture
def terminal(lab: Lab) -> Iterator[Terminal]:
    """A shell in the lab that all tests share; its window is closed after the test."""
    with opened(lab) as terminal:
        yield terminal


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_shell_is_in_the_lab_and_leaving_it_leaves_the_lab_alone(own_lab: LabFactory, candidate: str) -> None:
    """On every candidate: one is in ~ of the lab as root, `exit 3` gives 3, what was started lives, and the lab works on.

    What is typed is not recorded, also while the lab of a task keeps that task's commands.
    """
    lab = own_lab(candidate, task=1)
    assert lab.recording
    with opened(lab) as terminal:
        assert terminal.do("echo $(id -u) $PWD; hostname").split() == ["0", "/root", "lab"]
        terminal.do("echo mine >~/typed; setsid sleep 1234 &")
        terminal.sendline("exit 3")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 3
    assert lab.run("cat ~/typed").stdout == "mine\n"
    assert len(pids(lab, "sleep 1234")) == 1
    assert sorted(path.name for path in lab.home.iterdir()) == ["typed"], (
        "the shell writes nothing in the work, and no task1.sh either"
    )


def test_size_follows_the_window(terminal: Terminal) -> None:
    """`stty size` says the window's rows and columns, before and after it changes."""
    assert terminal.do("stty size").split() == ["24", "80"]
    terminal.setwinsize(50, 132)
    terminal.sendline("until [ \"$(stty size)\" = '50 132' ]; do :; done; echo NE''W $COLUMNS")
    terminal.expect_exact("NEW")


def test_interrupt_ends_the_program_and_leaves_the_shell(terminal: Terminal, lab: Lab) -> None:
    """Ctrl-C ends a `sleep`, in the lab, and `yes`, however much of it is under way; the shell takes the next line."""
    terminal.sendline("sleep 1000")
    in_front(lab, "sleep 1000")
    terminal.sendcontrol("c")
    terminal.expect_exact("PROMPT ")
    assert terminal.do("echo $?").split() == ["130"]
    terminal.sendline("yes")
    terminal.expect_exact("y\r\ny\r\n")
    terminal.sendcontrol("c")
    terminal.expect_exact("PROMPT ")
    assert terminal.do("echo on").split() == ["on"]


def test_jobs_go_to_the_background_and_come_back(terminal: Terminal, lab: Lab) -> None:
    """&, jobs, Ctrl-Z, bg and fg work as in any terminal."""
    assert "[1]" in terminal.do("sleep 1001 &")
    terminal.sendline("sleep 1002")
    in_front(lab, "sleep 1002")
    terminal.sendcontrol("z")
    terminal.expect_exact("Stopped")
    terminal.expect_exact("PROMPT ")
    listed = terminal.do("jobs")
    assert "Running" in listed
    assert "Stopped" in listed
    terminal.do("bg %2")
    terminal.sendline("fg %1")
    in_front(lab, "sleep 1001")
    terminal.sendcontrol("c")
    terminal.expect_exact("PROMPT ")
    assert terminal.do("jobs").split()[1:3] == ["Running", "sleep"]


def test_colours_are_on_and_words_completed(terminal: Terminal, lab: Lab) -> None:
    """TERM is the caller's, `ls` paints folders, Tab completes a path; a second shell in the lab has a terminal of its own, and
    the notebook works at the same time."""
    assert terminal.do("echo $TERM; tput colors").split() == ["xterm-256color", "256"]
    assert "\x1b[01;34mnginx" in terminal.do("cd /etc; ls -d nginx; cd")
    terminal.send("echo /etc/ngin\t")
    terminal.expect_exact("/etc/nginx/")
    terminal.sendline("")
    terminal.expect_exact("PROMPT ")
    with opened(lab) as other:
        assert terminal.do("tty") != other.do("tty")
        assert lab.run("echo mine").stdout == "mine\n"


def test_much_text_is_whole_both_ways(terminal: Terminal) -> None:
    """A large file comes through complete and in order; much text at once, in several scripts, arrives as it was pasted."""
    printed = terminal.do("stty -onlcr; seq 1 50000; stty onlcr")
    assert printed.split() == [str(number) for number in range(1, 50001)]
    text = "".join(f"{number} строка «{number * 7}»\n" for number in range(1500))
    terminal.do("stty -echo")
    terminal.sendline("cat >/tmp/pasted; cksum </tmp/pasted")
    terminal.send(text)
    terminal.sendcontrol("d")
    terminal.expect_exact("PROMPT ")
    wanted = subprocess.run(["cksum"], input=text, capture_output=True, text=True, check=True).stdout
    assert terminal.before.strip() == wanted.strip()


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


def test_closed_window_ends_what_ran_in_it_and_three_escapes_leave_it(lab: Lab) -> None:
    """When the window is closed, the shell and what it had in the foreground end; ^] three times ends the client, whatever the
    lab does, and says that the lab runs on."""
    with opened(lab) as terminal:
        terminal.sendline("sleep 1003")
        in_front(lab, "sleep 1003")
    eventually(lambda: not pids(lab, "sleep 1003"), "the end of what ran in the window")
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
    """-c gives the command's own output, errors and code, and needs no terminal; without one a shell's error names -c.

    Ctrl-C at a silent command ends the command in the lab too.
    """
    done = run(lab, "-c", "echo out; echo err >&2; pwd; exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n/root\n", "err\n")
    done = run(lab, "-c", "seq 1 30000; kill -TERM $$")
    assert (done.returncode, done.stdout.split()) == (128 + signal.SIGTERM, [str(n) for n in range(1, 30001)])
    done = run(lab)
    assert (done.returncode, done.stdout) == (3, "")
    assert "A shell needs a terminal" in done.stderr and "-c" in done.stderr
    with subprocess.Popen([*LABKIT, "shell", address(lab), "-c", "sleep 1006"], stdin=subprocess.DEVNULL) as client:
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
