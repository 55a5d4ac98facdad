"""The course's notebooks: where they are, how JupyterLab is started on them, and reports of them, run side by side."""

import asyncio
import os
import runpy
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.exceptions import CellTimeoutError as CellTimeout
from tqdm import tqdm

from ..errors import BadInput, CourseError, tail
from ..homework.document import WIDGET, to_html
from ..machine.temporary import DEFAULT_SIGNALS, ignore_here_only
from ..writing import TEMPLATES, prepare_folder, write_file

# The notebooks lie in labkit where pip installed it (pyproject.toml), beside it in a checkout and in the learner's edition.
INSTALLED = Path(__file__).resolve().parents[1] / "notebooks"
COURSE = INSTALLED.parents[1]
NOTEBOOKS = next((place for place in (INSTALLED, COURSE / "notebooks") if place.is_dir()), COURSE)
CELL_TIMEOUT = 180
# So many notebooks run at once: five took 203 of a container's 256 processes and 1.6 of its 2 GB, more on a busy machine.
AT_ONCE = 3
# Settings of Jupyter for whoever works on the learner's edition, on a hub too: nbgrader's tools for teachers are not on the
# screen, kernels are those below, and no news is asked for, which would need a network.
LEARNER = TEMPLATES / "learner"
WAY_OUT = "name another folder with --out"


@dataclass(frozen=True)
class Run:
    """A notebook that was run: where its report is, itself with its outputs, and what went wrong ("" when nothing did)."""

    name: str
    report: Path
    notebook: Any
    problem: str = ""


def notebooks_in(folder: Path) -> list[Path]:
    """Return the course's notebooks in a folder, in order."""
    return sorted(folder.glob("[0-9]_*.ipynb"))


def have_solutions(notebooks: Iterable[Path]) -> bool:
    """Return True where a notebook holds a solution: they are the teacher's, and not the learner's edition."""
    return any(b"### BEGIN SOLUTION" in path.read_bytes() for path in notebooks)


def folder_to_open(folder: Path | None = None) -> Path:
    """Return the folder with the notebooks to open: `folder`, else the current one, the one below it, or this edition's.

    Solutions are never opened from elsewhere: a learner in another folder is told to name one. Raises BadInput.
    """
    for place in [folder] if folder else [Path.cwd(), Path.cwd() / "notebooks"]:
        if notebooks_in(place):
            return place
    if not folder and not have_solutions(find()):
        return NOTEBOOKS
    way_out = "go to the folder that holds 1_backends.ipynb, or name it: labkit open FOLDER"
    if folder:
        way_out = "name the folder that holds 1_backends.ipynb"
    tried = f"There are no notebooks of the course in {folder or Path.cwd()}."
    raise BadInput(tried, way_out=way_out)


def find(numbers: Sequence[str] = ()) -> list[Path]:
    """The notebooks whose names begin with one of `numbers`, all without any. Raises BadInput for one that is not there."""
    every = notebooks_in(NOTEBOOKS)
    if not every:
        way_out = "run `./lab` in a checkout of the course's repository, or install labkit as a whole: pip install ."
        raise BadInput(f"There are no notebooks in {NOTEBOOKS}.", way_out=way_out)
    known = {path.name.split("_")[0]: path for path in every}
    if unknown := [number for number in numbers if number not in known]:
        names = ", ".join(path.stem for path in every)
        tried = f"There is no notebook {', '.join(unknown)}."
        raise BadInput(tried, way_out=f"the notebooks are {names} in {NOTEBOOKS}")
    return [path for number, path in known.items() if not numbers or number in numbers]


class Kernels(KernelSpecManager):
    """Kernels that know labkit before their first cell: one that was restarted says which cells to run (magics.py)."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how a kernel is started; this environment's own Python loads labkit."""
        spec = super().get_kernel_spec(kernel_name)
        if kernel_name == NATIVE_KERNEL_NAME:
            spec.argv = [*spec.argv, "--ext=labkit"]
        return spec


def path_with_labkit() -> str:
    """PATH with the folder of the command `labkit`."""
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


def surroundings(*, learner: bool) -> dict[str, str]:
    """Return the variables that JupyterLab is started with: PATH with `labkit`, and a learner's settings before the others."""
    found = {"PATH": path_with_labkit()}
    if learner:
        others = os.environ.get("JUPYTER_CONFIG_PATH")
        found["JUPYTER_CONFIG_PATH"] = f"{LEARNER}{os.pathsep}{others}" if others else str(LEARNER)
    return found


def jupyter_command(notebooks: Path, *options: str) -> list[str]:
    """The command that starts JupyterLab on a folder.

    Its terminals are no login shells, which they would be where the command's output is no terminal: in these, /etc/profile
    begins PATH anew. What runs in JupyterLab ignores no signal that it was itself told to ignore.
    """
    terminals = {"shell_command": [*DEFAULT_SIGNALS, os.environ.get("SHELL") or "/bin/bash"]}
    settings = f"--ServerApp.terminado_settings={terminals}"
    return [sys.executable, "-P", "-m", "labkit.author.notebooks", str(notebooks), settings, *options]


async def execute(notebook: Any, folder: Path, on_cell: Callable[[], object]) -> str:
    """Run all cells of `notebook` with `folder` as the current one; return what went wrong, "" when nothing did.

    What does not survive outside a running kernel is left out: progress bars, widget state and times of execution.
    """

    def executed(**_kwargs: object) -> None:
        on_cell()

    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": str(folder)}},
        on_cell_executed=executed, coalesce_streams=True, extra_arguments=["--IPKernelApp.log_level=ERROR"],
        store_widget_state=False, record_timing=False,
    )  # fmt: skip
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    problem = ""
    try:
        await client.async_execute()
    except CellExecutionError as error:
        failed = [cell for cell in code if any(one.output_type == "error" for one in cell.outputs)]
        number = notebook.cells.index(failed[0]) if failed else len(notebook.cells)
        problem = f"cell {number + 1}: {error.ename}: {tail(error.evalue)}"
    except CellTimeout as error:
        problem = f"a cell took longer than {CELL_TIMEOUT} s: {tail(str(error), 3)}"
    except (DeadKernelError, RuntimeError) as error:  # RuntimeError: it did not start in time
        problem = f"its kernel does not work: {error}"
    for cell in code:
        cell.outputs = [one for one in cell.outputs if WIDGET not in one.get("data", {})]
    return problem


async def run_one(path: Path, out: Path, bar: Any, save: bool, turn: asyncio.Semaphore) -> Run:
    """Run one notebook when it is its `turn`, and write its report, also when it fails."""
    notebook = nbformat.read(path, as_version=4)
    bar.total = sum(cell.cell_type == "code" for cell in notebook.cells)
    async with turn:
        problem = await execute(notebook, out, bar.update)
    if save:
        nbformat.write(notebook, out / path.name)
    report = out / f"{path.stem}.html"
    page = await asyncio.to_thread(to_html, notebook, path.stem)
    write_file("A report", report, page, WAY_OUT)
    bar.set_postfix_str("failed" if problem else "done")
    return Run(path.stem, report, notebook, problem)


async def run_all(paths: Sequence[Path], out: Path, save: bool) -> list[Run]:
    """Run the notebooks, AT_ONCE side by side and the last, which takes longest, first, with a progress bar each."""
    turn, looks = asyncio.Semaphore(AT_ONCE), {"unit": "cell", "disable": None, "total": 1}
    bars = [tqdm(desc=f"{path.stem:12}", position=at, **looks) for at, path in enumerate(paths)]
    runs = [run_one(path, out, bar, save, turn) for path, bar in zip(paths, bars, strict=True)]
    try:
        return (await asyncio.gather(*reversed(runs)))[::-1]
    finally:
        for bar in bars:
            bar.close()


def report(numbers: Sequence[str] = (), out: Path = Path("reports"), *, save: bool = False) -> list[Run]:
    """Run the notebooks `numbers` (all without any) and write their reports into `out`; with `save` the executed notebooks too.

    Raises BadInput, and CourseError, which names each notebook, cell and error, after all reports have been written.
    """
    ignore_here_only()
    paths = find(numbers)
    prepare_folder("A report", out, WAY_OUT)
    runs = asyncio.run(run_all(paths, out.resolve(), save))
    if problems := [f"{run.name}, {run.problem}" for run in runs if run.problem]:
        words = "\n".join([*problems, *(f"written: {run.report}" for run in runs)])
        tried = f"{len(problems)} of {len(runs)} notebooks failed."
        raise CourseError(tried, words=words, way_out="its report shows where")
    return runs


if __name__ == "__main__":
    ignore_here_only()
    runpy.run_module("jupyterlab", run_name="__main__", alter_sys=True)
