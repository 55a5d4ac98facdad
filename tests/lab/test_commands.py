"""Commands in a lab, and how much can be sent into it at once: on User-Mode Linux a serial line carries it.

What becomes of words and codes, unit/inside shows.
"""

import contextlib
import copy
import os
import shlex
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from labkit.errors import CommandFailed, CommandTimeout, LabClosed
from labkit.inside import files, processes
from labkit.lab import Lab
from labkit.magics import lab_magic
from labkit.measure.traffic import traffic

from .helpers import CANDIDATES, LabFactory, eventually, pids


@pytest.fixture
def interrupts() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, as in a notebook's kernel."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_soon(_output: object = None) -> None:
    """Send SIGINT to this process from another thread, once this one waits again."""
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()


# A command, and what it comes to: code, standard output, a part of standard error.
COMMANDS: list[tuple[str | list[str], int, str, str]] = [
    ("echo out; echo err >&2; exit 3", 3, "out\n", "err\n"),
    ("echo {a,b} $((1+1)) | tr a-z A-Z", 0, "A B 2\n", ""),  # a text is bash's
    (["echo", "$HOME", "a  b", "*"], 0, "$HOME a  b *\n", ""),  # a list is nobody's
    ("echo before; ls /no-such-folder", 2, "before\n", "No such file or directory"),
    ("kill -HUP $$", -signal.SIGHUP, "", ""),  # no time-out
    ("kill -INT $$", -signal.SIGINT, "", ""),
    ("no-such-program", 127, "", "no-such-program"),
    (["no-such-program"], 127, "", "no-such-program"),
    (["python3", "-c", "print('x' + 'ё' * 100_000)"], 0, "x" + "ё" * 100_000 + "\n", ""),  # in many messages
]


@pytest.mark.parametrize(("command", "code", "out", "err"), COMMANDS, ids=lambda one: str(one)[:30])
def test_command_has_its_code_and_words(lab: Lab, command: str | list[str], code: int, out: str, err: str) -> None:
    """Streams are apart; a code that is not 0 is an error with the command, its code and its words, unless it is not checked."""
    done = lab.run(command, check=False)
    assert (done.code, done.stdout) == (code, out) and err in done.stderr and done.seconds > 0
    if code:
        with pytest.raises(CommandFailed) as caught:
            lab.run(command)
        assert (caught.value.code, caught.value.command) == (code, done.command) and err.strip() in caught.value.words


def test_command_that_takes_too_long_is_stopped(lab: Lab) -> None:
    """CommandTimeout has what was printed so far, and nothing of the command is left."""
    with pytest.raises(CommandTimeout) as caught:
        lab.run("echo so far; sleep 4242 & sleep 4242", timeout=0.5)
    assert "did not end within 0.5 s" in caught.value.tried and caught.value.words == "so far"
    eventually(lambda: not pids(lab, "sleep 4242"), "the end of the command")


def test_output_comes_in_order_while_the_command_runs(lab: Lab) -> None:
    """Output is passed on as it comes: the command goes on only after the test has seen the line before."""
    seen: list[str] = []

    def show(text: str) -> None:
        seen.extend(text.split())
        (lab.home / f"go-{seen[-1]}").touch()

    (lab.home / "go-0").touch()
    lab.run("for i in 1 2 3; do until [ -e ~/go-$((i-1)) ]; do sleep 0.02; done; echo $i; done", on_output=show)
    assert seen == ["1", "2", "3"]


def test_five_megabytes_are_cut_and_not_hung(lab: Lab) -> None:
    """Output beyond the limit is dropped, which stderr says, the command ends well, and the lab works on."""
    done = lab.run("head -c 5000000 /dev/zero | tr '\\0' x; echo end >&2; exit 6", check=False)
    assert done.code == 6 and 3_500_000 < len(done.stdout) < 5_000_000 and set(done.stdout) == {"x"}
    assert "the rest was dropped" in done.stderr
    assert lab.run("echo on").stdout == "on\n"


def test_background_commands_are_started_logged_and_stopped(lab: Lab) -> None:
    """A Process is alive until it is stopped, and its log can be read meanwhile and afterwards; two of one name have two."""
    process = lab.start("echo out; echo err >&2; exec sleep 1000", name="mine")
    twin = lab.start("echo twin; exec sleep 1000", name="mine")
    eventually(lambda: process.log == "out\nerr\n" and twin.log == "twin\n", "both logs")
    assert (process.alive, process.code) == (True, None)
    assert process.stop() == -signal.SIGTERM
    assert (process.alive, process.code, process.stop(), process.log) == (False, -15, -15, "out\nerr\n")
    twin.stop()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupt_stops_the_command_and_not_the_lab(lab: Lab, interrupts: None, kind: type[BaseException]) -> None:
    """An interrupted cell ends its command, so does an error while its output is shown, and the next cell works."""

    def fail(_text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(kind):
        lab.run("sleep 4244 & echo on; sleep 4244", on_output=interrupt_soon if kind is KeyboardInterrupt else fail)
    eventually(lambda: not pids(lab, "sleep 4244"), "the end of the interrupted command")
    with pytest.raises(KeyboardInterrupt):
        interrupt_soon()
        traffic(lab, "http://127.0.0.1:9999", 1_000_000)
    assert lab.run("echo on").stdout == "on\n"


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_what_goes_in_may_be_of_any_size_and_script(
    own_lab: LabFactory, candidate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long command in Cyrillic letters, and texts around and far beyond what a serial line carries, arrive whole; so do 100 kB
    that %%lab is given; a cell that is too long for a program is an error, and the lab works on."""
    lab = own_lab(candidate, task=4)
    words = "привет " * 472
    assert lab.run(f"echo '{words}' | wc -m").stdout.strip() == str(len(words) + 1)
    for letter in ("x", "ж"):
        for size in (1_000, 3_300, 3_450, 3_500, 3_550, 4_096, 8_000, 1_000_000):
            assert lab.call(copy.copy, letter * size) == letter * size
    assert lab.call(files.listing, "/lab/calls") == []
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
