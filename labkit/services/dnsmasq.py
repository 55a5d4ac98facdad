"""Task 2: dnsmasq, with the learner's own configuration file."""

from __future__ import annotations

from .base import Daemon


class Dnsmasq(Daemon):
    """dnsmasq with ~/dnsmasq.conf."""

    title = program = "dnsmasq"
    task = 2
    # dnsmasq(8), --pid-file: the default.
    pid_file = "/run/dnsmasq.pid"
    place = ("udp", "127.0.0.1", 53)
    service_sign = "/run/dnsmasq/dnsmasq.pid"
    log_files = ("/var/log/dnsmasq.log",)
    config_file = "~/dnsmasq.conf"

    @property
    def start_command(self) -> str:
        """The command that starts it, as one types it."""
        return self._as_found[0] if self._as_found else f"dnsmasq -C {self.config_file}"

    @property
    def stop_command(self) -> str:
        """The command that stops it, as one types it."""
        return self._as_found[1] if self._as_found else super().stop_command
