"""What the services have in common: what they show, how a daemon is started and stopped, whom a port belongs to."""

from __future__ import annotations

import ipaddress
import shlex
import signal
from typing import Any, NoReturn, Self

from ..commands import PROCESSES
from ..errors import BadInput, CommandFailed, ConfigRejected, MissingProgram, PortTaken, ServiceError, WaitTimeout
from ..lab import Lab

FIRST_TIMEOUT, STOP_TIMEOUT = 2.0, 10.0


class Service:
    """A service of a lab: a context manager with start, stop, restart and log."""

    title = "service"
    task: int | None = None  # the task that it solves: its commands belong to that task's script

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def record(self, *commands: str) -> None:
        """Show native commands that were applied, and keep them where this is the lab's own task."""
        self.lab.record(*commands, task=self.task)

    def start(self) -> None:
        """Start it; when it cannot be started, nothing of it is left running."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it; a service that does not run is left as it is."""
        raise NotImplementedError

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    @property
    def log(self) -> str:
        """What it has said so far."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if not self.lab.closed:
            self.stop()


class Daemon(Service):
    """A program that puts itself into the background once it is ready, and keeps its pid in a file."""

    program = ""
    pid_file = ""
    log_files: tuple[str, ...] = ()
    config_file = ""

    def __init__(self, lab: Lab, config: str | None = None, *, file: str | None = None) -> None:
        """`config` is the text of its configuration, written to `file` in the lab's home; None takes the file that is there."""
        super().__init__(lab)
        self.config_file = file or self.config_file
        self._said = ""
        if config is not None:
            self.configure(config)

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        raise NotImplementedError

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return f"kill $(cat {self.pid_file})"

    def configure(self, config: str) -> None:
        """Write its configuration file; it takes effect at the next start."""
        self.lab.write(self.config_file, config)

    def start(self) -> None:
        """Start it; it is ready when this returns. Raises ConfigRejected, PortTaken, MissingProgram, ServiceError."""
        if self.alive:
            raise ServiceError(f"{self.title} already runs in this lab.", way_out="stop it first, or use restart()")
        before = self._pids()
        done = self.lab.run(self.start_command, check=False)
        self._said = str(done)
        if done.code:
            explain(self.lab, self.program, self.start_command, done.code, str(done))
        try:
            self.lab.wait_until(lambda: self.alive, reason=f"{self.pid_file} of {self.program}")
        except BaseException:
            for pid in self._pids() - before:  # started, but its pid file is somewhere else
                self._kill(pid)
            raise
        self.record(self.start_command)

    def stop(self) -> None:
        """Stop it and wait until it is gone, by a plain signal where its own command does not work (a broken configuration)."""
        pid = self.pid
        if pid is None or not self._runs(pid):
            return
        done = self.lab.run(self.stop_command, check=False)
        self.record(self.stop_command if not done.code else f"kill $(cat {self.pid_file})")
        try:
            self._await_end(pid, 0.0 if done.code else FIRST_TIMEOUT)
        except WaitTimeout:  # also a daemon that has just been started may lose its first signal
            self._kill(pid)
            self._await_end(pid, STOP_TIMEOUT)

    def _await_end(self, pid: int, timeout: float) -> None:
        self.lab.wait_until(lambda: not self._runs(pid), reason=f"the end of {self.program}", timeout=timeout)

    def _pids(self) -> set[int]:
        return set(self.lab.call(f"{PROCESSES}:named", self.program))

    def _runs(self, pid: int) -> bool:
        return bool(self.lab.call(f"{PROCESSES}:exists", pid, self.program))

    def _kill(self, pid: int) -> None:
        self.lab.call(f"{PROCESSES}:send_signal", pid, int(signal.SIGTERM))

    @property
    def pid(self) -> int | None:
        """The pid that its pid file names, None without one."""
        text = (self.lab.read(self.pid_file) or "").strip()
        return int(text) if text.isdigit() else None

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        pid = self.pid
        return pid is not None and self._runs(pid)

    @property
    def log(self) -> str:
        """What it printed when it started, then its log files."""
        return self._said + "".join(self.lab.read(file) or "" for file in self.log_files)


def split_address(text: str) -> tuple[str, int]:
    """Split "address:port". Raises BadInput unless it is an IPv4 address and a port from 1 to 65535."""
    address, _, port = text.rpartition(":")
    try:
        ipaddress.IPv4Address(address)
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError(port)
    except ValueError:
        raise BadInput(f"{text!r} is no address and port.", way_out="write it like 127.0.0.1:8081") from None
    return address, int(port)


def listeners(lab: Lab) -> list[dict[str, Any]]:
    """Who listens in the lab: rows of protocol, address, port, pid, program, command."""
    rows: list[dict[str, Any]] = lab.call("labkit.inside.sockets:listeners")
    return rows


def explain(lab: Lab, program: str, command: str, code: int, words: str) -> NoReturn:
    """Raise the error that fits what a service's start said."""
    if code == 127:
        raise MissingProgram(
            f"`{program}` is not installed.", words=words, way_out="run ./lab doctor; it names the package to install"
        )
    if "Address already in use" in words or "address already in use" in words:
        busy = "\n".join(
            f"{row['protocol']} {row['address']}:{row['port']} {row['command']} (pid {row['pid']})" for row in listeners(lab)
        )
        raise PortTaken(
            f"`{command}` found its port taken in the lab.",
            words=f"{words.strip()}\nlistening now:\n{busy}",
            way_out="stop the other one, or choose another port",
        )
    if (
        program != "python3"
        and code in (1, 2)
        and any(word in words.lower() for word in (" line ", ".conf:", "bad ", "unknown", "invalid", "emerg"))
    ):
        raise ConfigRejected(f"`{command}` refused its configuration.", words=words, way_out="mend the line that it names")
    raise ServiceError(f"`{command}` did not start {program}.", words=words) from CommandFailed(command, code, words=words)


def quoted(text: str) -> str:
    """`text` as one word of a shell command, with a leading ~ left for the shell."""
    if text.startswith("~/"):
        return "~/" + shlex.quote(text[2:])
    return shlex.quote(text)
