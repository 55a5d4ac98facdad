"""The IPVS table and its counters as `ipvsadm` shows them, and the dummy interface by pyroute2."""

import subprocess
import sys
from typing import Any

# What ipvsadm calls the ways to a real server, as numbers of include/uapi/linux/ip_vs.h (IP_VS_CONN_F_MASQ is 0).
METHODS = ["Masq", "Local", "Tunnel", "Route"]
COUNTERS = ["conns", "in_packets", "out_packets", "in_bytes", "out_bytes"]


def ipvsadm(*options: str) -> str:
    """Return what `ipvsadm` with `options` prints. Raises RuntimeError with its own words when it fails."""
    done = subprocess.run(["ipvsadm", *options], capture_output=True, text=True, timeout=30)
    if done.returncode:
        words = (done.stderr + done.stdout).strip()
        raise RuntimeError(f"`ipvsadm {' '.join(options)}` failed: {words}")
    return done.stdout


def read_table(text: str) -> list[tuple[list[str], list[list[str]]]]:
    """Return the words of each virtual service and of its real servers from what `ipvsadm -L` prints."""
    rows: list[tuple[list[str], list[list[str]]]] = []
    for line in text.splitlines():
        match line.split():
            case ["->", *server] if rows:
                rows[-1][1].append(server)
            case ["TCP" | "UDP" | "SCTP" | "FWM", *_] as service:
                rows.append((service, []))
    return rows


def table() -> list[dict[str, Any]]:
    """The whole IPVS table: a row a virtual service with protocol, address, scheduler, persistent and its servers.

    A server has server ("address:port"), weight, method (0 masquerading), active and inactive (connections now).
    """
    rows = []
    for (protocol, address, *words), servers in read_table(ipvsadm("-Ln")):
        mark = protocol == "FWM"
        row: dict[str, Any] = {"protocol": "fwmark" if mark else protocol.lower()}
        row |= {"address": f"mark {address}" if mark else address, "scheduler": scheduler(words)}
        row |= {"persistent": "persistent" in words, "servers": [server_row(*one) for one in servers]}
        rows.append(row)
    return rows


def scheduler(words: list[str]) -> str:
    """Return the scheduler from what follows a virtual service's address; a mark's family comes first unless it is IPv4."""
    return words[words[0] == "IPv6"]


def server_row(server: str, method: str, weight: str, active: str, inactive: str) -> dict[str, Any]:
    """Return a real server's row of `table` from the words of its line."""
    numbers = {"weight": int(weight), "active": int(active), "inactive": int(inactive)}
    return {"server": server, "method": METHODS.index(method), **numbers}


def counters() -> list[dict[str, Any]]:
    """One row a real server: service, scheduler, server, weight, active, inactive, and the counters of IPVS."""
    counted = {
        (*service[:2], server): dict(zip(COUNTERS, map(int, numbers), strict=True))
        for service, servers in read_table(ipvsadm("-Ln", "--stats", "--exact"))
        for server, *numbers in servers
    }
    rows = []
    for (protocol, address, *words), servers in read_table(ipvsadm("-Ln")):
        for words_of_server in servers:
            row = server_row(*words_of_server)
            del row["method"]
            found = counted.get((protocol, address, row["server"]), dict.fromkeys(COUNTERS, 0))  # it may be newer
            rows.append({"service": address, "scheduler": scheduler(words), **row, **found})
    return sorted(rows, key=lambda row: (row["service"], row["server"]))


def zero() -> None:
    """Set all counters to zero."""
    ipvsadm("-Z")


def netlink() -> Any:
    """Return pyroute2's IPRoute. It is imported here, because on User-Mode Linux that takes up to two seconds."""
    if sys.modules.get("ssl", sys) is None:  # it cannot do without what the agent keeps from others (machine/agent.py)
        del sys.modules["ssl"]
    from pyroute2 import IPRoute

    return IPRoute()


def add_dummy(name: str, address: str, prefix: int) -> bool:
    """Make the dummy interface `name` with one IPv4 address, up, and return True."""
    with netlink() as route:
        route.link("add", ifname=name, kind="dummy")
        index = route.link_lookup(ifname=name)[0]
        route.addr("add", index=index, address=address, prefixlen=prefix)
        route.link("set", index=index, state="up")
        return True


def remove_dummy(name: str) -> bool:
    """Delete the interface `name`; False when there is none."""
    with netlink() as route:
        found = route.link_lookup(ifname=name)
        if found:
            route.link("del", index=found[0])
        return bool(found)
