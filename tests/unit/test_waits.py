"""Every wait of labkit has a limit, and none is measured by a clock that can be set."""

import ast
from collections.abc import Iterator
from pathlib import Path

import labkit

TOP = Path(labkit.__file__).parent
# Calls that wait for as long as it takes unless they are told otherwise.
WAITS = {"result", "wait", "join", "acquire", "communicate", "exception", "poll"}
PROCESSES = {"run", "check_call", "check_output", "call"}
# A keeper lives as long as the notebook does, a stand-in as long as the server whose place it takes; a process's state is
# asked for without waiting; pyshark's end is waited for by asyncio.wait_for; a terminal waits for who types in it.
WITHOUT = {
    "machine/temporary.py: select.poll",
    "machine/temporary.py: keeper.poll",
    "measure/capture.py: process.wait",
    "machine/keeper.py: select.select",
    "inside/processes.py: process.poll",
    "inside/processes.py: _started[pid].poll",
    "inside/stand_in.py: select.select",
    "inside/terminal.py: process.poll",
    "inside/typed.py: self.process.poll",
    "inside/processes.py: select.poll",
    "door/terminal.py: select.select",
}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of labkit's modules, with where it is and what is called."""
    for file in sorted(TOP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{file.relative_to(TOP)}: {ast.unparse(node.func)}", node


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


def test_every_wait_has_a_limit() -> None:
    """No call that can wait is left without a number of seconds."""
    assert {where for where, call in calls() if waits_for_ever(where, call)} == WITHOUT


def test_no_wait_is_measured_by_the_time_of_day() -> None:
    """The time of day, which somebody can set, is noted and never counted with."""
    found = set()
    for file in sorted(TOP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.BinOp | ast.Compare) and "time.time()" in ast.unparse(node):
                found.add(f"{file.relative_to(TOP)}: {ast.unparse(node)}")
    assert found == set()
