"""The parts of labkit.lab that need no machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.commands import Result, argv_and_text, finish
from labkit.errors import BadInput
from labkit.lab import Lab


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "..//x", "x" * 41, "a\nb", "a\n", "$(id)", "a;b"])
def test_bad_name_is_refused_before_anything_is_made(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be part of a folder's name is BadInput, and no folder is made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BadInput, match="no name for a lab"):
        Lab(name, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_text_is_for_the_shell() -> None:
    """A str goes to the shell as it is."""
    assert argv_and_text("echo 'a b' | cat") == (["/bin/bash", "-c", "echo 'a b' | cat"], "echo 'a b' | cat")


def test_list_is_not_for_the_shell() -> None:
    """A list is run as it is, and shown as one would type it."""
    assert argv_and_text(["echo", "a b", "$HOME", ""]) == (["echo", "a b", "$HOME", ""], "echo 'a b' '$HOME' ''")


def test_result_reads_as_a_terminal_shows_it() -> None:
    """As text a result is its output, what went to stderr last."""
    assert str(Result("x", 0, "out\n", "err\n", 0.1)) == "out\nerr\n"


class Printer:
    """Collects what IPython's pretty printer is given."""

    def __init__(self) -> None:
        self.said = ""

    def text(self, text: str) -> None:
        self.said += text


@pytest.mark.parametrize(("code", "end"), [(0, ""), (7, "\n(ended with code 7)")])
def test_result_in_a_notebook_shows_the_command(code: int, end: str) -> None:
    """A cell that ends with a result shows the command as typed, the output, and a code that is not 0."""
    printer = Printer()
    Result("curl x", code, "page\n", "", 0.1)._repr_pretty_(printer, False)
    assert printer.said == f"$ curl x\npage{end}"


def numbers(closed: list[bool]) -> Iterator[int]:
    """Yield 1 and 2, return 3, and note that it was closed."""
    try:
        yield 1
        yield 2
        return 3
    finally:
        closed.append(True)


def test_finish_gives_items_and_result() -> None:
    """Items go to the function, the result comes back."""
    items: list[int] = []
    assert finish(numbers([]), items.append) == 3
    assert items == [1, 2]


def test_finish_closes_the_stream_when_an_item_is_refused() -> None:
    """An error of the receiving function (an interrupt, say) closes the stream, which cancels the call."""
    closed: list[bool] = []

    def interrupt(_item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(numbers(closed), interrupt)
    assert closed == [True]
