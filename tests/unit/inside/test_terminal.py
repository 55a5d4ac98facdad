"""A shell at a terminal and the small calls to it: what runs in the lab, run here."""

import itertools
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import wait_until
from labkit.inside import terminal as sessions
from labkit.inside.processes import CHUNK

PROMPT = {"TERM": "xterm", "LABKIT_LAB": "unit", "LABKIT_WHERE": "here", "LABKIT_LEAVING": "leaves it, and it runs on"}
_numbers = itertools.count(1000)


class Typist:
    """Reads a session in a thread, and keeps what it prints, unless told not to read."""

    def __init__(self, *, reads: bool = True) -> None:
        self.number, self.text, self.codes = next(_numbers), "", queue.SimpleQueue[Any]()
        sessions.shell(self.number, 24, 80, PROMPT)
        self.thread = threading.Thread(target=self._run, daemon=True)
        if reads:
            self.thread.start()

    def _run(self) -> None:
        code = None
        while code is None:
            out, _, code = sessions.read(self.number)
            self.text += out.decode(errors="replace")
        self.codes.put(code)

    def type(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[sessions.write(self.number, data) :]

    def sees(self, text: str) -> None:
        wait_until(lambda: text in self.text, reason=f"{text!r} on the screen", timeout=30)

    def code(self) -> int:
        return int(self.codes.get(timeout=30))


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Typist]:
    """A shell, hung up after the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    typist = Typist()
    yield typist
    sessions.hang_up(typist.number)
    typist.thread.join(30)


@pytest.mark.parametrize(("typed", "code"), [("exit 3\n", 3), ("\x04", 0), ("kill -KILL $$\n", 128 + signal.SIGKILL)])
def test_code_is_the_shells(typist: Typist, typed: str, code: int) -> None:
    """exit, the end of input and a signal give the code that a shell gives for them."""
    typist.sees("unit\x1b[0m:")  # the prompt: an end of input that is typed before readline reads is lost
    typist.type(typed)
    assert typist.code() == code


def test_shell_owns_its_terminal(typist: Typist) -> None:
    """It leads a session with job control; the terminal erases whole characters and has the size it is given."""
    sessions.resize(typist.number, 50, 132)
    typist.type("echo F''LAGS $- $(tty) $(ps -o sid= -p $$) $$ $(stty -a | grep -o '[-]*iutf8') $(stty size) E''ND\n")
    typist.sees("END\r\n")
    flags, terminal, session, pid, erase, *size = re.search(r"FLAGS (.*) END", typist.text)[1].split()
    assert {"i", "m"} <= set(flags)
    assert terminal.startswith("/dev/pts/")
    assert (session, erase, size) == (pid, "iutf8", ["50", "132"])


def test_output_waits_for_who_reads_it() -> None:
    """Of a flood one call returns no more than CHUNK bytes; a session that is ended leaves no file descriptor."""
    before = len(os.listdir("/proc/self/fd"))
    typist = Typist(reads=False)
    typist.type("exec yes\n")
    for _ in range(5):
        out, err, code = sessions.read(typist.number)
        assert (0 < len(out) <= CHUNK, err, code) == (True, b"", None)
    # Its terminal is gone: the signal says so, or what it just writes fails first.
    assert sessions.end(typist.number) in (128 + signal.SIGHUP, 1)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_shell_that_does_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores the end of its terminal, and closes it, is over when its time is."""
    monkeypatch.setattr(sessions, "GRACE", 0.3)
    typist = Typist()
    session = sessions.sessions[typist.number]
    typist.type("trap '' HUP; exec sleep 1000 <&- >&- 2>&-\n")
    wait_until(lambda: session.out not in session.pipes, reason="the closed terminal", timeout=30)
    assert sessions.write(typist.number, b"abc") == 3
    sessions.hang_up(typist.number)
    assert typist.code() == 128 + signal.SIGKILL


def test_hanging_up_ends_the_shell_and_its_jobs(typist: Typist) -> None:
    """As with a closed window: SIGHUP to the shell and to its jobs, one that is stopped too."""
    typist.type("sleep 1000 & sleep 1001 & kill -STOP $!; echo pids $(jobs -p) E''ND\n")
    typist.sees("END\r\n")
    ends = [os.pidfd_open(int(pid)) for pid in re.search(r"pids ([0-9 ]+)END", typist.text)[1].split()]
    sessions.hang_up(typist.number)
    assert typist.code() == 128 + signal.SIGHUP
    for end in ends:
        wait_until(lambda end=end: not alive(end), reason="the end of a job", timeout=30)  # type: ignore[misc]
        os.close(end)


def alive(pidfd: int) -> bool:
    """True while the process of a pidfd is there."""
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return False
    return True


READER = """
import os, pathlib, sys, tty
tty.setraw(0)
print("rea" "dy", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    pass
count = 0
while not (data := os.read(0, 4096)).endswith(b"."):
    count += len(data)
print("count", count + len(data) - 1, flush=True)
"""


def test_typing_without_a_reader_is_not_lost_and_does_not_block(typist: Typist, tmp_path: Path) -> None:
    """While a program does not read, `write` takes less and less; once it reads, it gets all that was taken."""
    (tmp_path / "reader.py").write_text(READER)
    typist.type(f"{sys.executable} {tmp_path}/reader.py {tmp_path}/go\n")
    typist.sees("ready")
    total = 0
    while taken := sessions.write(typist.number, b"x" * 800):
        total += taken
        assert total < 10_000_000, "the terminal takes without end"
    (tmp_path / "go").touch()
    typist.type(".")
    typist.sees(f"count {total}")


def test_calls_for_a_session_that_is_over_do_nothing() -> None:
    """What comes late, for a shell that has just ended, is dropped."""
    assert sessions.write(1, b"abc") == 3
    sessions.resize(1, 24, 80)
    sessions.hang_up(1)
    assert sessions.end(1) == 0


def test_terminal_type_is_one_that_is_known() -> None:
    """A TERM without a description in the lab becomes xterm-256color, so that editors work."""
    for term, taken in {"xterm": "xterm", **dict.fromkeys(("nobody-knows", "../../etc/passwd", ""), "xterm-256color")}.items():
        assert sessions.environment({"TERM": term})["TERM"] == taken


def test_who_goes_away_from_a_silent_command_ends_it() -> None:
    """It is killed, also where it has closed one of its streams; what is typed to it, and a window's size, are dropped."""
    number, code, text = next(_numbers), None, b""
    sessions.command(number, ["/bin/sh", "-c", "exec 2>&-; echo out; exec sleep 1000"])
    sessions.resize(number, 24, 80)
    assert sessions.write(number, b"abc") == 3
    while code is None:
        out, _, code = sessions.read(number)
        text += out
        if text:
            sessions.hang_up(number)
    assert (text, code, number in sessions.sessions) == (b"out\n", 128 + signal.SIGKILL, False)


def test_server_that_a_command_leaves_can_go_on_printing(tmp_path: Path) -> None:
    """It does not die of writing to a pipe that nobody reads any more."""
    number = next(_numbers)
    script = f"(while ! [ -e {tmp_path}/go ]; do sleep 0.05; done; echo late; touch {tmp_path}/there) &"
    sessions.command(number, ["/bin/sh", "-c", script])
    assert sessions.read(number) == (b"", b"", 0)
    (tmp_path / "go").touch()
    wait_until((tmp_path / "there").exists, reason="what it does after it has printed", timeout=30)


def test_program_that_cannot_be_run_is_an_error_and_leaves_nothing() -> None:
    """As one that is not there, or a folder that is none."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="nobody"):
        sessions.command(next(_numbers), ["/nobody"])
    with pytest.raises(OSError, match="nowhere"):
        sessions.shell(next(_numbers), 24, 80, PROMPT, "/nowhere")
    assert len(os.listdir("/proc/self/fd")) <= before
