"""keepalived beside IPVS, and wrk, in a real lab."""

from collections.abc import Iterator

import pytest

from labkit.compare import failover, throughput, wrk
from labkit.errors import ConfigRejected, MeasureError
from labkit.inside import ipvs
from labkit.lab import Lab
from labkit.measure.traffic import traffic
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, Keepalived, VirtualService, health_checked

from .helpers import eventually, named

pytestmark = pytest.mark.lab
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


def table(lab: Lab) -> list[str]:
    """ipvsadm's own record of the table."""
    return lab.run("ipvsadm -Sn").stdout.splitlines()


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
    before = table(ipvs_bare)
    service = Keepalived(ipvs_bare, health_checked())
    service.start()
    service.restart()
    assert service.alive and len(table(ipvs_bare)) == 2 * len(before)
    if killed:
        # Stopped first: the one that sees its parent end would clean up before its own end.
        ipvs_bare.run("pkill -STOP -x keepalived; pkill -KILL -x keepalived")
        eventually(lambda: not service.alive, "its end")
        assert len(table(ipvs_bare)) > len(before)
    service.stop()
    assert table(ipvs_bare) == before
    eventually(lambda: named(ipvs_bare, "keepalived") == [], "the end of its processes")


def test_typed_command_gives_the_same_table(ipvs_bare: Lab, ipvs_pool: BackendPool) -> None:
    """The command that is shown, typed by hand, does the same, and what it logs to the terminal does not disturb the lab."""
    service = Keepalived(ipvs_bare, health_checked())
    service.start()
    applied = table(ipvs_bare)
    service.stop()
    assert table(ipvs_bare) == []
    process = ipvs_bare.start(service.command)
    eventually(lambda: table(ipvs_bare) == applied, "the same table")
    process.stop()


def test_configuration_that_it_would_half_ignore_is_refused(ipvs_bare: Lab) -> None:
    """keepalived runs on without a line it does not know; labkit does not start it, and tells its words."""
    with pytest.raises(ConfigRejected, match="refused") as caught:
        Keepalived(ipvs_bare, health_checked().replace("lb_algo", "lb_algoo"), file="~/wrong.conf").start()
    assert "Unknown keyword 'lb_algoo'" in caught.value.words
    assert named(ipvs_bare, "keepalived") == [] and table(ipvs_bare) == []


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
