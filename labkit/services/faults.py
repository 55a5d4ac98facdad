"""Faults of backends, made on purpose: stopped, frozen, unplugged, slow, flaky, and healed again.

| word      | what a client sees                             | made by                                                |
|-----------|------------------------------------------------|--------------------------------------------------------|
| stopped   | refused at once                                | `pkill` of the server                                  |
| frozen    | accepted by the kernel, never answered         | `pkill -STOP`                                          |
| unplugged | no answer to a SYN: a time-out                 | nftables, or netem where there is none (services/drop) |
| slow      | every answer comes later                       | a server that waits, at the same socket                |
| flaky     | a share of the answers is 500                  | a server that fails, at the same socket                |

A frozen server's kernel accepts as long as its backlog has room (5 for Python's http.server); then clients time out.
Slow is not made by netem: of the two Linuxes that were tried only User-Mode Linux has sch_netem, and there the handshake
is delayed too, so 300 ms make an answer 600 ms late (measured). The server that waits is inside/stand_in.py.
None of it belongs to a solution: the commands are shown, and never kept in a task's script.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from ..errors import BadInput, ServiceError
from ..inside.stand_in import READY
from ..lab import Process
from ..machine.link import PROCESSES
from ..machine.view import LABKIT
from .base import Service, quoted
from .drop import PacketDrop
from .http_server import WELL, BackendPool, BackendServer

STAND_IN = f"{LABKIT}/labkit/inside/stand_in.py"
START_TIMEOUT = 20.0
MAX_MS = 60_000


class Freeze(Service):
    """A server that is stopped by a signal, as Ctrl-Z does it: it lives and does nothing."""

    title = "frozen"

    def __init__(self, server: BackendServer) -> None:
        super().__init__(server.lab)
        self.server, self._pid = server, server.pid

    def _signal(self, name: str) -> None:
        self.record(f"pkill -{name} -f {quoted(self.server.pattern)}")
        self.lab.call(f"{PROCESSES}:send_signal", self._pid, int(signal.Signals[f"SIG{name}"]))

    def start(self) -> None:
        """Stop it by SIGSTOP."""
        self._signal("STOP")

    def stop(self) -> None:
        """Let it go on."""
        self._signal("CONT")


class Unplug(PacketDrop):
    """Packets to a server that are dropped."""

    def __init__(self, server: BackendServer) -> None:
        super().__init__(server.lab, server.backend.address)
        self.title = "unplugged"


class StandIn(Service):
    """Another server at a server's socket, slow or flaky by `options`; the server itself is paused meanwhile."""

    def __init__(self, server: BackendServer, title: str, options: str) -> None:
        super().__init__(server.lab)
        self.server, self.title, self._options = server, title, options
        self._pid = server.pid
        self._process: Process | None = None

    def command(self, pid: int | str) -> str:
        """The command that makes it, for the server `pid`."""
        return f"python3 {STAND_IN} -d {self.server.folder} {self._options} --for {pid}"

    def start(self) -> None:
        """Take over; it answers when this returns. Raises ServiceError."""
        self.record(f"{self.command(f'$(pgrep -f {quoted(self.server.pattern)})')} &")
        process = self._process = self.lab.start(self.command(self._pid), name=self.title)
        try:
            self.lab.wait_until(
                lambda: READY in process.log or not process.alive, reason=f"a {self.title} server", timeout=START_TIMEOUT
            )
            if not process.alive:
                raise ServiceError(
                    f"`{process.command}` cannot stand in for {self.server.title}.", words=process.log,
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
        self.lab.call(f"{PROCESSES}:send_signal", self._pid, int(signal.SIGCONT))  # also where it was killed itself

    @property
    def log(self) -> str:
        """Its access log."""
        return self._process.log if self._process else ""


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
                self.pool.lab.record(server.stop_command)
                server.end()

    def freeze(self, name: str) -> None:
        """Let the server sleep: connections are accepted, and never answered."""
        self._make(name, Freeze)

    def unplug(self, name: str) -> None:
        """Drop all packets to it: a client that connects gets no answer."""
        self._make(name, Unplug)

    def slow(self, name: str, *, ms: float = 500) -> None:
        """Let every answer come `ms` milliseconds later. Raises BadInput unless that is above 0 and at most a minute."""
        if not 0 < ms <= MAX_MS:
            raise BadInput(f"An answer cannot come {ms} ms later.", way_out=f"a number above 0, at most {MAX_MS}")
        self._make(name, lambda server: StandIn(server, "slow", f"--ms {ms:g}"))

    def flaky(self, name: str, *, share: float = 0.5) -> None:
        """Let a `share` of the answers be 500, evenly spread. Raises BadInput unless it is above 0 and at most 1."""
        if not 0 < share <= 1:
            raise BadInput(f"A share of {share} of the answers is none.", way_out="a number above 0, at most 1")
        self._make(name, lambda server: StandIn(server, "flaky", f"--share {share:g}"))

    def heal(self, name: str) -> None:
        """Take its fault away, and start it when it is stopped."""
        server = self.pool[name]
        with server.changing:
            server.cure()
            if not server.alive:
                if server.folder == f"~/{name}" and not (server.lab.home / name).is_dir():
                    raise ServiceError(f"{name} was never started.", way_out="start the pool first: pool.start()")
                self.pool.lab.record(f"{server.command} &")
                server.launch()

    def heal_all(self) -> None:
        """Heal every backend."""
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
