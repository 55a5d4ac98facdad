"""The image as Binder makes and starts it, by repo2docker, and notebook 1 of it in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from labkit.errors import wait_until
from tests.lab.jupyter import MINUTES, choose, chromium, free_port

from .engine import HOUR, TOP, Engine

REPO2DOCKER = "jupyter-repo2docker==2026.4.0"
NETWORK = "binder"
# repo2docker builds with `docker buildx`, which Debian 12 has not; the engine's own builder does the same from the same file.
BUILDX = """#!/bin/sh
[ "$1" != docker-cli-plugin-metadata ] || { echo '{"SchemaVersion": "0.1.0", "Vendor": "labkit tests", "Version": "0"}'; exit; }
case $2 in version) exit ;; build) shift 2 ;; *) exit 1 ;; esac
while [ "$1" = --progress ] || [ "$1" = --load ]; do if [ "$1" = --progress ]; then shift; fi; shift; done
DOCKER_BUILDKIT=0 exec docker build --network host "$@"
"""
# A folder, and no address on the network, is looked at; the container has a network on which its port can be published.
CONFIG = f"""
from repo2docker.contentproviders import Local
c.Repo2Docker.content_providers = [Local]
c.Repo2Docker.extra_run_kwargs = {{"network": "{NETWORK}"}}
"""


def test_repo2docker_starts_notebook_1(engine: Engine, tmp_path: Path) -> None:
    """`jupyter-repo2docker .` builds binder/Dockerfile and starts a server on which notebook 1 runs to its end."""
    plugin = tmp_path / "docker" / "cli-plugins" / "docker-buildx"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(BUILDX)
    plugin.chmod(0o755)
    venv = tmp_path / "venv"
    for command in ([sys.executable, "-m", "venv", venv], [venv / "bin/pip", "install", "-q", REPO2DOCKER]):
        subprocess.run(list(map(str, command)), check=True, timeout=HOUR)
    engine.docker("network", "create", NETWORK)
    port = free_port()
    run = [venv / "bin/jupyter-repo2docker", "--image-name", "labkit-binder", "--user-id", "1000", "--user-name", "jovyan"]
    (tmp_path / "config.py").write_text(CONFIG)
    run += ["--config", tmp_path / "config.py", "--publish", f"127.0.0.1:{port}:{port}", TOP]
    log = tmp_path / "log"
    environment = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_CONFIG": str(plugin.parents[1])}
    with log.open("wb") as file:
        process = subprocess.Popen(list(map(str, run)), env=environment, stdout=file, stderr=file, start_new_session=True)
    try:
        token = re.compile(rf"http://127\.0\.0\.1:{port}/\w+\?token=(\w+)")

        def printed() -> str | None:
            text = log.read_text(errors="replace")
            assert process.poll() is None, text[-3000:]
            found = token.search(text)
            return found[1] if found else None

        password = wait_until(printed, reason="the server", timeout=HOUR, interval=1)
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1000, "height": 1000})
            page.set_default_timeout(3 * MINUTES)
            page.goto(f"http://127.0.0.1:{port}/lab/tree/1_backends.ipynb?token={password}")
            expect(page.get_by_text("Python 3 (ipykernel) | Idle").first).to_be_visible(timeout=5 * MINUTES)
            choose(page, "Run", "Run All Cells")
            expect(page.get_by_role("button", name="Make my report")).to_be_visible(timeout=5 * MINUTES)
            expect(page.get_by_text("Not done yet").first).to_be_visible(timeout=5 * MINUTES)
            page.screenshot(path=tmp_path / "notebook.png")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        for name in engine.docker("ps", "-aq", "--filter", f"network={NETWORK}").stdout.split():
            engine.docker("rm", "-f", name)
        engine.docker("network", "rm", NETWORK, check=False)
