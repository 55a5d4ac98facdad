"""Task 1: the pool of backends, each a Python http.server over a folder with one page."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ..errors import BadInput, ServiceError
from ..lab import Lab, Process
from .base import Service, explain, quoted, split_address

START_TIMEOUT = 20.0
WELL, STOPPED = "well", "stopped"
PAGES = {  # requirement 1.2 of the assignment
    "backend1": "<h1>Response from Backend Server 1</h1>",
    "backend2": "<h2>*** Response from Backend Server 2 ***</h2>",
}


def page(number: int) -> str:
    """The page of backend `number`: the assignment's for the first two, of the same make for more."""
    return PAGES.get(f"backend{number}", f"<h1>Response from Backend Server {number}</h1>")


@dataclass(frozen=True)
class Backend:
    """One backend: a folder in the lab's home, a port, and the address to bind ("" means all of the lab's)."""

    name: str
    port: int
    page: str
    bind: str = ""

    @property
    def address(self) -> str:
        """The address and port to ask it at."""
        return f"{self.bind or '127.0.0.1'}:{self.port}"

    @property
    def command(self) -> str:
        """The command that runs it, as one types it."""
        bind = f" -b {self.bind}" if self.bind else ""
        return f"python3 -m http.server {self.port}{bind} -d ~/{self.name}"

    @property
    def pattern(self) -> str:
        """What pkill finds it by; [p] finds a p, and not the command that searches."""
        return "[p]" + self.command.partition(" -d ")[0][1:] + " -d"


ASSIGNMENT = (Backend("backend1", 8081, PAGES["backend1"]), Backend("backend2", 8082, PAGES["backend2"]))


class BackendServer(Service):
    """One running backend."""

    task = 1

    def __init__(self, lab: Lab, backend: Backend) -> None:
        super().__init__(lab)
        self.backend, self.title = backend, backend.name
        self._process: Process | None = None
        self.fault: Service | None = None  # what it suffers from now: services/faults.py
        self.changing = threading.RLock()  # clicks and cells are threads of their own

    def write_page(self) -> None:
        """Make its folder and its index.html."""
        folder = f"~/{self.backend.name}"
        self.record(f"mkdir -p {folder}")
        self.lab.write(f"{folder}/index.html", self.backend.page + "\n")

    def start(self) -> None:
        """Start it; it listens when this returns. Raises PortTaken, MissingProgram, ServiceError."""
        with self.changing:
            if self.alive:
                raise ServiceError(f"{self.title} already runs.", way_out="stop it first, or use restart()")
            self.cure()
            self.launch()
            self.record(f"{self.backend.command} &")

    def launch(self) -> None:
        """Run it, and show nothing. Raises as `start`."""
        process = self.lab.start(self.backend.command, name=self.backend.name)
        try:
            state = self.lab.call("labkit.inside.sockets:wait_for_listener", process.pid, self.backend.port, START_TIMEOUT)
        except BaseException:
            process.stop()
            raise
        if state != "listening":
            code, words = process.stop(), process.log
            explain(self.lab, "python3", self.backend.command, code, words or f"no listener on port {self.backend.port}: {state}")
        self._process = process

    def stop(self) -> None:
        """Stop it, and take its fault away."""
        with self.changing:
            self.cure()
            if self.alive:
                self.record(self.stop_command)
            self.end()

    def end(self) -> None:
        """End its process, and show nothing."""
        if self._process and self._process.alive:
            self._process.stop()
        self._process = None

    def cure(self) -> None:
        """Take away the fault that it has."""
        fault, self.fault = self.fault, None
        if fault:
            fault.stop()

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return f"pkill -f {quoted(self.backend.pattern)}"

    @property
    def state(self) -> str:
        """How it is: "stopped", "well", or the fault that it has: frozen (it is alive then), unplugged, slow, flaky."""
        return STOPPED if not self.alive else self.fault.title if self.fault else WELL

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int:
        """The pid of its process in the lab. Raises ServiceError when it does not run."""
        if self._process is None:
            raise ServiceError(f"{self.title} does not run.", way_out="start it first")
        return self._process.pid

    @property
    def log(self) -> str:
        """Its access log."""
        return self._process.log if self._process else ""


class BackendPool(Service):
    """The server pool; `pool["backend1"]` is one of its servers."""

    title = "the backend pool"

    def __init__(self, lab: Lab, backends: Sequence[Backend] = ASSIGNMENT) -> None:
        """`backends` are by default the assignment's two. Raises BadInput when two share a name or a place."""
        super().__init__(lab)
        for backend in backends:
            if not re.fullmatch(r"\w[\w.-]*", backend.name) or not 1 <= backend.port <= 65535:
                raise BadInput(
                    f"{backend.name!r} on port {backend.port} can be no backend.",
                    way_out="a name of letters, digits, - _ and . (it is a folder too), and a port from 1 to 65535",
                )
        places = {(backend.bind, backend.port) for backend in backends}
        if len({backend.name for backend in backends}) < len(backends) or len(places) < len(backends):
            raise BadInput("Two backends share a name or an address.", way_out="give each its own name and port")
        self.servers = {backend.name: BackendServer(lab, backend) for backend in backends}

    @classmethod
    def at(cls, lab: Lab, *addresses: str) -> Self:
        """A pool of backend1, backend2, … that listen on `addresses` ("address:port") only. Raises BadInput."""
        places = [split_address(address) for address in addresses]
        return cls(lab, [Backend(f"backend{n}", port, page(n), bind) for n, (bind, port) in enumerate(places, 1)])

    def start(self) -> None:
        """Write the pages and start every server that does not run; when one fails, those started here are stopped."""
        started: list[BackendServer] = []
        try:
            for server in self:
                server.write_page()
                if not server.alive:
                    started.append(server)
                    server.start()
        except BaseException:
            for server in started:
                server.stop()
            raise

    def stop(self) -> None:
        """Stop every server."""
        for server in self:
            server.stop()

    @property
    def log(self) -> str:
        """The access logs, one after another."""
        return "".join(server.log for server in self)

    def __getitem__(self, name: str) -> BackendServer:
        if name not in self.servers:
            raise BadInput(f"The pool has no backend {name!r}.", way_out=f"it has {', '.join(self.servers)}")
        return self.servers[name]

    def __iter__(self) -> Iterator[BackendServer]:
        return iter(self.servers.values())
