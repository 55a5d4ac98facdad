"""Commands run to their end or in the background: the functions that run in the lab, run here."""

import os
import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from labkit.errors import wait_until
from labkit.inside.processes import LATE_LIMIT, exists, late_words, poll, run, send_signal, start, stop
from labkit.machine.link import finish


def run_command(argv: list[str], timeout: float = 30.0, **options: int) -> tuple[int, str, str]:
    """Run a command and return code, stdout, and stderr with what was done to it."""
    parts: dict[str, str] = defaultdict(str)

    def collect(part: tuple[str, str]) -> None:
        parts["stdout" if part[0] == "stdout" else "rest"] += part[1]

    return finish(run(argv, timeout, **options), collect), parts["stdout"], parts["rest"]


def run_shell(script: str, timeout: float = 30.0, **options: int) -> tuple[int, str, str]:
    """Run a shell script, as `run_command`."""
    return run_command(["/bin/sh", "-c", script], timeout, **options)


def alive(pid: int) -> bool:
    """True while process `pid` runs (a zombie does not)."""
    return exists(pid, Path(f"/proc/{pid}/comm").read_text().strip()) if Path(f"/proc/{pid}").exists() else False


# A script, the bytes that it may print, and what it comes to: code, standard output, standard error.
SCRIPTS: dict[str, tuple[str, int, tuple[int, str, str]]] = {
    **{f"code {n}": (f"echo out; echo err >&2; exit {n}", 99, (n, "out\n", "err\n")) for n in (0, 1, 127, 255)},
    # Minus the signal's number, as in Python; nothing is said of the time or of its caller.
    **{name: (f"kill -{name} $$", 99, (-signal.Signals[f"SIG{name}"], "", "")) for name in ("HUP", "INT", "SEGV")},
    "no input": ("cat; echo $?", 99, (0, "0\n", "")),
    "just the limit": ("printf éé", 4, (0, "éé", "")),
    "a character in two pieces": (r"printf 'caf\303'; sleep 0.2; printf '\251\n'", 99, (0, "café\n", "")),
    "no text": (r"printf 'a\377b'", 99, (0, "a\ufffdb", "")),
}


@pytest.mark.parametrize(("script", "limit", "wanted"), SCRIPTS.values(), ids=SCRIPTS)
def test_script_has_its_code_and_its_words(script: str, limit: int, wanted: tuple[int, str, str]) -> None:
    """The code is the command's, and what went to stdout and stderr stays apart and whole."""
    assert run_shell(script, limit=limit) == wanted


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
    assert run_command(argv, 1.0) == (code, "", f"{argv[0]}: {words}\n")


# Scripts that are stopped when their time is over: why each might not be.
STUBBORN = {
    "it ignores the polite signals": "trap '' TERM INT HUP; while :; do sleep 1; done",
    "it never stops printing": "for i in 1 2 3 4; do yes & done; wait",
    "it has children": "sleep 1000 & echo y; wait",
}


@pytest.mark.parametrize("script", STUBBORN.values(), ids=STUBBORN)
def test_command_that_takes_too_long_is_killed_with_its_children(script: str) -> None:
    """After the time, which is said, and neither the command nor a child of it is left."""
    code, out, rest = run_shell(f"echo $$; {script}", 0.4)
    pid, _, out = out.partition("\n")
    assert code == -signal.SIGKILL and rest.endswith("(it did not end within 0.4 s: it was stopped)\n")
    assert out.startswith("y\n") or "trap" in script
    left = ["pgrep", "--runstates", "DRST", "--pgroup", pid]
    wait_until(lambda: subprocess.run(left, check=False).returncode == 1, reason="the end of it and its children", timeout=10)


def test_output_comes_while_the_command_runs_and_its_caller_may_go() -> None:
    """The first line is there before the command goes on; who closes the stream or the pipe ends it; the pipe stays the
    caller's."""
    stream = run(["/bin/sh", "-c", "echo first; exec sleep 1000"], 1000.0)
    assert next(stream) == ("stdout", "first\n")
    stream.close()  # type: ignore[attr-defined]
    reading, writing = os.pipe()
    stream = run(["/bin/sh", "-c", "echo $$; exec sleep 1000"], 1000.0, cancel_fd=reading)
    pid = int(next(stream)[1])
    os.close(writing)
    items: list[tuple[str, str]] = []
    assert finish(stream, items.append) == -signal.SIGKILL
    assert items == [("cancelled", "(nobody waits for it any more: it was stopped)\n")]
    assert not alive(pid)
    os.close(reading)


def test_child_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    """One that keeps the output open lives on, loses nothing that was printed before, and may print what nobody reads."""
    code, out, _ = run_shell("sleep 1000 & echo $!; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done")
    pid, *numbers = out.split()
    assert (code, numbers, alive(int(pid))) == (0, [str(number) for number in range(1, 20001)], True)
    os.kill(int(pid), signal.SIGKILL)
    script = f"(until [ -e {tmp_path}/go ]; do sleep 0.02; done; yes | head -c 300000; touch {tmp_path}/lives) & echo on"
    assert run_shell(script)[:2] == (0, "on\n")
    (tmp_path / "go").touch()
    wait_until((tmp_path / "lives").exists, reason="what it does after printing", timeout=10)


def test_late_words_of_a_server_in_the_background_are_kept() -> None:
    """What is printed after the command has ended is not its output, and the end of it is kept."""
    assert run_shell(f"(sleep 0.2; printf %{2 * LATE_LIMIT}s x; echo late) & echo soon")[1] == "soon\n"
    wait_until(lambda: "late\n" in late_words(), reason="the late words", timeout=10)
    wait_until(lambda: len(late_words()) == LATE_LIMIT, reason="the limit", timeout=10)


@pytest.mark.parametrize("limit", [0, 1, 1000, 200_000, 999_999])
def test_output_beyond_the_limit_is_dropped_and_that_is_said(limit: int) -> None:
    """`limit` bytes come through and a sentence says that there was more, once; the command runs to its end."""
    script = "for i in 1 2 3 4 5; do head -c 100000 /dev/zero | tr '\\0' x; echo y >&2; done; yes é | head -c 499990; exit 5"
    code, out, rest = run_shell(script, limit=limit)
    assert code == 5
    assert limit - 10 - 1 <= len(out.encode()) <= limit
    assert rest.count("(it printed more than") == rest.count(f"(it printed more than {limit} bytes; the rest was dropped)\n") == 1


# Background commands: what each writes into its log first, and the code that it has when it is stopped.
STOPPED = [
    ("exec sleep 1000", "", -signal.SIGTERM),  # the polite signal comes first
    ("trap 'exit 3' TERM; echo on; while :; do sleep 0.1; done", "on\n", 3),
    ("echo out; echo err >&2; exit 4", "out\nerr\n", 4),
]


@pytest.mark.parametrize(("script", "words", "code"), STOPPED)
def test_background_command_writes_its_log_and_keeps_its_code(tmp_path: Path, script: str, words: str, code: int) -> None:
    """Both streams go to the log; the code is what the command made of SIGTERM, and nobody can signal it afterwards."""
    log = tmp_path / "log"
    pid = start(["/bin/sh", "-c", script], str(log))
    wait_until(lambda: log.read_text() == words, reason="its words", timeout=10)
    if "exit 4" in script:
        wait_until(lambda: poll(pid) is not None, reason="its end", timeout=10)
    assert (stop(pid, 10.0), poll(pid), send_signal(pid, signal.SIGTERM)) == (code, code, False)


def test_stop_ends_what_does_not_listen(tmp_path: Path) -> None:
    """What ignores SIGTERM, or is stopped with SIGSTOP, is killed with its children."""
    pid = start(["/bin/sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait"], str(tmp_path / "log"))
    child = int(wait_until(lambda: (tmp_path / "log").read_text(), reason="its child", timeout=10))
    assert send_signal(pid, signal.SIGSTOP)
    assert stop(pid, 0.1) == -signal.SIGKILL
    wait_until(lambda: not alive(child), reason="the end of its child", timeout=10)


def test_exists_wants_the_right_program() -> None:
    """A process is there only under its own name; nobody's number is nothing."""
    name = Path("/proc/self/comm").read_text().strip()
    assert (exists(os.getpid(), name), exists(os.getpid(), "nginx"), exists(2**22 + 1, name)) == (True, False, False)
