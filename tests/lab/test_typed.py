"""A script is run as its author typed it: what stays in the foreground runs on beside the next line."""

# ruff: noqa: E501 (a table of commands)
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.inside import judge
from labkit.inside.processes import prepare_cell
from labkit.inside.typed import run
from labkit.judge.bench import lines_of, shell_of
from labkit.judge.cause import Line
from labkit.lab import Lab
from labkit.machine.cell import PREPARATION, cell_command
from labkit.machine.view import HOME


@pytest.fixture(autouse=True)
def ended(lab: Lab) -> Iterator[None]:
    """What a script leaves running ends with its test."""
    yield
    lab.call(judge.end_helpers, "")


def typed(lab: Lab, script: str, *, timeout: float = 40.0) -> tuple[list[Line], str]:
    """Run a script as a work's is run on this Linux; its lines, and how it ended."""
    Path(lab.home, "task.sh").write_text(script)
    command = shell_of("task.sh", script.splitlines())
    said: list[str] = []
    if lab.linux != "host":
        lab.call(prepare_cell, *PREPARATION)
        command = cell_command(command, trusted=True)
    stream = lab.stream(run, 90, command, timeout, HOME, 100_000)
    try:
        while True:
            said.append(next(stream))
    except StopIteration as stop:
        return lines_of("".join(said), script.splitlines()), stop.value


def printed(lines: list[Line], number: int) -> str:
    """What one line of a script printed."""
    return "".join(line.printed for line in lines if line.number == number)


FOREGROUND = [
    ("server", "python3 -m http.server 8181", True), ("in-a-folder", "cd /tmp && python3 -m http.server 8181", True),
    ("piped", "python3 -u -m http.server 8181 2>&1 | cat", True), ("with-sudo", "sudo python3 -m http.server 8181", True),
    ("subshell", "(cd /tmp; python3 -m http.server 8181)", True), ("dnsmasq", "dnsmasq --no-daemon --port 8153 --no-resolv", True),
    ("tshark", "tshark -i lo", True), ("tcpdump", "timeout 100 tcpdump -i lo -c 1000", True), ("watch", "watch -n1 date", True),
    ("tail", "tail -f /etc/hostname", True), ("file-of-tshark", "tshark -nr /dev/null; tail -n 1 /etc/hostname", False), ("waiting", "cat /dev/ptmx", True), ("wait", "sleep 1000 & wait", True),
    ("endless-loop", "while true; do true; sleep 0.3; done", True), ("paced-loop", "while sleep 0.3; do date; done", True), ("sleep", "sleep 2", False), ("loop", "for i in 1 2 3; do ls; done", False), ("loop-that-sleeps", "for i in 1 2 3 4 5; do ls; sleep 1; done", False),
    ("nginx-in-front", "nginx -g 'daemon off;'", True), ("editor", "nano x </dev/null", False), ("pager", "less /etc/hosts", False),
]  # fmt: skip


@pytest.mark.parametrize(("command", "left"), [row[1:] for row in FOREGROUND], ids=[row[0] for row in FOREGROUND])
def test_what_stays_in_the_foreground_is_left(lab: Lab, command: str, left: bool) -> None:
    """A program that serves, records or waits for its author runs on beside the next line; what ends by itself is waited for."""
    lines, how = typed(lab, f"cd\n{command}\necho next line\n")
    assert "next line" in printed(lines, 3), lines
    assert any(line.left for line in lines if line.number == 2) is left, lines
    assert how == "", lines


def test_server_goes_on_when_the_script_has_ended(lab: Lab) -> None:
    """A foreground server, and one with & beside it, still answer after the script; job control is as in a terminal."""
    script = (
        "python3 -m http.server 8181 &\npython3 -m http.server 8182\npython3 -m http.server 8183 &\nsleep 1\nkill %3\nexit 3\n"
    )
    lines, how = typed(lab, script)
    assert how == "it ended with code 3.", lines
    answers = lab.run("for port in 8181 8182 8183; do curl -s -o /dev/null -w '%{http_code} ' localhost:$port; done", check=False)
    assert answers.stdout == "200 200 000 "


@pytest.mark.parametrize("first", ["", "#!/bin/sh\n"], ids=["bash", "sh"])
def test_server_on_the_last_line(lab: Lab, first: str) -> None:
    """A script that ends with a server in the foreground leaves it running, as often as it is run."""
    for _ in range(5):
        _, how = typed(lab, f"{first}python3 -m http.server 8181")
        assert how == ""
        assert lab.run("curl -s -o /dev/null -w '%{http_code}' localhost:8181", check=False).stdout == "200"
        lab.call(judge.end_helpers, "")


def test_script_for_sh_is_run_by_sh(lab: Lab) -> None:
    """Where the first line asks for sh, sh runs it, and what stays in the foreground is left too."""
    lines, how = typed(lab, "#!/bin/sh\necho $0 $BASH_VERSION\npython3 -m http.server 8181\necho -n next\nnosuch\n")
    said = "".join(line.printed for line in lines)
    assert "task.sh" in said and "next" in said and "nosuch: not found" in said
    assert how in ("it ended with code 127.", "")  # in a namespace of its own sh loses its code


def test_each_line_has_its_words_and_code(lab: Lab) -> None:
    """What each line printed is known with its code, standard output and errors in their order."""
    lines, _ = typed(lab, "ls /nowhere\necho out; echo err >&2; echo out\nnosuch one\ncat <<END\nhere\nEND\nfalse\ntrue\n")
    found = {line.number: (line.code, line.printed) for line in lines if line.number}
    assert found[2] == (0, "out\nerr\nout\n") and found[4] == (0, "here\n") and found[7][0] == 1
    assert found[1][0] == 2 and "No such file" in found[1][1]
    assert found[3][0] == 127 and "command not found" in found[3][1]


AGAIN = "-s -o /dev/null -w '%{http_code}' --retry 20 --retry-connrefused --retry-delay 1"


@pytest.mark.parametrize("first", ["set -e\n", "#!/bin/bash -e\n", "set -euo pipefail\n", "set -o errexit\n"])
def test_careful_script_goes_on_beside_a_server(lab: Lab, first: str) -> None:
    """`set -e` ends a script at a command that fails, but not at a server in the foreground or at a `wait` that is ended."""
    script = f"{first}python3 -m http.server 8181\nsleep 1000 & wait\n! true\n(false) || echo next\ngrep nosuch /etc/hosts\necho never\n"
    lines, how = typed(lab, script)
    said = "".join(line.printed for line in lines)
    assert "next" in said and "never" not in said and how == "it ended with code 1.", lines
    assert "never" in "".join(line.printed for line in typed(lab, f"{first}set +e\nfalse\necho never\n")[0])


def test_what_a_script_would_do_at_its_end_is_not_done(lab: Lab) -> None:
    """Servers that a script's EXIT trap would end live on, as while its terminal is open; its other traps are its own."""
    script = "trap 'kill $!' EXIT\ntrap 'echo told' USR2\npython3 -m http.server 8181 &\nsleep 1; kill -USR2 $$\n(trap 'echo inner' EXIT)\nexit 3\n"
    lines, how = typed(lab, script)
    said = "".join(line.printed for line in lines)
    assert "told" in said and "inner" in said and how == "it ended with code 3.", lines
    assert {line.command for line in lines if line.number} == set(script.splitlines())
    assert lab.run(f"curl {AGAIN} localhost:8181", check=False).stdout == "200"


def test_what_does_not_end_is_stopped(lab: Lab) -> None:
    """A loop that works without end is stopped with its script, and what was started before lives on."""
    lines, how = typed(lab, "python3 -m http.server 8181 &\nuntil false; do :; done\necho never\n", timeout=3.0)
    assert how == "it did not end within 3 s and was stopped." and not printed(lines, 3)
    assert lab.run(f"curl {AGAIN} localhost:8181").stdout == "200"


@pytest.mark.parametrize("line", ["yes", "yes &\nsleep 1", "yes $'\\001end\\003'", "yes $'\\0010\\002x\\002true\\003'"])
def test_flood_of_words_keeps_nothing_from_ending(lab: Lab, line: str) -> None:
    """A program that prints without end, even what the shell announces with, is stopped with its script, and the lab lives on."""
    lines, how = typed(lab, f"{line}\necho next\n", timeout=6.0)
    assert how in ("", "it did not end within 6 s and was stopped.") and len(str(lines)) < 1_000_000
    assert lab.run("echo alive").stdout == "alive\n"
