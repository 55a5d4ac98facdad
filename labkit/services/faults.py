"""Faults, made and healed: a backend stopped, frozen, unplugged, slow or flaky, each with its native commands.

A fault is a service of its own: it lasts from its start to its stop, and its title is the word for what the backend suffers.
"""

import signal
import zlib
from collections.abc import Callable

from ..errors import CommandFailed, ServiceError, require
from ..inside import processes
from ..inside.stand_in import READY
from ..lab import Lab
from ..machine.view import LABKIT
from .base import Service, quoted, split_address
from .http_server import WELL, BackendPool, BackendServer

STAND_IN = f"{LABKIT}/labkit/inside/stand_in.py"
MAX_MS = 60_000


def nft_commands(address: str, port: int) -> tuple[list[str], list[str]]:
    """Return the commands that drop by nftables, in a table of its own, and those that take it back (nft(8))."""
    table = f"ip labkit_drop_{address.replace('.', '_')}_{port}"
    rule = f"ip daddr {address} tcp dport {port} drop"
    chain = "'{ type filter hook output priority 0; }'"
    add, where = f"nft add table {table}", f"nft add chain {table} output {chain}"
    return [add, where, f"nft add rule {table} output {rule}"], [f"nft delete table {table}"]


def netem_commands(address: str, port: int) -> tuple[list[str], list[str]]:
    """Return the commands that lose every such packet by netem, and those that take it back (tc-netem(8), tc-u32(8)).

    Several drops share the queue; each filter has a number of its own, and the last one that goes takes the queue along.
    """
    match = f"match ip dst {address}/32 match ip dport {port} 0xffff"
    number = zlib.crc32(f"{address}:{port}".encode()) % 0xFFFF + 1
    own = f"dev lo parent 1: protocol ip prio {number}"
    make = [
        "tc qdisc replace dev lo root handle 1: prio",
        "tc qdisc replace dev lo parent 1:3 handle 30: netem loss 100%",
        f"tc filter add {own} u32 {match} flowid 1:3",
    ]
    last = "tc filter show dev lo parent 1: | grep -q . || tc qdisc del dev lo root"
    return make, [f"tc filter del {own}", last]


class PacketDrop(Service):
    """Drops every TCP packet to `address` ("address:port") between start and stop."""

    title = "unplugged"

    def __init__(self, lab: Lab, address: str) -> None:
        """Raises BadInput unless `address` is an IPv4 address and a port."""
        super().__init__(lab)
        self.address, self._place = address, split_address(address)
        self._undo: list[str] = []

    def start(self) -> None:
        """Begin to drop, by the first way that this Linux has. Raises ServiceError with both ways' words."""
        words = []
        for make, undo in (nft_commands(*self._place), netem_commands(*self._place)):
            try:
                self.lab.run(" && ".join(make))
            except CommandFailed as error:
                words.append(str(error))
                self.lab.run("; ".join(undo), check=False)
            else:
                self._undo = undo
                self.record(*make)
                return
        tried = f"Packets to {self.address} cannot be dropped in this lab."
        way_out = "open the lab with needs={'drop'}"
        raise ServiceError(tried, words="\n".join(words), way_out=way_out)

    def stop(self) -> None:
        """Let the packets through again, also where somebody has taken the rules away already (`nft flush ruleset`)."""
        undo, self._undo = self._undo, []
        for command in undo:
            self.lab.run(command, check=False)
            self.record(command)


class Freeze(Service):
    """A server that is stopped by a signal, as Ctrl-Z does it: it lives and does nothing."""

    title = "frozen"

    def __init__(self, server: BackendServer) -> None:
        super().__init__(server.lab)
        self.server, self._pid = server, server.pid

    def start(self) -> None:
        """Stop it by SIGSTOP."""
        self._signal("STOP")

    def stop(self) -> None:
        """Let it go on."""
        self._signal("CONT")

    def _signal(self, name: str, *, shown: bool = True) -> None:
        if shown:
            self.record(f"pkill -{name} -f {quoted(self.server.pattern)}")
        self.lab.call(processes.send_signal, self._pid, int(signal.Signals[f"SIG{name}"]))


class StandIn(Freeze):
    """Another server at a server's socket, slow or flaky by `options`; the server itself is paused meanwhile."""

    def __init__(self, server: BackendServer, title: str, options: str) -> None:
        super().__init__(server)
        self.title, self._command = title, f"python3 {STAND_IN} -d {server.folder} {options} --for "

    def start(self) -> None:
        """Take over; it answers when this returns. Raises ServiceError."""
        self.record(f"{self._command}$(pgrep -f {quoted(self.server.pattern)}) &")
        command, reason = f"{self._command}{self._pid}", f"a {self.title} server"
        try:
            self._process = self.in_background(command, lambda one: READY in one.log, reason=reason)
            if not self._process.alive:
                raise ServiceError(
                    f"`{command}` cannot stand in for {self.server.title}.", words=self._process.log,
                    way_out="this Linux may refuse pidfd_getfd(2); LABKIT_LINUX=uml has it",
                )  # fmt: skip
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        """Give the socket back."""
        self.record(f"pkill -f '[s]tand_in.py -d [^ ]*/{self.server.backend.name} '")
        self._end()

    def _end(self) -> None:
        if self._process:
            self._process.stop()
        self._signal("CONT", shown=False)  # also where the stand-in was killed itself


class Faults:
    """Makes and heals the faults of a pool's backends, one at a time for each: a new one heals the old one first.

    Every method raises BadInput for a backend that the pool has not, and ServiceError where this Linux cannot do it.
    """

    def __init__(self, pool: BackendPool) -> None:
        self.pool = pool

    def stop(self, name: str) -> None:
        """Kill the server: connections are refused."""
        server = self.pool[name]
        with server.changing:
            server.cure()
            if server.alive:
                self.pool.lab.record(server.stop_command)  # as every fault, for nobody's task
                server.end()

    def freeze(self, name: str) -> None:
        """Let the server sleep: connections are accepted, and never answered."""
        self._make(name, Freeze)

    def unplug(self, name: str) -> None:
        """Drop all packets to it: a client that connects gets no answer."""
        self._make(name, lambda server: PacketDrop(server.lab, server.backend.address))

    def slow(self, name: str, *, ms: float = 500) -> None:
        """Let every answer come `ms` milliseconds later. Raises BadInput unless that is above 0 and at most a minute."""
        way_out = f"a number above 0, at most {MAX_MS}"
        require(0 < ms <= MAX_MS, f"An answer cannot come {ms} ms later.", way_out)
        self._make(name, lambda server: StandIn(server, "slow", f"--ms {ms:g}"))

    def flaky(self, name: str, *, share: float = 0.5) -> None:
        """Let a `share` of the answers be 500, evenly spread. Raises BadInput unless it is above 0 and at most 1."""
        tried = f"A share of {share} of the answers is none."
        require(0 < share <= 1, tried, "a number above 0, at most 1")
        self._make(name, lambda server: StandIn(server, "flaky", f"--share {share:g}"))

    def heal(self, name: str) -> None:
        """Take its fault away, and start it when it is stopped."""
        server = self.pool[name]
        with server.changing:
            server.cure()
            if not server.alive:
                if server.folder == f"~/{name}" and not (server.lab.home / name).is_dir():
                    way_out = "start the pool first: pool.start()"
                    raise ServiceError(f"{name} was never started.", way_out=way_out)
                self.pool.lab.record(f"{server.command} &")
                server.launch()

    def heal_all(self) -> None:
        for name in self.pool.servers:
            self.heal(name)

    @property
    def state(self) -> dict[str, str]:
        """Each backend's fault as a word: stopped, frozen, unplugged, slow, flaky, or "well"."""
        return {name: server.state for name, server in self.pool.servers.items()}

    def _make(self, name: str, fault_of: Callable[[BackendServer], Service]) -> None:
        server = self.pool[name]
        with server.changing:
            if server.state != WELL:
                self.heal(name)
            fault = fault_of(server)
            fault.start()
            server.fault = fault
