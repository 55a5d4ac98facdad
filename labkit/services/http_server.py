"""Task 1: the pool of backends, each a Python http.server over a folder with one page."""

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ..errors import NotRunning, ServiceError, require
from ..inside import files, sockets
from ..lab import Lab
from ..machine.view import HOME
from .base import START_TIMEOUT, Running, Service, explain, quoted, split_address

WELL, STOPPED = "well", "stopped"
PAGES = {  # requirement 1.2 of the assignment
    "backend1": "<h1>Response from Backend Server 1</h1>",
    "backend2": "<h2>*** Response from Backend Server 2 ***</h2>",
}


def page(number: int) -> str:
    """Return the page of backend `number`: the assignment's for the first two, of the same make for more."""
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

    def command_for(self, folder: str) -> str:
        """Return the command that serves `folder` there, as one types it."""
        bind = f" -b {self.bind}" if self.bind else ""
        return f"python3 -m http.server {self.port}{bind} -d {folder}"


ASSIGNMENT = (Backend("backend1", 8081, page(1)), Backend("backend2", 8082, page(2)))


class BackendServer(Service):
    """One running backend: started here, or found at its address, whoever started it."""

    task = 1

    def __init__(self, lab: Lab, backend: Backend) -> None:
        super().__init__(lab)
        self.backend, self.title = backend, backend.name
        self.folder = f"~/{backend.name}"  # what it serves
        # What was found here and was not started by a command of ours.
        self._found: Running | None = None
        self.fault: Service | None = None  # what it suffers from now: services/faults.py
        self.changing = threading.RLock()  # clicks and cells are threads of their own

    @property
    def command(self) -> str:
        """The command that runs it, as one types it: what started the one that was found, else ours."""
        return self._found.command if self._found else self.backend.command_for(self.folder)

    @property
    def pattern(self) -> str:
        """What pkill finds it by; [p] finds a p, and not the command that searches."""
        words = self.backend.command_for("")
        if self._found:
            words = re.sub(r"[][*^$+?(){}|\\]", r"\\\g<0>", " ".join(self._found.arguments))
        return f"[{words[0]}]{words[1:].rstrip()}"

    def write_page(self) -> None:
        """Make its folder and its index.html; a page that is there is left as it is.

        Where the lab's task is another than the pool's, a page that is missing, or is not this backend's, is no part of the work:
        then it is made in /tmp and served from there.
        """
        file, page = self.lab.home / self.backend.name / "index.html", self.backend.page
        there = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None
        same = there is not None and there.strip().strip('"') == page.strip()
        if self.lab.task not in (None, self.task):
            if not same:
                self.folder = f"/tmp/{self.backend.name}"
                self.lab.run(["mkdir", "-p", self.folder])
                self.lab.call(files.write, f"{self.folder}/index.html", page + "\n")
                self.say(f"{self.folder}/index.html: {page}")
            return
        self.record(f"mkdir -p {self.folder}")
        if there is None or same or self.lab.task is None:
            self.lab.write(f"{self.folder}/index.html", page + "\n")
        else:
            self.say(f"{self.folder}/index.html is there already, and is left as it is.")

    def start(self) -> None:
        """Start it; it listens when this returns. Raises PortTaken, MissingProgram, ServiceError."""
        with self.changing:
            if self.alive:
                self.say(f"{self.title} already runs (pid {self.pid}), and is left as it is.")
                return
            self.cure()
            self.launch()
            self.record(f"{self.command} &")

    def launch(self) -> None:
        """Run it, and show nothing. Raises as `start`."""
        # A shell that goes into a folder first would else stay the parent of the server.
        process = self.lab.start(self.command.replace("&& ", "&& exec ", 1), name=self.title)
        try:
            place = process.pid, self.backend.port
            state = self.lab.call(sockets.wait_for_listener, *place, START_TIMEOUT)
        except BaseException:
            process.stop()
            raise
        if state != "listening":
            code = process.stop()
            words = process.log or f"no listener on port {self.backend.port}: {state}"
            explain(self.lab, "python3", self.command, code, words)
        self._process = process

    def find(self) -> bool:
        """Take who serves at its address for this server, whoever started it; False when nobody does, or no Python."""
        address, port = self.backend.address.split(":")
        found = Running.at(self.lab, "tcp", address, int(port))
        if found is None or not found.program.startswith("python") or "-c" in found.arguments[1:2]:
            return False
        self._process = found
        folder = found.arguments[-1].replace(HOME, "~", 1)
        ours = found.command == self.backend.command_for(folder)
        self.folder, self._found = (folder, None) if ours else (self.folder, found)
        return True

    def stop(self) -> None:
        with self.changing:
            self.cure()
            if self.alive:
                self.record(self.stop_command)
            self.end()

    def end(self) -> None:
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
        return f"pkill -f {quoted(self.pattern)}"

    @property
    def state(self) -> str:
        """How it is: "stopped", "well", or the fault that it has: frozen (it is alive then), unplugged, slow, flaky."""
        return STOPPED if not self.alive else self.fault.title if self.fault else WELL

    @property
    def alive(self) -> bool:
        """True while it runs, whoever started it."""
        return super().alive or self.find()

    @property
    def pid(self) -> int:
        """The pid of its process in the lab. Raises ServiceError when it does not run."""
        if self._process is None:
            raise ServiceError(f"{self.title} does not run.", way_out="start it first")
        return self._process.pid


class BackendPool(Service):
    """The server pool; `pool["backend1"]` is one of its servers."""

    title = "the backend pool"

    def __init__(self, lab: Lab, backends: Sequence[Backend] = ASSIGNMENT) -> None:
        """`backends` are by default the assignment's two. Raises BadInput when two share a name or a place."""
        super().__init__(lab)
        for backend in backends:
            require(
                re.fullmatch(r"\w[\w.-]*", backend.name) and 1 <= backend.port <= 65535,
                f"{backend.name!r} on port {backend.port} can be no backend.",
                "a name of letters, digits, - _ and . (it is a folder too), and a port from 1 to 65535",
            )
        for own in ({one.name for one in backends}, {(one.bind, one.port) for one in backends}):
            tried = "Two backends share a name or an address."
            require(len(own) == len(backends), tried, "give each its own name and port")
        self.servers = {backend.name: BackendServer(lab, backend) for backend in backends}

    @classmethod
    def at(cls, lab: Lab, *addresses: str) -> Self:
        """Return a pool of backend1, backend2, … that listen on `addresses` ("address:port") only. Raises BadInput."""
        backends = []
        for n, address in enumerate(addresses, 1):
            bind, port = split_address(address)
            backends.append(Backend(f"backend{n}", port, page(n), bind))
        return cls(lab, backends)

    @classmethod
    def running(cls, lab: Lab) -> Self:
        """Return the assignment's pool as it runs in the lab, whoever started it. Raises NotRunning when a server is missing."""
        pool = cls(lab)
        if missing := [server for server in pool if not server.alive]:
            words = " and ".join(f"port {one.backend.port} ({one.title})" for one in missing)
            raise NotRunning(
                f"No Python server listens on {words} in this lab.",
                way_out="start it as its task says: with BackendPool(lab).start(), or by native commands in a cell with %%lab",
            )
        return pool

    def start(self) -> None:
        """Start every server that does not run, with its page; when one fails, those started here are stopped."""
        started: list[BackendServer] = []
        try:
            for server in self:
                if not server.alive:
                    server.write_page()
                    started.append(server)
                server.start()
        except BaseException:
            for server in started:
                server.stop()
            raise

    def stop(self) -> None:
        for server in self:
            server.stop()

    @property
    def log(self) -> str:
        return "".join(server.log for server in self)

    def __getitem__(self, name: str) -> BackendServer:
        way_out = f"it has {', '.join(self.servers)}"
        require(name in self.servers, f"The pool has no backend {name!r}.", way_out)
        return self.servers[name]

    def __iter__(self) -> Iterator[BackendServer]:
        return iter(self.servers.values())
