"""HTML from templates that escape every value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")
PAGES = Environment(loader=FileSystemLoader(TEMPLATES / "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def filled(template: str, **values: Any) -> str:
    """Return a template of templates/pages with its values filled in, every text escaped."""
    return PAGES.get_template(template).render(values)
