"""What there is in a box: a pid, mount, network and IPC namespace of a test's own, so that all that is left is visible."""

import contextlib
import gc
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from glob import glob
from pathlib import Path

import psutil

# Long enough for a busy machine: what is left then stays.
PATIENCE = 60.0
LAB_HOME = "/tmp/work"
SOCKETS = ("tcp", "tcp6", "udp", "udp6", "unix", "packet", "raw", "netlink")
FOLDERS = ("/tmp", "/dev/shm", "/run/lock", "/var/tmp")

Census = dict[str, Counter[str]]


def processes() -> Counter[str]:
    """Every process of the box with its state, this one and those above it left out."""
    found = [each for each in psutil.process_iter(["name", "status"]) if each.pid not in (1, os.getpid())]
    return Counter(f"{each.pid} {each.info['name']} {each.info['status']}" for each in found)


def links(pattern: str) -> list[str]:
    """What the links lead to that this pattern finds."""
    found = []
    for place in glob(pattern):
        with contextlib.suppress(OSError):
            found.append(os.readlink(place))
    return found


def namespaces() -> Counter[str]:
    """Every namespace that a process or an open file of the box has or holds."""
    held = {link for link in links("/proc/[0-9]*/fd/*") if link.endswith("]")}
    others = ("pipe:", "socket:", "anon_inode:")
    return Counter({*links("/proc/[0-9]*/ns/*"), *(link for link in held if not link.startswith(others))})


def sockets() -> Counter[str]:
    """The sockets of the box's network, by kind; one that only waits for its port to be forgotten does not count."""
    found: Counter[str] = Counter()
    for kind in SOCKETS:
        with contextlib.suppress(OSError):
            lines = Path("/proc/self/net", kind).read_text().splitlines()[1:]
            waiting = sum(kind.startswith("tcp") and line.split()[3] == "06" for line in lines)  # TIME_WAIT
            found[kind] = len(lines) - waiting
    return found


def files() -> Counter[str]:
    """Every file and folder where temporary ones are made and in the user's home; not those in a lab's home, which stays."""
    places = [*FOLDERS, os.environ["HOME"]]
    found = {os.path.join(top, name) for place in places for top, a, b in os.walk(place) for name in a + b}
    return Counter(name for name in found if not name.startswith(f"{LAB_HOME}/"))


def threads() -> Counter[str]:
    """The threads of this process, by Python's name where it has one."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    return Counter(names.get(int(task), "not Python's") for task in os.listdir("/proc/self/task"))


PARTS: dict[str, Callable[[], Counter[str]]] = {
    "processes": processes,
    "namespaces": namespaces,
    "mounts": lambda: Counter(Path("/proc/self/mountinfo").read_text().splitlines()),
    "interfaces": lambda: Counter(name for _, name in socket.if_nameindex()),
    "sockets": sockets,
    "files": files,
    "descriptors": lambda: Counter(links("/proc/self/fd/*")),
    "threads": threads,
}


def census() -> Census:
    """All of it."""
    gc.collect()
    return {name: part() for name, part in PARTS.items()}


def left_after(before: Census) -> dict[str, list[str]]:
    """What stays beyond the state before, by part, once what is ending has had time to end."""
    deadline = time.monotonic() + PATIENCE
    while True:
        now = census()
        found = {name: sorted((now[name] - before[name]).elements()) for name in PARTS}
        if not any(found.values()) or time.monotonic() > deadline:
            return {name: rows for name, rows in found.items() if rows}
        time.sleep(0.05)
