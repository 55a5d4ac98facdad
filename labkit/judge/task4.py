"""Task 4: which backend nginx chooses, how often it tries a dead one, where it listens, what it sets."""

import re
from collections.abc import Iterator
from typing import Any

from ..errors import LabkitError, MeasureError, shortage
from ..inside import judge
from .bench import BACKENDS, Bench
from .failover import ADDRESS, ALIVE, HEADER, LIMIT, PAUSE, PORT, TIMEOUT, Measured, answered, listening, measured, settled
from .verdict import PASSED, Finding, check, could_not_run, failed, needs, passed

# What a backend answers with its page. The recorders answer any path, the servers of task 1 only these.
PAGE_PATHS = {"/", "/index.html"}
VALUE = "123"
ASKED = f"{LIMIT} are asked: `server 127.0.0.1:8081 max_fails={LIMIT};`"
BACKUP = "`server 127.0.0.1:8082 backup;`"
START = ": `systemctl restart nginx`, or `nginx -c FILE` with a file of your own"
INCLUDED = ": it includes /etc/nginx/conf.d/*.conf and /etc/nginx/sites-enabled/*; `nginx -T` shows what it reads"
# The addresses of a socket that a client of 127.0.0.1 reaches.
REACHED = (ADDRESS, "0.0.0.0", "::")
# Where Debian's nginx has its configuration.
NGINX_CONF, SITES, DEFAULT = (
    "/etc/nginx/nginx.conf", ("/etc/nginx/sites-enabled", "/etc/nginx/conf.d"), "/etc/nginx/sites-enabled/default",
)  # fmt: skip


def nginx_places(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Where nginx listens, of rows of who listens."""
    return sorted({(row["address"], row["port"]) for row in rows if row["program"] == "nginx"})


def sockets(bench: Bench) -> list[tuple[str, int]]:
    """Where nginx listened when the scripts had run."""
    return nginx_places(bench.listeners)


def shared(bench: Bench) -> Measured:
    """The measurements, made once. Raises MeasureError when there is no nginx where it is asked for, or no answer."""
    if not sockets(bench):
        raise MeasureError("nginx does not run")
    if not any(port == PORT and address in REACHED for address, port in sockets(bench)):
        raise MeasureError(needs("4.3").hint)
    return bench.once("measured", lambda: measured(bench))


@check(
    "4.1", "nginx sends everything to 127.0.0.1:8081 and has 127.0.0.1:8082 as backup",
    points=8, exactly=[f"{ADDRESS}:{port}" for port in BACKENDS],
)  # fmt: skip
def active_backup(bench: Bench) -> Finding:
    """4.1: with both alive all requests reach 8081; with 8081 dead they reach 8082."""
    if not sockets(bench):
        idle = bench.call(judge.commands, "nginx")
        state = "nginx runs, but listens nowhere" if idle else "nginx does not run"
        return failed(f"nginx listens nowhere{bench.words}", state + (bench.cause or (INCLUDED if idle else START)))
    try:
        found = shared(bench)
    except MeasureError:
        if not nginx_places(bench.call(judge.programs)):  # it was just being stopped when the scripts had run
            return failed(f"nginx listens nowhere any more{bench.words}", f"nginx does not run{bench.cause or START}")
        raise
    active, backup = (len(found.received[port]) for port in (8081, 8082))
    evidence = f"both alive: {active} requests reached 127.0.0.1:8081 and {backup} reached 127.0.0.1:8082"
    if not active + backup:
        statuses = ", ".join(sorted({str(row["status"] or row["error"]) for row in found.alive}))
        return failed(f"{evidence}; nginx answered with {statuses}", "no request reached a backend: nginx answers by itself")
    by_itself = sum(row["status"] == 200 for row in found.alive) - answered(found.alive, bench.pages[8081])
    if by_itself and not backup:
        return failed(evidence, f"nginx answers {by_itself} of {ALIVE} requests with another page than that of the backend")
    if backup:
        return failed(evidence, f"the second server gets requests while the first one is alive; asked: {BACKUP}")
    failover = found.failover
    expected = sum(not refused for refused in failover.refused) or len(failover.rows)
    evidence += f"; 8081 dead: {failover.by_backup} of {len(failover.rows)} reached 127.0.0.1:8082"
    if not failover.by_backup:
        return failed(
            evidence, f"with the active server dead, no request reaches the backup; asked: {BACKUP}{other_backup(bench)}"
        )
    if failover.by_backup < expected:
        return failed(evidence, "with the active server dead, not every request reaches the backup")
    return passed(evidence)


@check(
    "4.2", "the switch to the backup comes after 7 failed attempts of an nginx worker",
    points=10, exactly=[LIMIT], after=["4.1"],
)  # fmt: skip
def seven(bench: Bench) -> Finding:
    """4.2: a worker of nginx tries a dead active server exactly 7 times, and then leaves it alone."""
    failover = shared(bench).failover
    evidence = f"attempts at the dead server, request by request: {failover.pattern}"
    if failover.unclear:  # who is slow? requests that do not go through nginx tell
        direct = bench.call(judge.series, ADDRESS, BACKENDS[1], ALIVE, TIMEOUT, 1)
        slow = max(row["ended"] - row["began"] for row in direct) > PAUSE / 10
        who = "this machine" if slow else "nginx"
        said = f"{who} is too slow to tell a failed attempt from a probe after fail_timeout; {evidence}"
        return could_not_run(said, machine=slow)
    if failover.never_stopped:
        return failed(
            evidence, f"nginx goes on trying the dead active server: {sum(failover.refused)} attempts, and no end; {ASKED}"
        )
    if not failover.attempts:
        return failed(evidence, "the active server was not tried once after it died")
    if max(failover.refused) > 1:
        return failed(evidence, f"one request makes nginx try the dead server {max(failover.refused)} times; {ASKED}")
    if failover.attempts != LIMIT:
        return failed(evidence, f"nginx stopped trying the active server after {failures(failover.attempts)}; {ASKED}")
    if failover.too_early:
        return failed(
            evidence,
            f"nginx leaves the active server alone before it has failed {LIMIT} times: back after fewer, it gets nothing",
        )
    if failover.again:
        return failed(evidence, f"nginx left the active server alone after {LIMIT} failures, but not even for a second")
    return passed(f"{evidence}; {failover.together}" if failover.together else evidence)


def failures(count: int) -> str:
    return f"{count} failure" + ("s" if count != 1 else "")


@check("4.3", "nginx listens on 127.0.0.1:8888 and nowhere else", points=5, exactly=[f"{ADDRESS}:{PORT}"])
def loopback_only(bench: Bench) -> Finding:
    """4.3: nginx listens on one address and port, and on nothing else, be it a socket file."""
    found = nginx_places(listening(bench))
    if not found:
        return needs("4.1", evidence="nginx does not run")
    files = bench.call(judge.unix_sockets, "nginx")
    places = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in found] + files
    said = f"nginx listens on {', '.join(places)}"
    wanted = f"{ADDRESS}:{PORT}"
    if places == [wanted]:
        return passed(said)
    if (ADDRESS, PORT) in found:
        ways, fault = [way_out(bench, place) for place in places if place != wanted], "more than one place"
    else:
        ways = [way_out(bench, place) for place in places if not place.endswith(f":{PORT}")]
        fault, said = f"not on {wanted}: write `listen {wanted};`", said + bench.words
    return failed(said, "; ".join(dict.fromkeys([f"nginx listens on {', '.join(places)}, {fault}", *ways])))


def way_out(bench: Bench, place: str) -> str:
    """Which file lets nginx listen on `place`, and how to take that away. It is read for this hint only, not for the verdict."""
    port = place.rpartition(":")[2]
    pattern = re.compile(rf"^[^#]*?\blisten\s+[^;#]*?(?<![\w.]){re.escape(place if place.startswith('/') else port)}\b")
    name = next((name for name, line in configuration(bench) if pattern.search(line)), "")
    if name == DEFAULT:
        return f"port {port} is Debian's default site: `rm {name}`"
    if name:
        return f"{place} comes from {name}: take that `listen` away"
    return f"{place} is not asked for"


def configuration(bench: Bench) -> Iterator[tuple[str, str]]:
    """The lines of nginx's configuration with the names of their files, for hints only."""
    for pid, arguments in bench.call(judge.commands, "nginx"):
        # nginx writes its command line into its title: "nginx: master process nginx -c FILE".
        own = [name for name in re.findall(r" -c (\S+)", " ".join(arguments)) if name.startswith("/")]
        for where in (*SITES, *own, NGINX_CONF):
            for name, lines in bench.call(judge.lines_of, where, pid).items():
                yield from ((name, line) for line in lines)


def other_backup(bench: Bench) -> str:
    """Which other server the configuration names as the backup, for a hint; "" when none."""
    for name, line in configuration(bench):
        found = re.search(r"^[^#]*?\b(server\s+(\S+)[^;#]*\bbackup\b[^;#]*;)", line)
        if found and found[2] != "127.0.0.1:8082":
            return f", {name} has `{found[1]}`"
    return ""


def values(headers: list[Any]) -> list[str]:
    """All values of the asked header."""
    return [value for name, value in headers if name.lower() == HEADER.lower()]


def words(found: list[list[str]]) -> str:
    """The different values that a header had, for people."""
    kinds = {" and ".join(map(repr, one)) or "none" for one in found}
    return ", ".join(sorted(kinds)) or "nothing to look at"


@check(
    "4.4", "X-high-load-test: 123 is on every request to the upstream, or on every response",
    points=6, exactly=[f"{HEADER}: {VALUE}"], after=["4.1"],
)  # fmt: skip
def header(bench: Bench) -> Finding:
    """4.4: every request that reaches a backend, the backup too, carries the header once, or every response does; or both."""
    found = shared(bench)
    requests = [*found.received[8081], *found.received[8082], *found.others, *found.failover.received]
    answers = [row for row in found.alive if not row["error"]]
    if found.others:  # those requests were passed on
        answers += [row for row in found.by_name if row["status"] == 200]
    answers += [row for row in settled(found.failover.rows) if row["status"] == 200]
    asked, given = ([values(row["headers"]) for row in rows] for rows in (requests, answers))
    evidence = f"{HEADER} as the backend received it: {words(asked)}; as the client received it: {words(given)}"
    if not asked:
        return failed(evidence, "no request reached a backend")
    hops = {"the request that the backend received": asked, "the response": given}
    carrying = {hop: rows for hop, rows in hops.items() if any(rows)}
    if not carrying:
        return failed(evidence, f"neither {' nor '.join(hops)} carries {HEADER}")
    faults = [part for hop, rows in carrying.items() if (part := fault(hop, rows))]
    if faults:
        return failed(evidence, "; ".join(faults))
    return passed(f"found on {' and on '.join(carrying)}; {evidence}")


def fault(hop: str, rows: list[list[str]]) -> str:
    """What is wrong with the header on one hop, "" when nothing is."""
    wrong = next((row for row in rows if row != [VALUE]), None)
    if wrong is None:
        return ""
    if not wrong:
        return f"{hop} does not carry {HEADER} every time"
    if len(wrong) > 1:
        return f"{hop} carries {HEADER} {len(wrong)} times"
    return f"{hop} carries {HEADER} with the value {wrong[0]!r}; {VALUE!r} is asked"


@check("4.5", "clients are answered with both servers alive, and with backend1 off", points=3, after=["4.1"])
def served(bench: Bench) -> Finding:
    """4.5: every request is answered with both alive, and again once nginx has switched; backends are asked for their page."""
    found = shared(bench)
    paths = {request["path"].partition("?")[0] for requests in found.received.values() for request in requests}
    good = answered(found.alive, bench.pages[8081]) + answered(found.alive, bench.pages[8082])
    after = settled(found.failover.rows)
    ok = answered(after, bench.pages[8082])
    evidence = (
        f"both alive: {good} of {len(found.alive)} answered; with backend1 off, once nginx has switched: {ok} of {len(after)}"
    )
    if good < len(found.alive):
        return failed(evidence, "with both servers alive, not every request is answered")
    if ok < len(after):
        return failed(evidence, "with backend1 off, requests fail even after the switch")
    if paths - PAGE_PATHS:
        asked = " and ".join(sorted(paths))
        return failed(
            f"{evidence}; asked for /, nginx asks the backend for {asked}",
            f"nginx asks the backend for {asked}, where it has no page",
        )
    return passed(evidence)


@check(
    "4.6", "tshark shows an HTTP request and its response on both sides of nginx, the header among them",
    points=3, after=["4.1", "4.4"],
)  # fmt: skip
def on_the_wire(bench: Bench) -> Finding:
    """4.6: tshark decodes a request and its response on the client's side and on the backend's."""
    seen = shared(bench).hops
    if isinstance(seen, LabkitError):
        ours = not isinstance(seen, MeasureError) or bool(shortage(seen.words))
        return could_not_run(f"tshark could not look: {seen.tried}", machine=ours)
    evidence = "; ".join(seen) or "tshark saw no HTTP exchange"
    if not any("client → nginx" in hop for hop in seen):
        return failed(evidence, f"tshark sees no HTTP exchange with {ADDRESS}:{PORT}")
    if not any("nginx → backend" in hop for hop in seen):
        return failed(evidence, "tshark sees no HTTP exchange between nginx and a backend")
    if not any(HEADER in hop for hop in seen):
        return failed(f"{evidence}; none carries {HEADER}", f"tshark sees no {HEADER} on either side of nginx")
    if header(bench).verdict != PASSED:  # one request may carry it where others do not
        return failed(evidence, f"what tshark sees is not {HEADER}: {VALUE} on every request or response")
    return passed(evidence)
