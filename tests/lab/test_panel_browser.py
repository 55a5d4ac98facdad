"""The live panel in a real browser: Chromium drives JupyterLab, as a learner would.

The screenshots go to the folder that LABKIT_SCREENSHOTS names, where it is set.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from .chromium import chromium, violations
from .helpers import eventually
from .jupyter import MINUTES, NOTEBOOK, choose, copy_notebooks, jupyterlab, notebook_in

pytestmark = pytest.mark.lab
FAILED = re.compile(r"backend2\s+\d+\s+[1-9]\d*\s+.*\d+ refused")  # a request under way may be reset


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks."""
    return copy_notebooks(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def page(notebooks: Path) -> Iterator[Page]:
    """The notebook in a window, all its cells run."""
    with chromium() as browser, jupyterlab(notebooks) as jupyter:
        yield notebook_in(browser, jupyter)


@pytest.fixture(scope="module")
def panel(page: Page) -> Locator:
    """The panel."""
    panel = page.locator(".labkit-panel")
    expect(panel).to_be_visible(timeout=MINUTES)
    panel.scroll_into_view_if_needed()
    return panel


@pytest.fixture
def shot(page: Page) -> Callable[[str], None]:
    """Keeps a screenshot under a name, where they are asked for."""
    folder = os.environ.get("LABKIT_SCREENSHOTS")

    def keep(name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder, f"panel-{name}.png"))

    return keep


def switch(panel: Locator, backend: int, word: str) -> Locator:
    """The button of a backend's switch."""
    return panel.locator(".widget-toggle-buttons").nth(backend - 1).get_by_role("button", name=word, exact=True)


def source(panel: Locator, number: int) -> str:
    """What a picture of the panel shows now: the address of its bytes."""
    return panel.locator("img").nth(number).get_attribute("src") or ""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_in_the_panel(page: Page, panel: Locator, shot: Callable[[str], None], theme: str) -> None:
    """In JupyterLab's light and dark theme the panel has no violation of any level, and no button glares in the dark."""
    choose(page, "Settings", "Theme", theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme, timeout=MINUTES)
    panel.scroll_into_view_if_needed()
    assert violations(page, "'.labkit-panel'") == []
    shot(theme.split()[1].lower())
    if theme.endswith("Dark"):
        behind = [one.evaluate("one => getComputedStyle(one).backgroundColor") for one in panel.locator("button").all()]
        assert all(max(map(int, re.findall(r"\d+", colour)[:3])) < 170 for colour in behind), behind


def test_backend_is_switched_off_and_on(panel: Locator, shot: Callable[[str], None]) -> None:
    """Start, backend2 off: the picture changes and the table counts failures; on again: it answers, and no more fail."""
    shot("before")
    panel.locator(".widget-button", has_text="Start").click()
    expect(panel).to_contain_text("Requests are being sent", timeout=MINUTES)
    before = source(panel, 0)
    switch(panel, 2, "stopped").click()
    expect(panel).to_contain_text("pkill -f", timeout=MINUTES)
    expect(panel).to_contain_text(FAILED, timeout=MINUTES)
    expect(panel.locator("img").first).not_to_have_attribute("src", before, timeout=MINUTES)
    shot("stopped")
    switch(panel, 2, "well").click()
    expect(panel).to_contain_text("python3 -m http.server 8082", timeout=MINUTES)
    answered = int(re.search(r"backend2\s+(\d+)", panel.inner_text().split("median ms")[1])[1])  # type: ignore[index]
    expect(panel).to_contain_text(re.compile(rf"backend2\s+(?!{answered}\b)\d+\s+\d+\s+.*\d+ refused"), timeout=MINUTES)
    shot("healed")


@pytest.mark.parametrize(("word", "why"), [("frozen", "timeout"), ("flaky", "http 500")])
def test_other_faults_are_clicked(panel: Locator, shot: Callable[[str], None], word: str, why: str) -> None:
    """What its clients see is in the table's words."""
    switch(panel, 2, word).click()
    expect(panel).to_contain_text(re.compile(rf"backend2\s+\d+\s+\d+\s+.*\d+ {why}"), timeout=MINUTES)
    expect(switch(panel, 2, word)).to_have_class(re.compile("mod-active"))
    shot(word)
    switch(panel, 2, "well").click()


def test_other_cells_run_meanwhile(page: Page, panel: Locator) -> None:
    """While requests are sent, a cell runs; what it does to backend1 is seen in the panel, which goes on."""
    page.locator(".jp-Cell").last.click()
    for key in ("Escape", "b", "Enter"):
        page.keyboard.press(key)
    page.keyboard.insert_text('pool["backend1"].stop(); lab.run("sleep 2"); print("cell", 6 * 7)')
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_text("cell 42")).to_be_visible(timeout=MINUTES)
    expect(switch(panel, 1, "stopped")).to_have_class(re.compile("mod-active"), timeout=MINUTES)
    switch(panel, 1, "well").click()
    expect(panel).to_contain_text("python3 -m http.server 8081", timeout=MINUTES)


def test_export_has_the_last_state(
    page: Page, panel: Locator, notebooks: Path, tmp_path: Path, shot: Callable[[str], None]
) -> None:
    """Stopped and saved, the notebook's HTML shows pictures and table as they were last, and the page shows them once."""
    switch(panel, 2, "stopped").click()
    expect(panel).to_contain_text("http.server 8082 -d", timeout=MINUTES)
    panel.locator(".widget-button", has_text="Stop").click()
    expect(panel).to_contain_text("Nothing is sent", timeout=MINUTES)
    copy = page.locator('[class^="labkit-still"]')
    expect(copy.locator("img").first).to_have_attribute("alt", re.compile("backend2 is dead"), timeout=MINUTES)
    expect(copy).to_be_hidden()
    page.keyboard.press("Control+s")
    saved = notebooks / f"{NOTEBOOK}.ipynb"
    eventually(lambda: "backend2 is dead" in saved.read_text(), "the saved notebook")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", f"--output-dir={tmp_path}", str(saved)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    page.goto((tmp_path / f"{NOTEBOOK}.html").as_uri(), wait_until="domcontentloaded")
    expect(copy).to_be_visible()
    expect(copy).to_contain_text("refused")
    copy.scroll_into_view_if_needed()
    shot("exported")
