"""What can be sent into a lab at once: a serial line carries it on User-Mode Linux."""

import contextlib
import copy
import shlex
import threading

import psutil
import pytest

from labkit.errors import LabClosed
from labkit.inside import files, processes
from labkit.lab import Lab
from labkit.magics import lab_magic

from .helpers import CANDIDATES, LabFactory, eventually

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_arguments_of_any_size_and_script_arrive(own_lab: LabFactory, candidate: str) -> None:
    """A long command in Cyrillic letters, and texts around and far beyond what a serial line carries, arrive whole."""
    lab = own_lab(candidate)
    words = "привет " * 472
    assert lab.run(f"echo '{words}' | wc -m").stdout.strip() == str(len(words) + 1)
    for letter in ("x", "ж"):
        for size in (1_000, 3_300, 3_450, 3_500, 3_550, 4_096, 8_000, 1_000_000):
            assert lab.call(copy.copy, letter * size) == letter * size
    assert lab.call(files.listing, "/lab/calls") == []


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_cell_with_a_long_heredoc_runs(own_lab: LabFactory, candidate: str, capsys: pytest.CaptureFixture[str]) -> None:
    """100 kB that %%lab is given reach their file; a cell that is too long for a program is an error, and the lab works on."""
    lab = own_lab(candidate, task=4)
    lines = "".join(f"строка номер {number}\n" for number in range(3_800))
    assert 100_000 < len(lines.encode()) < 120_000
    lab_magic("", f"cat > ~/long.txt <<'END'\n{lines}END\n")
    assert (lab.home / "long.txt").read_text() == lines
    lab_magic("", f"cat > ~/longer.txt <<'END'\n{lines}{lines}END\n")
    assert "Argument list too long" in capsys.readouterr().err
    assert lab.run("echo on").stdout == "on\n"


def test_many_messages_and_a_large_answer_arrive(lab: Lab) -> None:
    """Calls of several threads at the same time, together more than a serial line's buffer, all arrive; an answer of megabytes
    comes whole, which is how a lab's files are read."""
    answers: dict[int, int] = {}

    def call(n: int) -> None:
        answers[n] = len(lab.call_within(15, shlex.quote, "x" * 700))

    threads = [threading.Thread(target=call, args=[n], daemon=True) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(16), 700)
    lab.run("head -c 3000000 /dev/zero | tr '\\0' y > /tmp/large")
    assert lab.read("/tmp/large") == "y" * 3_000_000


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_linux_that_ended_by_itself_is_lab_closed(own_lab: LabFactory, candidate: str) -> None:
    """When the lab's first process is gone, a call under way and every later one is LabClosed, and close() still works."""
    before = psutil.Process().children(recursive=True)
    lab = own_lab(candidate)
    stream = lab.stream(processes.run, 30, ["/bin/sh", "-c", "echo on; exec sleep 1000"], 1000.0)
    next(stream)
    for process in psutil.Process().children(recursive=True):
        if process not in before:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):  # gone with its parent
                process.kill()
    with pytest.raises(LabClosed):
        next(stream)
    for _ in range(2):
        with pytest.raises(LabClosed):
            lab.run("true")
    lab.close()
    assert lab.closed
    eventually(lambda: not lab.folder.path.exists(), "the end of its folder")
