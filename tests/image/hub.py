"""The hub of binder/hub/ on an engine of the tests' own: JupyterHub, its proxy and its culler, as README there starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.lab.jupyter import free_port

from .engine import HOUR, TOP, Engine

HUB = TOP / "binder" / "hub"
PROXY = "configurable-http-proxy@5.3.0"
TEACHER = "teacher"


def install(folder: Path) -> dict[str, str]:
    """Install what a hub needs from its lock and from npm into `folder`; the variables with which its programs are found."""
    for command in (
        [sys.executable, "-m", "venv", folder / "venv"],
        [folder / "venv/bin/pip", "install", "-q", "--require-hashes", "--no-deps", "-r", HUB / "requirements.lock"],
        ["npm", "install", "--prefix", folder / "npm", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", PROXY],
    ):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=HOUR, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return {"PATH": f"{folder}/venv/bin:{folder}/npm/node_modules/.bin:{os.environ['PATH']}"}


class Hub:
    """A running hub."""

    def __init__(self, engine: Engine, folder: Path, programs: dict[str, str], **settings: str) -> None:
        """Start one whose data lies in `folder`; `settings` are variables of its configuration."""
        self.engine, self.data = engine, folder / "data"
        self.address = f"http://127.0.0.1:{free_port()}"
        own = {"COURSE_DATA": str(self.data), "COURSE_ADDRESS": self.address, "COURSE_TEACHERS": TEACHER, **settings}
        proxy = f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}"
        self._log = (folder / "hub.log").open("ab")
        self._process = subprocess.Popen(
            ["jupyterhub", "-f", str(HUB / "jupyterhub_config.py"), proxy],
            cwd=folder, env={**os.environ, **programs, **own, "DOCKER_HOST": engine.host}, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.5)

    def _answers(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"{self.address}/hub/api", timeout=10).status == 200)
        except OSError:
            return False

    def said(self) -> str:
        """The end of its log."""
        return Path(self._log.name).read_text()[-4000:]

    def containers(self) -> set[str]:
        """The names of its containers that run."""
        listed = self.engine.docker("ps", "--format", "{{.Names}}", "--filter", "name=^course-").stdout
        return set(listed.split())

    def home(self, name: str) -> Path:
        """Where the home of a learner lies on this machine."""
        return Path(self.engine.docker("volume", "inspect", "-f", "{{.Mountpoint}}", f"course-{name}").stdout.strip())

    def run(self, name: str, command: str, *, check: bool = True) -> str:
        """Run a shell command in the container of a user, in their folder, as they would in a terminal."""
        return self.engine.docker("exec", f"course-{name}", "bash", "-lc", command, check=check).stdout

    def labs(self, name: str) -> list[str]:
        """The guests that run in the container of a user, and the folders of labs there."""
        seen = self.run(name, "pgrep -x linux.uml; ls -d /tmp/labkit-*/*", check=False)
        return seen.split()

    def close(self) -> None:
        """Stop it and its containers, and remove the homes: an engine that is kept would give them to others' user ids."""
        self._process.terminate()
        self._process.wait(60)
        self._log.close()
        for name in self.containers():
            self.engine.docker("rm", "-f", name)
        for name in self.engine.docker("volume", "ls", "-q", "--filter", "name=^course-").stdout.split():
            self.engine.docker("volume", "rm", name)
        self.engine.docker("network", "rm", "course", check=False)
