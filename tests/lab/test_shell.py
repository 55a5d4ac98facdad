"""`labkit shell`: a terminal in an open lab, typed in through a pseudo-terminal of the test's own."""

import subprocess
from collections.abc import Iterator

import pexpect
import pytest

from labkit.lab import Lab

from .helpers import CANDIDATES, LabFactory, pids
from .terminal import Terminal, in_front, opened

pytestmark = pytest.mark.lab


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
