"""A picture: a figure and the sentence that says the same in words."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from .style import STYLE, STYLING

DPI = 100  # pixels an inch at which a notebook shows the picture
RETINA = 2  # the PNG holds so many times more, for sharp text on fine screens
# A PNG with a palette of 256 colours has a third of the size; chosen by coverage none is off by more than 4 of 255.
COLOURS, BY_COVERAGE = 256, Image.Quantize.MAXCOVERAGE


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """What every plot returns: `figure`, to be changed at will, and `alt`, its finding in words and numbers.

    As the last value of a notebook cell it is shown once, as a PNG with its alt text.
    """

    figure: Figure
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def png(self) -> bytes:
        """The picture as PNG bytes, on white, with twice the pixels of its size on the page."""
        full, small = io.BytesIO(), io.BytesIO()
        with STYLING, matplotlib.rc_context(STYLE):
            self.figure.savefig(full, format="png", dpi=DPI * RETINA, facecolor="white")
        with Image.open(full) as image:
            palette = image.convert("RGB").quantize(COLOURS, method=BY_COVERAGE, dither=Image.Dither.NONE)
        palette.save(small, format="png", optimize=True)
        return small.getvalue()

    def quick_png(self) -> bytes:
        """The same in true colours: made in half of the time and larger, for a picture that is soon replaced."""
        file = io.BytesIO()
        with STYLING, matplotlib.rc_context(STYLE):
            self.figure.savefig(file, format="png", dpi=DPI * RETINA, facecolor="white", pil_kwargs={"compress_level": 1})
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the PNG to `path` and return that."""
        path = Path(path)
        path.write_bytes(self.png())
        return path

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Data and metadata for Jupyter; nbconvert turns `alt`, `width` and `height` (pixels) into attributes."""
        width, height = (round(inches * DPI) for inches in self.figure.get_size_inches())
        data = {"image/png": base64.b64encode(self.png()).decode("ascii"), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}
