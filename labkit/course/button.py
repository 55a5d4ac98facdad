"""The buttons of a notebook: one opens a terminal whose lines are recorded, one makes the file to hand in."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ..errors import BadInput, LabkitError, plain
from ..lab import Lab
from .hand_in import NAME, hand_in, stories_in

TERMINAL = """\
<button class="jupyter-button widget-button mod-primary" data-commandlinker-command="terminal:create-new"
 data-commandlinker-args="{{}}">Open a terminal</button>
and type there <code>labkit shell {name} --record</code>: what you type becomes <code>{script}</code>."""


def terminal_button(lab: Lab | None = None) -> widgets.HTML:
    """A button that opens a terminal of JupyterLab, and what to type there to work in `lab` (the one opened last), recorded.

    Raises BadInput without a lab, and for one that has no task.
    """
    lab = lab or Lab.current
    if lab is None or lab.closed or lab.task is None:
        raise BadInput("No lab with a task is open.", way_out="open one first: lab = Lab(…, task=N)")
    return widgets.HTML(TERMINAL.format(name=html.escape(lab.name), script=f"task{lab.task}.sh"))


def report_form(work: str | Path = "work", *, to: str | Path = NAME) -> widgets.VBox:
    """A form that judges the whole homework in folder `work` and writes it, with the saved notebooks beside it, to `to`."""
    name = widgets.Text(description="Name")
    group = widgets.Text(description="Group")
    button = widgets.Button(description="Make my report", button_style="primary")
    said = widgets.HTML("Save the notebooks first: the report shows them as they were saved last.")

    def make(_button: Any) -> None:
        button.disabled = True
        said.value = "Judging your work in fresh labs, as the teacher's machine will, about 20 seconds …"
        notes: list[str] = []
        try:
            stories = stories_in(Path.cwd())
            path = hand_in(Path(work), Path(to), name=name.value, group=group.value, stories=stories, say=notes.append)
            said.value = f"Written: <b>{html.escape(str(path.resolve()))}</b>{html.escape(''.join(f' {note}' for note in notes))}"
        except Exception as error:  # nobody sees what a button raises
            words = str(error) if isinstance(error, LabkitError) else f"{type(error).__name__}: {error}"
            said.value = f"<pre>{html.escape(plain(f'Your report was not made. {words}'))}</pre>"
        finally:
            button.disabled = False

    button.on_click(make)
    return widgets.VBox([widgets.HBox([name, group]), button, said])
