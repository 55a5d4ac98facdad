"""Tasks 2 and 4: dnsmasq and nginx as one starts them by hand, what they refuse, and what is left of a start that failed."""

import contextlib
from typing import Any

import pytest

from labkit.errors import ConfigRejected, LabkitError, MissingProgram, NotRunning, PortTaken, ServiceError, wait_until
from labkit.lab import Lab
from labkit.machine import view
from labkit.measure.counters import attempts, sockets
from labkit.services.base import Daemon
from labkit.services.daemons import Dnsmasq, Nginx
from labkit.services.http_server import Backend, BackendPool

from .helpers import ANSWER, DNSMASQ, NGINX, SERVICES, LabFactory, eventually, named, pids

pytestmark = pytest.mark.usefixtures("no_daemon_is_left")
each_daemon = pytest.mark.parametrize(("kind", "config", "port"), SERVICES)


@each_daemon
def test_start_stop_restart(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """It listens when start() returns, has another pid after restart(), and is gone after stop(), which may be repeated.

    One that has just been started is ready to be stopped: many restarts without a pause all work. An error inside the `with`
    comes through, and the service is stopped.
    """
    service = kind(lab, config)
    assert not service.alive
    with pytest.raises(ZeroDivisionError), service:
        first = service.pid
        assert service.alive and port in sockets(lab)["port"].tolist()
        for _ in range(40 if kind is Nginx and lab.linux == "host" else 4):
            service.restart()
        assert service.alive and service.pid != first
        _ = 1 / 0
    service.stop()
    assert not service.alive and port not in sockets(lab)["port"].tolist() and named(lab, kind.program) == []


@each_daemon
def test_typed_command_starts_it(lab: Lab, kind: type[Daemon], config: str, port: int) -> None:
    """The command that is shown, typed by hand, starts it, with its own change of user; the helper then finds it running."""
    service = kind(lab, config)
    lab.run(service.start_command)
    eventually(lambda: service.alive, "its pid file")
    # dnsmasq, started as root, runs as nobody, as on any Debian; nginx's workers are not root, without a `user` line.
    wanted = [{"nobody"}] if kind is Dnsmasq else [{"root", "nobody"}, {"root", "www-data"}]
    eventually(lambda: set(lab.run(f"ps -o user= -C {kind.program}").stdout.split()) in wanted, "its change of user")
    pid = service.pid
    service.start()
    assert service.pid == kind.running(lab).pid == pid

    def stopped() -> bool:  # nginx may lose a signal that comes just after its start: one would type it again
        lab.run(service.stop_command, check=False)
        return not service.alive

    eventually(stopped, "its end")


# Ways to start them that are not the helpers', with their own command for the next time.
OTHER_WAYS = {
    "dnsmasq-service": (Dnsmasq, "cp ~/{file} /etc/dnsmasq.d/lb.conf; systemctl restart dnsmasq", "systemctl start dnsmasq"),
    "dnsmasq-foreground": (Dnsmasq, "dnsmasq --no-daemon -C ~/{file} &", None),
    "nginx-service": (Nginx, "cp ~/{file} /etc/nginx/nginx.conf; systemctl restart nginx", "systemctl start nginx"),
    "nginx-foreground": (Nginx, "nginx -c ~/{file} -g 'daemon off;' &", None),
}


@pytest.mark.parametrize(("kind", "command", "again"), OTHER_WAYS.values(), ids=OTHER_WAYS)
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
    with service:
        assert service.alive and kind.place[2] in sockets(lab)["port"].tolist()
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


def test_two_nginx_side_by_side_and_a_reload(host_lab: Lab) -> None:
    """A second one with its own files comes and goes without the first noticing, which goes on with a new file, and not with a
    refused one; its log is the error log that its configuration names."""

    def says(*ports: int) -> str:
        return host_lab.run("curl -s " + " ".join(f"http://127.0.0.1:{port}" for port in ports)).stdout

    other = "pid /run/other.pid;\n" + NGINX.replace("8888", "8889").replace("alive", "other")
    with Nginx(host_lab, NGINX) as first:
        with Nginx(host_lab, other, file="~/other.conf", pid_file="/run/other.pid") as second:
            assert first.alive and second.alive and first.pid != second.pid
            assert says(8888, 8889) == "alive\nother\n"
        assert first.alive and not second.alive and says(8888) == "alive\n"
        first.configure(NGINX.replace("alive", "newer"))
        before = set(named(host_lab, "nginx"))
        first.reload()
        eventually(lambda: len(before ^ set(named(host_lab, "nginx"))) == 2, "another worker in the place of the first")
        for config in ("nonsense\n", "more nonsense\n"):
            first.configure(config)
            with pytest.raises(ConfigRejected):
                first.reload()
            assert says(8888) == "newer\n"
        first.configure("error_log /var/log/nginx/error.log;\n" + NGINX.replace(ANSWER, "proxy_pass http://127.0.0.1:8081"))
        first.restart()
        assert "502 Bad Gateway" in says(8888)
        eventually(lambda: "connect() failed" in first.log and "127.0.0.1:8081" in first.log, "nginx's error")


# What is started, by what it is made of, and the error that it ends in, with words of the program's or of labkit's.
FAILURES: dict[str, tuple[Any, tuple[Any, ...], type[ServiceError], str]] = {
    "dnsmasq-taken": (Dnsmasq, (DNSMASQ,), PortTaken, ":53 "),
    "nginx-taken": (Nginx, (NGINX,), PortTaken, ":8888 "),
    "backend1-taken": (BackendPool, (), PortTaken, ":8081 "),
    "backend2-taken": (BackendPool, (), PortTaken, ":8082 "),
    "backend-address": (
        BackendPool,
        ([Backend("one", 8081, "x", "10.9.9.9")],),
        ServiceError,
        "Cannot assign requested address",
    ),
    "dnsmasq-unknown": (Dnsmasq, (DNSMASQ + "adress=/x/127.0.0.1\n",), ConfigRejected, "bad option at line 5"),
    "dnsmasq-empty": (Dnsmasq, ("host-record\n",), ConfigRejected, "line 1"),
    "dnsmasq-value": (Dnsmasq, ("port=many\n",), ConfigRejected, "line 1"),
    "nginx-unknown": (
        Nginx,
        (NGINX.replace("server {", "sorver {"),),
        ConfigRejected,
        '"sorver" in /root/nginx.conf:2',
    ),
    "nginx-brace": (Nginx, (NGINX.replace("} } }", "} }"),), ConfigRejected, "unexpected end of file"),
    "nginx-value": (Nginx, (NGINX.replace(":8888", ":many"),), ConfigRejected, "invalid port"),
    "nginx-address": (Nginx, (NGINX.replace("127.0.0.1", "10.9.9.9"),), ConfigRejected, "bind() to 10.9.9.9:8888 failed"),
    "nginx-host": (Nginx, (NGINX.replace(ANSWER, "proxy_pass http://nobody"),), ConfigRejected, "host not found in upstream"),
    "nginx-empty": (Nginx, ("",), ConfigRejected, 'no "events" section'),
}


@pytest.mark.parametrize(("kind", "made_of", "error", "words"), FAILURES.values(), ids=FAILURES)
def test_start_that_fails_says_why_and_leaves_nothing(
    host_lab: Lab, kind: Any, made_of: tuple[Any, ...], error: type[ServiceError], words: str
) -> None:
    """A taken port is told with the process that has it, a refused configuration in the program's own line, with the way out;
    nothing is left running, no first server of two either."""
    if error is PortTaken:
        listen = f"import socket, time; s = socket.create_server(('0.0.0.0', {words[1:]})); time.sleep(1000)"
        other = host_lab.start(["python3", "-c", listen])
        eventually(lambda: int(words[1:]) in sockets(host_lab)["port"].tolist(), "the other process")
    with pytest.raises(error) as caught:
        kind(host_lab, *made_of).start()
    assert type(caught.value) is error and words in caught.value.words
    assert caught.value.way_out or error is ServiceError
    assert [*named(host_lab, "dnsmasq"), *named(host_lab, "nginx"), *pids(host_lab, "http.server")] == []
    if error is PortTaken:
        assert f"(pid {other.pid})" in caught.value.words
        other.stop()


def test_missing_program_is_named(own_lab: LabFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a lab that does not find the program it is MissingProgram."""
    monkeypatch.setattr(view, "PATH", f"/usr/bin:/bin:{view.PYTHON}/bin")
    lab = own_lab("host")
    for kind, config in ((Dnsmasq, DNSMASQ), (Nginx, NGINX)):
        with pytest.raises(MissingProgram, match=kind.program) as caught:
            kind(lab, config).start()
        assert caught.value.way_out


@each_daemon
def test_what_runs_can_be_stopped_whatever_its_file_says(
    host_lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: type[Daemon], config: str, port: int
) -> None:
    """An edit that breaks the file does not keep the running service from being stopped; nor is one left that nobody knows of
    because its config moves the pid file, be that refused or not."""

    def briefly(check: Any, *, timeout: float = 5.0, **options: Any) -> Any:  # the service has to give up
        return wait_until(check, timeout=min(timeout, 5.0), **options)

    monkeypatch.setattr("labkit.services.base.wait_until", briefly)
    service = kind(host_lab, config)
    service.start()
    service.configure("no such { thing\n")
    service.stop()
    assert named(host_lab, kind.program) == []
    service = Dnsmasq(host_lab, DNSMASQ + "pid-file=/tmp/mine.pid\n")
    with contextlib.suppress(LabkitError):
        service.start()
    service.stop()
    assert named(host_lab, "dnsmasq") == []
