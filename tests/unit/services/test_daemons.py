"""dnsmasq and nginx: files, commands, and what their starts end in."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import ConfigRejected, ServiceError
from labkit.services.base import Daemon
from labkit.services.daemons import Dnsmasq, Nginx

EMERG = (
    'nginx: [emerg] unknown directive "sorver" in /root/nginx.conf:2\nnginx: configuration file /root/nginx.conf test failed\n'
)


@pytest.fixture
def lab(fake_lab: Any) -> Any:
    """A lab in which a pid file appears with the start and goes with the stop."""
    fake_lab.answers["exists"] = lambda *_place: bool(fake_lab.files)
    fake_lab.answers |= {"named": [], "describe": {"command": "/root/nginx.conf /root/dnsmasq.conf"}}

    def run(command: str, **options: Any) -> Any:
        done = type(fake_lab).run(fake_lab, command, **options)
        if command.startswith("kill") or command.endswith("-s stop"):
            fake_lab.files.clear()
        elif done.code == 0 and not command.startswith("nginx -t"):
            fake_lab.files[f"/run/{command.split()[0]}.pid"] = "77\n"
        return done

    fake_lab.run = run
    return fake_lab


def test_config_is_a_file_of_the_home(lab: Any) -> None:
    """A config given as text is written as it is to the file that the command names."""
    for kind in (Dnsmasq, Nginx):
        kind(lab, "# ünïcode\n")
        assert lab.written[kind.config_file] == "# ünïcode\n"
        assert kind.config_file in kind(lab).start_command


def test_no_config_leaves_the_learners_file(lab: Any) -> None:
    """Without a text nothing is written: the file that is there is taken."""
    Dnsmasq(lab)
    Nginx(lab)
    assert lab.written == {}


@pytest.mark.parametrize(
    ("kind", "start", "stop"),
    [
        (Dnsmasq, "dnsmasq -C ~/dnsmasq.conf", "kill $(cat /run/dnsmasq.pid)"),
        (Nginx, "nginx -c ~/nginx.conf", "nginx -c ~/nginx.conf -s stop"),
    ],
)
def test_transcript_is_what_one_types(lab: Any, kind: type[Daemon], start: str, stop: str) -> None:
    """Start and stop are shown as one would type them."""
    with kind(lab):
        assert lab.transcript == [start]
    assert lab.transcript == [start, stop]


@pytest.mark.parametrize("kind", [Dnsmasq, Nginx])
def test_running_daemon_is_not_started_again(lab: Any, capsys: pytest.CaptureFixture[str], kind: type[Daemon]) -> None:
    """A second start says so, and runs and records nothing."""
    service = kind(lab)
    service.start()
    before = lab.ran.count(service.start_command)
    service.start()
    assert (lab.ran.count(service.start_command), lab.transcript) == (before, [service.start_command])
    assert f"# {kind.title} already runs (pid 77), and is left as it is." in capsys.readouterr().out


@pytest.mark.parametrize("kind", [Dnsmasq, Nginx])
def test_new_configuration_is_taken_over_by_the_next_start(lab: Any, kind: type[Daemon]) -> None:
    """A cell that is run again with another text starts the daemon again, and nothing stands in the script twice."""
    kind(lab, "one").start()
    lab.files[kind.config_file] = "one"
    kind(lab, "one").start()
    assert lab.ran.count(kind(lab).start_command) == 1
    kind(lab, "two").start()
    assert lab.ran.count(kind(lab).start_command) == 2
    assert lab.transcript == [kind(lab).start_command]


@pytest.mark.parametrize("kind", [Dnsmasq, Nginx])
def test_daemon_with_a_configuration_does_not_take_over_anothers(lab: Any, kind: type[Daemon]) -> None:
    """Where one runs with another configuration, a start with a text of its own is refused, and says what to do."""
    kind(lab).start()
    lab.answers["describe"] = {"command": f"{kind.program} of somebody else"}
    with pytest.raises(ServiceError, match=r"already runs in this lab \(pid 77\), with another configuration") as caught:
        kind(lab, "mine").start()
    assert caught.value.way_out == f"stop it first: {kind.__name__}(lab).stop()"


@pytest.mark.parametrize("kind", [Dnsmasq, Nginx])
def test_restart_of_what_does_not_run_starts_it(lab: Any, kind: type[Daemon]) -> None:
    """restart() needs no running service."""
    service = kind(lab)
    service.restart()
    assert service.alive
    assert lab.transcript == [service.start_command]


@pytest.mark.parametrize("text", ["", "\n", "abc\n", "-1\n", "1 2\n", None])
def test_pid_file_without_a_pid_means_it_does_not_run(lab: Any, text: str | None) -> None:
    """An empty, broken or missing pid file is no process."""
    if text is not None:
        lab.files["/run/dnsmasq.pid"] = text
    assert Dnsmasq(lab).pid is None
    assert not Dnsmasq(lab).alive


def test_pid_of_another_program_means_it_does_not_run(lab: Any) -> None:
    """A stale pid file whose number another program has got is not the service."""
    lab.files["/run/nginx.pid"] = "1\n"
    lab.answers["exists"] = lambda _pid, program: program == "bash"
    assert not Nginx(lab).alive


def test_reload_with_a_refused_config_is_not_tried(lab: Any) -> None:
    """A running nginx is not told to take over what it would refuse."""
    lab.results["nginx -t"] = (1, EMERG)
    with pytest.raises(ConfigRejected):
        Nginx(lab).reload()
    assert lab.transcript == []


def test_log_has_what_was_said_at_the_start_and_the_log_file(lab: Any) -> None:
    """The log begins with the program's own words."""
    lab.results["dnsmasq"] = (0, "dnsmasq: warning: x\n")
    lab.files["/var/log/dnsmasq.log"] = "query[A]\n"
    service = Dnsmasq(lab)
    service.start()
    assert service.log == "dnsmasq: warning: x\nquery[A]\n"
