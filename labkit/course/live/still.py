"""The copy of the panel for the export: pictures and tables as one piece of HTML, hidden while the widgets are on a page."""

from __future__ import annotations

import time
import uuid
from typing import Any

from IPython.display import HTML, display
from markupsafe import Markup

from ..html import filled
from .drawing import Drawn


class Still:
    """The copy in its cell; `mark` is its class, which the panel's style hides."""

    def __init__(self) -> None:
        self.mark = f"labkit-still-{uuid.uuid4().hex[:8]}"
        self.made = 0.0  # monotonic seconds
        self._shown: Any = None

    def show(self) -> None:
        """Make a place for it below the cell that runs."""
        self._shown = display(HTML(""), display_id=True)

    def renew(self, drawn: Drawn, when: float) -> None:
        """Show what was drawn at `when` (Unix seconds)."""
        self.made = time.monotonic()
        if self._shown is not None:
            words = time.strftime("The panel as it was at %H:%M:%S.", time.localtime(when))
            self._shown.update(HTML(still(drawn, self.mark, words)))


def still(drawn: Drawn, mark: str, words: str) -> str:
    """Pictures and tables as HTML of the class `mark`, with `words` below."""
    pictures = [
        {"words": data["text/plain"], "width": meta["image/png"]["width"], "png": data["image/png"]}
        for data, meta in (picture._repr_mimebundle_() for picture in drawn.pictures)
    ]
    return filled("still.html.j2", mark=mark, pictures=pictures, tables=Markup(drawn.tables), words=words)
