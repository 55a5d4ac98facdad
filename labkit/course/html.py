"""A notebook as one HTML file that needs no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

TEMPLATES = Path(__file__).with_name("templates")
# What pandas writes into every table and HTML does not allow; report.css says the same once.
OBSOLETE = re.compile(r"<style scoped>[^<]*</style>\s*|(?<=<table) border=\"1\"")


class ValidTables(Preprocessor):
    """Give the exporter the tables of pandas without what is not valid in HTML; the notebook itself stays as it is."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Rewrite the outputs of one cell of the exporter's own copy of the notebook."""
        for output in cell.get("outputs", []):
            page = output.get("data", {}).get("text/html", "")
            if 'class="dataframe"' in page:
                output["data"]["text/html"] = OBSOLETE.sub("", page)
        return cell, resources


def to_html(notebook: NotebookNode, title: str, *, block: str = "") -> str:
    """The executed `notebook` as one self-contained page named `title`, with the JSON text `block` for machines in it."""
    from nbconvert import HTMLExporter

    from ..show.alt_text import AltText

    exporter = HTMLExporter(
        template_name="labkit", extra_template_basedirs=[str(TEMPLATES)], embed_images=True, exclude_input_prompt=True,
        exclude_output_prompt=True, exclude_anchor_links=True, language_code="en", preprocessors=[AltText, ValidTables],
    )  # fmt: skip
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}, "labkit_block": block})
    return str(body)
