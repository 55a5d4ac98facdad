"""Task 3: the interface, the kernel's IPVS table, the balance."""

import contextlib
from typing import Any

from ..errors import WaitTimeout
from ..inside import ipvs, judge, recorder, sockets
from ..measure.counters import settled
from .bench import BACKENDS, Bench, request_rows
from .verdict import Finding, check, could_not_run, failed, passed

VIP, PORT, SERVERS = "192.168.100.1", 80, ["127.0.0.1:8081", "127.0.0.1:8082"]
SERVICE = f"{VIP}:{PORT}"
DUMMY, SCHEDULER = "dummy1", "rr"
REQUESTS = 40
# For an answer, and how many that do not come are enough; for the counters, which lag by two seconds (on a busy machine by
# more), and for those where the kernel remembers fewer connections than were made.
TIMEOUT, GIVE_UP, COUNTED, DOUBTFUL = 5.0, 2, 30.0, 15.0


@check("3.1", "dummy1 carries 192.168.100.1/32", points=10, exactly=[DUMMY, f"{VIP}/32"])
def interface(bench: Bench) -> Finding:
    """3.1: a dummy interface dummy1 is up and has the address, with /32, and no other interface has it."""
    rows = bench.call(sockets.interfaces)
    seen = [(f"{row['name']} ({row['kind'] or 'loopback'})", row["addresses"]) for row in rows]
    evidence = "; ".join(f"{who}: {', '.join(addresses) or 'no address'}" for who, addresses in seen)
    fault = interface_fault(rows)
    if "no interface" in fault:
        return failed(evidence + bench.words, fault + bench.cause)
    return failed(evidence, fault) if fault else passed(evidence)


def interface_fault(rows: list[dict[str, Any]]) -> str:
    """What is wrong with the interfaces, "" when nothing is."""
    vips = {row["name"]: [one for one in row["addresses"] if one.split("/")[0] == VIP] for row in rows}
    others = [name for name, found in vips.items() if found and name != DUMMY]
    dummy = next((row for row in rows if row["name"] == DUMMY), None)
    if dummy is None:
        return "there is no interface dummy1 (`ip link add dummy1 type dummy`)"
    carried = vips[DUMMY]
    if dummy["kind"] != "dummy":
        return "dummy1 is no dummy interface" + (f", but a {dummy['kind']}" if dummy["kind"] else "")
    if not carried:
        return f"dummy1 does not carry {VIP} (`ip addr add {VIP}/32 dev dummy1`)"
    if carried == [f"{VIP}/0"]:  # it shifts by 32 bits, which a processor does not do
        return f"dummy1 carries {VIP}/0, as `ifconfig` reads /32: `ifconfig dummy1 {VIP} netmask 255.255.255.255`"
    if carried != [f"{VIP}/32"]:
        return f"dummy1 carries {' and '.join(carried)}: not the asked prefix length, {VIP}/32"
    if others:
        return f"{VIP} is also on {' and '.join(others)}; it belongs on dummy1 alone"
    return "" if dummy["up"] else "dummy1 is down (`ip link set dummy1 up`)"


def service_faults(row: dict[str, Any]) -> list[str]:
    """What is wrong with the virtual service, as hints."""
    servers = {server["server"]: server for server in row["servers"]}
    faults = []
    if row["scheduler"] != SCHEDULER:
        faults.append(f"the scheduler is {row['scheduler']}; round robin is asked: `-s rr`")
    if row["persistent"]:
        faults.append("the service is persistent: a client always meets the same server")
    if sorted(servers) != SERVERS:
        asked, found = (" and ".join(one) or "none" for one in (SERVERS, sorted(servers)))
        faults.append(f"the real servers are not the two asked ones: asked {asked}, found {found}")
    if any(server["method"] != 0 for server in servers.values()):
        way = "a real server is not reached by masquerading (`-m`)"
        faults.append(f"{way}, so its port cannot differ from the service's")
    weights = {server["weight"] for server in servers.values()}
    if 0 in weights:
        faults.append("a real server has weight 0, which means no new connections")
    elif len(weights) > 1:
        faults.append("the weights of the real servers are not equal, as if one should get more")
    return faults


@check(
    "3.2", "IPVS has a round robin service for TCP port 80, masquerading to ports 8081 and 8082",
    points=15, exactly=[SERVICE, SCHEDULER, *SERVERS],
)  # fmt: skip
def service(bench: Bench) -> Finding:
    """3.2: the kernel's table holds the service, round robin, masquerading, with the two real servers and no other."""
    table = bench.call(ipvs.table)
    seen = []
    for row in table:
        servers = [f"{one['server']} (weight {one['weight']})" for one in row["servers"]]
        head = f"{row['protocol']} {row['address']} {row['scheduler']}"
        seen.append(f"{head} → {', '.join(servers) or 'no real server'}")
    evidence = "; ".join(seen)
    ours = [row for row in table if (row["protocol"], row["address"]) == ("tcp", SERVICE)]
    if not ours:
        others = f", only for {' and '.join(row['address'] for row in table)}" if table else ""
        hint = f"IPVS has no virtual service for TCP {SERVICE}{others}"
        way_out = f" (`ipvsadm -A -t {SERVICE} -s rr`){bench.cause}"
        return failed((evidence or "the IPVS table is empty") + bench.words, hint + way_out)
    faults = service_faults(ours[0])
    return failed(evidence + bench.words, "; ".join(faults)) if faults else passed(evidence)


def entries(bench: Bench) -> int:
    """How many connections to the service the kernel remembers; this does not lag, and old ones are forgotten (ipvsadm --set)."""
    rows = [row for row in bench.call(ipvs.table) if row["address"] == SERVICE]
    return sum(server["active"] + server["inactive"] for row in rows for server in row["servers"])


def zero(bench: Bench) -> None:
    """Zero the counters once all from before has been added up; a work whose own clients go on is not waited for."""
    if entries(bench):
        with contextlib.suppress(WaitTimeout):
            settled(bench.lab)
    bench.call(ipvs.zero)


@check(
    "3.3", "requests to 192.168.100.1 are balanced, as IPVS counts them",
    points=10, exactly=[f"http://{VIP}/"], after=["3.1", "3.2"],
)  # fmt: skip
def balance(bench: Bench) -> Finding:
    """3.3: of 40 requests, all answered, IPVS counts half at each real server."""
    bench.record_backends()
    zero(bench)
    before = entries(bench)
    rows = bench.call(judge.series, VIP, PORT, REQUESTS, TIMEOUT, GIVE_UP)
    bench.evidence["requests"] = request_rows(rows)
    through = entries(bench) - before
    answered = {port: len(bench.call(recorder.take, port)) for port in BACKENDS}
    lost = [row["error"] for row in rows if row["error"]]
    if lost:
        evidence = f"{len(lost)} of {len(rows)} requests to {VIP} failed: {lost[0]}"
        return failed(evidence, f"requests to http://{VIP} are not all answered")
    timeout = COUNTED if through >= REQUESTS else DOUBTFUL
    try:
        counted = settled(bench.lab, REQUESTS, service=SERVICE, timeout=timeout)
    except WaitTimeout as error:
        if through < REQUESTS:
            evidence = f"{REQUESTS} requests were answered; IPVS counts fewer: {error.words}"
            return failed(evidence, "requests are answered, but not all of them went through IPVS")
        said = f"{REQUESTS} requests went through IPVS, and its counters do not show as many"
        return could_not_run(f"{said}: {error.words}")
    bench.evidence["counters"] = counted.to_dict("records")
    shares = dict(zip(counted["server"], counted["conns"], strict=True))
    evidence = f"{REQUESTS} requests; IPVS counts {shares}; the servers received {answered}"
    if max(answered.values()) - min(answered.values()) > 2 or sum(answered.values()) < REQUESTS:
        return failed(evidence, "the two servers do not get equal shares")
    return passed(evidence)
