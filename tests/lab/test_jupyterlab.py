"""JupyterLab in a real browser: interrupts, a restart, a closed tab, a terminal, and the button that makes the report."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from labkit.homework.submission import read
from labkit.machine.view import HOME

from .chromium import chromium
from .helpers import eventually, running
from .jupyter import MINUTES, NOTEBOOK, copy_notebooks, jupyterlab, kernel_of, notebook_in, said

pytestmark = pytest.mark.lab
THREADS = "import threading; print([one.name for one in threading.enumerate() if one.name.startswith('labkit-panel')])"
PIDS = "import os; from labkit import Lab; print(os.getpid(), Lab.current.state[1])"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks."""
    return copy_notebooks(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def windows(notebooks: Path) -> Iterator[tuple[Browser, str]]:
    """Chromium, and the address of JupyterLab."""
    with chromium() as browser, jupyterlab(notebooks) as jupyter:
        yield browser, jupyter


def sending(windows: tuple[Browser, str]) -> Page:
    """The notebook in a window, with a panel that sends."""
    page = notebook_in(*windows)
    start(page)
    return page


def start(page: Page) -> None:
    """Click Start in the panel."""
    panel = page.locator(".labkit-panel")
    panel.scroll_into_view_if_needed()
    panel.locator(".widget-button", has_text="Start").click()
    expect(panel).to_contain_text("Requests are being sent", timeout=MINUTES)


@pytest.fixture(scope="module")
def page(windows: tuple[Browser, str]) -> Iterator[Page]:
    """A window for several tests, of which the last one restarts the kernel."""
    page = sending(windows)
    yield page
    page.close()


def press(page: Page, keys: str) -> None:
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


def test_button_makes_the_report(page: Page, notebooks: Path) -> None:
    """It asks for the name, warns of the unsaved notebook, and makes submission.html, to open and download there."""
    make = page.get_by_role("button", name="Make my report")
    make.click()
    expect(page.get_by_text("Your name is missing").first).to_be_visible(timeout=MINUTES)
    page.get_by_label("Name", exact=True).fill("Ада <b>Лавлейс</b>")
    page.get_by_label("Group", exact=True).fill("7")
    make.click()
    expect(page.get_by_text(f"{NOTEBOOK}.ipynb was not saved").first).to_be_visible(timeout=MINUTES)
    saved = (notebooks / f"{NOTEBOOK}.ipynb").stat().st_mtime_ns
    page.get_by_role("button", name="Save all notebooks").click()
    eventually(lambda: (notebooks / f"{NOTEBOOK}.ipynb").stat().st_mtime_ns > saved, "the notebook, saved")
    make.click()
    expect(page.get_by_text("is written").first).to_be_visible(timeout=3 * MINUTES)
    form = page.locator(".labkit-form")
    assert form.locator("tbody tr").first.inner_text().split("\t")[1:] == ["10", "10", ""]
    with page.expect_download() as download:
        form.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == (notebooks / "submission.html").read_bytes()
    assert "/files/submission.html" in str(form.get_by_role("link", name="Open").get_attribute("href"))
    data = read(notebooks / "submission.html")
    assert data["who"]["name"] == "Ада <b>Лавлейс</b>" and data["who"]["group"] == "7"
    assert data["verdicts"]["points"] == 10  # of task 1; the others are not done


def test_interrupt_and_restart_end_the_sending(page: Page, notebooks: Path) -> None:
    """`i i` while no cell runs stops the panel; `0 0` while it sends ends the lab with everything in it."""
    panel = page.locator(".labkit-panel")
    press(page, "ii")
    expect(panel).to_contain_text("Nothing is sent", timeout=MINUTES)
    start(page)
    kernel, first = (psutil.Process(int(pid)) for pid in said(kernel_of(notebooks), PIDS).split())
    everything = [kernel, first, *first.children(recursive=True)]
    press(page, "00")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    eventually(lambda: not running(everything), "the end of the kernel and its lab")
    assert said(kernel_of(notebooks), THREADS) == "[]\n"


def test_closed_tab_ends_the_sending(windows: tuple[Browser, str], notebooks: Path) -> None:
    """Some time after its tab was closed (here 12 s instead of 150) the panel sleeps: nothing is sent, no thread runs."""
    page, kernel = sending(windows), kernel_of(notebooks)
    said(kernel, "from labkit.panel import panel; panel.PATIENCE = 12")
    eventually(lambda: "labkit-panel" in said(kernel, THREADS), "the sender")
    page.close(run_before_unload=False)
    eventually(lambda: said(kernel, THREADS) == "[]\n", "the panel's sleep")
