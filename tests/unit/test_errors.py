"""Errors say what was tried, the program's own words and the way out; every wait has a limit, on a clock that nobody sets."""

import ast
import copy
import pickle
import re
from pathlib import Path

import pytest

import labkit
from labkit import errors
from labkit.errors import CallFailed, CommandFailed, LabkitError, WaitTimeout, tail, wait_until


def test_docstring_names_every_class_behind_its_base() -> None:
    """The tree drawn in the module's docstring has every error once: a base with those of its own, or none."""
    drawn = [re.findall(r"\w+", line) for line in re.findall(r"── (.*)", errors.__doc__ or "")]
    real = [[base, *base.__subclasses__()] for base in LabkitError.__subclasses__()]
    names = [[kind.__name__ for kind in family] for family in real]
    assert drawn[:-1] == [family for family in names if len(family) > 1]
    assert drawn[-1] == [family[0] for family in names if len(family) == 1]


def test_error_shows_its_three_parts_in_order() -> None:
    """The sentence, then the end of the program's words marked with a bar, then the way out; no part that is empty or blank."""
    error = LabkitError("It was tried.", words="one\ntwo\n", way_out="do this")
    assert str(error) == "It was tried.\n  | one\n  | two\nWay out: do this"
    assert str(LabkitError("It was tried.", words="  \n \n")) == "It was tried."
    numbers = [str(number) for number in range(1000)]  # programs name the cause at the end
    assert LabkitError("x", words="\n".join(numbers)).words.splitlines() == numbers[985:]
    for text, end in (("", ""), ("a", "a"), ("a\n\nb\n\n", "\nb"), ("\r\na\r\nb", "a\nb")):
        assert tail(text, 2) == end


ERRORS = [LabkitError("t", words="w", way_out="o"), CommandFailed("c", 2)]
ERRORS.append(CallFailed("t", kind="k"))


@pytest.mark.parametrize("error", ERRORS)
def test_copied_error_is_the_same_error(error: LabkitError) -> None:
    """An error survives being copied or pickled, as a process pool or a test runner does it, with what it knows of its own."""
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


class Clock:
    """Stands for the module `time`: a clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_waits_for_the_first_true_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes back; nothing is slept before the first check; false values of every kind mean: not yet; an error of the check
    ends the waiting; in the end the error names the seconds, the reason and the way out. Without any time, one check decides."""
    monkeypatch.setattr(errors, "time", clock := Clock())
    assert (wait_until(lambda: "value", reason="it"), clock.slept) == ("value", [])
    values = iter([None, 0, "", [], 7])
    assert wait_until(lambda: next(values), reason="it", interval=0.25) == 7
    assert clock.slept == [0.25] * 4
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 / 0, reason="it")
    clock.slept.clear()
    with pytest.raises(WaitTimeout) as caught:
        wait_until(lambda: False, reason="the moon", timeout=1, interval=0.25, way_out="go out")
    assert str(caught.value) == "Waited 1 s for the moon.\nWay out: go out"
    assert sum(clock.slept) == 1.0
    assert wait_until(lambda: True, reason="it", timeout=0.0)
    with pytest.raises(WaitTimeout):
        wait_until(lambda: False, reason="it", timeout=-1.0)


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


def waits_for_ever(name: str, call: ast.Call) -> bool:
    """True for a wait that is given no limit."""
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
            if not isinstance(node, ast.Call | ast.BinOp | ast.Compare):
                continue
            words, where = ast.unparse(getattr(node, "func", node)), file.relative_to(TOP)
            if isinstance(node, ast.Call) and waits_for_ever(words, node):
                waits.add(f"{where}: {words}")
            if not isinstance(node, ast.Call) and "time.time()" in words:
                found.add(f"{where}: {words}")
    assert (waits, found) == (WITHOUT, set())
