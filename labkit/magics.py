"""The magics %lab and %%lab: a learner's own shell lines, run in the lab that was opened last."""

from __future__ import annotations

import re
import sys
from traceback import walk_tb
from typing import Any
from unittest.mock import patch

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from .commands import listener
from .errors import LabkitError
from .lab import COMMAND_TIMEOUT, Lab

# Programs that need a terminal, which a cell is not; `top -b` prints and ends.
FOR_A_TERMINAL = re.compile(
    r"\s*(?:sudo\s+)?(vi|vim|nvim|nano|pico|emacs|mcedit|mc|less|more|man|watch|screen|tmux|htop|top(?!.*\s-\w*b))(?=\s|$)"
)
# How a stub in the learner's edition names what the cells after it need.
ASKED = re.compile(r"^# the cells below use: (.+)$", re.M)
# A & that puts a command into the background, and is no part of && or of a redirection.
BACKGROUND = re.compile(r"(?<![&<>|])&(?![&>])")
# How long such a command may rest before it counts as begun, and take until then at the most, seconds.
QUIET, BEGIN_TIMEOUT = 1.0, 15.0
LATE_WORDS = "labkit.inside.processes:late_words"


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
        print("No lab is open. Open one first: lab = Lab(…)", file=sys.stderr)
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
        background = BACKGROUND.search(command) is not None
        before = (current.call("psutil:pids"), current.call(LATE_WORDS)) if background else ([], "")
        done = current.run(command, check=False, timeout=COMMAND_TIMEOUT, on_output=lambda text: print(text, end="", flush=True))
        if background:
            current.call("labkit.inside.sockets:begun", before[0], QUIET, BEGIN_TIMEOUT)
            words = current.call(LATE_WORDS)  # a buffer: what is in it for longer stands at its beginning
            known = next(size for size in range(len(words), -1, -1) if before[1].endswith(words[:size]))
            print(words[known:], end="", flush=True)
        if done.code:
            print(f"(ended with code {done.code})", file=sys.stderr)
    except LabkitError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        raise Interrupted from None


def unreadable(lab: Lab, cell: str) -> str:
    """What a shell that only reads a cell says to it, "" when it can read it; a heredoc without an end is only a warning."""
    done = lab.run(["env", "LC_ALL=C", "bash", "-n", "-c", cell], check=False)
    return str(done) or ("" if not done.code else f"bash: code {done.code}\n")


def once_done(_line: str, cell: str) -> None:
    """Run a cell that builds on a solution; where a name of the solution is not there yet, say so in one line.

    As long as names are missing that a solution was asked for, that is also what other errors come from. A failed assertion,
    an interrupt, and every error once the solution is there, is the cell's own, and is shown as without this magic.
    """
    shell = get_ipython()
    assert shell is not None
    lines: list[str] = []

    def note(*_args: object, tb_offset: int | None = None, **_options: object) -> None:
        lines[:] = shell.InteractiveTB.structured_traceback(*sys.exc_info(), tb_offset)  # type: ignore[call-arg]

    with patch.multiple(shell, showtraceback=note, showsyntaxerror=note):
        result = shell.run_cell(cell)
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return
    if type(error) is NameError and error.name and raised_in(error) is shell.user_global_ns:
        print(
            f"Not done yet: this cell needs your solution above (it uses `{error.name}`, which no cell above has made). "
            "After a restart of the kernel, run the cells from the first on."
        )
        return
    if isinstance(error, Exception) and not isinstance(error, AssertionError | SyntaxError) and (names := missing(shell)):
        print(f"Not done yet: this cell needs your solution above (`{'`, `'.join(names)}`, which no cell above has made).")
        return
    if not hasattr(error, "_render_traceback_"):
        error._render_traceback_ = lambda: lines  # without the frames from the magic to here
    raise error


def missing(shell: InteractiveShell) -> list[str]:
    """Return the names that the stubs which were run ask the solution for (course/release.py), and that are not there yet."""
    stubs = [words for cell in shell.history_manager.input_hist_raw for words in ASKED.findall(cell)]  # type: ignore[union-attr]
    return [name for name in dict.fromkeys(", ".join(stubs).split(", ")) if name and name not in shell.user_ns]


def raised_in(error: BaseException) -> dict[str, Any] | None:
    """Return the global names of the code that raised an error."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return frames[-1].f_globals if frames else None


def load_ipython_extension(shell: InteractiveShell | None = None) -> None:
    """Make %lab, %%lab and %%once_done known (`%load_ext labkit`)."""
    shell = shell or get_ipython()
    if shell is not None:
        shell.register_magic_function(lab_magic, "line_cell", "lab")  # type: ignore[arg-type]
        shell.register_magic_function(once_done, "cell", "once_done")  # type: ignore[arg-type]
