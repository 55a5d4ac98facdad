"""Requests and DNS queries, as a client of the lab experiences them; nginx's attempts by its own log and by the packets."""

import asyncio
import itertools
import signal
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from labkit.errors import LabClosed, LabkitError, MeasureError
from labkit.inside import processes
from labkit.lab import Lab
from labkit.measure.capture import EXCHANGES, SYNS, Capture
from labkit.measure.counters import attempts
from labkit.measure.traffic import ANSWER_COLUMNS, COLUMNS, NAME, curl, dig, dns, traffic
from labkit.services.daemons import Dnsmasq, Nginx
from labkit.services.http_server import BackendPool

from .helpers import BALANCER, LabFactory, eventually, named, pids

BOTH = ("127.0.0.1", "127.0.0.2")
RECORDS = [f"{name},127.0.0.{n}" for name, pair in {NAME: (1, 2), "far.local": (4, 5)}.items() for n in pair]
CONFIG = "no-resolv\nlocal=/local/\n" + "".join(f"host-record={record}\n" for record in [*RECORDS, "slow.local,10.0.0.1,30"])
URL, NGINX_URL = "http://127.0.0.1:8081", "http://127.0.0.1:8888"


def test_without_a_server_queries_are_errors(lab: Lab) -> None:
    """Where nobody listens, each query is a row that says refused, over UDP and TCP; dig's error has its own words."""
    for tcp in (False, True):
        table = dns(lab, count=2, tcp=tcp)
        assert table["error"].tolist() == ["refused"] * 2
        assert table["answers"].tolist() == [(), ()] and table["rcode"].isna().all()
    with pytest.raises(MeasureError, match="had no answer") as caught:
        dig(lab, options="+tries=1 +time=1")
    assert "connection refused" in caught.value.words and "dnsmasq" in caught.value.way_out


@pytest.fixture(scope="module")
def served(lab: Lab) -> Iterator[Lab]:
    """The lab with dnsmasq, and a backend on one port of each of its addresses."""
    with Dnsmasq(lab, CONFIG), BackendPool.at(lab, *(f"127.0.0.{n}:8090" for n in (1, 2, 4, 5))):
        yield lab


@pytest.mark.parametrize("at_a_time", [1, 4])
def test_every_request_has_its_row(lab: Lab, pool: BackendPool, at_a_time: int) -> None:
    """In order, with address, backend, status and milliseconds, and no error; several at a time give as many rows."""
    table = traffic(lab, URL, 103, at_a_time=at_a_time)
    assert list(table.columns) == COLUMNS and table["n"].tolist() == list(range(1, 104))
    assert set(table["address"]) == {"127.0.0.1:8081"} and set(table["backend"]) == {"backend1"}
    assert set(table["status"]) == {200} and table["error"].isna().all()
    assert (table["ms"] > 0).all() and table["start"].is_monotonic_increasing and table["start"].iloc[0] == 0


def test_server_that_hangs_is_a_timeout(lab: Lab, pool: BackendPool) -> None:
    """A server that is stopped with SIGSTOP takes the connection and does not answer in time; curl's own is served like ours."""
    pid = pool["backend2"].pid
    lab.call(processes.send_signal, pid, int(signal.SIGSTOP))
    try:
        tables = [sends(lab, "http://127.0.0.1:8082", 2, timeout=0.3) for sends in (traffic, curl)]
    finally:
        lab.call(processes.send_signal, pid, int(signal.SIGCONT))
    assert [table["error"].tolist() for table in tables] == [["timeout"] * 2] * 2
    assert (tables[0]["ms"] >= 299).all()


def test_pace_is_kept(lab: Lab, pool: BackendPool) -> None:
    """With `every`, requests begin no sooner than that after one another."""
    gaps = traffic(lab, URL, 5, every=0.1)["start"].diff().dropna()
    assert (gaps > 0.05).all()  # on a busy machine a request's time is taken a moment after its turn; without a pace it is 0.002


def test_name_that_nobody_knows(served: Lab) -> None:
    """A name that the lab's dnsmasq does not know, or refuses, is `no such name`, by getaddrinfo and by the first record."""
    for name, first_record in itertools.product(("nobody.local", "nobody.example"), (False, True)):
        table = traffic(served, f"http://{name}", 2, first_record=first_record, timeout=2.0)
        assert table["error"].tolist() == ["no such name"] * 2


def test_client_of_the_first_record_alternates(served: Lab) -> None:
    """A client that takes the first record of each answer goes to one and the other in turn."""
    table = traffic(served, f"http://{NAME}:8090", 20, first_record=True)
    assert table["address"].tolist() in [["127.0.0.1:8090", "127.0.0.2:8090"] * 10, ["127.0.0.2:8090", "127.0.0.1:8090"] * 10]
    assert table["backend"].value_counts().to_dict() == {"backend1": 10, "backend2": 10}


def test_client_of_getaddrinfo_never_leaves_the_nearest(served: Lab) -> None:
    """getaddrinfo sorts by RFC 6724: of 127.0.0.1 and 127.0.0.2 every such client takes the first, curl too; of two addresses
    that are equally far it takes both, half and half."""
    assert set(traffic(served, f"http://{NAME}:8090", 10)["address"]) == {"127.0.0.1:8090"}
    assert set(curl(served, f"http://{NAME}:8090", 4)["address"]) == {"127.0.0.1:8090"}
    assert traffic(served, "http://far.local:8090", 10)["backend"].value_counts().to_dict() == {"backend3": 5, "backend4": 5}


def test_curl_agrees_with_traffic(lab: Lab, pool: BackendPool) -> None:
    """The real curl's table has the same columns, types and findings: a page, one that is not there, nobody at the port."""
    for url, status, error in ((URL, 200, None), (f"{URL}/none", 404, "http 404"), ("http://127.0.0.1:9", None, "refused")):
        ours, curls = traffic(lab, url, 2), curl(lab, url, 2)
        columns = ["n", "address", "backend", "status", "error"]
        assert curls[columns].to_dict() == ours[columns].to_dict()
        assert curls.dtypes.to_dict() == ours.dtypes.to_dict()
        assert (curls["ms"] > 0).all() and abs(curls.attrs["epoch"] - ours.attrs["epoch"]) < 60
        assert ours["error"].tolist() == [error] * 2 and set(ours["address"]) == {url[7:].split("/")[0]}
        assert ours["status"].tolist() == [status] * 2 if status else ours["status"].isna().all()


def test_large_pages_are_measured_too(lab: Lab, pool: BackendPool) -> None:
    """Pages of a megabyte give a row each, however much they are together; curl's, which are printed, end with a reason."""
    lab.run("head -c 1000000 /dev/zero | tr '\\0' x > ~/backend1/large")
    assert traffic(lab, f"{URL}/large", 6)["status"].tolist() == [200] * 6
    with pytest.raises(MeasureError, match="Of 6 runs of curl only"):
        curl(lab, f"{URL}/large", 6)


def test_two_hundred_queries_alternate(served: Lab) -> None:
    """2.1: both records in every answer, and each is first in exactly half of them, in turn."""
    table = dns(served)
    assert (list(table.columns), len(table)) == (ANSWER_COLUMNS, 200)
    assert {tuple(sorted(answers)) for answers in table["answers"]} == {BOTH}
    assert table["first"].value_counts().to_dict() == dict.fromkeys(BOTH, 100)
    assert (table["first"] != table["first"].shift()).all()
    assert set(table["rcode"]) == {"NOERROR"} and table["error"].isna().all()
    assert table["start"].is_monotonic_increasing and (table["ms"] > 0).all()


def test_digs_own_output(served: Lab) -> None:
    """2.2: dig asks 127.0.0.1 and shows both records; over TCP the same answers come; a TTL is 0 unless the record has one;
    every program in the lab resolves by it."""
    done = dig(served)
    assert done.command == f"dig @127.0.0.1 {NAME}" == "dig @127.0.0.1 my-awesome-highload-app.local"
    assert "status: NOERROR" in done.stdout and "ANSWER: 2" in done.stdout
    assert sorted(dig(served, options="+short").stdout.split()) == list(BOTH)
    assert {tuple(sorted(answers)) for answers in dns(served, count=4, tcp=True)["answers"]} == {BOTH}
    assert dns(served, count=1)["ttl"].tolist() == [0] and dns(served, "slow.local", 1)["ttl"].tolist() == [30]
    assert set(served.run(f"getent ahosts {NAME}").stdout.split()) >= set(BOTH)


@pytest.mark.parametrize(
    ("name", "kind", "rcode"), [("nobody.local", "A", "NXDOMAIN"), ("nobody.example", "A", "REFUSED"), (NAME, "AAAA", "NOERROR")]
)
def test_unknown_name_has_a_code_and_no_answer(served: Lab, name: str, kind: str, rcode: str) -> None:
    """A name that dnsmasq does not know, or not of this kind, is answered without a record."""
    table = dns(served, name, 2, kind=kind)
    assert table["rcode"].tolist() == [rcode] * 2 and table["answers"].tolist() == [()] * 2
    assert table["first"].isna().all() and table["ttl"].isna().all()
    assert rcode in dig(served, name).stdout


@pytest.mark.parametrize(
    "options", [{"server": "nonsense"}, {"kind": "NONSENSE"}, {"name": "a..b"}, {"name": "x" * 64 + ".local"}]
)
def test_what_cannot_be_asked_is_told(served: Lab, options: dict[str, str]) -> None:
    """A server, kind or name that is none ends in an error of labkit's or in rows that say so."""
    try:
        table = dns(served, **{"name": NAME, "count": 2, **options})  # type: ignore[arg-type]
    except LabkitError:
        return
    assert len(table) == 2
    assert table["error"].notna().all()


@pytest.fixture
def nginx(lab: Lab, pool: BackendPool) -> Iterator[Nginx]:
    """The assignment's nginx in front of them, with an empty log."""
    lab.run("rm -f /var/log/nginx/access.log")
    with Nginx(lab, BALANCER) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def recorded(lab: Lab, pool: BackendPool) -> Capture:
    """A capture of five requests through nginx."""
    with Nginx(lab, BALANCER), Capture(lab) as capture:
        traffic(lab, NGINX_URL, 5)
    return capture


def logged(nginx: Nginx, count: int) -> pd.DataFrame:
    """The attempts of `count` requests; nginx writes a line after its answer, so the last may come a moment later."""
    eventually(lambda: len(attempts(nginx.lab)) == count, f"{count} lines of log")
    return attempts(nginx.lab)


def test_exactly_seven_attempts_and_then_none(nginx: Nginx, pool: BackendPool) -> None:
    """4.5: with both alive, every request is answered by backend1 at the first attempt. 4.2: with it off, seven requests try it
    and go on to the backup, the others do not, by log and by SYNs."""
    assert set(traffic(nginx.lab, NGINX_URL, 5)["backend"]) == {"backend1"}
    alive = logged(nginx, 5)
    assert alive["upstreams"].tolist() == [("127.0.0.1:8081",)] * 5
    assert alive["statuses"].tolist() == [(200,)] * 5 and alive["time"].iloc[0] == 0.0
    pool["backend1"].stop()
    try:
        with Capture(nginx.lab) as capture:
            table = traffic(nginx.lab, NGINX_URL, 12)
    finally:
        pool["backend1"].start()
    assert set(table["status"]) == {200} and set(table["backend"]) == {"backend2"}
    both, backup = ("127.0.0.1:8081", "127.0.0.1:8082"), ("127.0.0.1:8082",)
    tried = logged(nginx, 17)[5:]
    assert tried["upstreams"].tolist() == [both] * 7 + [backup] * 5
    assert tried["statuses"].tolist() == [(502, 200)] * 7 + [(200,)] * 5 and set(tried["status"]) == {200}
    syns = capture.syns()
    assert list(syns.columns) == SYNS
    assert syns.groupby(["target", "answer"]).size().to_dict() == {
        ("127.0.0.1:8081", "refused"): 7, ("127.0.0.1:8082", "accepted"): 12, ("127.0.0.1:8888", "accepted"): 12,
    }  # fmt: skip


def test_every_exchange_is_there_on_both_hops(recorded: Capture) -> None:
    """4.6: five requests are ten exchanges, client to nginx and nginx to backend1, none lost at either end; 4.4: the backend
    receives X-high-load-test: 123, and the client gets it in the response; all connections accepted at the first SYN."""
    table = recorded.exchanges()
    assert list(table.columns) == EXCHANGES
    assert table["hop"].value_counts().to_dict() == {"client → nginx": 5, "nginx → backend1": 5}
    assert set(table["status"]) == {200} and set(table["method"]) == {"GET"} and set(table["uri"]) == {"/"}
    assert (table["ms"] > 0).all() and table["time"].min() == 0.0
    assert set(table["server"]) == {"127.0.0.1:8888", "127.0.0.1:8081"}
    hops = dict(list(table.groupby("hop")))
    to_backend, to_nginx = hops["nginx → backend1"], hops["client → nginx"]
    assert {headers.get("X-high-load-test") for headers in to_backend["request_headers"]} == {"123"}
    assert {headers.get("X-high-load-test") for headers in to_nginx["response_headers"]} == {"123"}
    assert not any("X-high-load-test" in headers for headers in to_nginx["request_headers"])
    assert not any("X-high-load-test" in headers for headers in to_backend["response_headers"])
    syns = recorded.syns()
    assert syns["target"].value_counts().to_dict() == {"127.0.0.1:8888": 5, "127.0.0.1:8081": 5}
    assert set(syns["answer"]) == {"accepted"} and set(syns["packets"]) == {1}


def test_pyshark_looks_into_one_exchange(recorded: Capture) -> None:
    """The packets of one stream are its request and its response, in a cell too, where an event loop runs already."""
    table = recorded.exchanges()

    async def cell(stream: int) -> list[Any]:
        return recorded.packets(stream)

    for hop, request_has in (("client → nginx", None), ("nginx → backend1", "123")):
        row = table[table["hop"] == hop].iloc[0]
        request, response = asyncio.run(cell(row["stream"]))
        assert (request.http.request_method, request.http.request_uri, response.http.response_code) == ("GET", "/", "200")
        assert row["request_headers"].get("X-high-load-test") == request_has
        assert ("X-high-load-test: 123" in str(request.http)) is bool(request_has)
    assert recorded.packets(9999) == []


def test_capture_without_traffic(lab: Lab) -> None:
    """Nothing sent, nothing found, all columns there; a wrong interface is a MeasureError with the program's words; an error in
    the `with` is what is raised, and the recording can be read; nothing is left running."""
    capture = Capture(lab)
    with pytest.raises(ZeroDivisionError), capture:
        _ = 1 / 0
    for table in (capture.exchanges(), capture.syns()):
        assert (list(table.columns) in (EXCHANGES, SYNS), len(table)) == (True, 0)
    assert pids(lab, "dumpcap") == []
    with pytest.raises(MeasureError) as caught, Capture(lab, interface="eth9"):
        pytest.fail("it recorded")
    assert "eth9" in str(caught.value) and caught.value.words
    assert named(lab, "tshark") + named(lab, "dumpcap") == []


def test_capture_can_be_read_when_the_lab_is_closed(own_lab: LabFactory) -> None:
    """What was recorded outlives its lab; a closed lab records nothing more."""
    lab = own_lab("host")
    with BackendPool(lab), Capture(lab) as capture:
        traffic(lab, "http://127.0.0.1:8081", 3)
    lab.close()
    assert capture.exchanges()["hop"].tolist() == ["client → backend1"] * 3
    with pytest.raises(LabClosed), Capture(lab):
        pytest.fail("it recorded")
