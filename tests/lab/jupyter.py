"""Debian's Chromium, JupyterLab on a copy of the notebooks, what its kernel says, and somebody who works there in a window."""

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from labkit.author.notebooks import jupyter_command, path_with_labkit
from labkit.errors import WaitTimeout, wait_until

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
TOP = Path(__file__).resolve().parents[2]
NOTEBOOK, TOKEN = "1_backends", "of-this-test-only"
MINUTES = 60_000  # milliseconds: Playwright's unit
PATIENCE = 120  # seconds
# No questions about news, and every cell is in the page, also where nobody looks.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "scrollPastEnd": False},
}
# All code cells have run, the first of them as number `first` or later, or one has ended in an error.
RAN = """first => {
  const prompts = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt')];
  return prompts.every(one => Number(one.innerText.replace(/\\D/g, '')) >= first && /\\d/.test(one.innerText));
}"""
SLICE = 2000  # pixels of a notebook in one picture


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


def keep(page: Page, name: str, **options: Any) -> None:
    """Keep a screenshot under a name in the folder that LABKIT_SCREENSHOTS names, where it is set."""
    if folder := os.environ.get("LABKIT_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder, f"{name}.png"), **options)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def copy_notebooks(folder: Path) -> Path:
    """Copy the notebooks below `folder`."""
    ignored = shutil.ignore_patterns("work", ".ipynb_checkpoints")
    return Path(shutil.copytree(TOP / "notebooks", folder / "notebooks", ignore=ignored))


@contextmanager
def jupyterlab(
    notebooks: Path, *, before: tuple[str, ...] = (), command: Sequence[str] = (), cwd: Path | None = None, base: str = ""
) -> Iterator[str]:
    """The address of a JupyterLab on `notebooks`, with settings of its own beside them, started by the command `before`.

    With `command`, which is run in the folder `cwd`, JupyterLab is what that starts when given options. With `base`, all its
    addresses begin with that, as on a hub.
    """
    port, own = free_port(), notebooks.parent
    environment = {**os.environ, "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"), "PATH": path_with_labkit()}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"):
        environment[name] = str(own / name.lower())
    overrides = own / "jupyter_config_dir" / "labconfig"
    overrides.mkdir(parents=True)
    (overrides / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"]
    options += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.base_url={base}/"]
    address = f"http://127.0.0.1:{port}{base}"
    command = [*command, *options] if command else [*before, *jupyter_command(notebooks, *options)]
    with open(own / "log", "w") as log:
        server = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)
    try:

        def answers() -> bool:
            assert server.poll() is None, (own / "log").read_text()
            try:
                return bool(urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=30).status == 200)
            except OSError:
                return False

        wait_until(answers, reason="JupyterLab", timeout=240, interval=0.5)
        yield address
    finally:
        server.terminate()
        server.wait(60)


def notebook_in(browser: Browser, jupyter: str) -> Page:
    """The notebook in a window, all its cells run."""
    page = browser.new_page(viewport={"width": 960, "height": 1090})
    open_in(page, jupyter, f"{NOTEBOOK}.ipynb")
    choose(page, "Run", "Run All Cells")
    expect(page.get_by_role("button", name="Make my report")).to_be_visible(timeout=5 * MINUTES)
    return page


def open_in(page: Page, jupyter: str, path: str) -> None:
    """Open a notebook in a window, and nothing that was open before beside it, and wait for its kernel."""
    page.set_default_timeout(MINUTES)
    page.goto(f"{jupyter}/lab/tree/{path}?token={TOKEN}&reset")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=3 * MINUTES)
    beside = page.locator("#jp-left-stack")
    expect(beside).to_be_visible()
    page.keyboard.press("Control+b")
    expect(beside).to_be_hidden()


def choose(page: Page, *names: str) -> None:
    """Click through a menu."""
    page.get_by_role("menuitem", name=names[0], exact=True).click()
    *menus, last = names[1:]
    for name in menus:
        page.locator(".lm-Menu-itemLabel").get_by_text(name, exact=True).hover()
    page.locator(".lm-Menu-itemLabel").get_by_text(last, exact=True).click()


def kernel_of(notebooks: Path) -> BlockingKernelClient:
    """A client of the one kernel of the JupyterLab on `notebooks`, which may just be starting again."""
    (file,) = (notebooks.parent / "jupyter_runtime_dir").glob("kernel-*.json")

    def ready() -> BlockingKernelClient | None:
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=PATIENCE)
        except RuntimeError:
            client.stop_channels()
            return None
        return client

    return wait_until(ready, reason="the kernel's answer", timeout=PATIENCE, interval=0.5)


def said(client: BlockingKernelClient, code: str) -> str:
    """Run a cell and return what it printed; an error in it fails the test."""
    parts: list[str] = []

    def hear(message: dict[str, dict[str, str]]) -> None:
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "stream":
            parts.append(message["content"]["text"])

    client.execute_interactive(code, timeout=PATIENCE, output_hook=hear)
    return "".join(parts)


def printed(cell: Any) -> str:
    """What a cell shows in text: prints, values, and errors, without colours."""
    parts = [
        one.get("text", "") or "\n".join(one.get("traceback", ())) or one.get("data", {}).get("text/plain", "")
        for one in cell.outputs
    ]
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(parts))


@dataclass
class Learner:
    """Somebody with one notebook in a window; what it shows is read from the file that is saved by Ctrl-S."""

    page: Page
    path: Path

    @property
    def shown(self) -> Locator:
        """The notebook in the window, where others may be open behind it."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @property
    def cells(self) -> list[Any]:
        """The notebook's cells, as they are now."""
        current = self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current")

        def saved() -> list[Any] | None:
            before = self.path.stat().st_mtime_ns  # what was typed just now may not have made the notebook dirty yet
            self.page.keyboard.press("Control+s")
            try:
                wait_until(lambda: self.path.stat().st_mtime_ns != before, reason="the file to be written", timeout=5)
                expect(current).not_to_have_class(re.compile("jp-mod-dirty"), timeout=5000)
                return list(nbformat.read(self.path, as_version=4).cells)
            except (AssertionError, WaitTimeout, nbformat.reader.NotJSONError):  # it is being written
                return None

        return wait_until(saved, reason="the saved notebook", timeout=60)

    @property
    def code(self) -> list[Any]:
        """The code cells."""
        return [cell for cell in self.cells if cell.cell_type == "code"]

    def cell(self, text: str) -> Locator:
        """The code cell in the window that holds this text."""
        return self.shown.locator(".jp-CodeCell").nth(next(n for n, cell in enumerate(self.code) if text in cell.source))

    def write(self, text: str, source: str) -> None:
        """Type `source` over the cell that holds `text`."""
        self.cell(text).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Escape")

    def run(self, text: str) -> str:
        """Run the one cell that holds this text by Ctrl-Enter, and return the text that it shows, its error's too."""
        number = next(n for n, cell in enumerate(self.code) if text in cell.source)
        cell = self.shown.locator(".jp-CodeCell").nth(number)
        prompt = cell.locator(".jp-InputPrompt")
        before = re.escape(prompt.inner_text())  # of what ran before, maybe in another kernel
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).to_have_text(re.compile(rf"^(?!{before})\[\d+\]:"), timeout=2 * MINUTES)
        # The number comes with the kernel's reply; all that the cell has printed is there once the kernel is idle.
        expect(self.page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=MINUTES)
        return printed(self.code[number])

    def run_all(self, *, first: int = 1) -> list[Any]:
        """Run all cells by the menu and return the code cells once the last one has run; `first` is the first one's number."""
        choose(self.page, "Run", "Run All Cells")
        wait_until(lambda: self.page.evaluate(RAN, first), reason="the end of the last cell", timeout=240, interval=0.5)
        return self.code

    def restart(self) -> None:
        """Restart the kernel by the menu."""
        choose(self.page, "Kernel", "Restart Kernel…")
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        expect(self.page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=MINUTES)

    def keep(self, name: str) -> None:
        """Keep the whole notebook as screenshots, where they are asked for."""
        size = self.page.viewport_size
        if not os.environ.get("LABKIT_SCREENSHOTS") or size is None:
            return
        inside = self.shown.locator(".jp-WindowedPanel-outer")
        tall = min(inside.evaluate("one => one.scrollHeight") + 150, 16_000)
        self.page.set_viewport_size({"width": size["width"], "height": tall})
        inside.evaluate("one => one.scrollTo(0, 0)")
        for number, top in enumerate(range(0, tall, SLICE)):
            clip = FloatRect(x=0, y=top, width=size["width"], height=min(SLICE, tall - top))
            keep(self.page, f"learner-{name}-{number}", clip=clip)
        self.page.set_viewport_size(size)
