"""The buttons of a notebook: one opens a terminal whose lines are recorded, one makes the file to hand in."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ipywidgets as widgets
from IPython.core.getipython import get_ipython

from ..errors import BadInput, LabkitError, plain
from ..judge.verdict import Verdicts
from ..lab import Lab
from ..writing import TEMPLATES, filled
from .document import TITLES
from .hand_in import NAME, hand_in, missing, stories_in
from .submission import read

LOOK = (TEMPLATES / "pages" / "unsaved.js").read_text(encoding="utf-8")
JUDGING = "Judging your work in fresh labs, as the teacher's machine will, about 20 seconds"


def displayed(kind: str, text: str) -> tuple[dict[str, Any], ...]:
    """Return what an output widget shows of a text of this MIME type."""
    return ({"output_type": "display_data", "data": {kind: text, "text/plain": ""}, "metadata": {}},)


def terminal_button(lab: Lab | None = None) -> widgets.HTML:
    """A button that opens a terminal of JupyterLab, and what to type there to work in `lab` (the one opened last), recorded.

    Raises BadInput without a lab, and for one that has no task.
    """
    lab = lab or Lab.current
    if lab is None or lab.closed or lab.task is None:
        way_out = "open one first: lab = Lab(…, task=N)"
        raise BadInput("No lab with a task is open.", way_out=way_out)
    return widgets.HTML(filled("terminal.html.j2", name=lab.name, script=f"task{lab.task}.sh"))


def report_form(work: str | Path = "work", *, to: str | Path = NAME) -> widgets.VBox:
    """A form that judges the whole homework in folder `work` and writes it, with the saved notebooks beside it, to `to`.

    It asks for the name, and says once which notebooks do not seem to be saved; a second click takes them as they are.
    """
    name = widgets.Text(description="Name")
    group = widgets.Text(description="Group")
    button = widgets.Button(description="Make my report", button_style="primary")
    said = widgets.Output()
    look = widgets.Output(layout={"display": "none"})
    tabs = widgets.Text(layout={"display": "none"})
    look.outputs = displayed("application/javascript", LOOK)
    tabs.add_class("labkit-unsaved")
    warned: list[str] = []

    def say(page: str) -> None:
        # JupyterLab makes links in an output lead to the notebook's folder, on a hub too.
        said.outputs = displayed("text/html", page)

    def sentence(words: str, *, busy: bool = False) -> None:
        say(filled("said.html.j2", words=words, busy=busy))

    def make(_button: Any) -> None:
        notes: list[str] = []
        if not name.value.strip():
            sentence("Your name is missing: write it above, and click again.")
            return
        button.disabled = True
        try:
            stories = stories_in(Path.cwd())
            words = unsaved(stories, tabs.value.split("/"))
            if not set(words) <= set(warned):
                warned[:] = words
                say(filled("unsaved.html.j2", words=words))
                return
            sentence(JUDGING, busy=True)
            who = {"name": name.value, "group": group.value}
            file = hand_in(Path(work), Path(to), **who, stories=stories, say=notes.append)
            say(told(file, notes))
        except Exception as error:  # nobody sees what a button raises
            kind = "" if isinstance(error, LabkitError) else f"{type(error).__name__}: "
            sentence(plain(f"Your report was not made. {kind}{error}"))
        finally:
            button.disabled = False

    button.on_click(make)
    sentence("Save the notebooks first: the report shows them as they were saved last.")
    who = widgets.HBox([name, group], layout={"flex_flow": "row wrap"})
    form = widgets.VBox([who, button, said, tabs, look])
    form.add_class("labkit-report")
    return form


def told(file: Path, notes: list[str]) -> str:
    """Return what the form says of the file that was written: points a task, what is missing, and links to it."""
    verdicts = Verdicts.of_data(read(file)["verdicts"])
    tasks = [(task, title, verdicts.of_task(task)) for task, title in TITLES.items()]
    link = quote(os.path.relpath(file.resolve(), Path.cwd()))
    return filled(
        "form.html.j2", name=file.name, path=file.resolve(), link=link, notes=notes, verdicts=verdicts, tasks=tasks,
        missing=missing(file),
    )  # fmt: skip


def unsaved(stories: Mapping[int, Any], tabs: Sequence[str] = ()) -> list[str]:
    """Return a sentence for each notebook that does not seem to be saved as it is now.

    Of this kernel's own notebook the saved numbers of cells tell, because the form itself changes it. Of others, that they are
    among the `tabs` with changes, or that nothing of what they printed is there.
    """
    words = []
    own = Path(os.environ.get("JPY_SESSION_NAME", "")).name
    shell = get_ipython()
    for task, notebook in stories.items():
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        saved = max((cell.get("execution_count") or 0 for cell in code), default=0)
        if shell and own.startswith(f"{task}_") and saved < shell.execution_count - 1:
            words.append(f"{own} was not saved since its last cells were run.")
            continue
        if named := [tab for tab in tabs if tab != own and re.fullmatch(rf"{task}_.*\.ipynb", tab)]:
            words.append(f"{named[0]} has changes that are not saved.")
        if not saved:
            unrun = f"Notebook {task} was saved without what its cells show"
            words.append(f"{unrun}: run it and save it.")
    return words
