"""Errors say what was tried, the program's own words and the way out."""

import copy
import inspect
import re

import pytest

from labkit import errors
from labkit.errors import CallFailed, CommandFailed, LabkitError, tail


def tree(docstring: str) -> dict[str, str]:
    """Class to parent, as a tree drawn with ├── and └── shows it."""
    above: list[tuple[int, str]] = []
    parents = {}
    for line in docstring.splitlines():
        found = re.match(
            r"^( *[│ ]*)(?:[├└]── )?([A-Z]\w+(?:Error|Linux|Closed|Timeout|Failed|Program|Rejected|Taken|Input|Running))\b", line
        )
        if found:
            depth = found.start(2)
            above = [entry for entry in above if entry[0] < depth]
            parents[found[2]] = above[-1][1] if above else ""
            above.append((depth, found[2]))
    return parents


def test_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    """The tree drawn in the module's docstring names every error once, below its real base."""
    drawn = tree(errors.__doc__ or "")
    classes = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, LabkitError)}
    assert drawn == {name: kind.__base__.__name__ if kind is not LabkitError else "" for name, kind in classes.items()}


def test_error_shows_its_three_parts_in_order() -> None:
    """The sentence, then the program's words marked with a bar, then the way out; parts that are empty or blank are left out."""
    error = LabkitError("It was tried.", words="one\ntwo\n", way_out="do this")
    assert str(error) == "It was tried.\n  | one\n  | two\nWay out: do this"
    for words in ("", "\n", "  \n \n"):
        assert str(LabkitError("It was tried.", words=words)) == "It was tried."


def test_error_keeps_the_end_of_long_words() -> None:
    """Of many lines the last fifteen are kept, because programs name the cause at the end; a blank end is dropped."""
    error = LabkitError("x", words="\n".join(str(number) for number in range(1000)))
    assert error.words.splitlines() == [str(number) for number in range(985, 1000)]
    for text, end in (("", ""), ("a", "a"), ("a\n\nb\n\n", "\nb"), ("\r\na\r\nb", "a\nb")):
        assert tail(text, 2) == end


def test_failed_command_and_call_carry_what_failed() -> None:
    """CommandFailed names command and code in its text and has them as attributes; CallFailed tells the class that was raised."""
    error = CommandFailed("false | cat", 3, words="no", way_out="yes")
    assert (error.command, error.code, error.words, error.way_out) == ("false | cat", 3, "no", "yes")
    assert str(error).startswith("`false | cat` ended with code 3.")
    assert CallFailed("f failed.", kind="KeyError").kind == "KeyError"


@pytest.mark.parametrize(
    "error", [LabkitError("t", words="w", way_out="o"), CommandFailed("c", 2, words="w"), CallFailed("t", kind="k")]
)
def test_copied_error_is_the_same_error(error: LabkitError) -> None:
    """An error survives being copied or pickled, as a process pool or a test runner does it."""
    twin = copy.copy(error)
    assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))
