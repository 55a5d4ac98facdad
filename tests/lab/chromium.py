"""Debian's Chromium, and axe-core, which looks in a page for what keeps people from reading it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running one, without a window; a loud skip where it is not installed."""
    if not CHROMIUM.exists():
        pytest.skip(
            f"{CHROMIUM} is not installed (apt-get install chromium): NOTHING here has looked at a page or clicked in one"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=OPTIONS)
        yield browser
        browser.close()


def violations(page: Page, within: str = "document") -> list[str]:
    """What axe-core finds wrong with a page, or a part of it, of any level: the rule, and the first elements."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run({within}, {{resultTypes: ['violations']}}).then(result => result.violations)")
    return [
        f"{one['id']} ({one['impact']}), {len(one['nodes'])}: " + " | ".join(node["html"][:200] for node in one["nodes"][:3])
        for one in found
    ]
