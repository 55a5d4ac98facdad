"""Calls over a byte stream, to a real agent that runs here as an ordinary process."""

import copy
import fcntl
import io
import os
import shlex
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from execnet.gateway_base import get_execmodel

import labkit
from labkit.errors import BadInput, CallFailed, LabClosed, LabError, WaitTimeout, wait_until
from labkit.inside import files, processes
from labkit.machine import agent
from labkit.machine.link import MAX_ANSWER, BoundedIO, Link, await_ready, finish

TOP = Path(labkit.__file__).parents[1]
SITE = Path(pytest.__file__).parents[1]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """An agent, ended after the test."""
    command = [sys.executable, "-I", "-S", agent.__file__, str(SITE), str(TOP)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        yield process
        process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where large arguments travel."""
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def link(process: subprocess.Popen[bytes], folder: Path) -> Iterator[Link]:
    """A link to it, closed after the agent has ended."""
    assert process.stdin and process.stdout
    stdin = io.BufferedWriter(process.stdin)  # type: ignore[arg-type]
    link = Link(stdin, process.stdout, timeout=30, log=lambda: "the log", folder=folder, seen_as=str(folder))
    yield link
    process.kill()
    link.close()


def call(link: Link, function: Callable[..., Any], *args: object, timeout: float = 30, **kwargs: object) -> Any:
    """Call and wait for the result."""
    return finish(link.stream(function, timeout, *args, **kwargs))


def test_plain_data_goes_there_and_back(link: Link) -> None:
    """Arguments arrive as they were sent, and the result comes back; a generator's items come one by one before it."""
    value = {"none": None, "bytes": b"\x00\xff", "list": [1, 2.5, True], "tuple": ("ü", 2**70, -7)}
    assert call(link, copy.deepcopy, value) == value
    items: list[object] = []
    assert finish(link.stream(processes.run, 30, ["/bin/sh", "-c", "echo out; exit 3"], 30.0), items.append) == 3
    assert items == [("stdout", "out\n")]


# Functions that are not there, and one that raises; the kind of the error, and the last line of its words.
FAILING: list[tuple[Any, str, str]] = [
    (SimpleNamespace(__module__="labkit.nonsense", __qualname__="f"), "ModuleNotFoundError", "nonsense"),
    (SimpleNamespace(__module__="labkit.inside.files", __qualname__="nonsense"), "AttributeError", "nonsense"),
    (SimpleNamespace(__module__="labkit.inside.files", __qualname__=""), "AttributeError", ""),
    (SimpleNamespace(__module__="", __qualname__=""), "ValueError", ""),
    (SimpleNamespace(__module__="time", __qualname__="sleep"), "TypeError", "argument"),
    (processes.poll, "KeyError", "KeyError: 12345"),
]


@pytest.mark.parametrize(("function", "kind", "words"), FAILING)
def test_what_a_function_raises_travels_with_its_traceback(link: Link, function: Any, kind: str, words: str) -> None:
    """It is a CallFailed that names the function, the kind and the message; its words end with the traceback's last line; the
    link works on."""
    with pytest.raises(CallFailed) as caught:
        call(link, function, *[12345] * (function is processes.poll))
    assert caught.value.kind == kind and words in caught.value.words.splitlines()[-1]
    if function is processes.poll:
        assert caught.value.tried == "labkit.inside.processes:poll failed in the lab: KeyError: 12345"
    assert call(link, shlex.quote, "a b") == "'a b'"


def test_calls_do_not_wait_for_each_other(link: Link) -> None:
    """While one call is under way, another one is answered; an answer that does not come in time names the call."""
    slow = link.stream(processes.run, 30, ["/bin/sh", "-c", "echo on; exec sleep 1000"], 1000.0)
    assert next(slow) == ("stdout", "on\n")
    assert call(link, shlex.quote, "x") == "x"
    slow.close()
    with pytest.raises(WaitTimeout, match=r"Waited 0\.2 s for an answer of labkit.inside.processes:run"):
        call(link, processes.run, ["sleep", "1000"], 1000.0, timeout=0.2)


@pytest.mark.parametrize("letter", ["x", "ж", "\n", "\0", "😀"])
@pytest.mark.parametrize("count", [1_000, 3_300, 3_500, 5_000, 1_000_000])
def test_arguments_of_any_size_arrive_and_no_message_is_larger_than_the_serial_line_takes(
    link: Link, folder: Path, monkeypatch: pytest.MonkeyPatch, letter: str, count: int
) -> None:
    """Counted are the bytes that are sent. What is larger travels in a file, which is gone when the call has been answered."""
    sizes: list[int] = []
    write = BoundedIO.write
    monkeypatch.setattr(BoundedIO, "write", lambda self, data: (sizes.append(len(data)), write(self, data))[1])
    assert call(link, copy.copy, letter * count) == letter * count
    assert max(sizes) < 4_000
    assert list(folder.iterdir()) == []


def test_arguments_that_cannot_travel_are_an_error(link: Link, folder: Path) -> None:
    """No plain data (a path, a function, half a character), or a folder that takes none: an error, and the link works on."""
    for value in (Path("/tmp"), "\udc80", {"a": object()}):
        with pytest.raises(BadInput):
            call(link, copy.copy, value)
    folder.rmdir()
    with pytest.raises(LabError, match="cannot be written for the lab") as caught:
        call(link, copy.copy, "x" * 10_000)
    assert "No such file" in caught.value.words
    assert call(link, shlex.quote, "a b") == "'a b'"


def test_arguments_do_not_follow_a_link_out_of_the_folder(link: Link, folder: Path, tmp_path: Path) -> None:
    """What somebody in the lab puts in the folder's place leads nowhere: the call fails, and nothing was written there."""
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.rename(tmp_path / "old")
    folder.symlink_to(outside)
    with pytest.raises(CallFailed):
        call(link, copy.copy, "x" * 10_000)
    assert list(outside.iterdir()) == []


def test_message_waits_until_the_one_before_is_taken(link: Link, process: subprocess.Popen[bytes]) -> None:
    """A lab that stands still is sent one message, and no second one upon it; when it goes on, all that follow arrive."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # all of its threads stand still
    sent = link._gateway._io.outfile
    for _ in range(3):
        with pytest.raises(WaitTimeout, match="does not take calls"):
            call(link, shlex.quote, "x" * 3_000, timeout=0.2)
    waiting = fcntl.ioctl(sent, termios.FIONREAD, b"0000")
    process.send_signal(signal.SIGCONT)
    assert call(link, shlex.quote, "a b") == "'a b'"
    assert 3_000 < int.from_bytes(waiting, sys.byteorder) < 4_000


def test_descriptors_of_the_agent_do_not_grow(link: Link, process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Programs that are not there, folders that are no files, calls that fail and calls that work leave none open."""

    def open_files() -> int:
        return len(os.listdir(f"/proc/{process.pid}/fd"))

    before = open_files()
    for _ in range(5):
        assert call(link, processes.run, ["no-such-program"], 5.0) == 127
        assert call(link, processes.run, ["true"], 5.0) == 0
        assert call(link, files.read, str(tmp_path)) is None
        assert call(link, files.grown, str(tmp_path), 0) == ("", 0)
        with pytest.raises(CallFailed):
            call(link, processes.run)
        with pytest.raises(CallFailed):
            call(link, processes.start, ["no-such-program"], str(tmp_path / "log"))
    wait_until(lambda: open_files() <= before, reason="the end of the last call's thread", timeout=10)


def test_ended_agent_is_lab_closed_with_the_log(link: Link, process: subprocess.Popen[bytes]) -> None:
    """When the agent is gone, a call under way and every later one end in LabClosed with the Linux's own words."""
    running = link.stream(processes.run, 30, ["/bin/sh", "-c", "echo on; exec sleep 1000"], 1000.0)
    next(running)
    process.kill()
    for stream in (running, link.stream(shlex.quote, 30, "x")):
        with pytest.raises(LabClosed) as caught:
            next(stream)
        assert caught.value.words == "the log"


# What a Linux says as it boots, as a shell's command; how long it is waited for, and the error.
BOOTS = {
    "it ends": ("true", 30, "ended before its agent was ready", ""),
    "it panics": ("echo panic", 30, "ended before its agent was ready", "panic"),
    "half of the line": (f"printf '{agent.READY[:-1].decode()}'", 30, "ended before its agent was ready", "LABKIT AGENT READY"),
    "noise": ("printf '%100s' x", 30, "ended before its agent was ready", "x"),
    "it says nothing": ("exec sleep 1000", 0.1, r"within 0\.1 s", ""),
    "it prints without end": ("exec yes", 0.1, "was not ready within", "y"),
}


@pytest.mark.parametrize(("boot", "timeout", "error", "words"), BOOTS.values(), ids=BOOTS)
def test_linux_that_is_never_ready_is_an_error(boot: str, timeout: float, error: str, words: str) -> None:
    """One that ends, that is silent, that babbles: it is given up, with the log's words or, without a log, what came instead."""
    with subprocess.Popen(["sh", "-c", boot], stdout=subprocess.PIPE, bufsize=0) as linux:
        rescue = threading.Timer(20, linux.kill)  # so that waiting without end is a failure
        rescue.start()
        try:
            with pytest.raises(LabError, match=error) as caught:
                await_ready(linux.stdout, timeout, lambda: "")  # type: ignore[arg-type]
            assert rescue.is_alive() and words in caught.value.words
        finally:
            rescue.cancel()
            linux.kill()


def test_agent_that_ends_at_once_is_an_error_with_the_logs_words(folder: Path) -> None:
    """As when it can start no thread: its stream breaks before the first message is sent."""
    with subprocess.Popen(["printf", "LABKIT AGENT READY\\n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as ended:
        ended.wait(30)
        assert ended.stdin and ended.stdout
        with pytest.raises(LabError, match="as its agent began") as caught:
            no_thread = "can't start new thread"
            Link(ended.stdin, ended.stdout, timeout=30, log=lambda: no_thread, folder=folder, seen_as="")  # type: ignore[arg-type]
    assert (caught.value.words, bool(caught.value.way_out)) == ("can't start new thread", True)


def test_noise_before_the_ready_line_is_passed_over() -> None:
    """Boot messages may come first, and nothing after the line is taken."""
    reading, writing = os.pipe()
    os.write(writing, b"Booting\r\n\x00\xff" + agent.READY + b"rest")
    with os.fdopen(reading, "rb", buffering=0) as stream, os.fdopen(writing, "wb"):
        await_ready(stream, 30, lambda: "")
        assert stream.read(4) == b"rest"


@pytest.mark.parametrize("size", [-1, MAX_ANSWER + 1, 2**31])
def test_message_of_impossible_size_ends_the_stream(size: int) -> None:
    """A claim beyond the limit is never allocated or waited for."""
    stream = BoundedIO(io.BytesIO(), io.BytesIO(b"abc"), get_execmodel("thread"))
    with pytest.raises(EOFError, match="not one of the agent's"):
        stream.read(size)
    assert stream.read(3) == b"abc"
