"""Debian's Chromium, and axe-core, which looks in a page for what keeps people from reading it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
AXE = "axe-core@4.14.1"
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


@cache
def axe_core() -> str:
    """The program axe-core, fetched by npm once and kept beside pytest's own notes."""
    folder = Path(__file__).resolve().parents[2] / ".pytest_cache" / "d" / AXE
    program = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not program.exists():
        npm = shutil.which("npm")
        assert npm, "npm is not installed: NOTHING here has looked at the pages with axe-core"
        run = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", AXE]
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    return program.read_text(encoding="utf-8")


def violations(page: Page, within: str = "document") -> list[str]:
    """What axe-core finds wrong with a page, or a part of it, of any level: the rule, and the first elements."""
    page.evaluate(axe_core())
    found = page.evaluate(f"axe.run({within}, {{resultTypes: ['violations']}}).then(result => result.violations)")
    return [
        f"{one['id']} ({one['impact']}), {len(one['nodes'])}: " + " | ".join(node["html"][:200] for node in one["nodes"][:3])
        for one in found
    ]
