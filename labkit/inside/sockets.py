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

# Of netlink (linux/netlink.h, sock_diag.h, inet_diag.h): how the kernel is asked who listens, and where it says the inode.
SOCK_DIAG, BY_FAMILY, DUMP, NLMSG_ERROR, NLMSG_DONE, TCP_LISTEN = 4, 20, 0x301, 2, 3, 10
NETLINK, INODE = struct.Struct("=IHHII"), 68
# The first port of clients' UDP sockets (ip(7), ip_local_port_range).
EPHEMERAL = 32768
# How long the kernel may take to say it, and how much it says at once, seconds and bytes.
GRACE, CHUNK = 2.0, 65536


def rows_of(table: str) -> list[list[str]]:
    """The cells of the rows of a table of /proc/net; none where there is no such table."""
    with contextlib.suppress(OSError), open(f"/proc/net/{table}") as file:
        return [line.split() for line in file.readlines()[1:]]
    return []


def waiting_sockets(*tables: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield table, port and cells of each TCP socket that listens and each UDP socket that is bound in this network."""
    for table in tables or TABLES:
        for cells in rows_of(table):
            if cells[3] == TABLES[table]:
                yield table, int(cells[1].rpartition(":")[2], 16), cells


def waiting() -> Iterator[str]:
    """Yield the inodes of the sockets that wait for others."""
    tables = ["udp", "udp6"]
    try:
        yield from listening()
    except OSError:  # a kernel without sock_diag
        tables = []  # all
    for table, port, cells in waiting_sockets(*tables):
        if table.startswith("tcp") or port < EPHEMERAL:
            yield cells[9]
    yield from (cells[8] for cells in rows_of("packet"))


def listening() -> Iterator[str]:
    """Yield the inodes of the TCP sockets that listen (sock_diag(7)); /proc/net/tcp goes through all the host's connections.

    Raises OSError.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.settimeout(GRACE)
        for family in (socket.AF_INET, socket.AF_INET6):
            question = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN)
            kernel.send(NETLINK.pack(NETLINK.size + len(question), BY_FAMILY, DUMP, 0, 0) + question)
            kind = 0
            while kind != NLMSG_DONE:
                said = kernel.recv(CHUNK)
                while said and kind != NLMSG_DONE:
                    length, kind, *_ = NETLINK.unpack_from(said)
                    if kind == NLMSG_ERROR:
                        raise OSError(-struct.unpack_from("=i", said, NETLINK.size)[0], "sock_diag")
                    if kind == BY_FAMILY:
                        yield str(struct.unpack_from("=I", said, NETLINK.size + INODE)[0])
                    said = said[length + -length % 4 :]


def open_ports() -> set[int]:
    """The ports on which somebody listens, or which a UDP socket has: what `listeners` says, without looking for who."""
    return {port for _, port, _ in waiting_sockets()}


def bound() -> list[dict[str, Any]]:
    """The listening TCP and bound UDP sockets of this network: protocol, address, port, and inode ("socket:[number]")."""
    rows: list[dict[str, Any]] = []
    for table, port, cells in waiting_sockets():
        host = cells[1].partition(":")[0]
        words = b"".join(struct.pack("=I", int(host[i : i + 8], 16)) for i in range(0, len(host), 8))
        address = socket.inet_ntop(socket.AF_INET6 if table.endswith("6") else socket.AF_INET, words)
        rows.append({"protocol": table[:3], "address": address, "port": port, "inode": f"socket:[{cells[9]}]"})
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
    places = [(protocol, reached, port) for reached in (address, "0.0.0.0", "::")]
    row = next((row for row in listeners() if (row["protocol"], row["address"], row["port"]) in places and row["pid"]), None)
    if row is None:
        return None
    try:
        one = psutil.Process(row["pid"])
        ours = {other["inode"] for other in bound() if other["port"] == port}
        while (parent := one.parent()) and links(parent.pid) & ours:
            one = parent  # a worker has its master's socket
        return {"pid": one.pid, "program": one.name(), "arguments": one.cmdline(), "folder": one.cwd()}
    except psutil.Error:  # it has just ended
        return None


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
    for pid in {row["pid"] for row in listeners() if row["protocol"] == "tcp" and row["port"] in ports and row["pid"]}:
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
        # While a process is being replaced or ends, the kernel refuses a look at what it holds.
        if links(pid) & {row["inode"] for row in bound() if (row["protocol"], row["port"]) == ("tcp", port)}:
            return "listening"
        time.sleep(0.01)
    return "timeout"


# Of rtnetlink (linux/rtnetlink.h, struct tcmsg): the message that deletes a queue, and where one lies at an interface: on the way
# out, and on the way in.
DELETE_QUEUE, REQUEST, TCMSG, PLACES = 37, 1, struct.Struct("=B3xiIII"), (0xFFFFFFFF, 0xFFFFFFF1)


def clear_queues() -> None:
    """Delete what delays or changes packets at any interface (tc(8)), by its number: the name may be anything. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        for index, _ in socket.if_nameindex():
            for place in PLACES:  # where there is none the kernel says so, and nobody listens
                head = NETLINK.pack(NETLINK.size + TCMSG.size, DELETE_QUEUE, REQUEST, 0, 0)
                kernel.send(head + TCMSG.pack(0, index, 0, place, 0))


def interfaces() -> list[dict[str, Any]]:
    """Every interface: name, kind ("dummy", "" for loopback), up, addresses ("address/prefix", IPv4).

    By `ip -json`: importing pyroute2 on User-Mode Linux takes two seconds. Raises CalledProcessError.
    """
    done = subprocess.run(["ip", "-json", "-details", "address", "show"], capture_output=True, check=True, timeout=20)
    # A name may be any bytes, which `ip` writes as they are.
    return [row_of(link) for link in json.loads(done.stdout.decode(errors="replace"), strict=False)]


def row_of(link: dict[str, Any]) -> dict[str, Any]:
    """The row of one interface as `ip -json -details address` describes it."""
    return {
        "name": link["ifname"],
        "kind": link.get("linkinfo", {}).get("info_kind", ""),
        "up": "UP" in link["flags"],
        "addresses": [f"{one['local']}/{one['prefixlen']}" for one in link["addr_info"] if one["family"] == "inet"],
    }
