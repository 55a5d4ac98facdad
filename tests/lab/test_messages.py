"""What can be sent into a lab at once: a serial line carries it on User-Mode Linux."""

from __future__ import annotations

import contextlib
import threading

import psutil
import pytest

from labkit.errors import BadInput, LabClosed
from labkit.lab import Lab
from labkit.machine.link import MAX_MESSAGE

from .helpers import CANDIDATES, LabFactory, eventually

pytestmark = pytest.mark.lab
QUOTE = "shlex:quote"


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_message_of_any_allowed_size_arrives(own_lab: LabFactory, candidate: str) -> None:
    """Whatever is not refused as too large arrives whole, and the lab works on."""
    lab = own_lab(candidate)
    size = 1000
    while size < MAX_MESSAGE - 1000:
        assert len(lab.call(QUOTE, "x" * size, timeout=15)) == size
        size *= 2


@pytest.mark.parametrize("candidate", ["host", "uml"])
def test_many_messages_at_once_arrive(own_lab: LabFactory, candidate: str) -> None:
    """Calls of several threads at the same time, together more than a serial line's buffer, all arrive."""
    lab = own_lab(candidate)
    answers: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: len(lab.call(QUOTE, "x" * 700, timeout=15))}), daemon=True)
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(16), 700)


def test_too_large_message_is_refused_and_the_lab_works_on(lab: Lab) -> None:
    """A call beyond the limit is BadInput that names files as the way out."""
    with pytest.raises(BadInput, match="too much for one call") as caught:
        lab.run(["printf", "%s", "x" * (MAX_MESSAGE + 1)])
    assert "files" in caught.value.way_out or "file" in caught.value.way_out
    assert lab.run("echo on").stdout == "on\n"


def test_large_answer_arrives(lab: Lab) -> None:
    """An answer of megabytes comes whole, which is how a lab's files are read."""
    lab.run("head -c 3000000 /dev/zero | tr '\\0' y > /tmp/large")
    assert lab.read("/tmp/large") == "y" * 3_000_000


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_linux_that_ended_by_itself_is_lab_closed(own_lab: LabFactory, candidate: str) -> None:
    """When the lab's first process is gone, a call under way and every later one is LabClosed, and close() still works."""
    before = psutil.Process().children(recursive=True)
    lab = own_lab(candidate)
    stream = lab.stream("labkit.inside.processes:run", ["/bin/sh", "-c", "echo on; exec sleep 1000"], 1000.0, timeout=30)
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
