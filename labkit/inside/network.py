"""The lab's interfaces with their addresses, over netlink."""

from __future__ import annotations

from typing import Any

from pyroute2 import IPRoute


def interfaces() -> list[dict[str, Any]]:
    """Every interface: name, kind ("dummy", "" for loopback), up, addresses ("address/prefix", IPv4)."""
    rows = []
    with IPRoute() as route:
        addresses = list(route.get_addr(family=2))
        for link in route.get_links():
            info = link.get_attr("IFLA_LINKINFO")
            own = [a for a in addresses if a["index"] == link["index"]]
            rows.append(
                {
                    "name": link.get_attr("IFLA_IFNAME"),
                    "kind": (info.get_attr("IFLA_INFO_KIND") if info else "") or "",
                    "up": bool(link["flags"] & 1),  # IFF_UP: netdevice(7)
                    "addresses": [f"{a.get_attr('IFA_LOCAL') or a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}" for a in own],
                }
            )
    return rows
