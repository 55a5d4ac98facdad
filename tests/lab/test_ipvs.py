"""Task 3: the dummy interface and the virtual service, by the helpers and as typed, who is reached, what counters say; keepalived
beside it; and wrk.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from labkit.compare import failover, throughput, wrk
from labkit.errors import ConfigRejected, MeasureError, ServiceError
from labkit.inside import ipvs
from labkit.lab import Lab
from labkit.measure.counters import COLUMNS, counters, history, settled
from labkit.measure.traffic import curl, traffic
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, Keepalived, VirtualService, health_checked

from .helpers import eventually, named


def saved(lab: Lab) -> list[str]:
    """ipvsadm's own record of the table."""
    return sorted(lab.run("ipvsadm -Sn").stdout.splitlines())


def state(lab: Lab) -> list[str]:
    """That, and what `ip` says of the dummy interface."""
    rows = lab.run("ip -o addr show dev dummy1; ip -o link show dev dummy1 | cut -d' ' -f2-9", check=False).stdout.splitlines()
    return saved(lab) + [row.split(": ", 1)[-1] for row in rows if "inet6" not in row]


THREE = {"127.0.0.1:8081": 3, "127.0.0.1:8082": 0, "10.0.0.1:80": 65535}
# What is started and changed, how many lines tell of it, and words that they have.
TYPED: dict[str, tuple[Any, dict[str, Any], Any, int, list[str]]] = {
    "rr": (VirtualService, {}, id, 3, ["-s rr"]),
    "wrr": (VirtualService, {"scheduler": "wrr", "servers": THREE}, id, 4, ["-s wrr", "-w 65535", "-w 0"]),
    "lc": (VirtualService, {"scheduler": "lc", "servers": {}}, id, 1, ["-s lc"]),
    "scheduler": (VirtualService, {}, lambda one: one.set_scheduler("wrr"), 3, ["-s wrr"]),
    "weight": (VirtualService, {}, lambda one: one.set_weight("127.0.0.1:8082", 7), 3, ["-w 7"]),
    "interface": (DummyInterface, {}, id, 2, ["192.168.100.1/32", "UP"]),
}


@pytest.mark.parametrize(("kind", "options", "change", "lines", "words"), TYPED.values(), ids=TYPED)
def test_helper_and_typed_commands_give_the_same_table(
    ipvs_bare: Lab, capsys: pytest.CaptureFixture[str], kind: Any, options: Any, change: Any, lines: int, words: list[str]
) -> None:
    """`ipvsadm -Sn` and `ip addr` say the same after the helper as after the commands that it shows; after stop() nothing.

    stop() of a service that does not run does nothing, as for every service.
    """
    service = kind(ipvs_bare, **options)
    service.stop()
    service.start()
    change(service)
    applied = state(ipvs_bare)
    shown = [line[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("$ ip")]
    service.stop()
    service.stop()
    assert state(ipvs_bare) == [] and len(applied) == lines and all(word in "\n".join(applied) for word in words), applied
    for command in shown:
        ipvs_bare.run(command)
    assert state(ipvs_bare) == applied


def test_generic_netlink_is_not_to_be_had_on_the_running_kernel(lab: Lab) -> None:
    """There IPVS's netlink is refused in any user namespace, so ipvsadm and keepalived are led to socket options; ip works."""
    done = lab.run("python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)'", check=False)
    assert ("Protocol not supported" in done.stderr) == (lab.linux == "host")
    assert lab.run("ip link show lo").code == 0


def test_ipv6_is_for_netlink_alone(ipvs_bare: Lab) -> None:
    """A service of IPv6, which only netlink can make, is refused on the running kernel and there on User-Mode Linux."""
    done = ipvs_bare.run("ipvsadm -A -t [fd00::1]:80 -s rr", check=False)
    assert (done.code == 0) == (ipvs_bare.linux == "uml"), done
    assert ("fd00::1" in " ".join(saved(ipvs_bare))) == (ipvs_bare.linux == "uml")


def test_what_is_refused_changes_nothing(service: VirtualService) -> None:
    """A scheduler that the Linux has not, a server that the service has not, and what exists already: an error, and no change."""
    before = saved(service.lab)
    with pytest.raises(ServiceError, match="-s nonsense") as caught:
        service.set_scheduler("nonsense")
    assert "scheduler" in caught.value.way_out and service.scheduler == "rr"
    with pytest.raises(ServiceError):
        service.set_weight("127.0.0.1:9999", 1)
    for again in (VirtualService(service.lab, servers={"127.0.0.1:9": 1}), DummyInterface(service.lab)):
        with pytest.raises(ServiceError) as caught:
            again.start()
        assert "exists" in str(caught.value) and "stop() the old one" in caught.value.way_out
    assert saved(service.lab) == before
    assert "192.168.100.1/32" in DummyInterface(service.lab).log


HIDE = (
    "for at in {}; do if [ -d $at ]; then mount -t tmpfs none $at; elif [ -e $at ]; then mount --bind /dev/null $at; fi; done\n"
)
FOLDERS = "/usr/lib/modules /usr/lib/uml/modules"


@pytest.mark.parametrize("hidden", ["", FOLDERS, f"{FOLDERS} /proc/modules"], ids=["listed", "no folders", "not listed"])
def test_modprobe_finds_what_the_kernel_has(ipvs_bare: Lab, hidden: str) -> None:
    """`modprobe` is content with task 3's modules, also where nothing lists them: built in, or a container without /lib/modules.

    For a module that is not there it says what the real one says.
    """
    hide = HIDE.format(hidden) if hidden else ""
    script = f"set -e\n{hide}modprobe ip_vs\nmodprobe -a ip_vs ip_vs_rr ip-vs-wrr dummy\n! modprobe no_such"
    done = ipvs_bare.run(["unshare", "--mount", "bash", "-c", script], check=False)
    assert (done.code, "no_such not found" in str(done)) == (0, True), str(done)
    assert saved(ipvs_bare) == [] and "lk-modprobe" not in ipvs_bare.run("ip link").stdout


URL = "http://192.168.100.1"


def test_hundred_requests_are_fifty_and_fifty(service: VirtualService) -> None:
    """3.3: round robin gives each backend half, and curl, one request after another, one and the other in turn; counters, pages
    and ipvsadm's own table say the same."""
    table = traffic(service.lab, URL, 100)
    assert table["backend"].value_counts().to_dict() == {"backend1": 50, "backend2": 50}
    found = settled(service.lab, 100)
    assert list(found.columns) == COLUMNS
    assert found["server"].tolist() == ["127.0.0.1:8081", "127.0.0.1:8082"]
    assert found["conns"].tolist() == [50, 50]
    assert (found[["in_packets", "out_packets", "in_bytes", "out_bytes"]] > 0).all(axis=None)
    assert set(found["service"]) == {"192.168.100.1:80"} and set(found["scheduler"]) == {"rr"}
    rows = [line.split() for line in service.log.splitlines() if line.strip().startswith("-> 127.")]
    assert [row[2] for row in rows] == ["50", "50"]
    backends = curl(service.lab, URL, 6)["backend"].tolist()
    assert backends in (["backend1", "backend2"] * 3, ["backend2", "backend1"] * 3)


def test_dead_server_keeps_its_share(service: VirtualService, ipvs_pool: BackendPool) -> None:
    """IPVS checks nobody's health: with one backend dead, half of the requests are refused."""
    ipvs_pool["backend2"].stop()
    try:
        table = traffic(service.lab, URL, 20)
    finally:
        ipvs_pool["backend2"].start()
    assert table["error"].tolist().count("refused") == 10
    assert table["backend"].tolist().count("backend1") == 10


def test_weights_are_shares(service: VirtualService) -> None:
    """A server with weight 0 is in the table and gets no new connection; weighted round robin gives 3:1."""
    service.set_weight("127.0.0.1:8082", 0)
    assert set(traffic(service.lab, URL, 10)["backend"]) == {"backend1"}
    assert counters(service.lab)["weight"].tolist() == [1, 0]
    service.set_scheduler("wrr")
    service.set_weight("127.0.0.1:8082", 1)
    service.set_weight("127.0.0.1:8081", 3)
    assert traffic(service.lab, URL, 40)["backend"].value_counts().to_dict() == {"backend1": 30, "backend2": 10}
    assert set(counters(service.lab)["scheduler"]) == {"wrr"}


def test_history_goes_from_nothing_to_all(service: VirtualService) -> None:
    """After zero() what is counted is what comes after it; readings over time never fall and end with every connection."""
    traffic(service.lab, URL, 10)
    settled(service.lab, 10)
    settled(service.lab)
    service.zero()
    eventually(lambda: counters(service.lab)["conns"].sum() == 0, "zeroed counters")
    table = history(service.lab, lambda: traffic(service.lab, URL, 20, every=0.02), conns=20)
    assert list(table.columns) == [*COLUMNS, "time"]
    sums = table.groupby("time")["conns"].sum().tolist()
    assert sums[0] == 0 and sums[-1] == 20 and sums == sorted(sums)
    assert settled(service.lab, 20)["conns"].tolist() == [10, 10]

    def fail() -> None:
        raise MeasureError("mine")

    with pytest.raises(MeasureError, match="mine"):  # an error of the work is what is raised
        history(service.lab, fail)


VIP = "192.168.100.1:80"


@pytest.fixture
def checked(ipvs_bare: Lab, ipvs_pool: BackendPool) -> Iterator[Keepalived]:
    """keepalived over the assignment's two real servers, which are up before and after the test."""
    DummyInterface(ipvs_bare).start()
    # A server that is gone refuses at once; one that is up may need more than a second on an emulated processor.
    with Keepalived(ipvs_bare, health_checked(timeout=5)) as service:
        yield service
    ipvs_pool.start()


def servers(lab: Lab) -> list[str]:
    """The real servers in the kernel's table."""
    return [row["server"] for row in lab.call(ipvs.counters)]


def test_dead_real_server_leaves_the_table_and_comes_back(checked: Keepalived, ipvs_pool: BackendPool) -> None:
    """A killed server is taken out, the other stays; started again, it is put back; the log says both."""
    lab = checked.lab
    assert servers(lab) == ["127.0.0.1:8081", "127.0.0.1:8082"]
    ipvs_pool["backend2"].stop()
    eventually(lambda: servers(lab) == ["127.0.0.1:8081"], "the dead server to leave the table")
    ipvs_pool["backend2"].start()
    checked.wait_for_all(timeout=60)
    assert servers(lab) == ["127.0.0.1:8081", "127.0.0.1:8082"]
    assert "Removing service [127.0.0.1]:tcp:8082" in checked.log and "Adding service [127.0.0.1]:tcp:8082" in checked.log


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_is_left_of_it(ipvs_bare: Lab, ipvs_pool: BackendPool, killed: bool) -> None:
    """After stop() there is no process and no virtual service of it, and those of others are untouched; also when it was killed,
    so that it could not clean up; right after restart() both real servers are there."""
    other = VirtualService(ipvs_bare, "192.168.100.1:81")
    other.start()
    before = saved(ipvs_bare)
    service = Keepalived(ipvs_bare, health_checked())
    service.start()
    service.restart()
    assert service.alive and len(saved(ipvs_bare)) == 2 * len(before)
    if killed:
        # Stopped first: the one that sees its parent end would clean up before its own end.
        ipvs_bare.run("pkill -STOP -x keepalived; pkill -KILL -x keepalived")
        eventually(lambda: not service.alive, "its end")
        assert len(saved(ipvs_bare)) > len(before)
    service.stop()
    assert saved(ipvs_bare) == before
    eventually(lambda: named(ipvs_bare, "keepalived") == [], "the end of its processes")


def test_typed_command_gives_the_same_table(ipvs_bare: Lab, ipvs_pool: BackendPool) -> None:
    """The command that is shown, typed by hand, does the same, and what it logs to the terminal does not disturb the lab."""
    service = Keepalived(ipvs_bare, health_checked())
    service.start()
    applied = saved(ipvs_bare)
    service.stop()
    assert saved(ipvs_bare) == []
    process = ipvs_bare.start(service.command)
    eventually(lambda: saved(ipvs_bare) == applied, "the same table")
    process.stop()


def test_configuration_that_it_would_half_ignore_is_refused(ipvs_bare: Lab) -> None:
    """keepalived runs on without a line it does not know; labkit does not start it, and tells its words."""
    with pytest.raises(ConfigRejected, match="refused") as caught:
        Keepalived(ipvs_bare, health_checked().replace("lb_algo", "lb_algoo"), file="~/wrong.conf").start()
    assert "Unknown keyword 'lb_algoo'" in caught.value.words
    assert named(ipvs_bare, "keepalived") == [] and saved(ipvs_bare) == []


def test_failover_shows_who_has_a_health_check(checked: Keepalived, ipvs_pool: BackendPool) -> None:
    """The same load and fault: once keepalived has taken the dead server out, its clients fail no more; the others still do."""
    lab = checked.lab
    VirtualService(lab, "192.168.100.1:81").start()
    urls = {"checked": f"http://{VIP}/", "bare": "http://192.168.100.1:81/"}
    failed: dict[str, int] = {}

    def heal() -> None:
        eventually(lambda: len(servers(lab)) == 3, "the dead server to leave keepalived's table")
        failed.update({name: int(traffic(lab, url, 20)["error"].notna().sum()) for name, url in urls.items()})
        ipvs_pool["backend2"].start()

    run = failover(lab, urls, ipvs_pool["backend2"].stop, heal, broken=0.5)
    assert failed["checked"] == 0 and failed["bare"] >= 1, checked.log
    assert 0 < run.broken < run.healing < run.healed
    assert set(run.requests["balancer"]) == set(urls)
    there = run.requests["start"].between(run.broken, run.healed)  # half a second may be too short for a busy machine's load
    assert "refused" in set(run.requests.loc[there & (run.requests["balancer"] == "bare"), "error"])


def test_wrk_counts_what_it_sent(ipvs_bare: Lab, ipvs_pool: BackendPool) -> None:
    """The real wrk's words become one row; a page that is not there counts as an error each time; where nobody listens it is an
    error with wrk's own words, and not a row of zeros; each way is compared with the direct one."""
    good, bad = (wrk(ipvs_bare, f"http://127.0.0.1:8081/{page}", connections=2).iloc[0] for page in ("", "nothing"))
    assert good["requests"] > 0 and good["per_second"] > 0 and 0 < good["p50"] <= good["p99"] and good["errors"] == 0
    assert bad["errors"] == bad["requests"] > 0
    with pytest.raises(MeasureError) as caught:
        wrk(ipvs_bare, "http://127.0.0.1:9/")
    assert "Connection refused" in caught.value.words
    ways = {name: f"http://127.0.0.1:{port}/" for name, port in (("direct", 8081), ("other", 8082))}
    found = throughput(ipvs_bare, ways, rounds=1, connections=2)
    assert list(found.index) == ["direct", "other"] and found.loc["direct", "ratio"] == 1
    assert found.loc["other", "ratio"] > 0
