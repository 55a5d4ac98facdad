"""Commands in a lab: to completion, in the background, interrupted. What becomes of words and codes, unit/inside shows."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from labkit.errors import BadInput, CommandFailed, CommandTimeout
from labkit.lab import Lab
from labkit.measure.traffic import traffic

from .helpers import eventually, pids

pytestmark = pytest.mark.lab


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


def test_only_the_home_is_written(lab: Lab) -> None:
    """write() takes a path below ~/ only."""
    for path in ("/etc/passwd", "page", "~", "~user/x", "../x", "~/../x", "~/a/../../x"):
        with pytest.raises(BadInput, match="not in the lab's home"):
            lab.write(path, "x")
