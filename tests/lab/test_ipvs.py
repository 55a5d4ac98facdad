"""Task 3: the dummy interface and the virtual service, by the helpers and as typed; who is reached by it, what counters say."""

from typing import Any

import pytest

from labkit.errors import MeasureError, ServiceError
from labkit.lab import Lab
from labkit.measure.counters import COLUMNS, counters, history, settled
from labkit.measure.traffic import curl, traffic
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService

from .helpers import eventually

pytestmark = pytest.mark.lab


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
    """`ipvsadm -Sn` and `ip addr` say the same after the helper as after the commands that it shows; after stop() nothing."""
    service = kind(ipvs_bare, **options)
    service.start()
    change(service)
    applied = state(ipvs_bare)
    shown = [line[2:] for line in capsys.readouterr().out.splitlines() if line.startswith("$ ip")]
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


def test_synchronisation_daemon_is_started_and_stopped(ipvs_bare: Lab) -> None:
    """ipvsadm's --start-daemon, --daemon and --stop-daemon do on both what they say: socket options have them too."""
    ipvs_bare.run("ipvsadm --start-daemon master --mcast-interface lo --syncid 7")
    assert "master sync daemon (mcast=lo, syncid=7" in ipvs_bare.run("ipvsadm -L --daemon").stdout
    ipvs_bare.run("ipvsadm --stop-daemon master")
    assert ipvs_bare.run("ipvsadm -L --daemon").stdout.strip() == ""


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


@pytest.mark.parametrize("kind", [VirtualService, DummyInterface])
def test_stopping_what_does_not_run_leaves_it(ipvs_bare: Lab, kind: type[VirtualService] | type[DummyInterface]) -> None:
    """stop() of a service that does not run does nothing, as for every service; so a `with` may be left after it."""
    kind(ipvs_bare).stop()
    with kind(ipvs_bare) as service:
        service.stop()


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
    """3.3: round robin gives each backend half; counters, pages and ipvsadm's own table say the same."""
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


def test_curl_in_a_loop_alternates(service: VirtualService) -> None:
    """3.3: curl, one request after another, is answered by one and the other in turn."""
    backends = curl(service.lab, URL, 6)["backend"].tolist()
    assert backends in (["backend1", "backend2"] * 3, ["backend2", "backend1"] * 3)


def test_zero_starts_the_counters_afresh(service: VirtualService) -> None:
    """After zero() what is counted is what comes after it."""
    traffic(service.lab, URL, 10)
    settled(service.lab, 10)
    settled(service.lab)
    service.zero()
    eventually(lambda: counters(service.lab)["conns"].sum() == 0, "zeroed counters")
    traffic(service.lab, URL, 4)
    assert settled(service.lab, 4)["conns"].tolist() == [2, 2]


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
    """Readings over time never fall and end with every connection."""
    settled(service.lab)
    service.zero()
    eventually(lambda: counters(service.lab)["conns"].sum() == 0, "zeroed counters")
    table = history(service.lab, lambda: traffic(service.lab, URL, 20, every=0.02), conns=20)
    assert list(table.columns) == [*COLUMNS, "time"]
    sums = table.groupby("time")["conns"].sum().tolist()
    assert sums[0] == 0 and sums[-1] == 20 and sums == sorted(sums)

    def fail() -> None:
        raise MeasureError("mine")

    with pytest.raises(MeasureError, match="mine"):  # an error of the work is what is raised
        history(service.lab, fail)
