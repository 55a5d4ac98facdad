"""Who listens in the lab, by psutil, and the lab's interfaces, as ip says them."""

import contextlib
import json
import os
import socket
import subprocess
import time
from typing import Any

import psutil

from .processes import waiting_sockets

# How often `settle` looks at every process, seconds: on User-Mode Linux that takes time from those it waits for.
LOOK = 0.25
PROTOCOLS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}


def listeners() -> list[dict[str, Any]]:
    """Every listening TCP socket and every bound UDP socket: protocol, address, port, pid, program, command."""
    rows = []
    for row in psutil.net_connections("inet"):
        if (row.type == socket.SOCK_STREAM and row.status != psutil.CONN_LISTEN) or not row.laddr or row.raddr:
            continue
        found: dict[str, Any] = {"protocol": PROTOCOLS[row.type], "address": row.laddr.ip, "port": row.laddr.port, "pid": row.pid}
        rows.append(found | describe(row.pid))
    return sorted(rows, key=lambda row: (row["protocol"], row["port"], row["address"]))


def server_at(protocol: str, address: str, port: int) -> dict[str, Any] | None:
    """Who is reached at `address`: pid, program, arguments and folder of its first process; None when nobody is."""
    if port not in open_ports():
        return None
    places = [(protocol, reached, port) for reached in (address, "0.0.0.0", "::")]
    row = next((row for row in listeners() if (row["protocol"], row["address"], row["port"]) in places and row["pid"]), None)
    if row is None:
        return None
    try:
        one = psutil.Process(row["pid"])
        while (parent := one.parent()) and any(each.laddr and each.laddr.port == port for each in parent.net_connections("inet")):
            one = parent  # a worker has its master's socket
        return {"pid": one.pid, "program": one.name(), "arguments": one.cmdline(), "folder": one.cwd()}
    except psutil.Error:  # it has just ended
        return None


def describe(pid: int | None) -> dict[str, str]:
    """The program's name and its command line, empty when the process is gone."""
    try:
        process = psutil.Process(pid) if pid else None
        return {"program": process.name(), "command": " ".join(process.cmdline())} if process else {"program": "", "command": ""}
    except psutil.Error:
        return {"program": "", "command": ""}


def end_listeners(ports: list[int]) -> None:
    """Kill every process that listens on one of the TCP `ports`, and wait until it is gone; it may be ending by itself."""
    pids = {row["pid"] for row in listeners() if row["protocol"] == "tcp" and row["port"] in ports and row["pid"]}
    processes = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
            processes[-1].kill()
    psutil.wait_procs(processes, timeout=5)


def workers(program: str) -> list[int]:
    """The pids of the processes named `program` whose parent has that name too: nginx's workers."""
    named = [process for process in psutil.process_iter(["name", "ppid"]) if process.info["name"] == program]
    pids = {process.pid for process in named}
    return sorted(process.pid for process in named if process.info["ppid"] in pids)


def settle(ports: list[int], quiet: float, timeout: float) -> bool:
    """Wait until somebody listens on each of `ports`; give up once nobody in the lab has worked for `quiet` seconds.

    What a script left in the background may still be starting, and that shows in its use of the processor. At most
    `timeout` seconds; True when all ports are taken.
    """
    deadline, own = time.monotonic() + timeout, os.getpid()
    last, looked, since = -1.0, 0.0, time.monotonic()
    while time.monotonic() < deadline:
        if set(ports) <= open_ports():
            return True
        if time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            work = sum(sum(process.info["cpu_times"][:2]) for process in psutil.process_iter(["cpu_times"]) if process.pid != own)
            if work != last:
                last, since = work, time.monotonic()
        if time.monotonic() - since > quiet:
            return False
        time.sleep(0.05)
    return False


def begun(before: list[int], quiet: float, timeout: float) -> None:
    """Wait until every process but those of `before` listens, has ended, or nothing of them has worked for `quiet` seconds."""
    deadline, last, since = time.monotonic() + timeout, -1.0, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < quiet:
        work = 0.0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                known = process.pid in before or not process.cmdline()  # a thread of the kernel has no command line
                if not known and process.status() != psutil.STATUS_ZOMBIE and not listens(process):
                    work += 1 + sum(process.cpu_times()[:2])
        if not work:
            return
        if work != last:
            last, since = work, time.monotonic()
        time.sleep(0.05)


def listens(process: psutil.Process) -> bool:
    """Return whether a process has a TCP socket that listens or a UDP socket. Raises psutil.Error."""
    rows = process.net_connections("inet")
    return any(row.status == psutil.CONN_LISTEN or (row.type == socket.SOCK_DGRAM and not row.raddr) for row in rows)


def open_ports() -> set[int]:
    """The ports on which somebody listens, or which a UDP socket has: what `listeners` says, without looking for who."""
    return {int(cells[1].rpartition(":")[2], 16) for _, cells in waiting_sockets()}


def wait_for_listener(pid: int, port: int, timeout: float) -> str:
    """Wait until process `pid` listens on TCP `port`: "listening", "ended" when it is gone, "timeout" after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return "ended"
            connections = process.net_connections("tcp")
        except psutil.NoSuchProcess:
            return "ended"
        except psutil.AccessDenied:  # while a process is being replaced or ends, the kernel refuses a look at its files
            connections = []
        if any(row.status == psutil.CONN_LISTEN and row.laddr.port == port for row in connections):
            return "listening"
        time.sleep(0.01)
    return "timeout"


def interfaces() -> list[dict[str, Any]]:
    """Every interface: name, kind ("dummy", "" for loopback), up, addresses ("address/prefix", IPv4).

    By `ip -json`: importing pyroute2 on User-Mode Linux takes two seconds. Raises CalledProcessError.
    """
    done = subprocess.run(["ip", "-json", "-details", "address", "show"], capture_output=True, check=True, timeout=20)
    return [row_of(link) for link in json.loads(done.stdout)]


def row_of(link: dict[str, Any]) -> dict[str, Any]:
    """The row of one interface as `ip -json -details address` describes it."""
    return {
        "name": link["ifname"],
        "kind": link.get("linkinfo", {}).get("info_kind", ""),
        "up": "UP" in link["flags"],
        "addresses": [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet"],
    }
