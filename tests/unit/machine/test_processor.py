"""Which processor a lab's own Linux is kept on, seen at real processes."""

from __future__ import annotations

import os
import subprocess
from collections import Counter

import psutil
import pytest

from labkit.machine import bwrap as processor
from labkit.machine.bwrap import bound_programs, freest, on_one_processor


def test_what_is_started_meanwhile_stays_on_one_processor() -> None:
    """A program and its children have one processor of those allowed; this thread has all of them again."""
    allowed = os.sched_getaffinity(0)
    with on_one_processor():
        script = "import os, subprocess; print(os.sched_getaffinity(0)); print(os.sched_getaffinity(os.getppid()))"
        said = subprocess.run(["python3", "-c", script], stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    own = eval(said[0])
    assert len(own) == 1 and own <= allowed and eval(said[1]) == own
    assert os.sched_getaffinity(0) == allowed


def test_processors_are_given_back_after_a_failure() -> None:
    """What cannot be started does not leave this thread on one processor."""
    allowed = os.sched_getaffinity(0)
    with pytest.raises(FileNotFoundError), on_one_processor():
        subprocess.run(["/nowhere"], check=True)
    assert os.sched_getaffinity(0) == allowed


def test_refusal_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process may not choose its processors, the program is started all the same."""

    def refuse(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with on_one_processor():
        assert subprocess.run(["true"], check=True).returncode == 0


def test_freest_processor_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one with the fewest programs, of the allowed ones only."""
    monkeypatch.setattr(processor, "bound_programs", lambda: Counter({0: 2, 1: 1, 2: 3}))
    assert freest({0, 1, 2}) == 1 and freest({0, 2}) == 0


def test_equally_free_processors_are_taken_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs that open where nothing is known of others do not all meet on the first processor."""
    monkeypatch.setattr(processor, "bound_programs", Counter)
    assert {freest({0, 1, 2}) for _ in range(200)} == {0, 1, 2}


def test_program_counts_once_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound shell with two sleeping children is one; what may run anywhere is none."""
    allowed = os.sched_getaffinity(0)
    with on_one_processor():
        command = ["sh", "-c", "sleep 60 & sleep 60 & echo started; wait"]
        shell = subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0)
    anywhere = subprocess.Popen(["sleep", "60"])
    try:
        assert shell.stdout is not None and shell.stdout.readline() == b"started\n"
        seen = [shell.pid, anywhere.pid, *(one.pid for one in psutil.Process(shell.pid).children())]
        monkeypatch.setattr(os, "listdir", lambda _folder: [*map(str, seen), "self", "999999999"])
        (number,) = os.sched_getaffinity(shell.pid)
        expected = {number: 1} if len(allowed) > 1 else {number: 2}
        assert len(seen) == 4 and bound_programs() == expected
    finally:
        os.killpg(shell.pid, 9)
        anywhere.kill()
        shell.communicate()
        anywhere.wait()
