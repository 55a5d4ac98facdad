"""A fresh machine: a minimal Debian made by debootstrap in a folder, and commands in it as if it had just been started.

What this machine needs to reach packages (apt's sources and settings, pip's settings, certificates, the network) is read from
it at run time and given to the fresh one; nothing else is.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from box import check_out

USER, USER_ID = "learner", 1000
# pivot_root(8) and not chroot: a process in a chroot may not make user namespaces (user_namespaces(7)).
START = Path(__file__).with_name("start.sh").read_text()
NAMESPACES = ["--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child", "--propagation", "private"]
HOUR = 3600.0


def output(*command: str, timeout: float = HOUR) -> str:
    """What a command of this machine prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout).stdout


def apt_sources() -> list[tuple[str, str, str]]:
    """The distribution's own sources here: address, release, component."""
    rows = output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)", "Created-By: Packages")
    found = [tuple(row.split()[:3]) for row in rows.splitlines() if row.split()[3:4] in (["Debian"], ["Ubuntu"])]
    if not found:
        raise AssertionError("apt knows no package lists of Debian or Ubuntu here: apt-get update")
    return sorted(set(found))  # type: ignore[arg-type]


def make_debian(folder: Path, release: str = "") -> None:
    """Make a minimal Debian in `folder`: of this machine's own release (an Ubuntu where it is one), or of the named one."""
    sources = apt_sources()
    mirror, own, _ = next(row for row in sources if "-" not in row[1])
    release = release or own
    include = "--include=ca-certificates,sudo"
    subprocess.run(["debootstrap", "--variant=minbase", include, release, str(folder), mirror], check=True, timeout=HOUR)
    named = [(address, name.replace(own, release), component) for address, name, component in sources]
    if release == "sid":  # it has neither updates nor security
        named = [row for row in named if row[1] == release]
    (folder / "etc/apt/sources.list").write_text("".join(f"deb {' '.join(row)}\n" for row in named))
    (folder / "etc/apt/apt.conf.d/90here").write_text(output("apt-config", "dump", "Acquire"))
    for file in ("etc/resolv.conf", "etc/hosts"):
        shutil.copy("/" + file, folder / file)


def pip_settings() -> str:
    """pip's settings here, wherever they come from, as the text of one file."""
    found: dict[str, str] = {}
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, _, value = line.partition("=")
        found[name.split(".", 1)[1].lstrip(".")] = shlex.split(value)[0] if value else ""
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in found.items())


def places_in(settings: str) -> list[Path]:
    """The folders and files of this machine that pip's settings name, folders by their first two parts."""
    found = set()
    for word in re.findall(r"(?:file://|\s)(/[^\s,]+)", settings):
        path = Path(word)
        if path.is_file():
            found.add(path)
        elif path.is_dir():
            found.add(Path(*path.parts[:3]))
    return sorted(found)


class FreshMachine:
    """A copy of a minimal Debian with a user who may use sudo, and a checkout in the home of whom it is for."""

    def __init__(self, base: Path, folder: Path, *, root: bool) -> None:
        subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(folder)], check=True, timeout=HOUR)
        self._folder, self._root = folder, root
        self._places: list[Path] = []
        self.home = Path("/root" if root else f"/home/{USER}")
        self._give_pip_settings()
        self._run_as_root("useradd", "--create-home", "--shell", "/bin/bash", "--uid", str(USER_ID), USER)
        (folder / "etc/sudoers.d/learner").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        check_out(folder / str(self.home)[1:] / "course")
        if not root:
            self._run_as_root("chown", "-R", f"{USER}:", str(self.home))

    def _give_pip_settings(self) -> None:
        settings = pip_settings()
        (self._folder / "etc/pip.conf").write_text(settings)
        for place in places_in(settings):
            if place.is_dir():
                self._places.append(place)
            else:  # certificates among them: a package of the fresh machine writes them anew
                copy = self._folder / "etc/here" / place.name
                copy.parent.mkdir(exist_ok=True)
                shutil.copy(place, copy)
                settings = settings.replace(str(place), f"/etc/here/{place.name}")
        (self._folder / "etc/pip.conf").write_text(settings)

    def _command(self, *command: str) -> list[str]:
        places = map(str, self._places)
        return ["unshare", *NAMESPACES, "sh", "-c", START, "fresh", str(self._folder), *places, "--", *command]

    def _run_as_root(self, *command: str) -> None:
        subprocess.run(self._command(*command), check=True, timeout=HOUR)

    def run(self, command: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the checkout, as who the machine is for; its output is shown as it comes, and returned."""
        who = "0" if self._root else str(USER_ID)
        proxies = [f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
        inner = [
            *("setpriv", f"--reuid={who}", f"--regid={who}", "--init-groups", "--reset-env", "env", *proxies),
            *("bash", "-c", f"cd ~/course && {command} 2>&1 | tee /tmp/said; exit ${{PIPESTATUS[0]}}"),
        ]
        limited = ["timeout", "-s", "KILL", f"{timeout:g}", *self._command(*inner)]
        with subprocess.Popen(limited, stdout=subprocess.PIPE, text=True, errors="replace") as process:
            assert process.stdout
            said = []
            for line in process.stdout:
                print(line, end="", flush=True)
                said.append(line)
        return subprocess.CompletedProcess([command], process.returncode, "".join(said))

    def files(self, pattern: str) -> list[Path]:
        """What matches `pattern` in its checkout."""
        return sorted((self._folder / str(self.home)[1:] / "course").glob(pattern))
