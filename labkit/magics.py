"""The magics %lab and %%lab: a learner's own shell lines, run in the lab that was opened last."""

import ast
import json
import os
import re
import sys
from itertools import dropwhile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from .errors import LabkitError, NotRunning, WaitTimeout, wait_until
from .inside import processes, sockets
from .lab import Lab
from .recording import listener

# Programs that need a terminal, which a cell is not; `top -b` prints and ends.
FOR_A_TERMINAL = re.compile(
    r"\s*(?:sudo\s+)?(vi|vim|nvim|nano|pico|emacs|mcedit|mc|less|more|man|watch|screen|tmux|htop|top(?!.*\s-\w*b))(?=\s|$)"
)
# What stands in the learner's edition in the place of a solution, and in the cells that need one (author/release.py).
STUB = "# write here: the helpers named above; or %%lab, and native commands in the lines below it"
NEEDS = "# needs your solution above"
# A & that puts a command into the background, and is no part of && or of a redirection.
BACKGROUND = re.compile(r"(?<![&<>|])&(?![&>])")
# How long such a command may rest before it counts as begun, and take until then at the most, seconds.
QUIET, BEGIN_TIMEOUT = 1.0, 15.0
# What a kernel that was restarted needs, by JupyterLab's own name.
RUN_ABOVE = "In the menu: Run, Run All Above Selected Cell."


class Interrupted(KeyboardInterrupt):
    """An interrupt of %lab, which a notebook shows as one sentence."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted: what this cell ran in the lab was stopped."]


def lab_magic(line: str, cell: str | None = None) -> None:
    """Run a line, or all lines of a cell, in the current lab; the output comes as it is printed.

    Each line of %lab and each cell of %%lab is a shell of its own: it begins in ~, and what it sets ends with it. Cells are
    kept like that in the script of the lab's task, each in brackets; one that the shell cannot read to its end is refused.
    A server that is put into the background (&) listens when this returns, or has ended or come to rest without.
    """
    current = Lab.current
    command = line if cell is None else cell
    if current is None or current.closed:
        opens = f"the cell above with `lab = Lab(…)` opens one. {RUN_ABOVE}"
        complain(f"No lab is open in this kernel: {opens}")
    elif found := FOR_A_TERMINAL.match(command):
        has_one = f"`labkit shell {current.name}` has one"
        complain(f"`{found[1]}` needs a terminal, and a cell is none: {has_one}.")
    elif cell is not None and line.strip():
        complain("Nothing may stand beside %%lab: write all commands below it.")
    else:
        try:
            if cell is None or kept(current, cell):
                run(current, command)
        except LabkitError as error:
            complain(str(error))
        except KeyboardInterrupt:
            raise Interrupted from None


def complain(words: str) -> None:
    print(words, file=sys.stderr)


def show(words: str) -> None:
    print(words, end="", flush=True)


def kept(lab: Lab, cell: str) -> bool:
    """Show a cell, and write it into the script of the lab's task; False where no shell can read it to its end."""
    if lab.script:
        # Of a heredoc without an end a shell only warns.
        done = lab.run(["env", "LC_ALL=C", "bash", "-n", "-c", cell], check=False)
        wrong = str(done) or (f"bash: code {done.code}\n" if done.code else "")
        if wrong:
            complain(f"{wrong}(no shell can read this cell: nothing of it was run or kept)")
            return False
    listener.get()("$ " + cell.strip("\n").replace("\n", "\n> "))
    if lab.script:
        lab.script.add_cell(cell)
    elif lab.task is not None:
        change = "To change its solution, run the notebook from its first cell."
        complain(f"(not kept: this task is solved. {change})")
    return True


def run(lab: Lab, command: str) -> None:
    """Run a command to its end; what it puts into the background is waited for until it has begun."""
    background, pids, late = BACKGROUND.search(command), list[int](), ""
    if background:
        pids, late = lab.call(psutil.pids), lab.call(processes.late_words)
    done = lab.run(command, check=False, on_output=show)
    if background:
        lab.call(sockets.begun, pids, QUIET, BEGIN_TIMEOUT)
        words = lab.call(processes.late_words)
        # It is a buffer: what is in it for longer stands at its beginning.
        sizes = range(len(words), -1, -1)
        show(words[next(size for size in sizes if late.endswith(words[:size])) :])
    if done.code:
        complain(f"(ended with code {done.code})")


def prepared(lines: list[str]) -> list[str]:
    """Return the lines of a cell as IPython is to read them.

    Comments above %%lab are left out, a cell that NEEDS is calm, and labkit is loaded already, so nothing says that it is.
    """
    lines = ["\n" if line.strip() == "%load_ext labkit" else line for line in lines]
    if lines and lines[0].startswith(NEEDS):
        return ["%%once_done\n", *lines]
    code = list(dropwhile(is_comment, lines))
    return code if code and code[0].startswith("%%lab") else lines


def is_comment(line: str) -> bool:
    """Return whether a line of Python says nothing to it."""
    return not line.strip() or line.lstrip().startswith("#")


def once_done(_line: str, cell: str) -> None:
    """Run a cell that builds on a solution and says so in its first line (NEEDS, the names that it needs).

    Where one of the names is not there, or the cell finds that a service does not run, one line says so, as long as the
    solution's cell is as it was given. Every other error is the cell's own, and is shown as without this magic.
    """
    shell = get_ipython()
    assert shell is not None
    first, _, rest = cell.partition("\n")
    needed = first.removeprefix(NEEDS).strip(" :").split(", ")
    missing = [f"`{name}`" for name in needed if name and name not in shell.user_ns]
    if missing and as_given(shell):
        print(f"Not done yet: this cell needs your solution above ({', '.join(missing)}).")
    elif missing:
        print(f"Not run: this cell needs {', '.join(missing)} of the cells above. {RUN_ABOVE}")
    if missing:
        return
    lines: list[str] = []

    def note(*_args: object, tb_offset: int | None = None, **_options: object) -> None:
        lines[:] = shell.InteractiveTB.structured_traceback(*sys.exc_info(), tb_offset)  # type: ignore[call-arg]

    with patch.multiple(shell, showtraceback=note, showsyntaxerror=note):
        result = shell.run_cell(f"\n{rest}")
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return
    if isinstance(error, NotRunning) and as_given(shell):
        print(f"Not done yet: this cell needs your solution above. {error.tried}")
        return
    if not hasattr(error, "_render_traceback_"):
        error._render_traceback_ = lambda: lines  # without the frames from the magic to here
    raise error


def as_given(shell: InteractiveShell) -> bool:
    """Return whether the cell for the solution that was run last is the learner's edition's stub: comments, and nothing else."""
    cells = [cell for cell in cells_run(shell) if STUB in cell]
    return bool(cells) and all(map(is_comment, cells[-1].splitlines()))


def cells_run(shell: InteractiveShell) -> list[str]:
    """Return the cells that were run in this kernel, as they were typed."""
    return shell.history_manager.input_hist_raw  # type: ignore[union-attr]


def unknown_name(
    shell: InteractiveShell, kind: type[NameError], error: NameError, trace: Any, tb_offset: Any = None
) -> None:  # fmt: skip
    """Show a NameError; where another cell of the notebook makes the name, one sentence instead of a traceback."""
    name = error.name or ""
    cells = other_cells(shell) if kind is NameError else []
    if cell := next((cell for cell in cells if name in made(cell)), None):
        line = next(line for line in cell.splitlines() if line.strip() and line[0] not in "#%")
        words = f"`{name}` is not there: the cell that makes it (`{line}` …) has not run to its end"
        error._render_traceback_ = lambda: [f"{words} in this kernel. {RUN_ABOVE}"]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def other_cells(shell: InteractiveShell) -> list[str]:
    """Return the code cells of this kernel's notebook, as it was saved last, but the one that runs; [] where none is known."""

    def cells() -> list[Any] | None:
        try:  # the name is JupyterLab's; a kernel works beside its notebook
            notebook = Path(Path(os.environ["JPY_SESSION_NAME"]).name).read_bytes()
            found: list[Any] = json.loads(notebook)["cells"]
            return found
        except ValueError:  # it is being saved
            return None

    try:
        saved = wait_until(cells, reason="the saved notebook", timeout=1) or []
        code = ["".join(cell["source"]) for cell in saved if cell["cell_type"] == "code"]
    except (KeyError, TypeError, OSError, WaitTimeout):
        return []
    return [cell for cell in code if cell.strip() != cells_run(shell)[-1].strip()]


def made(code: str) -> set[str]:
    """Return the names that the Python in a cell sets, imports or defines."""
    python = "\n".join(line for line in code.splitlines() if not line.startswith("%"))
    try:
        nodes = list(ast.walk(ast.parse(python)))
    except SyntaxError:
        return set()
    names = [node for node in nodes if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    imported = {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    return stored | imported | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def load_ipython_extension(shell: InteractiveShell | None = None) -> None:
    """Make %lab and %%lab known, and what lets a cell wait for a solution (`%load_ext labkit`)."""
    shell = shell or get_ipython()
    if shell is not None:
        shell.register_magic_function(lab_magic, "line_cell", "lab")  # type: ignore[arg-type]
        shell.register_magic_function(once_done, "cell", "once_done")  # type: ignore[arg-type]
        shell.set_custom_exc((NameError,), unknown_name)
        if prepared not in shell.input_transformers_cleanup:
            shell.input_transformers_cleanup.insert(0, prepared)
