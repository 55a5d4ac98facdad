"""The dummy interface and the IPVS table, over netlink by pyroute2.

Errors come back as NetlinkError, whose `code` is an errno: 17 exists already, 2 no such scheduler or server, 3 no such service.
"""

from __future__ import annotations

import errno
from typing import Any

from pyroute2 import IPVS, IPRoute, IPVSDest, IPVSService, NetlinkError
from pyroute2.netlink.generic.ipvs import GENL_VERSION, IPVS_CMD_ZERO, ipvsmsg

TCP = 6
# include/uapi/linux/ip_vs.h: IP_VS_CONN_F_MASQ
MASQUERADING = 0
COUNTERS = {
    "conns": "CONNS", "in_packets": "INPKTS", "out_packets": "OUTPKTS", "in_bytes": "INBYTES", "out_bytes": "OUTBYTES",
}  # fmt: skip


def service(address: str, port: int, scheduler: str) -> IPVSService:
    """A TCP virtual service for pyroute2."""
    return IPVSService(addr=address, port=port, protocol=TCP, sched_name=scheduler)


def server(address: str, port: int, weight: int) -> IPVSDest:
    """A real server for pyroute2, reached by masquerading (the method that may change the port)."""
    return IPVSDest(addr=address, port=port, weight=weight, fwd_method=MASQUERADING)


def change_service(command: str, address: str, port: int, scheduler: str) -> None:
    """`command` ("add", "set" or "del") a TCP virtual service."""
    with IPVS() as table:
        table.service(command, service=service(address, port, scheduler))


def change_server(command: str, vip: str, port: int, address: str, server_port: int, weight: int) -> None:
    """`command` ("add", "set" or "del") a real server of the TCP virtual service at `vip`:`port`."""
    with IPVS() as table:
        table.dest(command, service=service(vip, port, "rr"), dest=server(address, server_port, weight))


def zero() -> None:
    """Set all counters to zero, as `ipvsadm -Z` does."""
    with IPVS() as table:
        message = ipvsmsg()
        message["cmd"], message["version"] = IPVS_CMD_ZERO, GENL_VERSION
        table.nlm_request(message, msg_type=table.prid, msg_flags=5)  # NLM_F_REQUEST | NLM_F_ACK


def attributes(nested: Any) -> dict[str, Any]:
    """The attributes of a nested netlink attribute, without their prefixes (and without unnamed padding)."""
    return {name.split("_ATTR_")[1]: value for name, value in nested["attrs"] if "_ATTR_" in name}


def counters() -> list[dict[str, Any]]:
    """One row a real server: service, scheduler, server, weight, active, inactive, and the counters of IPVS."""
    rows = []
    with IPVS() as table:
        for message in table.service("dump"):
            found = attributes(message.get_attr("IPVS_CMD_ATTR_SERVICE"))
            for answer in table.dest("dump", service=service_key(found)):
                row = server_row(attributes(answer.get_attr("IPVS_CMD_ATTR_DEST")))
                rows.append({"service": f"{found['ADDR']}:{found['PORT']}", "scheduler": found["SCHED_NAME"], **row})
    return sorted(rows, key=lambda row: (row["service"], row["server"]))


def table() -> list[dict[str, Any]]:
    """The whole IPVS table: a row a virtual service with protocol, address, scheduler, persistent and its servers.

    A server has server ("address:port"), weight and method (0 masquerading, as in include/uapi/linux/ip_vs.h).
    """
    rows = []
    with IPVS() as kernel:
        for message in kernel.service("dump"):
            found = attributes(message.get_attr("IPVS_CMD_ATTR_SERVICE"))
            mark = "FWMARK" in found
            key = IPVSService(fwmark=found["FWMARK"], af=found["AF"]) if mark else service_key(found)
            answers = [attributes(answer.get_attr("IPVS_CMD_ATTR_DEST")) for answer in kernel.dest("dump", service=key)]
            servers = [
                {"server": f"{a['ADDR']}:{a['PORT']}", "weight": a["WEIGHT"], "method": a["FWD_METHOD"] & 7} for a in answers
            ]
            rows.append(
                {
                    "protocol": "fwmark" if mark else {TCP: "tcp", 17: "udp"}.get(found["PROTOCOL"], str(found["PROTOCOL"])),
                    "address": f"mark {found['FWMARK']}" if mark else f"{found['ADDR']}:{found['PORT']}",
                    "scheduler": found["SCHED_NAME"],
                    "persistent": bool(found["FLAGS"]["flags"] & 1),  # IP_VS_SVC_F_PERSISTENT
                    "servers": servers,
                }
            )
    return rows


def service_key(found: dict[str, Any]) -> IPVSService:
    """What names a virtual service, for pyroute2."""
    return IPVSService(addr=found["ADDR"], port=found["PORT"], protocol=found["PROTOCOL"], af=found["AF"])


def server_row(found: dict[str, Any]) -> dict[str, Any]:
    """One real server's address, weight, connections and counters."""
    stats = attributes(found["STATS64"])
    row = {"server": f"{found['ADDR']}:{found['PORT']}", "weight": found["WEIGHT"]}
    row |= {"active": found["ACTIVE_CONNS"], "inactive": found["INACT_CONNS"]}
    return row | {column: stats[name] for column, name in COUNTERS.items()}


def add_dummy(name: str, address: str, prefix: int) -> None:
    """Make the dummy interface `name` with one IPv4 address, up."""
    with IPRoute() as route:
        route.link("add", ifname=name, kind="dummy")
        index = route.link_lookup(ifname=name)[0]
        route.addr("add", index=index, address=address, prefixlen=prefix)
        route.link("set", index=index, state="up")


def remove_dummy(name: str) -> bool:
    """Delete the interface `name`; False when there is none."""
    with IPRoute() as route:
        found = route.link_lookup(ifname=name)
        if found:
            route.link("del", index=found[0])
        return bool(found)


def remove_service(address: str, port: int) -> bool:
    """Delete a TCP virtual service with its real servers; False when there is none."""
    with IPVS() as table:
        try:
            table.service("del", service=service(address, port, "rr"))
        except NetlinkError as error:
            if error.code != errno.ESRCH:
                raise
            return False
        return True
