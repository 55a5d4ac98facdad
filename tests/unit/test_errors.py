"""Errors say what was tried, the program's own words and the way out; every wait has a limit, on a clock that nobody sets."""

import ast
import copy
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import labkit
from labkit import errors
from labkit.errors import CallFailed, CommandFailed, LabkitError, WaitTimeout, tail, wait_until


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


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A fresh clock."""
    return Clock()


def wait(check: Callable[[], object], clock: Clock, timeout: float = 1.0) -> object:
    """wait_until on the test's clock."""
    return wait_until(check, reason="the moon", timeout=timeout, interval=0.25, way_out="go out", clock=clock, sleep=clock.sleep)


def test_waits_for_the_first_true_value(clock: Clock) -> None:
    """It comes back; nothing is slept before the first check; false values of every kind mean: not yet; what comes true during
    the last sleep is still seen; an error of the check ends the waiting."""
    assert (wait(lambda: "value", clock), clock.slept) == ("value", [])
    values = iter([None, 0, "", [], 7])
    assert (wait(lambda: next(values), clock, timeout=10), clock.slept) == (7, [0.25] * 4)
    assert wait(lambda: clock.now >= 102.0, clock) is True
    with pytest.raises(ZeroDivisionError):
        wait(lambda: 1 / 0, clock)


def test_gives_up_after_the_timeout_and_names_the_reason(clock: Clock) -> None:
    """The error names the seconds, the reason and the way out."""
    with pytest.raises(WaitTimeout) as caught:
        wait(lambda: False, clock)
    assert str(caught.value) == "Waited 1 s for the moon.\nWay out: go out"
    assert sum(clock.slept) == 1.0


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_checks_at_least_once(clock: Clock, timeout: float) -> None:
    """Without any time, one check decides."""
    assert wait(lambda: True, clock, timeout) is True
    with pytest.raises(WaitTimeout):
        wait(lambda: False, clock, timeout)


TOP = Path(labkit.__file__).parent
# Calls that wait for as long as it takes unless they are told otherwise.
WAITS = {"result", "wait", "join", "acquire", "communicate", "exception", "poll"}
PROCESSES = {"run", "check_call", "check_output", "call"}
# A keeper lives as long as the notebook does, a stand-in as long as the server whose place it takes; a process's state is
# asked for without waiting; pyshark's end is waited for by asyncio.wait_for, and a worker's answer in asyncio.timeout; a terminal
# waits for who types in it.
WITHOUT = {
    "machine/temporary.py: select.poll", "machine/temporary.py: keeper.poll", "measure/capture.py: process.wait",
    "grading/farm.py: ended.wait", "machine/keeper.py: select.select", "inside/processes.py: process.poll",
    "inside/processes.py: _started[pid].poll", "inside/stand_in.py: select.select", "inside/terminal.py: process.poll",
    "inside/typed.py: self.process.poll", "inside/processes.py: select.poll", "door/terminal.py: select.select",
}  # fmt: skip


def waits_for_ever(where: str, call: ast.Call) -> bool:
    """True for a wait that is given no limit."""
    name = where.rpartition(": ")[2]
    last = name.rpartition(".")[2]
    limited = any(keyword.arg in ("timeout", "blocking") for keyword in call.keywords)
    if name in {f"subprocess.{function}" for function in PROCESSES}:
        return not limited
    if name == "select.select":
        return len(call.args) < 4
    return "." in name and last in WAITS and not call.args and not limited


def test_every_wait_has_a_limit_and_a_clock_that_nobody_sets() -> None:
    """No call that can wait is left without a number of seconds; the time of day is noted and never counted with."""
    waits, found = set(), set()
    for file in sorted(TOP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and waits_for_ever(where := f"{file.relative_to(TOP)}: {ast.unparse(node.func)}", node):
                waits.add(where)
            if isinstance(node, ast.BinOp | ast.Compare) and "time.time()" in ast.unparse(node):
                found.add(f"{file.relative_to(TOP)}: {ast.unparse(node)}")
    assert (waits, found) == (WITHOUT, set())
