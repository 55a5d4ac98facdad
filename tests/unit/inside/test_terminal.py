"""A shell at a terminal and the small calls to it: what runs in the lab, run here."""

from __future__ import annotations

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

from labkit.inside import terminal as sessions
from labkit.inside.terminal import command, environment, shell
from labkit.wait import wait_until

PROMPT = {"TERM": "xterm", "LABKIT_LAB": "unit", "LABKIT_WHERE": "here", "LABKIT_LEAVING": "leaves it, and it runs on"}
_numbers = itertools.count(1000)


class Typist:
    """Runs a session's generator in a thread, keeps what it yields, and passes every byte on at once unless told not to."""

    def __init__(self, *, passes_on: bool = True, cancel_fd: int = -1) -> None:
        self.number, self.text, self.codes = next(_numbers), "", queue.SimpleQueue[Any]()
        self.passes_on = passes_on
        self.stream = shell(self.number, 24, 80, PROMPT, cancel_fd=cancel_fd)
        assert next(self.stream) == b""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            while True:
                data = next(self.stream)
                self.text += data.decode(errors="replace")
                if self.passes_on:
                    sessions.more(self.number, len(data))
        except StopIteration as stop:
            self.codes.put(stop.value)

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


def test_output_waits_for_who_passes_it_on() -> None:
    """Of a flood no more than the window is yielded until some of it has been passed on."""
    typist = Typist(passes_on=False)
    typist.type("yes\n")
    wait_until(lambda: len(typist.text) >= sessions.WINDOW, reason="a full window", timeout=30)
    assert len(typist.text) <= sessions.WINDOW + 16 * 1024
    before = len(typist.text)
    sessions.more(typist.number, sessions.WINDOW)
    wait_until(lambda: len(typist.text) > before, reason="more of it", timeout=30)
    sessions.hang_up(typist.number)
    assert typist.code() == 128 + signal.SIGHUP


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


def test_caller_that_goes_away_hangs_up() -> None:
    """When the cancelling pipe's other end is closed, the shell ends, and no file descriptor of its own is left."""
    before = len(os.listdir("/proc/self/fd"))
    reading, writing = os.pipe()
    typist = Typist(cancel_fd=reading)
    typist.sees("unit")
    os.close(writing)
    assert typist.code() == 128 + signal.SIGHUP
    typist.thread.join(30)
    os.close(reading)
    assert len(os.listdir("/proc/self/fd")) == before


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
    sessions.more(1, 10)
    sessions.hang_up(1)


@pytest.mark.parametrize(
    ("term", "taken"), [("xterm", "xterm"), *((term, "xterm-256color") for term in ("nobody-knows", "../../etc/passwd", ""))]
)
def test_terminal_type_is_one_that_is_known(term: str, taken: str) -> None:
    """A TERM without a description in the lab becomes xterm-256color, so that editors work."""
    assert environment({"TERM": term})["TERM"] == taken


@pytest.mark.parametrize(
    ("script", "hangs_up", "kinds", "code"),
    [
        ("echo out; echo err >&2; kill -TERM $$", False, ["stderr", "stdout", "stdout"], 128 + signal.SIGTERM),
        ("echo out; exec sleep 1000", True, ["cancelled", "stdout", "stdout"], 128 + signal.SIGKILL),
    ],
)
def test_command_without_a_terminal(script: str, hangs_up: bool, kinds: list[str], code: int) -> None:
    """The first item is empty, then both streams come; the code is a shell's. Who goes away from a silent command ends it."""
    number = next(_numbers)
    stream, items = command(number, ["/bin/sh", "-c", script]), []
    with pytest.raises(StopIteration) as stop:
        while True:
            items.append(next(stream))
            if items[-1] == ("stdout", "out\n") and hangs_up:
                sessions.hang_up(number)
    assert (items[0], sorted(kind for kind, _ in items), stop.value.value) == (("stdout", ""), kinds, code)
    assert number not in sessions.sessions
