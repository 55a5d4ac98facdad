"""How the tests open labs, wait, and see that nothing is left of one."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from works import NGINX as ASSIGNED

from labkit.errors import wait_until
from labkit.inside import processes
from labkit.lab import Lab
from labkit.machine import choose
from labkit.machine.bwrap import HostLinux
from labkit.machine.uml import LANDLOCK, UmlLinux
from labkit.measure.counters import LOG_FORMAT
from labkit.services.daemons import Dnsmasq, Nginx

CANDIDATES = {"host": HostLinux(), "uml": UmlLinux(), "landlock": UmlLinux(LANDLOCK), "bare": UmlLinux("")}
# Long enough for a busy machine: a test that fails is slow, one that passes is not.
PATIENCE = 60.0

LabFactory = Callable[..., Lab]

# The beginning of a script whose labs are on the candidate that its first argument names.
ON_ONE = """
import sys
from labkit.lab import Lab
from labkit.machine import bwrap, choose, uml
kinds = {"uml": "bubblewrap", "landlock": "Landlock", "bare": ""}
chosen = bwrap.HostLinux() if sys.argv[1] == "host" else uml.UmlLinux(kinds[sys.argv[1]])
choose.candidates = lambda: [chosen]
"""

# Small configs that work: two records, a page of nginx's own; each kind with its config and port.
DNSMASQ = "no-resolv\nno-hosts\n" + "".join(f"host-record=my-awesome-highload-app.local,127.0.0.{n}\n" for n in (1, 2))
ANSWER = "return 200 'alive\\n'"
NGINX = f"events {{}}\nhttp {{ server {{ listen 127.0.0.1:8888; location / {{ {ANSWER}; }} }} }}\n"
# The assignment's nginx, which tells its attempts in its log, and leaves a dead backend alone for long.
BALANCER = ASSIGNED.replace("http {", f"http {{\n    {LOG_FORMAT}\n    access_log {Nginx.access_log} attempts;", 1)
BALANCER = BALANCER.replace("30s", "600s")
SERVICES = [pytest.param(Dnsmasq, DNSMASQ, 53, id="dnsmasq"), pytest.param(Nginx, NGINX, 8888, id="nginx")]


@contextlib.contextmanager
def opened(linux: str, home: Path, **options: Any) -> Iterator[Lab]:
    """A lab that is open, on the Linux of this name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(choose.FORCE, linux)
        lab = Lab("tests", home=home, current=False, **options)
        try:
            assert lab.linux == linux
        except BaseException:
            lab.close()
            raise
    with lab:
        yield lab


def eventually(check: Callable[[], Any], reason: str) -> Any:
    """Wait for what must come, however slow the machine is."""
    return wait_until(check, reason=reason, timeout=PATIENCE)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that only waits to be collected by its parent does not."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            pass
    return found


def mentioning(word: str) -> list[int]:
    """The processes of this machine whose command line or environment has `word`, but this one."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            texts = [Path("/proc", entry, name).read_bytes() for name in ("cmdline", "environ")]
        except OSError:
            continue
        if int(entry) != os.getpid() and any(word.encode() in text for text in texts):
            found.append(int(entry))
    return found


def consoles_left(family: list[psutil.Process]) -> list[Path]:
    """The folders that a linux.uml among these processes has made for its socket (an older folder is another's), which are
    removed with their two files."""
    since = {str(process.pid): process.create_time() for process in family}
    found = []
    for file in Path("/tmp").glob("*/pid"):
        with contextlib.suppress(OSError):
            text, made = file.read_text().strip(), file.stat().st_mtime
            if text in since and made >= since[text] - 1:
                found.append(file.parent)
    for folder in found:
        for name in ("mconsole", "pid"):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    return found


def interfaces() -> set[str]:
    """The network interfaces of this machine."""
    return set(os.listdir("/sys/class/net"))


def pids(lab: Lab, pattern: str) -> list[int]:
    """The processes in the lab whose command line matches."""
    # The brackets keep pgrep's own shell from matching.
    done = lab.run(f"pgrep -f '[{pattern[0]}]{pattern[1:]}'", check=False)
    return [int(word) for word in done.stdout.split()]


def named(lab: Lab, program: str) -> list[int]:
    """The processes in the lab that run this program; pgrep also names one that has ended and waits to be collected."""
    found = [int(word) for word in lab.run(f"pgrep -x {program}", check=False).stdout.split()]
    return [pid for pid in found if lab.call(processes.exists, pid, program)]


def python(script: str, *arguments: str, before: tuple[str, ...] = (), **options: Any) -> subprocess.Popen[str]:
    """Start a Python of its own on a script, its streams connected to the test."""
    command = [*before, sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


@contextlib.contextmanager
def interrupted(*arguments: Any, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`labkit` with these arguments, interrupted as the block ends: it says so, with the code 130 and without a traceback."""
    command = [sys.executable, "-m", "labkit", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait(PATIENCE)
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said
