"""Task 3: the dummy interface and the IPVS virtual service, applied over netlink, shown as ipvsadm and ip commands."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from ..errors import BadInput, CallFailed, ServiceError
from ..lab import Lab
from .base import Service, split_address

IPVS = "labkit.inside.ipvs"
# Requirement 3.2 of the assignment: the real servers and their weights.
ASSIGNMENT = {"127.0.0.1:8081": 1, "127.0.0.1:8082": 1}
# errno values of netlink's answers, and what they mean here.
MEANINGS = {
    "(1,": "not permitted: this lab's Linux refuses IPVS to it; open the lab with needs={'ipvs'}",
    "(2,": "no such scheduler or real server",
    "(3,": "no such virtual service; start() it first",
    "(17,": "it exists already; stop() the old one first",
    "(22,": "the kernel does not take these values",
    "(95,": "this lab's Linux has none; open the lab with needs={'ipvs'}",
}


def call(lab: Lab, tried: str, function: str, *args: Any) -> Any:
    """Call a function of inside/ipvs.py. Raises ServiceError that says what was tried and what netlink's answer means."""
    try:
        return lab.call(f"{IPVS}:{function}", *args)
    except CallFailed as error:
        meaning = next((text for code, text in MEANINGS.items() if f"NetlinkError: {code}" in str(error)), "")
        raise ServiceError(f"`{tried}` failed.", words=error.words.splitlines()[-1], way_out=meaning) from error


def require_weight(weight: int) -> None:
    """Raise BadInput unless `weight` is one that ipvsadm takes (ipvsadm(8), --weight)."""
    if not isinstance(weight, int) or not 0 <= weight <= 65535:
        raise BadInput(f"A weight of {weight} is none.", way_out="0 (no new connections) to 65535")


class DummyInterface(Service):
    """A dummy interface with one address."""

    task = 3

    def __init__(self, lab: Lab, name: str = "dummy1", address: str = "192.168.100.1/32") -> None:
        """Raises BadInput unless `address` is an IPv4 address with a prefix length."""
        super().__init__(lab)
        try:
            self.address = ipaddress.IPv4Interface(address)
        except ValueError:
            raise BadInput(f"{address!r} is no IPv4 address.", way_out="write it like 192.168.100.1/32") from None
        # What the kernel takes (net/core/dev.c, dev_valid_name) and a shell reads as one word.
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", name):
            raise BadInput(f"{name!r} is no name of an interface.", way_out="letters, digits, - _ and ., 15 at the most")
        self.name = self.title = name

    @property
    def commands(self) -> list[str]:
        """The native commands, as one types them."""
        return [
            f"ip link add {self.name} type dummy",
            f"ip addr add {self.address} dev {self.name}",
            f"ip link set {self.name} up",
        ]

    def start(self) -> None:
        """Make it and bring it up. Raises ServiceError."""
        call(self.lab, "; ".join(self.commands), "add_dummy", self.name, str(self.address.ip), self.address.network.prefixlen)
        self.record(*self.commands)

    def stop(self) -> None:
        """Delete it. Raises ServiceError."""
        command = f"ip link del {self.name}"
        if call(self.lab, command, "remove_dummy", self.name):
            self.record(command)

    @property
    def log(self) -> str:
        """What `ip addr` shows of it."""
        return str(self.lab.run(f"ip addr show {self.name}", check=False))


class VirtualService(Service):
    """An IPVS virtual service for TCP with its real servers, reached by masquerading."""

    task = 3

    def __init__(
        self, lab: Lab, address: str = "192.168.100.1:80", *, scheduler: str = "rr", servers: Mapping[str, int] = ASSIGNMENT
    ) -> None:
        """`servers` maps "address:port" to a weight. Raises BadInput for an address that is none or a negative weight."""
        super().__init__(lab)
        self.address, self.scheduler, self.servers = address, scheduler, dict(servers)
        self.title = f"the virtual service {address}"
        self._place = split_address(address)
        for server, weight in self.servers.items():
            split_address(server)
            require_weight(weight)

    @property
    def commands(self) -> list[str]:
        """The native commands, as one types them."""
        add = [
            f"ipvsadm -a -t {self.address} -r {server} -m" + (f" -w {weight}" if weight != 1 else "")
            for server, weight in self.servers.items()
        ]
        return [f"ipvsadm -A -t {self.address} -s {self.scheduler}", *add]

    def start(self) -> None:
        """Add the service and its real servers; when one fails, the service is taken away again. Raises ServiceError."""
        first, *add = self.commands
        call(self.lab, first, "change_service", "add", *self._place, self.scheduler)
        try:
            for command, (server, weight) in zip(add, self.servers.items(), strict=True):
                call(self.lab, command, "change_server", "add", *self._place, *split_address(server), weight)
        except BaseException:
            call(self.lab, f"ipvsadm -D -t {self.address}", "change_service", "del", *self._place, self.scheduler)
            raise
        self.record(*self.commands)

    def stop(self) -> None:
        """Delete the service with its real servers. Raises ServiceError."""
        command = f"ipvsadm -D -t {self.address}"
        if call(self.lab, command, "remove_service", *self._place):
            self.record(command)

    def set_scheduler(self, scheduler: str) -> None:
        """Change the scheduler of the running service. Raises ServiceError for one that the Linux does not have."""
        command = f"ipvsadm -E -t {self.address} -s {scheduler}"
        call(self.lab, command, "change_service", "set", *self._place, scheduler)
        self.scheduler = scheduler
        self.record(command)

    def set_weight(self, server: str, weight: int) -> None:
        """Change the weight of a real server; 0 means no new connections. Raises ServiceError, BadInput."""
        require_weight(weight)
        command = f"ipvsadm -e -t {self.address} -r {server} -m -w {weight}"
        call(self.lab, command, "change_server", "set", *self._place, *split_address(server), weight)
        self.servers[server] = weight
        self.record(command)

    def zero(self) -> None:
        """Set all counters to zero, as far as the kernel has added them up (let them settle first). Raises ServiceError."""
        call(self.lab, "ipvsadm -Z", "zero")
        self.record("ipvsadm -Z")

    @property
    def log(self) -> str:
        """ipvsadm's own table with counters."""
        return str(self.lab.run("ipvsadm -Ln --stats"))
