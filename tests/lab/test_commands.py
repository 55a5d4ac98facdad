"""Commands in a lab: to completion, in the background, interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from labkit.errors import BadInput, CallFailed, CommandFailed, CommandTimeout
from labkit.inside import processes
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


def test_streams_and_code(lab: Lab) -> None:
    """stdout and stderr are apart, the code is kept when it is not checked."""
    done = lab.run("echo out; echo err >&2; exit 3", check=False)
    assert (done.stdout, done.stderr, done.code, done.command) == ("out\n", "err\n", 3, "echo out; echo err >&2; exit 3")
    assert done.seconds > 0


def test_text_is_run_by_bash_and_a_list_by_nobody(lab: Lab) -> None:
    """A str has the shell's features, a list is not interpreted."""
    assert lab.run("echo {a,b} $((1+1)) | tr a-z A-Z").stdout == "A B 2\n"
    assert lab.run(["echo", "$HOME", "a  b", "*"]).stdout == "$HOME a  b *\n"


def test_failed_command_has_its_words(lab: Lab) -> None:
    """The error names the command and the code, and its words are the program's."""
    with pytest.raises(CommandFailed) as caught:
        lab.run("echo before; ls /no-such-folder")
    assert (caught.value.code, caught.value.command) == (2, "echo before; ls /no-such-folder")
    assert "No such file or directory" in str(caught.value)


@pytest.mark.parametrize("name", ["HUP", "INT"])
def test_command_ended_by_a_signal_is_not_one_that_took_too_long(lab: Lab, name: str) -> None:
    """It ended with minus the signal's number, and nothing is said of seconds."""
    with pytest.raises(CommandFailed) as caught:
        lab.run(f"kill -{name} $$")
    assert caught.value.code == -signal.Signals[f"SIG{name}"]


def test_missing_program_is_a_failed_command_either_way(lab: Lab) -> None:
    """A program that is not there ends like the shell's: code 127 and its name, typed as text or as a list."""
    for command in ("no-such-program", ["no-such-program"]):
        with pytest.raises(CommandFailed) as caught:
            lab.run(command)
        assert caught.value.code == 127
        assert "no-such-program" in caught.value.words


def test_command_that_takes_too_long_is_stopped(lab: Lab) -> None:
    """CommandTimeout has what was printed so far, and nothing of the command is left."""
    with pytest.raises(CommandTimeout) as caught:
        lab.run("echo so far; sleep 4242 & sleep 4242", timeout=0.5)
    assert "did not end within 0.5 s" in caught.value.tried
    assert caught.value.words == "so far"
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
    assert done.code == 6
    assert 3_500_000 < len(done.stdout) < 5_000_000
    assert set(done.stdout) == {"x"}
    assert "the rest was dropped" in done.stderr
    assert lab.run("echo on").stdout == "on\n"


def test_long_text_of_any_script_is_whole(lab: Lab) -> None:
    """Letters of several bytes are not broken where the output is cut into messages."""
    done = lab.run(["python3", "-c", "print('x' + 'ё' * 100_000)"])
    assert done.stdout == "x" + "ё" * 100_000 + "\n"


def test_background_child_does_not_hold_up_the_command(lab: Lab) -> None:
    """A child that keeps the output open is not waited for, and lives on."""
    pid = int(lab.run("sleep 4243 & echo $!").stdout)
    assert pids(lab, "sleep 4243") == [pid]
    lab.run(f"kill {pid}")


def test_function_that_raises_is_told_with_its_kind(lab: Lab) -> None:
    """A labkit function that raises in the lab is a CallFailed here."""
    with pytest.raises(CallFailed) as caught:
        lab.call(processes.poll, 4_000_000)
    assert caught.value.kind == "KeyError"
    assert "labkit.inside.processes:poll failed in the lab" in str(caught.value)


def test_background_command_is_started_logged_and_stopped(lab: Lab) -> None:
    """A Process is alive until it is stopped, and its log can be read meanwhile and afterwards."""
    process = lab.start("echo out; echo err >&2; exec sleep 1000", name="mine")
    eventually(lambda: process.log == "out\nerr\n", "the log")
    assert (process.alive, process.code) == (True, None)
    assert process.stop() == -signal.SIGTERM
    assert (process.alive, process.code, process.stop(), process.log) == (False, -15, -15, "out\nerr\n")


def test_two_background_commands_of_one_name_have_two_logs(lab: Lab) -> None:
    """Logs of processes with the same name do not mix."""
    first, second = (lab.start(f"echo {word}; exec sleep 1000", name="twin") for word in "ab")
    eventually(lambda: first.log and second.log, "both logs")
    assert (first.log, second.log) == ("a\n", "b\n")
    first.stop()
    second.stop()


def test_commands_from_several_threads_do_not_mix(lab: Lab) -> None:
    """Calls at the same time get their own answers."""
    answers: dict[int, str] = {}
    threads = [threading.Thread(target=lambda n=n: answers.update({n: lab.run(f"echo {n}").stdout})) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: f"{n}\n" for n in range(8)}


def test_interrupt_stops_the_command_and_not_the_lab(lab: Lab, interrupts: None) -> None:
    """An interrupted cell ends its command in the lab, and the next cell works."""
    with pytest.raises(KeyboardInterrupt):
        lab.run("sleep 4244 & echo on; sleep 4244", on_output=interrupt_soon)
    eventually(lambda: not pids(lab, "sleep 4244"), "the end of the interrupted command")
    assert lab.run("echo on").stdout == "on\n"


def test_error_while_showing_output_stops_the_command(lab: Lab) -> None:
    """When what is done with the output fails, the command does not go on."""

    def fail(_text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lab.run("echo on; sleep 4245", on_output=fail)
    eventually(lambda: not pids(lab, "sleep 4245"), "the end of the command")


def test_interrupted_traffic_stops(lab: Lab, interrupts: None) -> None:
    """A long measurement can be interrupted, and the lab works on."""
    interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        traffic(lab, "http://127.0.0.1:9999", 1_000_000)
    assert lab.run("echo on").stdout == "on\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "page", "~", "~user/x", "../x", "~/../x", "~/a/../../x"])
def test_only_the_home_is_written(lab: Lab, path: str) -> None:
    """write() takes a path below ~/ only."""
    with pytest.raises(BadInput, match="not in the lab's home"):
        lab.write(path, "x")
