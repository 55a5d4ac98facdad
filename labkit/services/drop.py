"""A fault: packets to one address and port are dropped, as when a cable is unplugged; by nftables, or by netem."""

from __future__ import annotations

import zlib

from ..errors import CommandFailed, ServiceError
from ..lab import Lab
from .base import Service, split_address


def nft_commands(address: str, port: int) -> tuple[list[str], list[str]]:
    """The commands that drop by nftables, in a table of its own, and those that take it back (nft(8))."""
    table = f"ip labkit_drop_{address.replace('.', '_')}_{port}"
    rule = f"ip daddr {address} tcp dport {port} drop"
    chain = "'{ type filter hook output priority 0; }'"
    make = [f"nft add table {table}", f"nft add chain {table} output {chain}", f"nft add rule {table} output {rule}"]
    return make, [f"nft delete table {table}"]


def netem_commands(address: str, port: int) -> tuple[list[str], list[str]]:
    """The commands that lose every such packet by netem, and those that take it back (tc-netem(8), tc-u32(8)).

    Several drops share the queue; each filter has a number of its own, and the last one that goes takes the queue along.
    """
    match = f"match ip dst {address}/32 match ip dport {port} 0xffff"
    own = f"dev lo parent 1: protocol ip prio {zlib.crc32(f'{address}:{port}'.encode()) % 0xFFFF + 1}"
    make = [
        "tc qdisc replace dev lo root handle 1: prio",
        "tc qdisc replace dev lo parent 1:3 handle 30: netem loss 100%",
        f"tc filter add {own} u32 {match} flowid 1:3",
    ]
    return make, [f"tc filter del {own}", "tc filter show dev lo parent 1: | grep -q . || tc qdisc del dev lo root"]


class PacketDrop(Service):
    """Drops every TCP packet to `address` ("address:port") between start and stop."""

    def __init__(self, lab: Lab, address: str) -> None:
        """Raises BadInput unless `address` is an IPv4 address and a port."""
        super().__init__(lab)
        self.address, self.title = address, f"dropped packets to {address}"
        self._place = split_address(address)
        self._undo: list[str] = []
        self._log = ""

    def start(self) -> None:
        """Begin to drop, by the first way that this Linux has. Raises ServiceError with both ways' words."""
        words = []
        for make, undo in (nft_commands(*self._place), netem_commands(*self._place)):
            try:
                self._log += str(self.lab.run(" && ".join(make)))
            except CommandFailed as error:
                words.append(str(error))
                self.lab.run("; ".join(undo), check=False)
                continue
            self._undo = undo
            self.record(*make)
            return
        raise ServiceError(
            f"Packets to {self.address} cannot be dropped in this lab.", words="\n".join(words),
            way_out="open the lab with needs={'drop'}",
        )  # fmt: skip

    def stop(self) -> None:
        """Let the packets through again, also where somebody has taken the rules away already (`nft flush ruleset`)."""
        undo, self._undo = self._undo, []
        for command in undo:
            self._log += str(self.lab.run(command, check=False))
            self.record(command)

    @property
    def log(self) -> str:
        """What the commands printed."""
        return self._log
