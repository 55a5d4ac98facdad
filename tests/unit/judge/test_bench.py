"""The copy of a work that is judged, and the bench around it."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import BadInput, CallFailed, MeasureError, WaitTimeout
from labkit.inside.typed import LEFT
from labkit.judge import bench
from labkit.judge.bench import Bench, copy_work, lines_of, shell_of
from labkit.judge.cause import Line
from labkit.judge.check import check_work, run_check
from labkit.judge.verdict import COULD_NOT_RUN, passed
from labkit.lab import Result


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a file in a folder."""
    (tmp_path / "work" / "backend1").mkdir(parents=True)
    (tmp_path / "work" / "backend1" / "index.html").write_text("page")
    return tmp_path / "work"


def test_copy_has_links_as_links_and_no_pipes_and_is_readable_by_all(work: Path, tmp_path: Path) -> None:
    """A link out of the work brings nothing of the host along, one to a folder above is not followed; a pipe, which a copy would
    wait for for ever, is left out; dnsmasq reads as nobody, so the modes of whoever collected the works do not count."""
    (tmp_path / "secret").write_text("of the host")
    mode = stat.S_IMODE((tmp_path / "secret").stat().st_mode)
    links = {"page": str(tmp_path / "secret"), "up": "..", "nowhere": "nothing"}
    for name, target in links.items():
        (work / name).symlink_to(target)
    for pipe in (work / "pipe", work / "backend1" / "pipe"):
        os.mkfifo(pipe)
    for path in (work / "backend1" / "index.html", work / "backend1", work):
        path.chmod(0o700 if path.is_dir() else 0o600)
    copy = tmp_path / "copy"
    copy_work(work, copy)
    assert {name: os.readlink(copy / name) for name in links} == links
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == mode and stat.S_IMODE(work.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (copy, *copy.rglob("*")) if not path.is_symlink()}
    assert modes == {"copy": 0o755, "backend1": 0o755, "index.html": 0o644}


def test_work_that_cannot_be_judged(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, or nothing, is BadInput; so is a task that there is not, and none; so is an unreadable file, with its words.

    Too many files or bytes are said before anything is copied.
    """
    for path in (work / "backend1" / "index.html", tmp_path / "nothing"):
        with pytest.raises(BadInput, match="no folder"):
            check_work(path)
    for tasks in ([5], [1, 0], []):
        with pytest.raises(BadInput, match="no task"):
            check_work(work, tasks)
    for limit, value in (("MAX_FILES", 0), ("MAX_BYTES", 3)):
        with monkeypatch.context() as patch, pytest.raises(BadInput, match="1 files with 4 bytes"):
            patch.setattr(bench, limit, value)
            copy_work(work, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()

    def refuse(*_args: Any, **_options: Any) -> None:
        raise PermissionError(13, "Permission denied", "task1.sh")

    monkeypatch.setattr(bench.shutil, "copytree", refuse)
    with pytest.raises(BadInput) as caught:
        copy_work(work, tmp_path / "copy")
    assert "Permission denied" in caught.value.words


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "not done yet: there is no task3.sh"), ("", "not done yet: task3.sh holds no command"),
        ("#!/bin/sh\n\n  # later\n", "not done yet: task3.sh holds no command"), ("true\n", ""),
    ],
)  # fmt: skip
def test_not_done(fake_lab: Any, script: str | None, reason: str) -> None:
    """No script, or one without a command, is not done yet."""
    if script is not None:
        (fake_lab.home / "task3.sh").write_text(script)
    assert Bench(fake_lab, 3).not_done == reason


def says(fake_lab: Any, printed: str = "", how: str = "") -> None:
    """Have the lab's scripts print something and end somehow."""

    def stream(_function: object, _timeout: float, command: list[str], *_args: Any) -> Any:
        fake_lab.ran.append(command[-1])
        yield printed
        return how

    fake_lab.linux, fake_lab.stream = "host", stream
    fake_lab.answers |= {"settle": True, "programs": [], "end_helpers": None, "strangers": []}


def test_scripts_that_run(fake_lab: Any) -> None:
    """The earlier tasks' scripts that a task builds on run first; what each starts is waited for before the next begins.

    What a server in the background says after its script has ended is among the words, where a port stays free; so is the
    sentence with which a script was stopped.
    """
    says(fake_lab)
    fake_lab.answers["settle"] = lambda *ports: fake_lab.ran.append(ports[0]) or True
    for number in (1, 2, 4):
        (fake_lab.home / f"task{number}.sh").write_text("true\n")
    Bench(fake_lab, 4).run_scripts()
    assert fake_lab.ran == ["task1.sh", [8081, 8082], "task4.sh", [8081, 8082, 8888]]
    says(fake_lab, "working\n", "it did not end within 60 s and was stopped.")
    fake_lab.answers |= {"settle": False, "late_words": "No module named http.sever"}
    judged = Bench(fake_lab, 1)
    judged.run_scripts()
    assert "No module named http.sever" in judged.words
    assert "task1.sh: it did not end within 60 s and was stopped.\n" in [line.printed for line in judged.said[1]]


BASH, SH_END = ["bash", "--rcfile", "/opt/bin/typed.bashrc", "-i"], ["-c", bench.SH_SCRIPT]
SHELLS = [
    ("true", BASH), ("", BASH), ("#!/bin/sh -e", ["sh", "-m", "-e", *SH_END]), ("#!/bin/dash", ["sh", "-m", *SH_END]),
    ("#!/usr/bin/env sh", ["sh", "-m", *SH_END]), ("#!/bin/bash", BASH), ("#! /usr/bin/env bash", BASH),
    ("#!/usr/bin/bash -eu", [*BASH, "-eu"]), ("#!/usr/bin/python3", BASH), ("# #!/bin/sh", BASH), ("#!", BASH),
]  # fmt: skip


@pytest.mark.parametrize(("first", "command"), SHELLS)
def test_shell_of_a_script(first: str, command: list[str]) -> None:
    """A script is run as it was typed, by bash, and by sh where its first line asks for it; with its options."""
    assert shell_of("x.sh", [first, "true"]) == [*command, "x.sh"]
    assert shell_of("x.sh", []) == [*BASH, "x.sh"]


def announced(code: int, number: int, command: str) -> str:
    """What bash says before a command."""
    return f"\1{code}\2{number}\2{command}\3"


def test_lines_of_what_was_printed() -> None:
    """Each line of the script has its own words and code; a loop is one line, and what was left running is said."""
    said = "".join((
        announced(0, 1, "cd b"), announced(0, 1, "python3 -m http.server"), "Serving\n", LEFT, announced(147, 2, "for i in 1 2"),
        announced(147, 2, "curl"), "a\n", announced(0, 2, "curl"), "b\n", announced(7, 9, "f x"), "not found\n",
        announced(127, 1, "f x"),
    ))  # fmt: skip
    assert lines_of(said, [" cd b && python3 -m http.server ", "for i in 1 2; do curl; done"]) == [
        Line(1, "cd b && python3 -m http.server", None, "Serving\n", True), Line(2, "for i in 1 2; do curl; done", 7, "a\nb\n"),
        Line(9, "f x", 127, "not found\n"),
    ]  # fmt: skip
    assert lines_of("only words", []) == [Line(0, "", None, "only words")]
    assert lines_of("", []) == []


def test_instrument_that_is_missing_is_not_the_works_fault(fake_lab: Any) -> None:
    """Without curl or dig what they measure could not run; another code is theirs to tell."""
    fake_lab.run = lambda command, **_options: Result(command[0], 127 if command[0] == "curl" else 9, "", "", 0.0)
    judged = Bench(fake_lab, 1)
    assert judged.instrument("dig", "@127.0.0.1").code == 9
    found = run_check(judged, lambda bench: passed(str(bench.instrument("curl", "-s"))))
    assert found.verdict == COULD_NOT_RUN and "`curl`" in found.hint


def test_once(fake_lab: Any) -> None:
    """A measurement is made once for all checks, and its error is raised for each of them without another try."""
    made: list[int] = []

    def fail() -> None:
        made.append(1)
        raise WaitTimeout("slow")

    judged = Bench(fake_lab, 4)
    assert [judged.once("a", lambda: made.append(0) or "value") for _ in range(2)] == ["value"] * 2
    for _ in range(2):
        with pytest.raises(WaitTimeout):
            judged.once("b", fail)
    assert made == [0, 1]


def test_port_that_is_taken_again(fake_lab: Any) -> None:
    """A server that starts late may take the port first: it is ended too, but not without end."""
    ended: list[int] = []

    def start(_port: int, _page: str) -> None:
        if len(ended) < takes:
            raise CallFailed("Address already in use", kind="OSError")

    fake_lab.answers |= {"end_listeners": lambda ports: ended.extend(ports), "start": start}
    takes = 3
    Bench(fake_lab, 4).record_backend(8081)
    assert ended == [8081] * 3
    takes = 1000
    with pytest.raises(MeasureError, match="8081"):
        Bench(fake_lab, 4).record_backend(8081)
