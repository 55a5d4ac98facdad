"""A picture: a figure and the sentence that says the same; its sheet has a question as title."""

import base64
import functools
import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from PIL import Image

from . import style
from .style import MARGIN, MUTED, TITLE, WIDTH, Look, P, course_style, styled, wrap
from .words import need

DPI = 100  # pixels an inch at which a notebook shows the picture
RETINA = 2  # the PNG holds so many times more, for sharp text on fine screens
# With a palette a PNG has a third of the size; by coverage no colour is off by more than 4 of 255.
BY_COVERAGE = Image.Quantize.MAXCOVERAGE


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """What every plot returns: `figure`, to be changed at will, and `alt`, its finding in words.

    As the last value of a notebook cell it is shown once, as a PNG with its alt text.
    """

    figure: Figure
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def png(self) -> bytes:
        """Return the picture as a small PNG with twice the pixels of its size on the page."""
        small = io.BytesIO()
        with Image.open(io.BytesIO(self.quick_png())) as image:
            palette = image.convert("RGB").quantize(256, BY_COVERAGE, dither=Image.Dither.NONE)
        palette.save(small, format="png", optimize=True)
        return small.getvalue()

    def quick_png(self) -> bytes:
        """Return the same in true colours: larger, made in half of the time, for a live picture."""
        file = io.BytesIO()
        with style.STYLING, course_style():
            quick = {"compress_level": 1}
            self.figure.savefig(file, format="png", dpi=DPI * RETINA, pil_kwargs=quick)
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the PNG to `path` and return that."""
        path = Path(path)
        path.write_bytes(self.png())
        return path

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Return data and metadata for Jupyter, which makes the latter attributes of the <img>."""
        width, height = (round(inches * DPI) for inches in self.figure.get_size_inches())
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}


def with_alt_texts(notebook: Any, resources: Any) -> tuple[Any, Any]:
    """Preprocess a notebook for nbconvert, whose own <img> of a PNG has no alt text."""
    for output in chain.from_iterable(cell.get("outputs", []) for cell in notebook.cells):
        known = output.get("metadata", {}).get("image/png", {})
        if "alt" in known and "image/png" in output.get("data", {}):
            named = {"src": "data:image/png;base64," + output["data"].pop("image/png").strip()}
            named |= {key: known[key] for key in ("alt", "width", "height") if key in known}
            words = " ".join(f'{key}="{escape(str(value))}"' for key, value in named.items())
            output["data"]["text/html"] = f"<img {words}>"
    return notebook, resources


def sheet(title: str, finding: str, *, body: float, entries: Sequence[Line2D] = ()) -> tuple[Figure, Axes]:
    """Return a figure: `title` and `finding`, axes `body` inches high, a legend of `entries`."""
    room = WIDTH - 2 * MARGIN
    titles, lines = wrap(title, room, TITLE, "bold"), wrap(finding, room)
    widths = [style.width_of(str(entry.get_label())) + 0.56 for entry in entries]
    columns = len(entries) if sum(widths) < room else max(1, int(room / max(widths)))
    body += 0.1 + 0.2 * -(-len(entries) // columns) if entries else 0
    below = 0.14 + 0.22 * len(titles)
    height = below + 0.17 * len(lines) + 0.12 + body + 0.05
    layout = ConstrainedLayoutEngine(rect=(0.015, 0.05 / height, 0.97, body / height))
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    place: Look = {"x": MARGIN / WIDTH, "va": "top", "linespacing": 1.25}
    figure.text(y=1 - 0.14 / height, s="\n".join(titles), **style.BOLD | {"size": TITLE}, **place)
    figure.text(y=1 - below / height, s="\n".join(lines), color=MUTED, **place)
    if entries:
        look: Look = {"handletextpad": 0.4, "columnspacing": 1.8, "borderaxespad": 0.4}
        figure.legend(handles=entries, loc="outside lower center", ncols=columns, **look)
    return figure, figure.add_subplot()


def pictured(figure: Figure, title: str, said: str) -> Picture:
    """Return the picture whose alt text is its title and what is `said` of the data."""
    title = title if title.endswith(("?", "!", ".", ":")) else f"{title}:"
    return Picture(figure, f"{title} {said}" + ("" if said.endswith(".") else "."))


def nothing(title: str) -> Picture:
    """Return the picture of an empty frame: it says that nothing was measured."""
    figure, axes = sheet(title, "", body=0.6)
    axes.set_axis_off()
    look: Look = {"ha": "center", "va": "center", "style": "italic", "color": MUTED}
    axes.text(0.5, 0.6, "nothing was measured", size=style.TEXT + 2, **look)
    return pictured(figure, title, "Nothing was measured")


def plot(question: str, *columns: str) -> Callable[[Callable[P, Picture]], Callable[P, Picture]]:
    """Decorate a plot of a frame, or of a dict of frames, that needs `columns`.

    It is drawn in the course's style; of no rows it asks the `question` and has no answer.
    """

    def decorated(draw: Callable[P, Picture]) -> Callable[P, Picture]:
        @functools.wraps(draw)
        def inner(*args: P.args, **kwargs: P.kwargs) -> Picture:
            given = inspect.signature(draw).bind(*args, **kwargs).arguments
            first = next(iter(given.values()))
            frames = first.values() if isinstance(first, Mapping) else [first]
            full = [frame for frame in frames if not frame.empty]
            for frame in full:
                need(frame, *columns)
            return draw(*args, **kwargs) if full else nothing(given.get("title") or question)

        return styled(inner)

    return decorated
