"""Alt texts in exported HTML: nbconvert's default template drops the one that a picture's metadata holds.

Of nbconvert 7's templates only "classic" writes `metadata["image/png"]["alt"]`; "lab" leaves every image as "No
description has been provided for this image". Use: `HTMLExporter(preprocessors=[AltText])`.
"""

from __future__ import annotations

from html import escape
from typing import Any

from nbconvert.preprocessors import Preprocessor


def image_tag(png: str, metadata: dict[str, Any]) -> str:
    """An <img> of a PNG (base64) with its alt text and its width and height (pixels) on the page."""
    known = {key: metadata[key] for key in ("alt", "width", "height") if key in metadata}
    attributes = " ".join(f'{key}="{escape(str(value))}"' for key, value in known.items())
    return f'<img {attributes} src="data:image/png;base64,{png.strip()}">'


class AltText(Preprocessor):
    """Give the exporter each PNG that has an alt text as an <img> with that text; the notebook itself stays as it is."""

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Rewrite the outputs of one cell of the exporter's own copy of the notebook."""
        for output in cell.get("outputs", []):
            metadata = output.get("metadata", {}).get("image/png", {})
            if "alt" in metadata and "image/png" in output.get("data", {}):
                output["data"]["text/html"] = image_tag(output["data"].pop("image/png"), metadata)
        return cell, resources
