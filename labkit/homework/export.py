"""An executed notebook as one HTML file that needs no network and no kernel."""

from __future__ import annotations

import copy
import re
from typing import Any

from nbformat import NotebookNode

from ..html import TEMPLATES

# What pandas writes into every table and HTML does not allow; report.css says the same once.
OBSOLETE = re.compile(r"<style scoped>[^<]*</style>\s*|(?<=<table) border=\"1\"")
# A head of a table that names nothing.
NO_HEAD = re.compile(r"<th([^<>]*)></th>")
# A wide table scrolls on a narrow screen: in a box that the keyboard can reach.
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
WIDGET = "application/vnd.jupyter.widget-view+json"
# What a widget is in words, for a reader without a kernel; and what IPython says when a first cell is run again.
WIDGET_WORDS = re.compile(r"[A-Z]\w+\((?:children|value|description)=")
LOADED = re.compile(r"The \S+ extension is already loaded\. To reload it, use:\n\s*%reload_ext \S+\n?")


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook with what can be shown without a kernel: no widgets, and tables that are valid and scroll."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if 'class="dataframe"' in data.get("text/html", ""):
                page = OBSOLETE.sub("", data["text/html"])
                data["text/html"] = TABLE.sub(
                    lambda table: f'<div class="wide" role="group" aria-label="Table" tabindex="0">{table[0]}</div>', page
                )
            if "text/html" in data:
                data["text/html"] = NO_HEAD.sub(r"<td\1></td>", data["text/html"])
            if "text" in output:
                output["text"] = LOADED.sub("", output["text"])
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if survives(output)]
    return notebook


def survives(output: Any) -> bool:
    """Return True for an output that says something without a kernel."""
    data = output.get("data", {})
    if WIDGET in data or output.get("text") == "":
        return False
    return not (set(data) == {"text/plain"} and WIDGET_WORDS.match(data["text/plain"]))


def to_html(notebook: NotebookNode, title: str, *, block: str = "") -> str:
    """The executed `notebook` as one self-contained page named `title`, with the JSON text `block` for machines in it."""
    from nbconvert import HTMLExporter

    from ..show.picture import with_alt_texts

    exporter = HTMLExporter(
        template_name="labkit", extra_template_basedirs=[str(TEMPLATES)], embed_images=True, exclude_input_prompt=True,
        exclude_output_prompt=True, exclude_anchor_links=True, language_code="en", preprocessors=[with_alt_texts],
    )  # fmt: skip
    body, _ = exporter.from_notebook_node(cleaned(notebook), {"metadata": {"name": title}, "labkit_block": block})
    return str(body)
