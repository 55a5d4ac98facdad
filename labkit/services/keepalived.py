"""keepalived as a health checker of IPVS: it asks each real server for a page and takes those that fail out of the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import BadInput, ConfigRejected, MissingProgram, ServiceError, WaitTimeout
from ..lab import Lab, Process
from .base import Service, explain, split_address
from .ipvs import ASSIGNMENT, IPVS, delete_service, require_weight

# Its own word, in its log, once its virtual services are in the kernel's table.
STARTED = "Startup complete"
START_TIMEOUT = 20.0
VIRTUAL_SERVER = re.compile(r"^\s*virtual_server\s+(\d+\.\d+\.\d+\.\d+)\s+(\d+)\s*\{", re.M)

REAL_SERVER = re.compile(r"^\s*real_server\s", re.M)


def health_checked(
    address: str = "192.168.100.1:80", servers: Mapping[str, int] = ASSIGNMENT, *, scheduler: str = "rr", every: int = 1,
    timeout: int = 1, retry: int = 0,
) -> str:  # fmt: skip
    """The text of a keepalived.conf (keepalived.conf(5)): one virtual service whose real servers are asked for `/`.

    `servers` maps "address:port" to a weight. Each is asked `every` seconds; one that does not answer 200 within `timeout`
    seconds, and `retry` times more, leaves the table until it does. Raises BadInput.
    """
    if min(every, timeout) < 1 or retry < 0:
        raise BadInput(f"A check every {every} s with a time-out of {timeout} s is none.", way_out="whole seconds, 1 or more")
    vip, port = split_address(address)
    blocks = "".join(_real_server(server, weight, timeout, retry) for server, weight in servers.items())
    return f"""\
virtual_server {vip} {port} {{
    delay_loop {every}
    lb_algo {scheduler}
    lb_kind NAT
    protocol TCP
{blocks}}}
"""


def _real_server(server: str, weight: int, timeout: int, retry: int) -> str:
    address, port = split_address(server)
    require_weight(weight)
    return f"""
    real_server {address} {port} {{
        weight {weight}
        HTTP_GET {{
            url {{
                path /
                status_code 200
            }}
            connect_timeout {timeout}
            retry {retry}
        }}
    }}
"""


class Keepalived(Service):
    """keepalived with ~/keepalived.conf, its health checker only (-C): it adds the virtual services and looks after them."""

    title = program = "keepalived"

    def __init__(self, lab: Lab, config: str | None = None, *, file: str = "~/keepalived.conf") -> None:
        """`config` is the text of its configuration, written to `file` in the lab's home; None takes the file that is there."""
        super().__init__(lab)
        self.config_file = file
        self._process: Process | None = None
        if config is not None:
            lab.write(file, config)

    @property
    def command(self) -> str:
        """The command that runs it, as one types it: in the foreground (-n), its log on the terminal (-l) only (-G)."""
        return f"keepalived -C -n -l -G -f {self.config_file}"

    @property
    def services(self) -> list[str]:
        """The virtual services ("address:port") of its configuration."""
        return [f"{address}:{port}" for address, port in VIRTUAL_SERVER.findall(self.lab.read(self.config_file) or "")]

    def test(self) -> None:
        """Let keepalived check the configuration. Raises ConfigRejected with its words, MissingProgram."""
        command = f"keepalived -t -C -f {self.config_file}"
        done = self.lab.run(command, check=False)
        if done.code == 127:
            raise MissingProgram("`keepalived` is not installed.", words=str(done), way_out="run ./lab doctor")
        if done.code:
            way_out = "mend the line that it names"
            raise ConfigRejected(f"`{command}` refused the configuration.", words=str(done), way_out=way_out)

    def start(self) -> None:
        """Check the configuration, then start; its virtual services are in the table when this returns.

        Raises as `test`, and ServiceError.
        """
        if self.alive:
            raise ServiceError("keepalived already runs in this lab.", way_out="stop it first, or use restart()")
        self.test()
        self.record(f"{self.command} &")
        process = self.lab.start(self.command, name=self.program)
        try:
            self.lab.wait_until(
                lambda: STARTED in process.log or not process.alive, reason="keepalived's start", timeout=START_TIMEOUT
            )
        except WaitTimeout as error:
            process.stop()
            way_out = "does its configuration have a virtual_server?"
            raise ServiceError(f"{error.tried[:-1]}, and it never came.", words=process.log, way_out=way_out) from None
        except BaseException:
            process.stop()
            raise
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
        wanted = len(REAL_SERVER.findall(self.lab.read(self.config_file) or ""))

        def there() -> bool:
            rows = self.lab.call(f"{IPVS}:counters")
            return sum(row["service"] in services for row in rows) == wanted

        services = self.services
        try:
            self.lab.wait_until(there, reason=f"{wanted} real servers in keepalived's table", timeout=timeout)
        except WaitTimeout as error:
            raise WaitTimeout(error.tried, words=self.log, way_out="do they all answer 200?") from None

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self._process is not None and self._process.alive

    @property
    def log(self) -> str:
        """What it has said: every check that changed its mind, every server taken out and put back."""
        return self._process.log if self._process else ""
