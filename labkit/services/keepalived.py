"""keepalived as a health checker of IPVS: it asks each real server for a page and takes those that fail out of the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import BadInput, ServiceError, WaitTimeout
from ..inside import ipvs
from ..lab import Lab
from .base import Service, explain, ran, split_address
from .ipvs import ASSIGNMENT, delete_service, require_weight

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
