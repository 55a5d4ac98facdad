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
        """Start one in `folder`; what it says goes to dockerd.log there."""
        self.folder = folder
        self._host = f"unix://{folder}/docker.sock"
        folders = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        apart = ["--host", self._host, "--iptables=false", "--ip6tables=false", "--bridge=none"]
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
            ["docker", *arguments], cwd=TOP, env={**os.environ, "DOCKER_HOST": self._host, "DOCKER_BUILDKIT": "0"}, stdin=stdin,
            capture_output=True, text=True, errors="replace", timeout=HOUR, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def build(self) -> None:
        """Build the image as README says, on a Debian that debootstrap makes with what this machine needs to reach packages."""
        debian = self.folder / "debian"
        make_debian(debian)
        settings = [line for line in pip_settings().splitlines() if "/" not in line]  # of no folder of this machine
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", debian / CERTIFICATES[1:])
        (debian / "etc/pip.conf").write_text("\n".join([*settings, f"cert = {CERTIFICATES}", ""]))
        with subprocess.Popen(["tar", "-C", str(debian), "-c", "."], stdout=subprocess.PIPE) as tar:
            self.docker("import", "-", BASE, stdin=tar.stdout)
        self.docker("build", "--network", "host", "-f", "binder/Dockerfile", "-t", IMAGE, ".")

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(60)
