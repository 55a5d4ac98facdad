"""Tasks 2 and 4: dnsmasq and nginx as one starts them by hand."""

from __future__ import annotations

import pytest

from labkit.errors import ConfigRejected, NotRunning, ServiceError
from labkit.lab import Lab
from labkit.measure.counters import attempts, sockets
from labkit.services.base import Daemon
from labkit.services.daemons import Dnsmasq, Nginx

from .helpers import ANSWER, DNSMASQ, NGINX, SERVICES, LabFactory, eventually, named

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("no_daemon_is_left")]


def users(lab: Lab, program: str) -> set[str]:
    """The users that the processes of a program run as."""
    return set(lab.run(f"ps -o user= -C {program}").stdout.split())


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_start_stop_restart_and_log(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """It listens when start() returns, has another pid after restart(), and is gone after stop(), which may be repeated."""
    service = kind(lab, config)
    assert not service.alive
    service.start()
    first = service.pid
    assert service.alive and port in sockets(lab)["port"].tolist()
    service.restart()
    assert service.alive and service.pid != first
    service.stop()
    service.stop()
    assert not service.alive and port not in sockets(lab)["port"].tolist()
    assert isinstance(service.log, str)


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_restart_at_once_after_start_works_every_time(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """A service that has just been started is ready to be stopped: many restarts without a pause all work."""
    service = kind(lab, config)
    for _ in range(40 if kind is Nginx and lab.linux == "host" else 4):
        service.restart()
    assert service.alive


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_context_manager_stops_also_after_an_error(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """An error inside the `with` comes through, and the service is stopped."""
    with pytest.raises(ZeroDivisionError), kind(lab, config):
        _ = 1 / 0
    assert named(lab, kind.program) == []


@pytest.mark.parametrize(("kind", "config", "port"), SERVICES)
def test_typed_command_starts_it(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """The command that is shown, typed by hand, starts it, with its own change of user; the helper then finds it running."""
    service = kind(lab, config)
    lab.run(service.start_command)
    eventually(lambda: service.alive, "its pid file")
    assert {"nobody", "root"} & users(lab, kind.program)
    pid = service.pid
    service.start()
    assert service.pid == pid
    assert kind.running(lab).pid == pid

    def stopped() -> bool:  # nginx may lose a signal that comes just after its start: one would type it again
        lab.run(service.stop_command, check=False)
        return not service.alive

    eventually(stopped, "its end")


# Ways to start them that are not the helpers', with their own command for the next time.
OTHER_WAYS = [
    pytest.param(
        Dnsmasq, "cp ~/{file} /etc/dnsmasq.d/lb.conf; systemctl restart dnsmasq", "systemctl start dnsmasq", id="dnsmasq-service"
    ),
    pytest.param(Dnsmasq, "dnsmasq --no-daemon -C ~/{file} &", None, id="dnsmasq-foreground"),
    pytest.param(
        Nginx, "cp ~/{file} /etc/nginx/nginx.conf; systemctl restart nginx", "systemctl start nginx", id="nginx-service"
    ),
    pytest.param(Nginx, "nginx -c ~/{file} -g 'daemon off;' &", None, id="nginx-foreground"),
]


@pytest.mark.parametrize(("kind", "command", "again"), OTHER_WAYS)
def test_what_somebody_else_has_started_is_taken(
    own_lab: LabFactory, kind: type[Daemon], command: str, again: str | None
) -> None:
    """One that runs in any other way is found at its place; it is stopped, and started again in that way."""
    lab = own_lab("host")
    with pytest.raises(NotRunning, match=kind.program):
        kind.running(lab)
    lab.write("~/mine.conf", DNSMASQ if kind is Dnsmasq else NGINX)
    lab.run(command.format(file="mine.conf"))
    eventually(lambda: kind(lab).alive, "its place to be taken")
    service = kind.running(lab)
    assert again in (None, service.start_command)
    service.stop()
    assert named(lab, kind.program) == []
    service.start()
    assert service.alive and kind.place[2] in sockets(lab)["port"].tolist()
    service.stop()
    assert named(lab, kind.program) == []


def test_nginx_goes_on_with_changes_in_whatever_files_it_is_written(own_lab: LabFactory) -> None:
    """`vary` finds what it changes by meaning, in all files that the running nginx reads; where there is nothing, it says so."""
    lab = own_lab("host")
    site = "upstream a { server 127.0.0.1:8081 max_fails=3; server 127.0.0.1:8082 backup; }\n"
    site += "server { listen 8888; location / { proxy_pass http://a; } }"
    lab.run(
        ["bash", "-c", 'rm /etc/nginx/sites-enabled/default; echo "$0" > /etc/nginx/conf.d/a.conf; systemctl restart nginx', site]
    )
    nginx = Nginx.running(lab)
    nginx.vary(workers=1, fail_timeout="9s", zone=True, reuseport=True)
    text = lab.read("/tmp/varied.conf") or ""
    for line in (
        "worker_processes 1;", "server 127.0.0.1:8081 max_fails=3 fail_timeout=9s;", "zone a 64k;", "listen 8888 reuseport;",
        "access_log /var/log/nginx/access.log attempts;", "text/html html htm shtml;",
    ):  # fmt: skip
        assert text.count(line) == 1
    assert "worker_processes auto" not in text and "include" not in text
    lab.run("curl -s http://127.0.0.1:8888/")
    assert attempts(lab)["upstreams"].tolist() == [("127.0.0.1:8081", "127.0.0.1:8082")]
    nginx.vary()
    assert "fail_timeout" not in (lab.read("/tmp/varied.conf") or "fail_timeout")
    nginx.stop()
    with pytest.raises(ServiceError, match="no upstream with servers"), Nginx(lab, NGINX) as plain:
        plain.vary(fail_timeout="2s")


def test_dnsmasq_changes_to_nobody(lab: Lab) -> None:
    """dnsmasq, started as root, runs as nobody, as on any Debian."""
    with Dnsmasq(lab, DNSMASQ):
        assert users(lab, "dnsmasq") == {"nobody"}


def test_nginx_workers_are_not_root(lab: Lab) -> None:
    """nginx's master is root, its worker is nobody or www-data, without a `user` line."""
    with Nginx(lab, NGINX):
        eventually(lambda: users(lab, "nginx") in ({"root", "nobody"}, {"root", "www-data"}), "its worker as somebody else")
        assert lab.run("curl -s http://127.0.0.1:8888").stdout == "alive\n"


def test_reload_takes_over_a_new_config(lab: Lab) -> None:
    """nginx goes on with the new file, and keeps the old one when the new one is refused."""
    with Nginx(lab, NGINX) as nginx:
        nginx.configure(NGINX.replace("alive", "newer"))
        first = set(named(lab, "nginx"))
        nginx.reload()
        eventually(lambda: len(set(named(lab, "nginx")) - first) == 1 == len(first - set(named(lab, "nginx"))), "another worker")
        assert lab.run("curl -s http://127.0.0.1:8888").stdout == "newer\n"
        nginx.configure("nonsense\n")
        with pytest.raises(ConfigRejected):
            nginx.reload()
        assert lab.run("curl -s http://127.0.0.1:8888").stdout == "newer\n"
        nginx.configure(NGINX)


def test_two_nginx_side_by_side(lab: Lab) -> None:
    """A second one with its own file and pid file is started and stopped without the first noticing."""
    other = "pid /run/other.pid;\n" + NGINX.replace("8888", "8889").replace("alive", "other")
    with Nginx(lab, NGINX) as first:
        with Nginx(lab, other, file="~/other.conf", pid_file="/run/other.pid") as second:
            assert first.alive and second.alive and first.pid != second.pid
            assert lab.run("curl -s http://127.0.0.1:8888 http://127.0.0.1:8889").stdout == "alive\nother\n"
        assert first.alive and not second.alive
        assert lab.run("curl -s http://127.0.0.1:8888").stdout == "alive\n"


def test_errors_are_in_the_log(lab: Lab) -> None:
    """the error log that the configuration names is its log: a backend that is not there is named."""
    with Nginx(lab, "error_log /var/log/nginx/error.log;\n" + NGINX.replace(ANSWER, "proxy_pass http://127.0.0.1:8081")) as nginx:
        assert "502 Bad Gateway" in lab.run("curl -s http://127.0.0.1:8888").stdout
        lab.wait_until(lambda: "connect() failed" in nginx.log and "127.0.0.1:8081" in nginx.log, reason="nginx's error")
