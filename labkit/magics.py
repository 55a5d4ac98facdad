"""The magics %lab and %%lab: a learner's own shell lines, run in the lab that was opened last."""

import ast
import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

import psutil
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from .errors import LabkitError, NotRunning, WaitTimeout, wait_until
from .inside import processes, sockets
from .lab import COMMAND_TIMEOUT, Lab
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
    if current is None or current.closed:
        print(f"No lab is open in this kernel: the cell above with `lab = Lab(…)` opens one. {RUN_ABOVE}", file=sys.stderr)
        return
    command = line if cell is None else cell
    if found := FOR_A_TERMINAL.match(command):
        print(f"`{found[1]}` needs a terminal, and a cell is none: `labkit shell {current.name}` has one.", file=sys.stderr)
        return
    if cell is not None and line.strip():
        print("Nothing may stand beside %%lab: write all commands below it.", file=sys.stderr)
        return
    try:
        if cell is not None:
            if current.script and (wrong := unreadable(current, cell)):
                print(f"{wrong}(no shell can read this cell: nothing of it was run or kept)", file=sys.stderr)
                return
            listener.get()("$ " + cell.strip("\n").replace("\n", "\n> "))
            if current.script:
                current.script.add_cell(cell)
            elif current.task is not None:
                print(
                    "(not kept: this task is solved. To change its solution, run the notebook from its first cell.)",
                    file=sys.stderr,
                )
        background = BACKGROUND.search(command) is not None
        before = (current.call(psutil.pids), current.call(processes.late_words)) if background else ([], "")
        done = current.run(command, check=False, timeout=COMMAND_TIMEOUT, on_output=lambda text: print(text, end="", flush=True))
        if background:
            current.call(sockets.begun, before[0], QUIET, BEGIN_TIMEOUT)
            words = current.call(processes.late_words)  # a buffer: what is in it for longer stands at its beginning
            known = next(size for size in range(len(words), -1, -1) if before[1].endswith(words[:size]))
            print(words[known:], end="", flush=True)
        if done.code:
            print(f"(ended with code {done.code})", file=sys.stderr)
    except LabkitError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        raise Interrupted from None


def unreadable(lab: Lab, cell: str) -> str:
    """Return what a shell says that only reads a cell, "" when it can; of a heredoc without an end it only warns."""
    done = lab.run(["env", "LC_ALL=C", "bash", "-n", "-c", cell], check=False)
    return str(done) or ("" if not done.code else f"bash: code {done.code}\n")


def prepared(lines: list[str]) -> list[str]:
    """Return the lines of a cell as IPython is to read them.

    Comments above %%lab are left out, a cell that NEEDS is calm, and labkit is loaded already, so nothing says that it is.
    """
    lines = ["\n" if line.strip() == "%load_ext labkit" else line for line in lines]
    code = next((number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    if lines and lines[0].startswith(NEEDS):
        return ["%%once_done\n", *lines]
    return lines[code:] if lines[code:] and lines[code].startswith("%%lab") else lines


def once_done(_line: str, cell: str) -> None:
    """Run a cell that builds on a solution and says so in its first line (NEEDS, the names that it needs).

    Where one of the names is not there, or the cell finds that a service does not run, one line says so, as long as the
    solution's cell is as it was given. Every other error is the cell's own, and is shown as without this magic.
    """
    shell = get_ipython()
    assert shell is not None
    first, _, rest = cell.partition("\n")
    needed = first.removeprefix(NEEDS).strip(" :").split(", ")
    if missing := [name for name in needed if name and name not in shell.user_ns]:
        names = ", ".join(f"`{name}`" for name in missing)
        if as_given(shell):
            print(f"Not done yet: this cell needs your solution above ({names}).")
        else:
            print(f"Not run: this cell needs {names} of the cells above. {RUN_ABOVE}")
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
    cells = [cell for cell in shell.history_manager.input_hist_raw if STUB in cell]  # type: ignore[union-attr]
    return bool(cells) and all(not line.strip() or line.lstrip().startswith("#") for line in cells[-1].splitlines())


def unknown_name(
    shell: InteractiveShell, kind: type[NameError], error: NameError, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show a NameError; where another cell of the notebook makes the name, one sentence instead of a traceback."""
    name = error.name or ""
    cell = next((cell for cell in other_cells(shell) if name in made(cell)), None) if kind is NameError else None
    if cell:
        line = next(line for line in cell.splitlines() if line.strip() and not line.startswith(("#", "%")))
        words = f"`{name}` is not there: the cell that makes it (`{line}` …) has not run to its end in this kernel. {RUN_ABOVE}"
        error._render_traceback_ = lambda: [words]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def other_cells(shell: InteractiveShell) -> list[str]:
    """Return the code cells of this kernel's notebook, as it was saved last, but the one that runs; [] where none is known."""

    def cells() -> list[Any] | None:
        try:  # the name is JupyterLab's; a kernel works beside its notebook
            found: list[Any] = json.loads(Path(Path(os.environ["JPY_SESSION_NAME"]).name).read_bytes())["cells"]
            return found
        except ValueError:  # it is being saved
            return None

    try:
        saved = wait_until(cells, reason="the saved notebook", timeout=1) or []
        code = ["".join(cell["source"]) for cell in saved if cell["cell_type"] == "code"]
    except (KeyError, TypeError, OSError, WaitTimeout):
        return []
    now = shell.history_manager.input_hist_raw[-1]  # type: ignore[union-attr]
    return [cell for cell in code if cell.strip() != now.strip()]


def made(code: str) -> set[str]:
    """Return the names that the Python in a cell sets, imports or defines."""
    try:
        nodes = list(ast.walk(ast.parse("\n".join(line for line in code.splitlines() if not line.startswith("%")))))
    except SyntaxError:
        return set()
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
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
