"""What the checks run inside the lab: requests with the time of each, what a process really runs, nginx's processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import time
from typing import Any

import psutil

from labkit.inside.fetch import fetch, refused_attempts
from labkit.inside.group import keep_only, members
from labkit.inside.http_load import error_name
from labkit.inside.sockets import listeners

# Where the lab's programs lie; both are read-only in it, so nothing there is the work's own.
SYSTEM = ("/usr/", "/opt/")
# How long a daemon may take to hand its sockets on, seconds.
HANDOVER = 5.0


def series(host: str, port: int, count: int, timeout: float, give_up: int) -> list[dict[str, Any]]:
    """`count` fetches one after another, fewer when `give_up` in a row got no answer.

    A row is that of fetch with `refused` (TCP connection attempts that failed in the lab meanwhile), `began` and `ended`
    (monotonic seconds).
    """
    rows: list[dict[str, Any]] = []
    before, silent = refused_attempts(), 0
    while len(rows) < count and silent < give_up:
        began = time.monotonic()
        row = fetch(host, port, "/", timeout)
        now = refused_attempts()
        rows.append(row | {"refused": now - before, "began": began, "ended": time.monotonic()})
        before, silent = now, silent + 1 if row["error"] else 0
    return rows


def crowd(host: str, port: int, count: int, timeout: float, seconds: float) -> str:
    """`count` GETs on one connection, so that one worker gets them all, or fewer in `seconds`; what went wrong, or ""."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    deadline = time.monotonic() + seconds
    try:
        for _ in range(count):
            if time.monotonic() > deadline:
                break
            connection.request("GET", "/")
            connection.getresponse().read()
    except (OSError, http.client.HTTPException) as problem:
        return error_name(problem)
    finally:
        connection.close()
    return ""


def programs() -> list[dict[str, Any]]:
    """The rows of sockets.listeners, `program` being the file that runs: a process can call itself anything.

    A daemon that is just going into the background passes its sockets on to a child, so nobody may seem to hold them.
    """
    deadline = time.monotonic() + HANDOVER
    while True:
        rows = [row | {"program": program(row["pid"])} for row in listeners()]
        if all(row["program"] for row in rows) or time.monotonic() > deadline:
            return rows
        time.sleep(0.05)


def program(pid: int | None) -> str:
    """The name of the program file that a process runs, with its folder when that is not the system's; "" when it is gone.

    A program of the system into which other code is loaded (LD_PRELOAD, a module of nginx) goes by the name of that.
    """
    try:
        file = os.readlink(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/maps") as maps:
            rows = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    except OSError:
        return ""
    code = [row[5] for row in rows if len(row) == 6 and "x" in row[1] and row[5].startswith("/")]
    return next((name for name in (file, *code) if not name.startswith(SYSTEM)), os.path.basename(file))


def end_helpers(names: list[str]) -> None:
    """End every process of the work that runs none of the programs `names`: what is measured is these programs' doing.

    Something left in the background could else watch for a check and act the part that the program does not play.
    """
    keep_only([pid for pid in members() if program(pid) in (*names, "bwrap")])


def unix_sockets(name: str) -> list[str]:
    """The files of the listening unix sockets that processes of `name` hold."""
    with open("/proc/net/unix") as file:
        rows = [line.split(maxsplit=7) for line in list(file)[1:]]
    # include/linux/net.h: __SO_ACCEPTCON
    files = {f"socket:[{row[6]}]": row[7].strip() for row in rows if len(row) > 7 and int(row[3], 16) & 0x10000}
    held: set[str] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if program(process.pid) == name:
                folder = f"/proc/{process.pid}/fd"
                held |= {files.get(os.readlink(f"{folder}/{number}"), "") for number in os.listdir(folder)}
    return sorted(held - {""})


def nginx_processes(port: int) -> dict[str, list[int]]:
    """The pids of the `masters` of the nginx on TCP `port` (one without master too) and of its accepting `workers`."""
    found: dict[str, list[int]] = {"masters": [], "workers": []}
    holders = [row["pid"] for row in listeners() if row["protocol"] == "tcp" and row["port"] == port]
    titles = {
        process.pid: process.info for process in psutil.process_iter(["cmdline", "ppid"]) if program(process.pid) == "nginx"
    }
    for pid in {pid for pid in holders if pid in titles}:
        parent = titles[pid]["ppid"]
        found["masters"].append(parent if parent in titles else pid)
    found["masters"] = sorted(set(found["masters"]))
    for pid, info in titles.items():
        title = " ".join(info["cmdline"] or ())
        if info["ppid"] in found["masters"] and "worker process" in title and "shutting down" not in title:
            found["workers"].append(pid)
    return found
