"""A lab that only answers what a test has told it to: for the few functions whose input is what a real program said."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.lab import Result
from labkit.machine.folder import LabFolder
from labkit.machine.view import View


class FakeLab:
    """Answers from `results` (a command's beginning: code and output) and `answers` (a function's name: its result).

    A call that does not fit the function is refused, as it would be in the lab.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.closed, self.trusted = home, False, True
        self.results: dict[str, tuple[int, str]] = {}
        self.answers: dict[str, Any] = {"server_at": None}
        self.files: dict[str, str] = {}
        self.ran: list[str] = []
        self.transcript: list[str] = []
        self.written: dict[str, str] = {}

    def run(self, command: str, **_options: Any) -> Result:
        self.ran.append(command)
        code, words = next((self.results[key] for key in self.results if command.startswith(key)), (0, ""))
        return Result(command, code, words, "", 0.0)

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        inspect.signature(function).bind(*args, **options)
        answer = self.answers[function.__name__]
        return answer(*args) if callable(answer) else answer

    def call_within(self, _timeout: float, function: Callable[..., Any], *args: Any) -> Any:
        return self.call(function, *args)

    def record(self, *commands: str, task: int | None = None) -> None:
        self.transcript += commands

    def write(self, path: str, text: str) -> None:
        self.written[path] = text

    def read(self, path: str) -> str | None:
        file = self.home / path.removeprefix("~/")
        if path in self.files or not path.startswith("~/") or not file.is_file():
            return self.files.get(path)
        return file.read_bytes().decode()


@pytest.fixture
def fake_lab(tmp_path: Path) -> FakeLab:
    """A lab without a machine."""
    return FakeLab(tmp_path)


@pytest.fixture
def view() -> View:
    """A view whose parts all lie in the home of a user."""
    return View(
        interpreter="/opt/python/bin/python3.11", python="/home/ann/.pyenv/versions/3.11", site="/home/ann/venv/site-packages",
        labkit="/home/ann/course/labkit", folder="/tmp/labkit-x-1", home="/home/ann/course/work",
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """A lab's folder and home that the test can look into."""
    path, home = tmp_path / "labkit-x-1", tmp_path / "work"
    path.mkdir()
    home.mkdir()
    return LabFolder(path, home)
