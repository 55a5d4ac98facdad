"""Task 3: who is reached through the virtual service, and what the counters say."""

import pytest

from labkit.errors import MeasureError
from labkit.measure.counters import COLUMNS, counters, history, settled
from labkit.measure.traffic import curl, traffic
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import VirtualService

from .helpers import eventually

pytestmark = pytest.mark.lab
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
