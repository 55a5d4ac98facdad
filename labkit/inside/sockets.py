"""Who listens in the lab, by the tables of proc(5) and what each process holds; and the lab's interfaces, as ip says them."""

import contextlib
import json
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil

from .processes import status

# How often `settle` looks at every process, seconds: on User-Mode Linux that takes time from those it waits for.
LOOK = 0.25
# Tables of sockets, and the state of one that waits there (include/net/tcp_states.h: TCP_LISTEN, TCP_CLOSE).
TABLES = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}

# The first port of clients' UDP sockets (ip(7), ip_local_port_range).
EPHEMERAL = 32768


def rows_of(table: str) -> list[list[str]]:
    """The cells of the rows of a table of /proc/net; none where there is no such table."""
    with contextlib.suppress(OSError), open(f"/proc/net/{table}") as file:
        return [line.split() for line in file.readlines()[1:]]
    return []


def waiting_sockets() -> Iterator[tuple[str, int, list[str]]]:
    """Yield table, port and cells of each TCP socket that listens and each UDP socket that is bound in this network."""
    for table, state in TABLES.items():
        for cells in rows_of(table):
            if cells[3] == state:
                yield table, int(cells[1].rpartition(":")[2], 16), cells


def waiting() -> Iterator[str]:
    """Yield the inodes of the sockets that wait for others: TCP that listens, servers' UDP, and recorders'."""
    for table, port, cells in waiting_sockets():
        if table.startswith("tcp") or port < EPHEMERAL:
            yield cells[9]
    yield from (cells[8] for cells in rows_of("packet"))


def open_ports() -> set[int]:
    """The ports on which somebody listens, or which a UDP socket has: what `listeners` says, without looking for who."""
    return {port for _, port, _ in waiting_sockets()}


def bound() -> list[dict[str, Any]]:
    """The listening TCP and bound UDP sockets of this network: protocol, address, port, and inode ("socket:[number]")."""
    rows: list[dict[str, Any]] = []
    for table, port, cells in waiting_sockets():
        host = cells[1].partition(":")[0]
        words = [int(host[i : i + 8], 16) for i in range(0, len(host), 8)]
        family = socket.AF_INET6 if table.endswith("6") else socket.AF_INET
        address = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
        row = {"protocol": table[:3], "address": address, "port": port}
        rows.append(row | {"inode": f"socket:[{cells[9]}]"})
    return rows


def links(pid: int) -> set[str]:
    """What the descriptors of a process lead to; nothing when it is gone."""
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found


def holders() -> dict[str, list[int]]:
    """The pids that hold each socket ("socket:[number]"), in order: several processes may share one."""
    found: dict[str, list[int]] = {}
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        for target in links(pid):
            if target.startswith("socket:"):
                found.setdefault(target, []).append(pid)
    return found


def listeners() -> list[dict[str, Any]]:
    """Every listening TCP socket and every bound UDP socket: protocol, address, port, pid, program, command."""
    rows, held = bound(), holders()
    for row in rows:
        row["pid"] = next(iter(held.get(row.pop("inode"), ())), None)
        row |= describe(row["pid"])
    return sorted(rows, key=lambda row: (row["protocol"], row["port"], row["address"]))


def server_at(protocol: str, address: str, port: int) -> dict[str, Any] | None:
    """Who is reached at `address`: pid, program, arguments and folder of its first process; None when nobody is."""
    if port not in open_ports():
        return None
    rows = [row for row in listeners() if (row["protocol"], row["port"]) == (protocol, port)]
    pids = [row["pid"] for row in rows if row["address"] in (address, "0.0.0.0", "::") and row["pid"]]
    if not pids:
        return None
    with contextlib.suppress(psutil.Error):
        one, ours = psutil.Process(pids[0]), {row["inode"] for row in bound() if row["port"] == port}
        while (parent := one.parent()) and links(parent.pid) & ours:
            one = parent  # a worker has its master's socket
        found = {"pid": one.pid, "program": one.name(), "arguments": one.cmdline()}
        return found | {"folder": one.cwd()}
    return None  # it has just ended


def describe(pid: int | None) -> dict[str, str]:
    """The program's name and its command line, empty when the process is gone."""
    with contextlib.suppress(psutil.Error):
        if pid:
            process = psutil.Process(pid)
            return {"program": process.name(), "command": " ".join(process.cmdline())}
    return {"program": "", "command": ""}


def end_listeners(ports: list[int]) -> None:
    """Kill every process that listens on one of the TCP `ports`, and wait until it is gone; it may be ending by itself."""
    processes = []
    for row in listeners():
        with contextlib.suppress(psutil.NoSuchProcess):
            if row["protocol"] == "tcp" and row["port"] in ports and row["pid"]:
                processes.append(psutil.Process(row["pid"]))
                processes[-1].kill()
    psutil.wait_procs(processes, timeout=5)


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
            others = [one for one in psutil.process_iter(["cpu_times"]) if one.pid != own]
            work = sum(sum(one.info["cpu_times"][:2]) for one in others)
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
        work, waiting = 0.0, {row["inode"] for row in bound()}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                new = process.pid not in before and process.status() != psutil.STATUS_ZOMBIE
                if new and not links(process.pid) & waiting:
                    work += 1 + sum(process.cpu_times()[:2])
        if not work:
            return
        if work != last:
            last, since = work, time.monotonic()
        time.sleep(0.05)


def wait_for_listener(pid: int, port: int, timeout: float) -> str:
    """Wait until process `pid` listens on TCP `port`: "listening", "ended" when it is gone, "timeout" after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not status(pid):
            return "ended"
        ours = {row["inode"] for row in bound() if (row["protocol"], row["port"]) == ("tcp", port)}
        # While a process is being replaced or ends, the kernel refuses a look at what it holds.
        if links(pid) & ours:
            return "listening"
        time.sleep(0.01)
    return "timeout"


def clear_queues() -> None:
    """Delete what delays or changes packets at any interface, on the way out and in (tc(8)). Raises OSError."""
    for _, name in socket.if_nameindex():
        for place in ("root", "ingress"):  # where there is none tc says so, and nobody listens
            delete = ["tc", "qdisc", "del", "dev", name, place]
            subprocess.run(delete, capture_output=True, timeout=20)


def interfaces() -> list[dict[str, Any]]:
    """Every interface: name, kind ("dummy", "" for loopback), up, addresses ("address/prefix", IPv4).

    By `ip -json`: importing pyroute2 on User-Mode Linux takes two seconds. Raises CalledProcessError.
    """
    command = ["ip", "-json", "-details", "address", "show"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    # A name may be any bytes, which `ip` writes as they are.
    return [row_of(link) for link in json.loads(done.stdout.decode(errors="replace"), strict=False)]


def row_of(link: dict[str, Any]) -> dict[str, Any]:
    """The row of one interface as `ip -json -details address` describes it."""
    addresses = [one for one in link["addr_info"] if one["family"] == "inet"]
    row = {"name": link["ifname"], "kind": link.get("linkinfo", {}).get("info_kind", "")}
    row |= {"up": "UP" in link["flags"]}
    return row | {"addresses": [f"{one['local']}/{one['prefixlen']}" for one in addresses]}
