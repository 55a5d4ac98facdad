"""A Docker engine of the tests' own: its folders and its socket in one place, no bridge and no rules of a firewall."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO

from fresh.machine import HOUR, make_debian, pip_settings

TOP = Path(__file__).resolve().parents[2]
BASE, IMAGE = "debian:bookworm-slim", "labkit"
CERTIFICATES = "/etc/here.crt"


class Engine:
    """A running engine."""

    def __init__(self, folder: Path) -> None:
        """Start one in `folder`, with what an earlier one has left there; what it says goes to dockerd.log there."""
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        if (folder / "docker.sock").exists() and not self.docker("version", check=False).returncode:
            return  # one that somebody has started there
        folders = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        apart = ["--host", self.host, "--iptables=false", "--ip6tables=false", "--bridge=none"]
        with (folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(["dockerd", *map(str, folders), *apart], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.docker("version", check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "dockerd.log").read_text()[-3000:])
            time.sleep(0.2)

    def docker(self, *arguments: str, check: bool = True, stdin: IO[bytes] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `docker` on this engine; it ends well, with `check`."""
        done = subprocess.run(
            ["docker", *arguments], cwd=TOP, env={**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0"}, stdin=stdin,
            capture_output=True, text=True, errors="replace", timeout=HOUR, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def build(self) -> None:
        """Build the image as README says, on a Debian that debootstrap makes with what this machine needs to reach packages."""
        if self.docker("image", "inspect", BASE, check=False).returncode:
            self.make_base()
        self.docker("build", "--network", "host", "-f", "binder/Dockerfile", "-t", IMAGE, ".")

    def make_base(self) -> None:
        """Make the base image. As in Debian's own "slim" there are no documents, translations and lists of packages in it."""
        debian = self.folder / "debian"
        make_debian(debian)
        for place in (
            "var/cache/apt/archives",
            "var/lib/apt/lists",
            *(f"usr/share/{name}" for name in ("doc", "man", "locale", "info")),
        ):
            shutil.rmtree(debian / place)
        settings = [line for line in pip_settings().splitlines() if "/" not in line]  # of no folder of this machine
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", debian / CERTIFICATES[1:])
        (debian / "etc/pip.conf").write_text("\n".join([*settings, f"cert = {CERTIFICATES}", ""]))
        with subprocess.Popen(["tar", "-C", str(debian), "-c", "."], stdout=subprocess.PIPE) as tar:
            self.docker("import", "-", BASE, stdin=tar.stdout)

    def close(self) -> None:
        """Stop it, if it was started here."""
        if self._process:
            self._process.terminate()
            self._process.wait(60)
