"""Tasks 2 and 4: what dnsmasq and nginx refuse, and what is left of a start that failed."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import ConfigRejected, LabkitError, MissingProgram, PortTaken
from labkit.lab import Lab
from labkit.machine import view
from labkit.measure.counters import sockets
from labkit.services.base import Daemon
from labkit.services.daemons import Dnsmasq, Nginx

from .helpers import ANSWER, DNSMASQ, NGINX, SERVICES, LabFactory, eventually, named

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("no_daemon_is_left")]


@pytest.fixture(scope="module")
def linux() -> str:
    """What a program says of its config is the same on both Linuxes: the faster one will do."""
    return "host"


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_taken_port_names_the_other_process(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """A port that another process in the lab has is PortTaken with that process, and nothing is left running."""
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(1000)"
    other = lab.start(["python3", "-c", listen])
    eventually(lambda: port in sockets(lab)["port"].tolist(), "the other process")
    with pytest.raises(PortTaken) as caught:
        kind(lab, config).start()
    assert f":{port} " in caught.value.words and f"(pid {other.pid})" in caught.value.words
    assert named(lab, kind.program) == []
    other.stop()


@pytest.mark.parametrize(
    ("kind", "config", "words"),
    [
        pytest.param(Dnsmasq, DNSMASQ + "adress=/x/127.0.0.1\n", "bad option at line 5", id="dnsmasq-unknown"),
        pytest.param(Dnsmasq, "host-record\n", "line 1", id="dnsmasq-empty"),
        pytest.param(Dnsmasq, "port=many\n", "line 1", id="dnsmasq-value"),
        pytest.param(
            Nginx, NGINX.replace("server {", "sorver {"), 'unknown directive "sorver" in /root/nginx.conf:2', id="nginx-unknown"
        ),
        pytest.param(Nginx, NGINX.replace("} } }", "} }"), "unexpected end of file", id="nginx-brace"),
        pytest.param(Nginx, NGINX.replace("127.0.0.1:8888", "127.0.0.1:many"), "invalid port", id="nginx-value"),
        pytest.param(
            Nginx, NGINX.replace("127.0.0.1:8888", "10.9.9.9:8888"), "bind() to 10.9.9.9:8888 failed", id="nginx-address"
        ),
        pytest.param(Nginx, NGINX.replace(ANSWER, "proxy_pass http://nobody"), "host not found in upstream", id="nginx-host"),
        pytest.param(Nginx, "", 'no "events" section', id="nginx-empty"),
    ],
)
def test_rejected_config_is_told_in_the_programs_words(lab: Lab, kind: type[Daemon], config: str, words: str) -> None:
    """A config with an error is ConfigRejected with the program's own line, and nothing is left running."""
    with pytest.raises(ConfigRejected) as caught:
        kind(lab, config).start()
    assert words in caught.value.words
    assert named(lab, kind.program) == []


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_missing_program_is_named(
    own_lab: LabFactory, monkeypatch: pytest.MonkeyPatch, kind: type[Daemon], config: str, port: int
) -> None:
    """In a lab that does not find the program it is MissingProgram."""
    monkeypatch.setattr(view, "PATH", f"/usr/bin:/bin:{view.PYTHON}/bin")
    with pytest.raises(MissingProgram, match=kind.program) as caught:
        kind(own_lab("host"), config).start()
    assert caught.value.way_out


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_running_service_can_be_stopped_although_its_file_is_broken_now(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: type[Daemon], config: str, port: int
) -> None:
    """An edit that breaks the file does not keep the running service from being stopped."""
    shorten_waiting(lab, monkeypatch)
    service = kind(lab, config)
    service.start()
    service.configure("no such { thing\n")
    service.stop()
    assert named(lab, kind.program) == []


def test_failed_start_leaves_nothing_also_with_another_pid_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config that moves the pid file may be refused or work, but leaves no dnsmasq that nobody knows of."""
    shorten_waiting(lab, monkeypatch)
    service = Dnsmasq(lab, DNSMASQ + "pid-file=/tmp/mine.pid\n")
    try:
        service.start()
    except LabkitError:
        pass
    finally:
        service.stop()
    assert named(lab, "dnsmasq") == []


def shorten_waiting(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service give up after two seconds, because this test may have to see it give up."""
    wait = lab.wait_until

    def briefly(check: Any, *, reason: str, timeout: float = 2.0) -> Any:
        return wait(check, reason=reason, timeout=min(timeout, 2.0))

    monkeypatch.setattr(lab, "wait_until", briefly)
