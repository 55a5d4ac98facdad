"""JupyterLab on a copy of the notebooks, one of them in a browser, and what the kernel behind it says."""

import json
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from playwright.sync_api import Browser, Page, expect

from labkit.author.jupyter import jupyter_command, path_with_labkit
from labkit.errors import wait_until

TOP = Path(__file__).resolve().parents[2]
NOTEBOOK, TOKEN = "1_backends", "of-this-test-only"
MINUTES = 60_000  # milliseconds: Playwright's unit
PATIENCE = 120  # seconds
# No questions about news, and every cell is in the page, also where nobody looks.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "scrollPastEnd": False},
}


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
