"""Every wait of labkit has a limit, and none is measured by a clock that can be set."""

import ast
from pathlib import Path

import labkit

TOP = Path(labkit.__file__).parent
# Calls that wait for as long as it takes unless they are told otherwise.
WAITS = {"result", "wait", "join", "acquire", "communicate", "exception", "poll"}
PROCESSES = {"run", "check_call", "check_output", "call"}
# A keeper lives as long as the notebook does, a stand-in as long as the server whose place it takes; a process's state is
# asked for without waiting; pyshark's end is waited for by asyncio.wait_for, and a worker's answer in asyncio.timeout; a terminal
# waits for who types in it.
WITHOUT = {
    "machine/temporary.py: select.poll",
    "machine/temporary.py: keeper.poll",
    "measure/capture.py: process.wait",
    "grading/farm.py: ended.wait",
    "machine/keeper.py: select.select",
    "inside/processes.py: process.poll",
    "inside/processes.py: _started[pid].poll",
    "inside/stand_in.py: select.select",
    "inside/terminal.py: process.poll",
    "inside/typed.py: self.process.poll",
    "inside/processes.py: select.poll",
    "door/terminal.py: select.select",
}


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
