"""Commands run to their end or in the background: the functions that run in the lab, run here."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from labkit.errors import wait_until
from labkit.inside.processes import LATE_LIMIT, exists, late_words, poll, run, send_signal, start, stop
from labkit.machine.link import finish


def run_shell(script: str, timeout: float = 30.0, **options: int) -> tuple[int, str, str]:
    """Run a shell script and return code, stdout, and stderr with what was done to it."""
    parts: dict[str, str] = defaultdict(str)

    def collect(part: tuple[str, str]) -> None:
        parts["stdout" if part[0] == "stdout" else "rest"] += part[1]

    return finish(run(["/bin/sh", "-c", script], timeout, **options), collect), parts["stdout"], parts["rest"]


def alive(pid: int) -> bool:
    """True while process `pid` runs (a zombie does not)."""
    return exists(pid, Path(f"/proc/{pid}/comm").read_text().strip()) if Path(f"/proc/{pid}").exists() else False


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_code_and_streams_are_kept_apart(code: int) -> None:
    """What went to stdout and stderr stays apart, and the exit code is the command's."""
    assert run_shell(f"echo out; echo err >&2; exit {code}") == (code, "out\n", "err\n")


@pytest.mark.parametrize("name", ["HUP", "INT", "SEGV"])
def test_command_ended_by_a_signal_has_its_number(name: str) -> None:
    """Minus the number of the signal, as in Python, and nothing is said of the time or of its caller."""
    assert run_shell(f"kill -{name} $$") == (-signal.Signals[f"SIG{name}"], "", "")


def test_command_has_no_input() -> None:
    """A command that reads its input finds its end at once."""
    assert run_shell("cat; echo $?") == (0, "0\n", "")


def test_late_words_of_a_server_in_the_background_are_kept() -> None:
    """What is printed after the command has ended is not its output, and the end of it is kept."""
    assert run_shell(f"(sleep 0.2; printf %{2 * LATE_LIMIT}s x; echo late) & echo soon")[1] == "soon\n"
    wait_until(lambda: "late\n" in late_words(), reason="the late words", timeout=10)
    wait_until(lambda: len(late_words()) == LATE_LIMIT, reason="the limit", timeout=10)


def test_output_comes_while_the_command_runs() -> None:
    """The first line is there before the command goes on."""
    stream = run(["/bin/sh", "-c", "echo first; exec sleep 1000"], 1000.0)
    assert next(stream) == ("stdout", "first\n")
    stream.close()  # type: ignore[attr-defined]


def test_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """After the time that is said, and neither the command nor a child of it is left."""
    code, out, rest = run_shell("sleep 1000 & echo $! $$; wait", 0.3)
    assert (code, rest) == (-signal.SIGKILL, "(it did not end within 0.3 s: it was stopped)\n")
    for pid in map(int, out.split()):
        wait_until(lambda pid=pid: not alive(pid), reason=f"the end of {pid}", timeout=10)  # type: ignore[misc]


def test_command_that_does_not_want_to_end_is_killed() -> None:
    """A command that ignores the polite signals ends all the same."""
    assert run_shell("trap '' TERM INT HUP; while :; do sleep 1; done", 0.3)[0] == -signal.SIGKILL


def test_command_that_never_stops_printing_is_stopped_in_time() -> None:
    """A flood of output does not keep the time from being over."""
    code, out, rest = run_shell("for i in 1 2 3 4; do yes & done; wait", 0.5)
    assert code == -signal.SIGKILL and "did not end" in rest
    assert out.startswith("y\ny\n")


def test_child_in_the_background_is_not_waited_for() -> None:
    """A child that keeps the output open does not hold up the command, and lives on."""
    code, out, _ = run_shell("sleep 1000 & echo $!")
    assert code == 0
    assert alive(int(out))
    os.kill(int(out), signal.SIGKILL)


def test_child_in_the_background_may_go_on_printing(tmp_path: Path) -> None:
    """A server that a command has left behind does not die of writing to the output that nobody reads any more."""
    script = f"(until [ -e {tmp_path}/go ]; do sleep 0.02; done; yes | head -c 300000; touch {tmp_path}/lives) & echo on"
    assert run_shell(script)[:2] == (0, "on\n")
    (tmp_path / "go").touch()
    wait_until((tmp_path / "lives").exists, reason="what it does after printing", timeout=10)


def test_what_a_command_printed_last_is_there() -> None:
    """Nothing that was printed before the end is lost, also with a child that keeps the output open."""
    code, out, _ = run_shell("sleep 1000 & echo $!; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done")
    os.kill(int(out.split()[0]), signal.SIGKILL)
    assert (code, out.split()[1:]) == (0, [str(number) for number in range(1, 20001)])


@pytest.mark.parametrize("limit", [0, 1, 1000, 200_000, 999_999])
def test_output_beyond_the_limit_is_dropped_and_that_is_said(limit: int) -> None:
    """`limit` bytes come through and a sentence says that there was more, once; the command runs to its end."""
    script = "for i in 1 2 3 4 5; do head -c 100000 /dev/zero | tr '\\0' x; echo y >&2; done; yes é | head -c 499990; exit 5"
    code, out, rest = run_shell(script, limit=limit)
    assert code == 5
    assert limit - 10 - 1 <= len(out.encode()) <= limit
    assert rest.count("(it printed more than") == rest.count(f"(it printed more than {limit} bytes; the rest was dropped)\n") == 1


def test_output_of_just_the_limit_is_whole() -> None:
    """Nothing is said of output that is all there."""
    assert run_shell("printf éé", limit=4) == (0, "éé", "")


def test_character_cut_in_two_is_whole() -> None:
    """A character of several bytes that arrives in two pieces is one character."""
    assert run_shell(r"printf 'caf\303'; sleep 0.2; printf '\251\n'") == (0, "café\n", "")


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    """What is no UTF-8 is marked as such."""
    assert run_shell(r"printf 'a\377b'")[1] == "a\ufffdb"


def test_caller_that_goes_away_ends_the_command() -> None:
    """When the cancelling pipe's other end is closed, the command is killed; the pipe is the caller's still."""
    reading, writing = os.pipe()
    stream = run(["/bin/sh", "-c", "echo $$; exec sleep 1000"], 1000.0, cancel_fd=reading)
    pid = int(next(stream)[1])
    os.close(writing)
    items: list[tuple[str, str]] = []
    assert finish(stream, items.append) == -signal.SIGKILL
    assert items == [("cancelled", "(nobody waits for it any more: it was stopped)\n")]
    assert not alive(pid)
    os.close(reading)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["no-such-program"], 127, "No such file or directory"),
        (["/etc"], 126, "Permission denied"),
        (["/etc/passwd/x"], 126, "Not a directory"),
        (["true", "x" * 200_000], 126, "Argument list too long"),
    ],
)
def test_program_that_cannot_be_run_ends_as_a_shell_has_it(argv: list[str], code: int, words: str) -> None:
    """Code 127 or 126, and its name with the system's words on standard error."""
    items: list[tuple[str, str]] = []
    assert finish(run(argv, 1.0), items.append) == code
    assert items == [("stderr", f"{argv[0]}: {words}\n")]


def test_background_command_writes_its_log_and_keeps_its_code(tmp_path: Path) -> None:
    """Both streams go to the log; the code is there once it has ended."""
    pid = start(["/bin/sh", "-c", "echo out; echo err >&2; exit 4"], str(tmp_path / "log"))
    wait_until(lambda: poll(pid) is not None, reason="its end", timeout=10)
    assert (poll(pid), stop(pid)) == (4, 4)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


@pytest.mark.parametrize(
    ("script", "code"), [("exec sleep 1000", -15), ("trap 'exit 3' TERM; echo on; while :; do sleep 0.1; done", 3)]
)
def test_stop_is_polite_first(tmp_path: Path, script: str, code: int) -> None:
    """SIGTERM comes first, and the code is what the command made of it."""
    pid = start(["/bin/sh", "-c", script], str(tmp_path / "log"))
    if "echo" in script:
        wait_until(lambda: (tmp_path / "log").read_text(), reason="its trap", timeout=10)
    assert stop(pid, 10.0) == code
    assert poll(pid) == code


def test_stop_ends_what_does_not_listen(tmp_path: Path) -> None:
    """What ignores SIGTERM, or is stopped with SIGSTOP, is killed with its children."""
    script = "trap '' TERM; sleep 1000 & echo $!; wait"
    pid = start(["/bin/sh", "-c", script], str(tmp_path / "log"))
    child = int(wait_until(lambda: (tmp_path / "log").read_text(), reason="its child", timeout=10))
    assert send_signal(pid, signal.SIGSTOP)
    assert stop(pid, 0.1) == -signal.SIGKILL
    wait_until(lambda: not alive(child), reason="the end of its child", timeout=10)


def test_signal_to_nobody_is_false(tmp_path: Path) -> None:
    """A process that has ended cannot be signalled."""
    pid = start(["/bin/true"], str(tmp_path / "log"))
    stop(pid)
    assert send_signal(pid, signal.SIGTERM) is False


def test_exists_wants_the_right_program() -> None:
    """A process is there only under its own name; nobody's number is nothing."""
    name = Path("/proc/self/comm").read_text().strip()
    assert exists(os.getpid(), name)
    assert not exists(os.getpid(), "nginx")
    assert not exists(2**22 + 1, name)
