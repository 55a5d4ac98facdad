"""Task 2: dnsmasq, with the learner's own configuration file."""

from __future__ import annotations

from .base import Daemon


class Dnsmasq(Daemon):
    """dnsmasq with ~/dnsmasq.conf."""

    title = program = "dnsmasq"
    task = 2
    # dnsmasq(8), --pid-file: the default.
    pid_file = "/run/dnsmasq.pid"
    log_files = ("/var/log/dnsmasq.log",)
    config_file = "~/dnsmasq.conf"

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        return f"dnsmasq -C {self.config_file}"
