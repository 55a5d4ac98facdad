"""A notebook as one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode

TEMPLATES = Path(__file__).with_name("templates")


def to_html(notebook: NotebookNode, title: str, *, block: str = "") -> str:
    """The executed `notebook` as one self-contained page named `title`, with the JSON text `block` for machines in it."""
    from nbconvert import HTMLExporter

    from ..show.alt_text import AltText

    exporter = HTMLExporter(
        template_name="labkit", extra_template_basedirs=[str(TEMPLATES)], embed_images=True, exclude_input_prompt=True,
        exclude_output_prompt=True, exclude_anchor_links=True, language_code="en", preprocessors=[AltText],
    )  # fmt: skip
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}, "labkit_block": block})
    return str(body)
