"""The magics %lab and %%lab: a learner's own shell lines, run in the lab that was opened last."""

from __future__ import annotations

import re
import sys

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from .errors import LabkitError
from .lab import COMMAND_TIMEOUT, Lab

# What a shell keeps for the lines that follow, or what ends it.
KEPT = re.compile(r"(^|[;&|({]|\b(then|do|else))\s*(cd|pushd|exit|exec|set|shopt|export|alias|trap|umask)\b", re.MULTILINE)


def transcript(cell: str) -> list[str]:
    """The lines of a cell for the task's script, where all cells are one shell: in one of their own if they would change it."""
    lines = cell.strip().splitlines()
    return ["(", *lines, ")"] if KEPT.search(cell) else lines


def lab_magic(line: str, cell: str | None = None) -> None:
    """Run a line, or all lines of a cell, in the current lab; the output comes as it is printed."""
    current = Lab.current
    if current is None or current.closed:
        print("No lab is open. Open one first: lab = Lab(…)", file=sys.stderr)
        return
    command = line if cell is None else cell
    try:
        if cell is not None and current.task:
            wrong = current.run(["bash", "-n", "-c", cell], check=False)
            if wrong.code:
                print(f"{wrong}(no shell can read this cell: nothing of it was run or kept)", file=sys.stderr)
                return
            current.record(*transcript(cell), task=current.task)
        done = current.run(command, check=False, timeout=COMMAND_TIMEOUT, on_output=lambda text: print(text, end="", flush=True))
        if done.code:
            print(f"(ended with code {done.code})", file=sys.stderr)
    except LabkitError as error:
        print(error, file=sys.stderr)


def once_done(_line: str, cell: str) -> None:
    """Run a cell that builds on a solution; where the solution is not there yet, say so in one line instead of a traceback."""
    shell = get_ipython()
    assert shell is not None
    show = shell.showtraceback
    shell.showtraceback = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    try:
        result = shell.run_cell(cell)
    finally:
        shell.showtraceback = show  # type: ignore[method-assign]
    error = result.error_before_exec or result.error_in_exec
    if error:
        reason = f"{type(error).__name__}: {[*str(error).splitlines(), ''][0]}"
        if isinstance(error, NameError) and error.name:
            reason = f"it uses `{error.name}`, which no cell above has made"
        print(f"Not done yet: this cell needs your solution above ({reason}).")


def load_ipython_extension(shell: InteractiveShell | None = None) -> None:
    """Make %lab, %%lab and %%once_done known (`%load_ext labkit`)."""
    shell = shell or get_ipython()
    if shell is not None:
        shell.register_magic_function(lab_magic, "line_cell", "lab")  # type: ignore[arg-type]
        shell.register_magic_function(once_done, "cell", "once_done")  # type: ignore[arg-type]
