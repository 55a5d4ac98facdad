"""Task 3: the dummy interface, made over netlink by pyroute2, and the IPVS virtual service, made by ipvsadm.

And keepalived as its health checker: it asks each real server for a page and takes those that fail out of the table.
"""

import ipaddress
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Self

from .. import errors
from ..errors import ServiceError, WaitTimeout, require, wait_until
from ..inside import ipvs
from ..lab import Lab
from .base import Service, explain, ran, split_address

# Requirements 3.1 and 3.2 of the assignment: the virtual address; the real servers and their weights.
VIP = "192.168.100.1:80"
Weights = Mapping[str, int]
ASSIGNMENT = {"127.0.0.1:8081": 1, "127.0.0.1:8082": 1}
# What ipvsadm (libipvs) and netlink say, and what helps.
NO_SERVICE = "No such service"
WAYS_OUT = {
    "already exists": "stop() the old one first",
    "File exists": "it exists already; stop() the old one first",
    "Scheduler": "this lab's Linux has no such scheduler; `./lab doctor` says which are missing on which Linux",
    NO_SERVICE: "start() it first",
    "Service not defined": "start() it first",
    "No such destination": "the virtual service has no such real server",
    "Protocol not": "this lab's Linux has no IPVS; open the lab with needs={'ipvs'}",
    "not supported": "this lab's Linux has none; open the lab with needs={'ipvs'}",
    "ermission denied": "this lab's Linux refuses it; open the lab with needs={'ipvs'}",
    "not permitted": "this lab's Linux refuses it; open the lab with needs={'ipvs'}",
}


def refused(command: str, words: str) -> ServiceError:
    """Return the error for a command that was refused with `words`."""
    way_out = next((way for said, way in WAYS_OUT.items() if said in words), "")
    return ServiceError(f"`{command}` failed.", words=words, way_out=way_out)


def ipvsadm(lab: Lab, command: str) -> None:
    """Run an ipvsadm command in the lab. Raises ServiceError with its words, MissingProgram."""
    ran(lab, command, lambda words: refused(command, words))


def delete_service(lab: Lab, address: str) -> bool:
    """Delete the TCP virtual service at `address` ("address:port"); False when there is none. Raises ServiceError."""
    try:
        ipvsadm(lab, f"ipvsadm -D -t {address}")
    except ServiceError as error:
        if error.words != NO_SERVICE:
            raise
        return False
    return True


def require_weight(weight: int) -> None:
    """Raise BadInput unless `weight` is one that ipvsadm takes (ipvsadm(8), --weight)."""
    fine = isinstance(weight, int) and 0 <= weight <= 65535
    require(fine, f"A weight of {weight} is none.", "0 (no new connections) to 65535")


class DummyInterface(Service):
    """A dummy interface with one address."""

    task = 3

    def __init__(self, lab: Lab, name: str = "dummy1", address: str = "192.168.100.1/32") -> None:
        """Raises BadInput unless `address` is an IPv4 address with a prefix length."""
        super().__init__(lab)
        try:
            self.address = ipaddress.IPv4Interface(address)
        except ValueError:
            way_out = "write it like 192.168.100.1/32"
            raise errors.BadInput(f"{address!r} is no IPv4 address.", way_out=way_out) from None
        # What the kernel takes (net/core/dev.c, dev_valid_name) and a shell reads as one word.
        fine = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", name)
        way_out = "letters, digits, - _ and ., 15 at the most"
        require(fine, f"{name!r} is no name of an interface.", way_out)
        self.name = self.title = name

    @property
    def commands(self) -> list[str]:
        """The native commands, as one types them."""
        add, up = f"ip link add {self.name} type dummy", f"ip link set {self.name} up"
        return [add, f"ip addr add {self.address} dev {self.name}", up]

    def start(self) -> None:
        """Make it and bring it up. Raises ServiceError."""
        place = str(self.address.ip), self.address.network.prefixlen
        self._apply(self.commands, ipvs.add_dummy, *place)

    def stop(self) -> None:
        """Delete it. Raises ServiceError."""
        self._apply([f"ip link del {self.name}"], ipvs.remove_dummy)

    def _apply(self, commands: list[str], function: Callable[..., bool], *place: Any) -> None:
        """Do over netlink what the commands do, and show them where that was anything."""
        try:
            if self.lab.call(function, self.name, *place):
                self.record(*commands)
        except errors.CallFailed as error:
            raise refused("; ".join(commands), error.words.splitlines()[-1]) from error

    @property
    def log(self) -> str:
        return str(self.lab.run(f"ip addr show {self.name}", check=False))


class VirtualService(Service):
    """An IPVS virtual service for TCP with its real servers, reached by masquerading."""

    task = 3

    def __init__(self, lab: Lab, address: str = VIP, *, scheduler: str = "rr", servers: Weights = ASSIGNMENT) -> None:
        """`servers` maps "address:port" to a weight. Raises BadInput for an address that is none or a negative weight."""
        super().__init__(lab)
        split_address(address)
        self.address, self.scheduler, self.servers = address, scheduler, dict(servers)
        self.title = f"the virtual service {address}"
        for server, weight in self.servers.items():
            split_address(server)
            require_weight(weight)

    @property
    def commands(self) -> list[str]:
        """The native commands, as one types them."""
        commands = [f"ipvsadm -A -t {self.address} -s {shlex.quote(self.scheduler)}"]
        for server, weight in self.servers.items():
            more = f" -w {weight}" if weight != 1 else ""
            commands.append(f"ipvsadm -a -t {self.address} -r {server} -m{more}")
        return commands

    @classmethod
    def running(cls, lab: Lab, address: str = VIP) -> Self:
        """Return the TCP service at `address` as it stands in the kernel's table, whoever made it, or raise NotRunning."""
        rows = {(row["protocol"], row["address"]): row for row in lab.call(ipvs.table)}
        found = rows.get(("tcp", address))
        if found is None:
            raise errors.NotRunning(
                f"The kernel's IPVS table has no TCP service {address}.",
                way_out="make it as the task says: with VirtualService(lab, …), or by ipvsadm in a cell with %%lab",
            )
        servers = {server["server"]: server["weight"] for server in found["servers"]}
        return cls(lab, address, scheduler=found["scheduler"], servers=servers)

    def start(self) -> None:
        """Add the service and its real servers; when one fails, the service is taken away again. Raises ServiceError."""
        first, *add = self.commands
        ipvsadm(self.lab, first)
        try:
            for command in add:
                ipvsadm(self.lab, command)
        except BaseException:
            delete_service(self.lab, self.address)
            raise
        self.record(*self.commands)

    def stop(self) -> None:
        """Delete the service with its real servers. Raises ServiceError."""
        if delete_service(self.lab, self.address):
            self.record(f"ipvsadm -D -t {self.address}")

    def set_scheduler(self, scheduler: str) -> None:
        """Change the scheduler of the running service. Raises ServiceError for one that the Linux does not have."""
        self._change(f"ipvsadm -E -t {self.address} -s {shlex.quote(scheduler)}")
        self.scheduler = scheduler

    def set_weight(self, server: str, weight: int) -> None:
        """Change the weight of a real server; 0 means no new connections. Raises ServiceError, BadInput."""
        require_weight(weight)
        split_address(server)
        self._change(f"ipvsadm -e -t {self.address} -r {server} -m -w {weight}")
        self.servers[server] = weight

    def zero(self) -> None:
        """Set all counters to zero, as far as the kernel has added them up (let them settle first). Raises ServiceError."""
        self._change("ipvsadm -Z")

    def _change(self, command: str) -> None:
        ipvsadm(self.lab, command)
        self.record(command)

    @property
    def log(self) -> str:
        return str(self.lab.run("ipvsadm -Ln --stats"))


# Its own word, in its log, once its virtual services are in the kernel's table.
STARTED = "Startup complete"
VIRTUAL_SERVER = re.compile(r"^\s*virtual_server\s+(\d+\.\d+\.\d+\.\d+)\s+(\d+)\s*\{", re.M)
REAL_SERVER = re.compile(r"^\s*real_server\s", re.M)


def health_checked(
    address: str = VIP, servers: Weights = ASSIGNMENT, *, scheduler: str = "rr", every: int = 1,
    timeout: int = 1, retry: int = 0,
) -> str:  # fmt: skip
    """Return the text of a keepalived.conf (keepalived.conf(5)): one virtual service whose real servers are asked for `/`.

    `servers` maps "address:port" to a weight. Each is asked `every` seconds; one that does not answer 200 within `timeout`
    seconds, and `retry` times more, leaves the table until it does. Raises BadInput.
    """
    fine = min(every, timeout) >= 1 and retry >= 0
    tried = f"A check every {every} s with a time-out of {timeout} s is none."
    require(fine, tried, "whole seconds, 1 or more")
    blocks = ""
    for server, weight in servers.items():
        require_weight(weight)
        blocks += """
    real_server {} {} {{
        weight {}
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout {}
            retry {}
        }}
    }}
""".format(*split_address(server), weight, timeout, retry)
    vip, port = split_address(address)
    return f"""\
virtual_server {vip} {port} {{
    delay_loop {every}
    lb_algo {scheduler}
    lb_kind NAT
    protocol TCP
{blocks}}}
"""


class Keepalived(Service):
    """keepalived with ~/keepalived.conf, its health checker only (-C): it adds the virtual services and looks after them.

    Its log tells every check that changed its mind, every server taken out and put back.
    """

    title = program = "keepalived"

    def __init__(self, lab: Lab, config: str | None = None, *, file: str = "~/keepalived.conf") -> None:
        """`config` is the text of its configuration, written to `file` in the lab's home; None takes the file that is there."""
        super().__init__(lab)
        self.config_file = file
        # In the foreground (-n), its log on the terminal (-l) only (-G).
        self.command = f"keepalived -C -n -l -G -f {file}"
        if config is not None:
            lab.write(file, config)

    @property
    def _text(self) -> str:
        return self.lab.read(self.config_file) or ""

    @property
    def services(self) -> list[str]:
        """The virtual services ("address:port") of its configuration."""
        return [f"{address}:{port}" for address, port in VIRTUAL_SERVER.findall(self._text)]

    def test(self) -> None:
        """Let keepalived check the configuration. Raises ConfigRejected with its words, MissingProgram."""
        ran(self.lab, f"keepalived -t -C -f {self.config_file}")

    def start(self) -> None:
        """Check the configuration, then start; its virtual services are in the table when this returns.

        Raises as `test`, and ServiceError.
        """
        if self.alive:
            way_out = "stop it first, or use restart()"
            raise ServiceError("keepalived already runs in this lab.", way_out=way_out)
        self.test()
        self.record(f"{self.command} &")
        process = self.in_background(
            self.command, lambda process: STARTED in process.log, reason="keepalived's start",
            way_out="does its configuration have a virtual_server?",
        )  # fmt: skip
        if not process.alive:
            explain(self.lab, self.program, self.command, process.stop(), process.log)
        self._process = process

    def stop(self) -> None:
        """Stop it; its virtual services leave the table with it."""
        if self._process is None:
            return
        self.record("kill $(cat /run/keepalived.pid)")
        self._process.stop()
        for service in self.services:  # it takes them away itself, unless it was killed
            delete_service(self.lab, service)
        self._process = None

    def wait_for_all(self, timeout: float = 30.0) -> None:
        """Wait until every real server of its configuration is in the table. Raises WaitTimeout, with its log."""
        wanted, services = len(REAL_SERVER.findall(self._text)), self.services

        def there() -> bool:
            return sum(row["service"] in services for row in self.lab.call(ipvs.counters)) == wanted

        reason, way_out = f"{wanted} real servers in keepalived's table", "do they all answer 200?"
        try:
            wait_until(there, reason=reason, timeout=timeout)
        except WaitTimeout as error:
            raise WaitTimeout(error.tried, words=self.log, way_out=way_out) from None
