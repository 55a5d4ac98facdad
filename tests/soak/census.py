"""What there is in a box: a pid, mount, network and IPC namespace of a test's own, so that all that is left is visible."""

import contextlib
import gc
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

# Long enough for a busy machine: what is left then stays.
PATIENCE = 60.0
LAB_HOME = "/tmp/work"
SOCKETS = ("tcp", "tcp6", "udp", "udp6", "unix", "packet", "raw", "netlink")
FOLDERS = ("/tmp", "/dev/shm", "/run/lock", "/var/tmp")

Census = dict[str, Counter[str]]


def processes() -> Counter[str]:
    """Every process of the box with its state, this one and those above it left out."""
    found: Counter[str] = Counter()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            name, _, rest = Path("/proc", entry, "stat").read_text().partition("(")[2].rpartition(")")
            if int(entry) not in (1, os.getpid()):
                found[f"{entry} {name} {rest.split()[0]}"] += 1
    return found


def namespaces() -> Counter[str]:
    """Every namespace that a process or an open file of the box has or holds."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for place in ("ns", "fd"):
            with contextlib.suppress(OSError):
                for name in os.listdir(f"/proc/{pid}/{place}"):
                    with contextlib.suppress(OSError):
                        target = os.readlink(f"/proc/{pid}/{place}/{name}")
                        if place == "ns" or (target.endswith("]") and not target.startswith(("pipe:", "socket:", "anon_inode:"))):
                            found.add(target)
    return Counter(found)


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


def descriptors() -> Counter[str]:
    """What the open file descriptors of this process lead to."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[os.readlink(f"/proc/self/fd/{name}")] += 1
    return found


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
    "descriptors": descriptors,
    "threads": threads,
}


def census() -> Census:
    """All of it."""
    gc.collect()
    return {name: part() for name, part in PARTS.items()}


def left(before: Census, now: Census) -> dict[str, list[str]]:
    """What is there now and was not before, by part."""
    found = {name: sorted((now[name] - before[name]).elements()) for name in PARTS}
    return {name: rows for name, rows in found.items() if rows}


def left_after(before: Census) -> dict[str, list[str]]:
    """What stays beyond the state before, once what is ending has had time to end."""
    deadline = time.monotonic() + PATIENCE
    while (found := left(before, census())) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
