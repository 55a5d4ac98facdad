"""JupyterLab in a real browser, as a learner uses it: the live panel, a terminal, interrupts, a closed tab.

The screenshots go to the folder that LABKIT_SCREENSHOTS names, where it is set.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from labkit.machine.view import HOME

from .helpers import eventually, running
from .jupyter import MINUTES, NOTEBOOK, choose, copy_notebooks, jupyterlab, keep, kernel_of, notebook_in, said, violations

FAILED = re.compile(r"backend2\s+\d+\s+[1-9]\d*\s+.*\d+ refused")  # a request under way may be reset
THREADS = "import threading; print([one.name for one in threading.enumerate() if one.name.startswith('labkit-panel')])"
PIDS = "import os; from labkit import Lab; print(os.getpid(), Lab.current.state[1])"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks."""
    return copy_notebooks(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def jupyter(notebooks: Path) -> Iterator[str]:
    """The address of a JupyterLab on them."""
    with jupyterlab(notebooks) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser, jupyter: str) -> Iterator[Page]:
    """The notebook in a window, all its cells run, for all tests but the last, of which the last one restarts the kernel."""
    page = notebook_in(browser, jupyter)
    yield page
    page.close()


@pytest.fixture
def panel(page: Page) -> Locator:
    """The panel."""
    panel = page.locator(".labkit-panel")
    expect(panel).to_be_visible(timeout=MINUTES)
    panel.scroll_into_view_if_needed()
    return panel


def start(page: Page) -> None:
    """Click Start in the panel."""
    panel = page.locator(".labkit-panel")
    panel.scroll_into_view_if_needed()
    panel.locator(".widget-button", has_text="Start").click()
    expect(panel).to_contain_text("Requests are being sent", timeout=MINUTES)


def switch(panel: Locator, backend: int, word: str) -> Locator:
    """The button of a backend's switch."""
    return panel.locator(".widget-toggle-buttons").nth(backend - 1).get_by_role("button", name=word, exact=True)


def press(page: Page, keys: Sequence[str]) -> None:
    """Press keys with a cell selected, none being edited."""
    page.locator(".jp-Cell").last.click()
    page.keyboard.press("Escape")
    for key in keys:
        page.keyboard.press(key)


def type_until(page: Page, line: str, file: Path) -> None:
    """Type a line, again and again until there is the file that it writes: what is typed before a shell reads is lost."""

    def typed() -> bool:
        page.keyboard.type(f"{line}\n")
        page.wait_for_timeout(1000)
        return file.exists()

    eventually(typed, f"{file.name}, which was typed in the terminal")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_axe_finds_nothing_in_the_panel(page: Page, panel: Locator, theme: str) -> None:
    """In JupyterLab's light and dark theme the panel has no violation of any level, and no button glares in the dark."""
    choose(page, "Settings", "Theme", theme)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", theme, timeout=MINUTES)
    panel.scroll_into_view_if_needed()
    assert violations(page, "'.labkit-panel'") == []
    keep(page, f"panel-{theme.split()[1].lower()}")
    if theme.endswith("Dark"):
        behind = [one.evaluate("one => getComputedStyle(one).backgroundColor") for one in panel.locator("button").all()]
        assert all(max(map(int, re.findall(r"\d+", colour)[:3])) < 170 for colour in behind), behind


def test_backend_is_switched_off_and_on(page: Page, panel: Locator) -> None:
    """Start, backend2 off: the picture changes and the table counts failures; on again: it answers, and no more fail."""
    keep(page, "panel-before")
    start(page)
    before = panel.locator("img").first.get_attribute("src") or ""
    switch(panel, 2, "stopped").click()
    expect(panel).to_contain_text("pkill -f", timeout=MINUTES)
    expect(panel).to_contain_text(FAILED, timeout=MINUTES)
    expect(panel.locator("img").first).not_to_have_attribute("src", before, timeout=MINUTES)
    keep(page, "panel-stopped")
    switch(panel, 2, "well").click()
    expect(panel).to_contain_text("python3 -m http.server 8082", timeout=MINUTES)
    answered = int(re.search(r"backend2\s+(\d+)", panel.inner_text().split("median ms")[1])[1])  # type: ignore[index]
    expect(panel).to_contain_text(re.compile(rf"backend2\s+(?!{answered}\b)\d+\s+\d+\s+.*\d+ refused"), timeout=MINUTES)
    keep(page, "panel-healed")


@pytest.mark.parametrize(("word", "why"), [("frozen", "timeout"), ("flaky", "http 500")])
def test_other_faults_are_clicked(page: Page, panel: Locator, word: str, why: str) -> None:
    """What its clients see is in the table's words."""
    switch(panel, 2, word).click()
    expect(panel).to_contain_text(re.compile(rf"backend2\s+\d+\s+\d+\s+.*\d+ {why}"), timeout=MINUTES)
    expect(switch(panel, 2, word)).to_have_class(re.compile("mod-active"))
    keep(page, f"panel-{word}")
    switch(panel, 2, "well").click()


def test_other_cells_run_meanwhile(page: Page, panel: Locator) -> None:
    """While requests are sent, a cell runs; what it does to backend1 is seen in the panel, which goes on."""
    press(page, ["b", "Enter"])
    page.keyboard.insert_text('pool["backend1"].stop(); lab.run("sleep 2"); print("cell", 6 * 7)')
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_text("cell 42")).to_be_visible(timeout=MINUTES)
    expect(switch(panel, 1, "stopped")).to_have_class(re.compile("mod-active"), timeout=MINUTES)
    switch(panel, 1, "well").click()
    expect(panel).to_contain_text("python3 -m http.server 8081", timeout=MINUTES)


def test_export_has_the_last_state(page: Page, panel: Locator, browser: Browser, notebooks: Path, tmp_path: Path) -> None:
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
    switch(panel, 2, "well").click()
    command = [sys.executable, "-m", "nbconvert", "--to", "html", f"--output-dir={tmp_path}", str(saved)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    exported = browser.new_page()
    exported.goto((tmp_path / f"{NOTEBOOK}.html").as_uri(), wait_until="domcontentloaded")
    copy = exported.locator('[class^="labkit-still"]')
    expect(copy).to_be_visible()
    expect(copy).to_contain_text("refused")
    copy.scroll_into_view_if_needed()
    keep(exported, "panel-exported")
    exported.close()


def test_terminal_of_jupyterlab_reaches_the_lab(page: Page, notebooks: Path) -> None:
    """`labkit shell NAME`, typed in the terminal that the button opens, is a shell in its lab; leaving it leaves the lab."""
    button = page.get_by_role("button", name="Open a terminal")
    button.scroll_into_view_if_needed()
    expect(page.get_by_text(f"labkit shell {NOTEBOOK} --record")).to_be_visible()
    button.click()
    if page.get_by_text("Run Command?").or_(page.locator(".jp-Terminal")).first.inner_text() == "Run Command?":
        page.get_by_role("button", name="Run Once").or_(page.get_by_role("button", name="Run", exact=True)).first.click()
    terminal = page.locator(".jp-Terminal")
    expect(terminal).to_be_visible(timeout=MINUTES)
    terminal.click()
    before, inside, after = notebooks.parent / "before", notebooks / "work" / "inside", notebooks.parent / "after"
    type_until(page, f"touch {before}", before)
    pid = said(kernel_of(notebooks), "import os; print(os.getpid())").strip()
    page.keyboard.type(f"labkit shell {NOTEBOOK}:{pid}\n")  # another test may have a lab of this name open
    type_until(page, f"ip -brief address >{HOME}/inside", inside)
    assert inside.read_text().split()[0] == "lo" and "127.0.0.1/8" in inside.read_text()
    page.keyboard.type("exit\n")
    type_until(page, f"touch {after}", after)
    page.keyboard.type("exit\n")
    assert said(kernel_of(notebooks), "print(Lab.current.run('echo alive'))") == "alive\n\n"


def test_interrupt_and_restart_end_the_sending(page: Page, notebooks: Path) -> None:
    """`i i` while no cell runs stops the panel; `0 0` while it sends ends the lab with everything in it."""
    panel = page.locator(".labkit-panel")
    start(page)
    press(page, "ii")
    expect(panel).to_contain_text("Nothing is sent", timeout=MINUTES)
    start(page)
    kernel, first = (psutil.Process(int(pid)) for pid in said(kernel_of(notebooks), PIDS).split())
    everything = [kernel, first, *first.children(recursive=True)]
    press(page, "00")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    eventually(lambda: not running(everything), "the end of the kernel and its lab")
    assert said(kernel_of(notebooks), THREADS) == "[]\n"


def test_closed_tab_ends_the_sending(browser: Browser, jupyter: str, notebooks: Path) -> None:
    """Some time after its tab was closed (here 12 s instead of 150) the panel sleeps: nothing is sent, no thread runs."""
    page, kernel = notebook_in(browser, jupyter), kernel_of(notebooks)
    start(page)
    said(kernel, "from labkit.panel import panel; panel.PATIENCE = 12")
    eventually(lambda: "labkit-panel" in said(kernel, THREADS), "the sender")
    page.close(run_before_unload=False)
    eventually(lambda: said(kernel, THREADS) == "[]\n", "the panel's sleep")
