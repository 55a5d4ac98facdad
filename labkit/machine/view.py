"""The view, which files a lab sees: argument lists by pure functions.

The same view is used on both Linuxes: directly over the running kernel, or by the bubblewrap that runs inside
User-Mode Linux. Nothing of the user's own is in it but the lab's home.
"""

from __future__ import annotations

import compileall
import functools
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from . import landlock
from .folder import LabFolder

PYTHON, SITE, LABKIT, FOLDER, HOME = "/opt/python", "/opt/site-packages", "/opt/labkit", "/lab", "/root"
# Stand-ins for what a lab has not, or needs not: systemctl, sudo, modprobe, apt. They come first.
BIN = "/opt/bin"
# bubblewrap closes a folder that it makes by itself to all but root; other users run programs there too.
OPEN_OPT = ("--perms", "0755", "--dir", "/opt")
PATH = f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{PYTHON}/bin"

# What programs need of the host's /etc to be found and to start; all else is the lab's own (folder.py), so that a work is judged
# alike on every machine.
ETC_FROM_HOST = (
    "alternatives", "debian_version", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "os-release", "terminfo",
    "keepalived/keepalived.config-opts",  # how it was built; since 2.3 it does not start without
)  # fmt: skip
# The links of a system whose programs and libraries all lie below /usr.
LINKED = ("bin", "sbin", "lib", "lib64", "lib32")
USR_LINKS = [part for name in LINKED for part in ("--symlink", f"usr/{name}", f"/{name}")]
# Where a home that is copied can be read, and how large the copy may grow, bytes.
HANDED_IN, COPY_SIZE = "/opt/handed-in", 64 * 1024 * 1024
# What a program that reads an untrusted file may use: bytes of address space, seconds of the processor.
READER_MEMORY, READER_SECONDS = 4 * 1024**3, 120
# The processors of User-Mode Linux as ps can read them (uml_init.sh).
CPUINFO = "/run/labkit-cpuinfo"
# How large each of the lab's /tmp, /run and /var may grow in the host's memory, bytes; as much as a guest has by itself.
SCRATCH_SIZE = 256 * 1024 * 1024
# Directories that Debian's packages make for their programs.
VAR = ("lib/nginx", "log/nginx", "lib/misc", "log", "tmp", "www/html")
# The page of the site that nginx brings along.
WELCOME = ("/usr/share/nginx/html/index.html", "/var/www/html/index.nginx-debian.html")


@dataclass(frozen=True)
class View:
    """Where the parts of a view come from. `python` is None when the interpreter lies below /usr."""

    interpreter: str
    python: str | None
    site: str
    labkit: str
    folder: str
    home: str
    copy_home: bool = False

    def inside(self) -> View:
        """The same view for a bubblewrap that itself already runs in it."""
        python = self.python and PYTHON
        labkit = f"{LABKIT}/labkit"
        return replace(self, python=python, site=SITE, labkit=labkit, folder=FOLDER, home=HOME)


@functools.cache
def compile_inside() -> None:
    """Compile what the agent imports, which else each lab would do again (where PYTHONDONTWRITEBYTECODE is set), if it can be."""
    compileall.compile_dir(Path(__file__).parents[1] / "inside", quiet=2)


def view_of(folder: LabFolder, *, copy_home: bool = False) -> View:
    """The view of the lab in `folder`, for the Python that runs now; with `copy_home`, on a copy of its home."""
    compile_inside()
    executable = Path(os.path.realpath(sys.executable))
    prefix = Path(os.path.realpath(sys.base_prefix))
    below_usr = prefix.is_relative_to("/usr")
    execnet = importlib.util.find_spec("execnet")
    assert execnet is not None and execnet.submodule_search_locations is not None
    return View(
        interpreter=str(executable) if below_usr else f"{PYTHON}/{executable.relative_to(prefix)}",
        python=None if below_usr else str(prefix),
        site=str(Path(execnet.submodule_search_locations[0]).parent),
        labkit=str(Path(__file__).resolve().parents[1]),
        folder=str(folder.path),
        home=str(folder.home),
        copy_home=copy_home,
    )


def system(view: View) -> list[str]:
    """The parts that are only read: /usr, the Python prefix, the installed packages and labkit."""
    args = [*OPEN_OPT, "--ro-bind", "/usr", "/usr", *USR_LINKS]
    if view.python:
        args += ["--ro-bind", view.python, PYTHON]
    args += ["--ro-bind", view.site, SITE, "--ro-bind", view.labkit, f"{LABKIT}/labkit"]
    args += ["--ro-bind", f"{view.labkit}/machine/bin", BIN]
    return args


def own(view: View) -> list[str]:
    """The lab's own folder and home, writable."""
    bind = "--ro-bind" if view.copy_home else "--bind"
    return ["--bind", view.folder, FOLDER, bind, view.home, HOME]


def etc_from_host() -> list[str]:
    """The few read-only entries of the host's /etc."""
    return bound(f"/etc/{name}" for name in ETC_FROM_HOST)


def bound(paths: Iterable[str]) -> list[str]:
    """Paths that are there are seen as they are, read-only."""
    return [part for path in paths for part in ("--ro-bind-try", path, path)]


def machine_files(view: View) -> list[str]:
    """All that the learner's machine consists of."""
    args = [*system(view), "--bind", f"{view.folder}/etc", "/etc", *etc_from_host()]
    # In User-Mode Linux bubblewrap's /dev/console is the serial line that the agent speaks on, and every program that logs to
    # the console would break in.
    args += ["--proc", "/proc", "--ro-bind-try", CPUINFO, "/proc/cpuinfo"]
    args += ["--dev", "/dev", "--dev-bind", "/dev/null", "/dev/console"]
    for place, mode in (("/tmp", "1777"), ("/run", "755"), ("/var", "755")):
        args += ["--size", str(SCRATCH_SIZE), "--perms", mode, "--tmpfs", place]
    args += ["--symlink", "/run", "/var/run"]
    args += [part for name in VAR for part in ("--dir", f"/var/{name}")]
    args += ["--symlink", *WELCOME]
    if not view.copy_home:
        return [*args, *own(view)]
    # A home that is copied lies read-only beside an empty one in memory.
    args += ["--bind", view.folder, FOLDER, "--size", str(COPY_SIZE), "--perms", "0755"]
    return [*args, "--tmpfs", HOME, "--ro-bind", view.home, HANDED_IN]


def environment(home: str = HOME) -> list[str]:
    """The environment of the lab's processes; nothing of the host's is passed on."""
    values = {"HOME": home, "PATH": PATH, "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    values |= {"USER": "root", "SHELL": "/bin/bash"}
    return ["--clearenv", *setting(values)]


def setting(variables: Mapping[str, str]) -> list[str]:
    """The options that set variables."""
    return [part for name, value in variables.items() for part in ("--setenv", name, value)]


def reading_command(command: list[str]) -> list[str]:
    """`command` on the running kernel with the system's programs and its standard input, and neither other files nor a network.

    For a program of ours that reads what the work of others has made. Its memory and processor time are limited too.
    """
    files = [f"/etc/{name}" for name in ("ld.so.cache", "alternatives", "wireshark")]
    limits = ["prlimit", f"--as={READER_MEMORY}", f"--cpu={READER_SECONDS}"]
    variables = {"PATH": PATH, "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    if landlock.abi() >= landlock.SCOPED:
        command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), *command]
        rights = ["w:/dev/null", *(f"r:{path}" for path in ("/usr", *files))]
        return [*limits, *landlock.confined(command, rights, strangers=True)]
    sandbox = ["bwrap", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    sandbox += ["--clearenv", *setting(variables), "--ro-bind", "/usr", "/usr", *USR_LINKS]
    sandbox += [*bound(files), "--proc", "/proc", "--dev", "/dev", "--"]
    return [*limits, *sandbox, *command]


def machine_arguments(view: View) -> list[str]:
    """What bubblewrap is told, after the options that make the namespaces, to run the agent in the view.

    The instruments of a lab with a copied home have the lab's folder for theirs: a work's ~/.curlrc is not for them. A Python
    that is moved to /opt/python finds its own shared libraries by LD_LIBRARY_PATH, which the agent forgets again.
    """
    args = ["--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--cap-add", "ALL"]
    args += ["--hostname", "lab", "--die-with-parent", "--new-session", "--chdir", HOME]
    args += [*environment(FOLDER if view.copy_home else HOME), *machine_files(view)]
    args += ["--setenv", "LD_LIBRARY_PATH", f"{PYTHON}/lib"] if view.python else []
    agent = f"{LABKIT}/labkit/machine/agent.py"
    return [*args, "--", view.interpreter, "-I", "-S", agent, SITE, LABKIT]
