"""What the services have in common: what they show, how a program is started and stopped, whom a port belongs to."""

import ipaddress
import shlex
from collections.abc import Callable
from typing import NoReturn, Self

from .. import errors
from ..errors import ServiceError, WaitTimeout, require, wait_until
from ..inside import files, processes, sockets
from ..lab import Lab, Process
from ..machine.view import HOME
from ..recording import listener

START_TIMEOUT, FIRST_TIMEOUT, STOP_TIMEOUT = 60.0, 2.0, 10.0
MEND = "mend the line that it names"


class Running:
    """A process of the lab that somebody else has started, as `Process`: found where it listens, stopped by its pid."""

    log = ""  # it prints where it was started

    def __init__(self, lab: Lab, pid: int, program: str, arguments: list[str], folder: str) -> None:
        self._lab, self.pid, self.program, self.arguments = lab, pid, program, arguments
        typed = [quoted(word.replace(f"{HOME}/", "~/", 1)) for word in arguments]
        if folder not in ("", "/", HOME):
            typed[:0] = ["cd", quoted(folder.replace(HOME, "~", 1)), "&&"]
        self.command = " ".join(typed)

    @classmethod
    def at(cls, lab: Lab, protocol: str, address: str, port: int) -> Self | None:
        """Return who listens there, None when nobody does."""
        found = lab.call(sockets.server_at, protocol, address, port)
        return cls(lab, **found) if found else None

    @property
    def alive(self) -> bool:
        return bool(self._lab.call(processes.exists, self.pid, self.program))

    def stop(self) -> int:
        """End it, by SIGTERM, after three seconds by SIGKILL."""
        self._lab.call(processes.end, self.pid)
        return 0


class Service:
    """A service of a lab: a context manager with start, stop, restart and log."""

    title = "service"
    task: int | None = None  # the task that it solves: its commands belong to that task's script
    _process: Process | Running | None = None  # of one that stays in the foreground

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def start(self) -> None:
        """Start it; when it cannot be started, nothing of it is left running. What runs already is left so, and said."""

    def stop(self) -> None:
        """Stop it; a service that does not run is left as it is."""

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    @property
    def log(self) -> str:
        return self._process.log if self._process else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if not self.lab.closed:
            self.stop()

    def record(self, *commands: str) -> None:
        """Show native commands that were applied, and keep them where this is the lab's own task."""
        self.lab.record(*commands, task=self.task)

    def say(self, words: str) -> None:
        listener.get()(f"# {words}")

    def in_background(self, command: str, ready: Callable[[Process], object], reason: str, way_out: str = "") -> Process:
        """Run `command` in the background, and return its process once it is `ready` or has ended by itself.

        Raises ServiceError when neither has come in time; then, and after an interrupt, nothing of it is left.
        """
        process = self.lab.start(command, name=self.title)
        try:
            wait_until(lambda: ready(process) or not process.alive, reason=reason, timeout=START_TIMEOUT)
        except BaseException as error:
            process.stop()
            if not isinstance(error, WaitTimeout):
                raise
            tried = f"{error.tried[:-1]}, and it never came."
            raise ServiceError(tried, words=process.log, way_out=way_out) from None
        return process


class Daemon(Service):
    """A program that puts itself into the background once it is ready, and keeps its pid in a file: described by data."""

    program = pid_file = config_file = ""
    log_files: tuple[str, ...] = ()
    # The commands as one types them, with the names of the two files.
    starting, stopping = "", "kill $(cat {pid_file})"
    # Where the assignment has it listen: there one is found that somebody else has started.
    place = ("tcp", "127.0.0.1", 0)
    # What stands in the command line of one that the package's service has started.
    service_sign = ""

    def __init__(self, lab: Lab, config: str | None = None, *, file: str = "", pid_file: str = "") -> None:
        """`config` is the text of its configuration, written to `file` (in ~ or /tmp); None takes what is there.

        What is there is the one that runs, whoever started it and with whichever configuration, else the file. A second one
        of its kind needs a `file` and a `pid_file` of its own, which its configuration names.
        """
        super().__init__(lab)
        self.pid_file = pid_file or self.pid_file
        self._use(file or self.config_file)
        self._said, self._given, self._changed = "", config is not None, False
        if config is not None:
            self.configure(config)

    def _use(self, file: str) -> None:
        """Take this configuration file from now on."""
        self.config_file = file
        self.start_command = self.starting.format(file=file)
        self.stop_command = self.stopping.format(file=file, pid_file=self.pid_file)

    @classmethod
    def running(cls, lab: Lab) -> Self:
        """Return the one that runs in the lab, whoever started it and how. Raises NotRunning when none does."""
        daemon = cls(lab)
        if daemon.find() is None:
            _, address, port = cls.place
            raise errors.NotRunning(
                f"No {cls.program} listens at {address}, port {port}, in this lab.",
                way_out=f"start it as the task says: with {cls.__name__}(lab, …), or by native commands in a cell with %%lab",
            )
        return daemon

    def find(self) -> int | None:
        """Return the pid of the one that runs, else None; one started in another way is stopped and started in that way."""
        pid = self.pid
        if pid is not None and not self._given and not self._ours(pid):
            found = Running.at(self.lab, *self.place)
            if self.service_sign in self._command_of(pid):
                self.start_command = f"systemctl start {self.program}"
                self.stop_command = f"systemctl stop {self.program}"
            elif found is not None and found.pid == pid:
                self.start_command, self.stop_command = self.typed(found), f"kill {pid}"
        return pid

    def typed(self, found: Running) -> str:
        """Return the command that starts one like `found`."""
        foreground = {"-d", "--no-daemon", "-k", "--keep-in-foreground"} & set(found.arguments)
        return found.command + (" &" if foreground else "")

    def _command_of(self, pid: int) -> str:
        return str(self.lab.call(sockets.describe, pid)["command"])

    def _ours(self, pid: int) -> bool:
        """Return whether process `pid` was started with the configuration file of this object."""
        return self.config_file.replace("~", HOME, 1) in self._command_of(pid).split()

    def configure(self, config: str) -> None:
        """Write its configuration file; it takes effect at the next start."""
        self._changed = self.lab.read(self.config_file) != config and self.alive
        if self.config_file.startswith("~/"):
            self.lab.write(self.config_file, config)
        else:  # not in the home: no part of a work
            self.lab.call(files.write, self.config_file, config)

    def start(self) -> None:
        """Start it; it is ready when this returns. Raises ConfigRejected, PortTaken, MissingProgram, ServiceError.

        One that runs is left as it is; with a configuration that was written anew, it is started again.
        """
        pid = self.find()
        runs = f"{self.title} already runs (pid {pid})"
        if pid is None:
            self.launch()
            self.record(self.start_command)
        elif self._given and not self._ours(pid):
            other = f"in this lab (pid {pid}), with another configuration than {self.config_file}."
            way_out = f"stop it first: {type(self).__name__}(lab).stop()"
            raise ServiceError(f"{self.title} already runs {other}", way_out=way_out)
        elif self._changed:
            self.say(f"{runs}: it is started again, with the new {self.config_file}.")
            self.end()
            self.launch()
        else:
            self.say(f"{runs}, and is left as it is.")

    def launch(self) -> None:
        """Start it, and show nothing. Raises as `start`."""
        before = set(self.lab.call(processes.named, self.program))
        done = self.lab.run(self.start_command, check=False)
        self._said = str(done)
        if done.code:
            explain(self.lab, self.program, self.start_command, done.code, str(done))
        try:
            wait_until(lambda: self.alive, reason=f"{self.pid_file} of {self.program}")
        except BaseException:
            # Its pid file is somewhere else.
            for pid in set(self.lab.call(processes.named, self.program)) - before:
                self.lab.call(processes.end, pid)
            raise
        self._changed = False

    def stop(self) -> None:
        """Stop it and wait until it is gone, by a plain signal where its own command does not work (a broken configuration)."""
        if command := self.end():
            self.record(command)

    def end(self) -> str:
        """Stop it, show nothing, and return the command that did; "" when it does not run."""
        pid = self.find()
        if pid is None:
            return ""
        command, done = self.stop_command, self.lab.run(self.stop_command, check=False)
        try:
            reason, timeout = f"the end of {self.program}", 0.0 if done.code else FIRST_TIMEOUT
            wait_until(lambda: not self._runs(pid), reason=reason, timeout=timeout)
        except WaitTimeout:  # also a daemon that has just been started may lose its first signal
            self.lab.call(processes.end, pid, STOP_TIMEOUT)
        return command if not done.code else f"kill {pid}"

    def _runs(self, pid: int) -> bool:
        return bool(self.lab.call(processes.exists, pid, self.program))

    @property
    def pid(self) -> int | None:
        """The pid that its pid file names, else that of the one at its place, whoever started it; None when none runs."""
        text = (self.lab.read(self.pid_file) or "").strip()
        if text.isdigit() and self._runs(int(text)):
            return int(text)
        if self.pid_file != type(self).pid_file:  # a second one of its kind
            return None
        found = Running.at(self.lab, *self.place)
        return found.pid if found and found.program == self.program else None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    @property
    def log(self) -> str:
        """What it printed when it started, then its log files."""
        return self._said + "".join(self.lab.read(file) or "" for file in self.log_files)


def split_address(text: str) -> tuple[str, int]:
    """Split "address:port". Raises BadInput unless it is an IPv4 address and a port from 1 to 65535."""
    address, _, port = text.rpartition(":")
    try:
        ipaddress.IPv4Address(address)
        fine = port.isascii() and port.isdigit() and 1 <= int(port) <= 65535
    except ValueError:
        fine = False
    require(fine, f"{text!r} is no address and port.", "write it like 127.0.0.1:8081")
    return address, int(port)


def ran(lab: Lab, command: str, wrong: Callable[[str], ServiceError] | None = None) -> str:
    """Run a command and return what it printed. Raises MissingProgram, else what `wrong` makes of its words.

    Without `wrong` it is one that lets a program check its configuration: then ConfigRejected.
    """
    done = lab.run(command, check=False)
    words = str(done)
    if done.code == 127:
        explain(lab, command.split()[0], command, 127, words)
    if done.code and wrong:
        raise wrong(words.strip())
    if done.code:
        tried = f"`{command}` refused the configuration."
        raise errors.ConfigRejected(tried, words=words, way_out=MEND)
    return words


def explain(lab: Lab, program: str, command: str, code: int, words: str) -> NoReturn:
    """Raise the error that fits what a service's start said."""
    low = words.lower()
    if code == 127:
        way_out = "run ./lab doctor; it names the package to install"
        raise errors.MissingProgram(f"`{program}` is not installed.", words=words, way_out=way_out)
    if "address already in use" in low:
        row = "{protocol} {address}:{port} {command} (pid {pid})"
        busy = [row.format_map(one) for one in lab.call(sockets.listeners)]
        raise errors.PortTaken(
            f"`{command}` found its port taken in the lab.",
            words="\n".join([words.strip(), "listening now:", *busy]),
            way_out="stop the other one, or choose another port",
        )
    signs = (" line ", ".conf:", "bad ", "unknown", "invalid", "emerg")
    if program != "python3" and code in (1, 2) and any(sign in low for sign in signs):
        tried = f"`{command}` refused its configuration."
        raise errors.ConfigRejected(tried, words=words, way_out=MEND)
    failed = errors.CommandFailed(command, code, words=words)
    raise ServiceError(f"`{command}` did not start {program}.", words=words) from failed


def quoted(text: str) -> str:
    """Return `text` as one word of a shell command, with a leading ~ left for the shell."""
    if text.startswith("~/"):
        return "~/" + shlex.quote(text[2:])
    return shlex.quote(text)
