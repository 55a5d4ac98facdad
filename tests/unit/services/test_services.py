"""What services type, and what they make of words and states that a test invents; that all of it works, lab/ shows."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.errors import CallFailed, ConfigRejected, MissingProgram, NotRunning, ServiceError
from labkit.inside.stand_in import is_error
from labkit.services.base import Service, explain, quoted, split_address
from labkit.services.daemons import Dnsmasq, Nginx, parsed, varied, written
from labkit.services.faults import netem_commands, nft_commands
from labkit.services.http_server import Backend, BackendPool, BackendServer
from labkit.services.ipvs import DummyInterface, Keepalived, VirtualService, health_checked

PLACE = "-t 192.168.100.1:80"
SERVERS = {"127.0.0.1:1": 3, "127.0.0.1:2": 0, "127.0.0.1:3": 1}
TRACEBACK = '  File "/usr/lib/python3.11/socketserver.py", line 472, in server_bind\n    self.socket.bind(self.server_address)\n'
Maker = Callable[[Any], Service]


class Process:
    """A process that runs until it is stopped, and has said `log`."""

    pid = 42

    def __init__(self, log: str = "Startup complete\n", *, alive: bool = True) -> None:
        self.log, self.alive = log, alive

    def stop(self) -> int:
        self.alive = False
        return 1


@pytest.fixture
def lab(fake_lab: Any) -> Any:
    """A lab in which everything starts: a pid file comes and goes with its daemon; processes are noted in `started`."""
    fake_lab.started, fake_lab.next, fake_lab.task = [], Process, None
    fake_lab.answers |= {
        "exists": lambda *_place: bool(fake_lab.files), "named": [],
        "describe": {"command": "/root/nginx.conf /root/dnsmasq.conf"}, "wait_for_listener": "listening",
        "add_dummy": True, "remove_dummy": True,
    }  # fmt: skip

    def run(command: str, **options: Any) -> Any:
        done = type(fake_lab).run(fake_lab, command, **options)
        if command.startswith("kill") or command.endswith("-s stop"):
            fake_lab.files.clear()
        elif done.code == 0 and re.match(r"nginx -c|dnsmasq", command):
            fake_lab.files[f"/run/{command.split()[0]}.pid"] = "77\n"
        return done

    def start(command: str, **_options: Any) -> Process:
        fake_lab.ran.append(command)
        fake_lab.started.append(fake_lab.next())
        return fake_lab.started[-1]

    fake_lab.run, fake_lab.start = run, start
    fake_lab.read = lambda path: (fake_lab.files | fake_lab.written).get(path)
    return fake_lab


# Each service, and what is shown of its start and of its end: exactly the assignment's, as one types it.
TYPED: dict[str, tuple[Maker, list[str], list[str]]] = {
    "dnsmasq": (Dnsmasq, ["dnsmasq -C ~/dnsmasq.conf"], ["kill $(cat /run/dnsmasq.pid)"]),
    "nginx": (Nginx, ["nginx -c ~/nginx.conf"], ["nginx -c ~/nginx.conf -s stop"]),
    "the pool": (
        BackendPool,
        ["mkdir -p ~/backend1", "python3 -m http.server 8081 -d ~/backend1 &",
         "mkdir -p ~/backend2", "python3 -m http.server 8082 -d ~/backend2 &"],
        [f"pkill -f '[p]ython3 -m http.server {port} -d'" for port in (8081, 8082)],
    ),
    "a bound backend": (
        lambda lab: BackendServer(lab, Backend("b", 80, "x", "127.0.0.2")),
        ["python3 -m http.server 80 -b 127.0.0.2 -d ~/b &"], ["pkill -f '[p]ython3 -m http.server 80 -b 127.0.0.2 -d'"],
    ),
    "the interface": (
        DummyInterface,
        ["ip link add dummy1 type dummy", "ip addr add 192.168.100.1/32 dev dummy1", "ip link set dummy1 up"],
        ["ip link del dummy1"],
    ),
    "another address": (
        lambda lab: DummyInterface(lab, "d", "10.0.0.1/8"),
        ["ip link add d type dummy", "ip addr add 10.0.0.1/8 dev d", "ip link set d up"], ["ip link del d"],
    ),
    "the virtual service": (
        VirtualService,
        [f"ipvsadm -A {PLACE} -s rr", f"ipvsadm -a {PLACE} -r 127.0.0.1:8081 -m", f"ipvsadm -a {PLACE} -r 127.0.0.1:8082 -m"],
        [f"ipvsadm -D {PLACE}"],
    ),
    "weights that ipvsadm does not take by itself, and a word that a shell would read": (
        lambda lab: VirtualService(lab, scheduler="rr; reboot", servers=SERVERS),
        [f"ipvsadm -A {PLACE} -s 'rr; reboot'", f"ipvsadm -a {PLACE} -r 127.0.0.1:1 -m -w 3",
         f"ipvsadm -a {PLACE} -r 127.0.0.1:2 -m -w 0", f"ipvsadm -a {PLACE} -r 127.0.0.1:3 -m"],
        [f"ipvsadm -D {PLACE}"],
    ),
    "keepalived": (
        lambda lab: Keepalived(lab, health_checked()),
        ["keepalived -C -n -l -G -f ~/keepalived.conf &"], ["kill $(cat /run/keepalived.pid)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "start", "end"), TYPED.values(), ids=TYPED)
def test_shown_is_what_one_types(lab: Any, make: Maker, start: list[str], end: list[str]) -> None:
    """Start and stop are shown as one would type them; what does not run is stopped without a word."""
    service = make(lab)
    if not isinstance(service, DummyInterface | VirtualService):
        service.stop()
        assert lab.transcript == []
    with service:
        assert lab.transcript == start
    assert lab.transcript == start + end
    assert not any(process.alive for process in lab.started)


def test_changes_of_the_virtual_service_are_what_runs(lab: Any) -> None:
    """Every command that is shown was run, in this order, and no other; what was refused is neither shown nor remembered."""
    service = VirtualService(lab)
    server = "127.0.0.1:8081"
    changes = [
        (lambda: service.set_scheduler("wrr"), f"ipvsadm -E {PLACE} -s wrr"),
        (lambda: service.set_weight(server, 3), f"ipvsadm -e {PLACE} -r {server} -m -w 3"),
        (service.zero, "ipvsadm -Z"),
    ]
    lab.results["ipvsadm"] = (254, "No such service")
    for change, _ in changes:
        with pytest.raises(ServiceError, match="No such service"):
            change()
    assert (service.scheduler, service.servers["127.0.0.1:8081"], lab.transcript) == ("rr", 1, [])
    lab.results.clear()
    lab.ran.clear()
    for change, _ in changes:
        change()
    assert lab.ran == lab.transcript == [command for _, command in changes]
    assert (service.scheduler, service.servers["127.0.0.1:8081"]) == ("wrr", 3)


def test_service_in_the_table_is_taken_as_it_is(lab: Any) -> None:
    """Whoever made it: its scheduler, servers and weights are those of the table; without one the way to it is named."""
    servers = [{"server": server, "weight": weight} for server, weight in SERVERS.items()]
    row = {"protocol": "tcp", "address": "192.168.100.1:80", "scheduler": "wrr", "servers": servers}
    lab.answers["table"] = [row | {"protocol": "udp", "scheduler": "rr"}, row]
    service = VirtualService.running(lab)
    assert (service.scheduler, service.servers) == ("wrr", SERVERS)
    with pytest.raises(NotRunning, match=r"no TCP service 192\.168\.100\.1:81"):
        VirtualService.running(lab, "192.168.100.1:81")


@pytest.mark.parametrize("kind", [Dnsmasq, Nginx])
def test_daemon_that_runs(lab: Any, capsys: pytest.CaptureFixture[str], kind: Any) -> None:
    """It is left as it is, and that is said; with another text it is started again; one of somebody else's is refused; its log
    begins with the words of its start."""
    lab.results[kind.program] = (0, "a warning\n")
    lab.files[kind.log_files[0]] = "a line of the log\n"
    service = kind(lab, "one")
    service.restart()  # which needs none that runs
    assert service.log == "a warning\na line of the log\n"
    service.start()
    assert lab.ran.count(service.start_command) == 1
    assert f"# {kind.title} already runs (pid 77), and is left as it is." in capsys.readouterr().out
    kind(lab, "two").start()
    assert (lab.ran.count(service.start_command), lab.transcript) == (2, [service.start_command])
    lab.answers["describe"] = {"command": f"{kind.program} of somebody else"}
    words = r"already runs in this lab \(pid 77\), with another configuration"
    with pytest.raises(ServiceError, match=words) as caught:
        kind(lab, "mine").start()
    assert caught.value.way_out == f"stop it first: {kind.__name__}(lab).stop()"


@pytest.mark.parametrize("text", ["", "abc\n", "1 2\n", None, "1\n"])
def test_pid_file_without_its_daemons_pid_means_it_does_not_run(lab: Any, text: str | None) -> None:
    """An empty, broken or missing pid file is no process; a stale one, whose number is bash's now, is not the service."""
    lab.answers["exists"] = lambda _pid, program: program == "bash"
    if text is not None:
        lab.files["/run/dnsmasq.pid"] = text
    assert Dnsmasq(lab).pid is None and not Dnsmasq(lab).alive


SITE = "upstream a { server 127.0.0.1:81 max_fails=3 fail_timeout=1s; zone old 32k; }"
VARIED = """\
worker_processes 1;
http {
    log_format attempts '$msec|$status|$upstream_addr|$upstream_status';
    access_log /var/log/nginx/access.log attempts;
    upstream a {
        server 127.0.0.1:81 max_fails=3 fail_timeout=9s;
    }
    server {
        listen 8888 reuseport;
        return 200 "a;{b}";
    }
}
"""


def test_configuration_of_nginx_is_varied_by_meaning() -> None:
    """What is included stands in its place, comments and what is replaced are gone, quoted words stay one, no zone is made twice.
    Without an upstream's server there is nothing whose time could be changed."""
    text = 'worker_processes auto; # {\nhttp { include s/*; access_log off; server { listen 8888; return 200 "a;{b}"; } }'
    tree = parsed(text, {"/etc/nginx/s/a": SITE, "/etc/nginx/other": "x;"}, "/etc/nginx")
    changed, changes = varied(tree, 1, "9s", False, True)
    assert written(changed) == VARIED
    said = [line.split()[0] for line in changes]
    assert said == ["http", "worker_processes", "upstream", "upstream", "listen"]
    for before, zone in ((tree, "old 32k"), (changed, "a 64k")):
        assert re.findall("zone (.*);", written(varied(before, None, None, True, False)[0])) == [zone]
    with pytest.raises(ServiceError, match="no upstream with servers"):
        varied(parsed("events {}", {}, ""), None, "9s", None, False)


# What a program's start said that no error of its own is for; a taken port, a refused file and a missing program, lab/ shows.
ENDS: list[tuple[str, int, str]] = [
    ("p", 3, "dnsmasq: cannot read /root/dnsmasq.conf: No such file or directory\n"),
    ("p", 137, ""),
    # Python's server has no configuration, although a traceback names lines.
    ("python3", 1, TRACEBACK + "PermissionError: [Errno 13] Permission denied"),
]


@pytest.mark.parametrize(("program", "code", "words"), ENDS)
def test_error_has_what_the_program_said(lab: Any, program: str, code: int, words: str) -> None:
    """The program's words, and its command and code as the cause."""
    with pytest.raises(ServiceError) as caught:
        explain(lab, program, "prog -c ~/x", code, words)
    assert type(caught.value) is ServiceError and not caught.value.way_out
    assert all(line.strip() in str(caught.value) for line in words.splitlines())
    cause = vars(caught.value.__cause__)
    assert (cause["command"], cause["code"]) == ("prog -c ~/x", code)


NOT_FOUND = "/bin/bash: line 1: it: command not found\n"
NOT_HERE = "Can't initialize ipvs: Protocol not available\n"
NOT_YOU = "Can't initialize ipvs: Permission denied (root?)\n"
# A command of a service that is refused: with which code and words, and what its start raises, with which way out.
REFUSED: list[tuple[Maker, str, int, str, type[ServiceError], str]] = [
    (Nginx, "nginx", 127, NOT_FOUND, MissingProgram, "doctor"),
    (VirtualService, "ipvsadm", 127, NOT_FOUND, MissingProgram, "doctor"),
    (VirtualService, "ipvsadm -A", 255, NOT_HERE, ServiceError, "needs={'ipvs'}"),
    (VirtualService, "ipvsadm -A", 255, NOT_YOU, ServiceError, "needs={'ipvs'}"),
    (VirtualService, "ipvsadm -A", 254, "Memory allocation problem\n", ServiceError, ""),
]


@pytest.mark.parametrize(("make", "command", "code", "words", "kind", "helps"), REFUSED)
def test_refused_command_ends_the_start(
    lab: Any, make: Maker, command: str, code: int, words: str, kind: type[ServiceError], helps: str
) -> None:
    """A program that is not there, or refuses, is not started: its own words are told, with what helps; nothing is shown."""
    lab.results[command] = (code, words)
    with pytest.raises(kind) as caught:
        make(lab).start()
    assert caught.value.words == words.strip() and command in caught.value.tried
    assert helps in caught.value.way_out and bool(helps) == bool(caught.value.way_out)
    assert len(lab.ran) == 1 and lab.transcript == []


def test_refused_parts(lab: Any) -> None:
    """nginx is not told to take over what it refuses; the service of a refused server goes again; not every stop is none; what
    netlink says of an interface stands below its commands. Nothing of it is shown."""
    lab.results |= {"nginx -t": (1, "no"), "ipvsadm -a": (254, "Invalid argument")}
    with pytest.raises(ConfigRejected):
        Nginx(lab).reload()
    with pytest.raises(ServiceError, match="ipvsadm -a -t"):
        VirtualService(lab).start()
    assert lab.ran[-1] == f"ipvsadm -D {PLACE}"
    lab.results["ipvsadm -D"] = (254, "No such service\n")
    VirtualService(lab).stop()
    lab.results["ipvsadm -D"] = (255, "Permission denied\n")
    with pytest.raises(ServiceError):
        VirtualService(lab).stop()

    def fail(*_args: object) -> None:
        raise CallFailed("x failed", kind="x", words="Traceback\nNetlinkError: (11, 'Try again')")

    lab.answers["add_dummy"] = fail
    with pytest.raises(ServiceError, match="ip link add dummy1") as caught:
        DummyInterface(lab).start()
    assert (caught.value.words, caught.value.way_out) == ("NetlinkError: (11, 'Try again')", "")
    assert lab.transcript == []


@pytest.mark.parametrize("state", ["timeout", KeyboardInterrupt()])
def test_start_of_a_pool_that_fails_leaves_nothing(lab: Any, state: Any) -> None:
    """A server that never listens, an interrupt: every process that was started is stopped again."""

    def second(_pid: int, port: int, _timeout: float) -> str:
        if port == 8082 and state != "timeout":
            raise state
        return str(state) if port == 8082 else "listening"

    lab.answers["wait_for_listener"] = second
    lab.next = lambda: Process("")
    words = "no listener on port 8082: timeout" if state == "timeout" else ""
    with pytest.raises(ServiceError if words else KeyboardInterrupt) as caught:
        BackendPool(lab).start()
    assert words in str(caught.value)
    assert [process.alive for process in lab.started] == [False, False]


def test_servers_of_a_pool(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One that runs is not started again, and that is said; the pages are the assignment's; places are asked at loopback."""
    pool = BackendPool(lab)
    with pytest.raises(ServiceError, match="does not run"):
        _ = pool["backend1"].pid
    pool.start()
    before = list(lab.transcript)
    pool["backend1"].start()
    pool.start()
    assert (len(lab.started), lab.transcript) == (2, before)
    said = "backend1 already runs (pid 42), and is left as it is."
    assert capsys.readouterr().out.count(said) == 2
    assert lab.written == {
        "~/backend1/index.html": "<h1>Response from Backend Server 1</h1>\n",
        "~/backend2/index.html": "<h2>*** Response from Backend Server 2 ***</h2>\n",
    }
    assert [server.backend.address for server in pool] == ["127.0.0.1:8081", "127.0.0.1:8082"]
    other = BackendPool.at(lab, "127.0.0.2:8081", "127.0.0.3:8081")
    assert [server.backend.address for server in other] == ["127.0.0.2:8081", "127.0.0.3:8081"]
    with pool:
        lab.closed = True  # then nothing in it is stopped
    assert [process.alive for process in lab.started] == [True, True]


def test_server_that_was_found_is_stopped_by_its_words(lab: Any) -> None:
    """What pkill searches for is readable: only the letters that mean something else in it are escaped."""
    server = BackendPool(lab)["backend1"]
    words = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "8082", "-d", "a+b[1]"]
    server._found = SimpleNamespace(arguments=words)  # type: ignore[assignment]
    assert server.pattern == r"[p]ython3 -m http.server --bind 127.0.0.1 8082 -d a\+b\[1\]"
    assert re.search(server.pattern, " ".join(words))


def test_configuration_of_keepalived(lab: Any) -> None:
    """Addresses and ports are apart, as keepalived.conf(5) wants them; weights and times are those asked for."""
    servers = {"127.0.0.1:8081": 1, "127.0.0.2:80": 3}
    text = health_checked("192.168.100.1:81", servers, every=2, timeout=4, retry=5)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "virtual_server 192.168.100.1 81 {"
    assert {"delay_loop 2", "lb_algo rr", "lb_kind NAT", "protocol TCP"} <= set(lines)
    assert [line for line in lines if line.startswith(("real", "weight"))] == [
        "real_server 127.0.0.1 8081 {", "weight 1", "real_server 127.0.0.2 80 {", "weight 3",
    ]  # fmt: skip
    assert [lines.count(one) for one in ("HTTP_GET {", "connect_timeout 4", "retry 5")] == [2, 2, 2]
    assert text.count("{") == text.count("}")
    service = Keepalived(lab, text + health_checked("10.0.0.1:443"))
    assert service.services == ["192.168.100.1:81", "10.0.0.1:443"]
    with service, pytest.raises(ServiceError, match="already runs"):
        service.start()
    # It may have been killed.
    assert lab.ran[2:] == ["ipvsadm -D -t 192.168.100.1:81", "ipvsadm -D -t 10.0.0.1:443"]


@pytest.mark.parametrize("alive", [True, False])
def test_keepalived_that_does_not_start(lab: Any, alive: bool, monkeypatch: Any) -> None:
    """One that ends, or never says that it has started, is stopped, and its log is in the error."""
    lab.next = lambda: Process("netlink: Operation not permitted\n", alive=alive)
    monkeypatch.setattr("labkit.services.base.START_TIMEOUT", 0)
    with pytest.raises(ServiceError) as caught:
        Keepalived(lab, "! nothing\n").start()
    assert "Operation not permitted" in caught.value.words and not lab.started[0].alive


def test_words_of_a_command() -> None:
    """Everything but a leading ~/ reaches the program as it is; an address and a port (1 to 65535) are taken apart."""
    words = {"~/x": "~/x", "$(id)": "'$(id)'", "~": "'~'", "": "''", "~/$(id)": "~/'$(id)'"}
    assert {text: quoted(text) for text in words} == words
    for port in (1, 65535):
        assert split_address(f"0.0.0.0:{port}") == ("0.0.0.0", port)


def test_share_of_errors_is_exact_and_spread() -> None:
    """Of so many requests the share that fails is what was asked for, not about it; a quarter is every fourth."""
    for share, of, failing in ((0.5, 9, 4), (1.0, 5, 5), (0.1, 1000, 100), (1 / 3, 9, 3)):
        assert sum(is_error(number, share) for number in range(1, of + 1)) == failing
    assert [number for number in range(1, 13) if is_error(number, 0.25)] == [4, 8, 12]


def test_drops_of_two_backends_do_not_meet() -> None:
    """What one drop deletes is its own: two backends on one port, or at one address, can be unplugged at once."""
    places = [("127.0.0.1", 80), ("127.0.0.2", 80), ("127.0.0.1", 8081), ("127.0.0.1", 8082)]
    for commands_of in (nft_commands, netem_commands):
        assert len({commands_of(*place)[1][0] for place in places}) == len(places)
