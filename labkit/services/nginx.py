"""Task 4: nginx, with the learner's own configuration file."""

from __future__ import annotations

from ..errors import ConfigRejected, MissingProgram
from ..lab import Lab
from .base import Daemon


class Nginx(Daemon):
    """nginx with ~/nginx.conf.

    Its log is what it printed when it started, and /var/log/nginx/error.log where the configuration has `error_log` write
    there: Debian's nginx otherwise writes to the standard error that it was started with, and nobody keeps that.
    """

    title = program = "nginx"
    task = 4
    # As Debian's package is built: nginx -V, --pid-path.
    pid_file = "/run/nginx.pid"
    access_log, error_log = "/var/log/nginx/access.log", "/var/log/nginx/error.log"
    log_files = (error_log,)
    config_file = "~/nginx.conf"

    def __init__(self, lab: Lab, config: str | None = None, *, file: str | None = None, pid_file: str | None = None) -> None:
        """As for every daemon; a second nginx needs a `file` and a `pid_file` of its own, which `pid` in its config names."""
        self.pid_file = pid_file or self.pid_file
        super().__init__(lab, config, file=file)

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        return f"nginx -c {self.config_file}"

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return f"nginx -c {self.config_file} -s stop"

    def test(self) -> str:
        """Let nginx check the configuration and return its words. Raises ConfigRejected with them when it refuses."""
        command = f"nginx -t -c {self.config_file}"
        done = self.lab.run(command, check=False)
        if done.code == 127:
            raise MissingProgram("`nginx` is not installed.", words=str(done), way_out="run ./lab doctor")
        if done.code:
            raise ConfigRejected(
                f"`{command}` refused the configuration.", words=str(done), way_out="mend the line that it names"
            )
        return str(done)

    def start(self) -> None:
        """Check the configuration, then start; it is ready when this returns. Raises as `test`, and PortTaken, ServiceError."""
        self.test()
        super().start()

    def reload(self) -> None:
        """Check the configuration and let the running nginx take it over. Raises as `test`."""
        self.test()
        command = f"nginx -c {self.config_file} -s reload"
        self.record(command)
        self.lab.run(command)
