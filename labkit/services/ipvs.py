"""Task 3: the dummy interface, made over netlink by pyroute2, and the IPVS virtual service, made by ipvsadm.

And keepalived as its health checker: it asks each real server for a page and takes those that fail out of the table.
"""

import ipaddress
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Self

from ..errors import BadInput, CallFailed, NotRunning, ServiceError, WaitTimeout
from ..inside import ipvs
from ..lab import Lab
from ..machine.link import P, T
from .base import Service, explain, ran, split_address

# Requirement 3.2 of the assignment: the real servers and their weights.
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
        name = self.name
        return [f"ip link add {name} type dummy", f"ip addr add {self.address} dev {name}", f"ip link set {name} up"]

    def start(self) -> None:
        """Make it and bring it up. Raises ServiceError."""
        self._call("; ".join(self.commands), ipvs.add_dummy, self.name, str(self.address.ip), self.address.network.prefixlen)
        self.record(*self.commands)

    def stop(self) -> None:
        """Delete it. Raises ServiceError."""
        command = f"ip link del {self.name}"
        if self._call(command, ipvs.remove_dummy, self.name):
            self.record(command)

    def _call(self, command: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return self.lab.call(function, *args, **kwargs)
        except CallFailed as error:
            raise refused(command, error.words.splitlines()[-1]) from error

    @property
    def log(self) -> str:
        return str(self.lab.run(f"ip addr show {self.name}", check=False))


class VirtualService(Service):
    """An IPVS virtual service for TCP with its real servers, reached by masquerading."""

    task = 3

    def __init__(
        self, lab: Lab, address: str = "192.168.100.1:80", *, scheduler: str = "rr", servers: Mapping[str, int] = ASSIGNMENT
    ) -> None:
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
            commands.append(f"ipvsadm -a -t {self.address} -r {server} -m" + (f" -w {weight}" if weight != 1 else ""))
        return commands

    @classmethod
    def running(cls, lab: Lab, address: str = "192.168.100.1:80") -> Self:
        """Return the TCP service at `address` as it stands in the kernel's table, whoever made it, or raise NotRunning."""
        rows = lab.call(ipvs.table)
        found = next((row for row in rows if (row["protocol"], row["address"]) == ("tcp", address)), None)
        if found is None:
            raise NotRunning(
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
    address: str = "192.168.100.1:80", servers: Mapping[str, int] = ASSIGNMENT, *, scheduler: str = "rr", every: int = 1,
    timeout: int = 1, retry: int = 0,
) -> str:  # fmt: skip
    """Return the text of a keepalived.conf (keepalived.conf(5)): one virtual service whose real servers are asked for `/`.

    `servers` maps "address:port" to a weight. Each is asked `every` seconds; one that does not answer 200 within `timeout`
    seconds, and `retry` times more, leaves the table until it does. Raises BadInput.
    """
    if min(every, timeout) < 1 or retry < 0:
        raise BadInput(f"A check every {every} s with a time-out of {timeout} s is none.", way_out="whole seconds, 1 or more")
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
    def services(self) -> list[str]:
        """The virtual services ("address:port") of its configuration."""
        return [f"{address}:{port}" for address, port in VIRTUAL_SERVER.findall(self.lab.read(self.config_file) or "")]

    def test(self) -> None:
        """Let keepalived check the configuration. Raises ConfigRejected with its words, MissingProgram."""
        ran(self.lab, f"keepalived -t -C -f {self.config_file}")

    def start(self) -> None:
        """Check the configuration, then start; its virtual services are in the table when this returns.

        Raises as `test`, and ServiceError.
        """
        if self.alive:
            raise ServiceError("keepalived already runs in this lab.", way_out="stop it first, or use restart()")
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
        wanted, services = len(REAL_SERVER.findall(self.lab.read(self.config_file) or "")), self.services

        def there() -> bool:
            return sum(row["service"] in services for row in self.lab.call(ipvs.counters)) == wanted

        try:
            self.lab.wait_until(there, reason=f"{wanted} real servers in keepalived's table", timeout=timeout)
        except WaitTimeout as error:
            raise WaitTimeout(error.tried, words=self.log, way_out="do they all answer 200?") from None
