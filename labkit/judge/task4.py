"""Task 4: which backend nginx chooses, how often it tries a dead one, where it listens, what it sets."""

import re
from collections.abc import Iterator
from typing import Any

from ..errors import LabkitError, MeasureError, shortage
from ..inside import judge
from . import failover
from .bench import BACKENDS, REACHED, Bench
from .failover import ADDRESS, ALIVE, HEADER, LIMIT, PAUSE, PORT, TIMEOUT, answered, settled
from .verdict import PASSED, Finding, check, could_not_run, failed, needs, passed

WANTED = f"{ADDRESS}:{PORT}"
# What a backend answers with its page. The recorders answer any path, the servers of task 1 only these.
PAGE_PATHS = {"/", "/index.html"}
VALUE = "123"
ASKED = f"{LIMIT} are asked: `server 127.0.0.1:8081 max_fails={LIMIT};`"
BACKUP = "`server 127.0.0.1:8082 backup;`"
START = ": `systemctl restart nginx`, or `nginx -c FILE` with a file of your own"
INCLUDED = ": it includes /etc/nginx/conf.d/*.conf and /etc/nginx/sites-enabled/*; `nginx -T` shows what it reads"
# Where Debian's nginx has its configuration.
SITES, NGINX_CONF = ("/etc/nginx/sites-enabled", "/etc/nginx/conf.d"), "/etc/nginx/nginx.conf"
DEFAULT = "/etc/nginx/sites-enabled/default"


def nginx_places(rows: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Where nginx listens, of rows of who listens."""
    return sorted({(row["address"], row["port"]) for row in rows if row["program"] == "nginx"})


def shared(bench: Bench) -> failover.Measured:
    """The measurements, made once. Raises MeasureError when there is no nginx where it is asked for, or no answer."""
    places = nginx_places(bench.listeners)
    if not places:
        raise MeasureError("nginx does not run")
    if not any(port == PORT and address in REACHED for address, port in places):
        raise MeasureError(needs("4.3").hint)
    return bench.once("measured", lambda: failover.measured(bench))


@check(
    "4.1", "nginx sends everything to 127.0.0.1:8081 and has 127.0.0.1:8082 as backup",
    points=8, exactly=[f"{ADDRESS}:{port}" for port in BACKENDS],
)  # fmt: skip
def active_backup(bench: Bench) -> Finding:
    """4.1: with both alive all requests reach 8081; with 8081 dead they reach 8082."""
    if not nginx_places(bench.listeners):
        idle = bench.call(judge.commands, "nginx")
        state = "nginx runs, but listens nowhere" if idle else "nginx does not run"
        hint = state + (bench.cause or (INCLUDED if idle else START))
        return failed(f"nginx listens nowhere{bench.words}", hint)
    try:
        found = shared(bench)
    except MeasureError:
        if nginx_places(bench.call(judge.programs)):
            raise
        # It was just being stopped when the scripts had run.
        hint = f"nginx does not run{bench.cause or START}"
        return failed(f"nginx listens nowhere any more{bench.words}", hint)
    active, backup = (len(found.received[port]) for port in BACKENDS)
    evidence = f"both alive: {active} requests reached 127.0.0.1:8081 and {backup} reached 127.0.0.1:8082"
    if not active + backup:
        statuses = ", ".join(sorted({str(row["status"] or row["error"]) for row in found.alive}))
        evidence += f"; nginx answered with {statuses}"
        return failed(evidence, "no request reached a backend: nginx answers by itself")
    by_itself = sum(row["status"] == 200 for row in found.alive) - answered(found.alive, bench.pages[8081])
    if by_itself and not backup:
        said = f"nginx answers {by_itself} of {ALIVE} requests with another page than that of the backend"
        return failed(evidence, said)
    if backup:
        said = "the second server gets requests while the first one is alive"
        return failed(evidence, f"{said}; asked: {BACKUP}")
    expected = sum(not refused for refused in found.refused) or len(found.rows)
    evidence += f"; 8081 dead: {len(found.saved)} of {len(found.rows)} reached 127.0.0.1:8082"
    if not found.saved:
        said = f"with the active server dead, no request reaches the backup; asked: {BACKUP}"
        return failed(evidence, said + other_backup(bench))
    if len(found.saved) < expected:
        return failed(evidence, "with the active server dead, not every request reaches the backup")
    return passed(evidence)


@check(
    "4.2", "the switch to the backup comes after 7 failed attempts of an nginx worker",
    points=10, exactly=[LIMIT], after=["4.1"],
)  # fmt: skip
def seven(bench: Bench) -> Finding:
    """4.2: a worker of nginx tries a dead active server exactly 7 times, and then leaves it alone."""
    found = shared(bench)
    most, count = max(found.refused, default=0), found.attempts
    pattern = " ".join(map(str, found.refused[:30])) + (" …" if len(found.refused) > 30 else "")
    evidence = f"attempts at the dead server, request by request: {pattern}"
    if found.unclear:  # who is slow? requests that do not go through nginx tell
        direct = bench.call(judge.series, ADDRESS, BACKENDS[1], ALIVE, TIMEOUT, 1)
        slow = max(row["ended"] - row["began"] for row in direct) > PAUSE / 10
        who = "this machine" if slow else "nginx"
        said = f"{who} is too slow to tell a failed attempt from a probe after fail_timeout"
        return could_not_run(f"{said}; {evidence}", machine=slow)
    if found.never_stopped:
        said = f"nginx goes on trying the dead active server: {sum(found.refused)} attempts, and no end"
        return failed(evidence, f"{said}; {ASKED}")
    if not count:
        return failed(evidence, "the active server was not tried once after it died")
    if most > 1:
        return failed(evidence, f"one request makes nginx try the dead server {most} times; {ASKED}")
    if count != LIMIT:
        failures = "1 failure" if count == 1 else f"{count} failures"
        return failed(evidence, f"nginx stopped trying the active server after {failures}; {ASKED}")
    if found.back and found.back["body"] != bench.pages[8081]:
        said = f"nginx leaves the active server alone before it has failed {LIMIT} times"
        return failed(evidence, f"{said}: back after fewer, it gets nothing")
    if found.again:
        said = f"nginx left the active server alone after {LIMIT} failures"
        return failed(evidence, f"{said}, but not even for a second")
    return passed(f"{evidence}; {found.together}" if found.together else evidence)


@check("4.3", "nginx listens on 127.0.0.1:8888 and nowhere else", points=5, exactly=[WANTED])
def loopback_only(bench: Bench) -> Finding:
    """4.3: nginx listens on one address and port, and on nothing else, be it a socket file."""
    found = nginx_places(failover.listening(bench))
    if not found:
        return needs("4.1", evidence="nginx does not run")
    places = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in found]
    places += bench.call(judge.unix_sockets, "nginx")
    said = f"nginx listens on {', '.join(places)}"
    if places == [WANTED]:
        return passed(said)
    if (ADDRESS, PORT) in found:
        ways = [way_out(bench, place) for place in places if place != WANTED]
        return failed(said, "; ".join(dict.fromkeys([f"{said}, more than one place", *ways])))
    ways = [way_out(bench, place) for place in places if not place.endswith(f":{PORT}")]
    fault = f"{said}, not on {WANTED}: write `listen {WANTED};`"
    return failed(said + bench.words, "; ".join(dict.fromkeys([fault, *ways])))


def way_out(bench: Bench, place: str) -> str:
    """Which file lets nginx listen on `place`, and how to take that away. It is read for this hint only, not for the verdict."""
    port = place.rpartition(":")[2]
    listened = re.escape(place if place.startswith("/") else port)
    pattern = re.compile(rf"^[^#]*?\blisten\s+[^;#]*?(?<![\w.]){listened}\b")
    name = next((name for name, line in configuration(bench) if pattern.search(line)), "")
    if name == DEFAULT:
        return f"port {port} is Debian's default site: `rm {name}`"
    return f"{place} comes from {name}: take that `listen` away" if name else f"{place} is not asked for"


def configuration(bench: Bench) -> Iterator[tuple[str, str]]:
    """The lines of nginx's configuration with the names of their files, for hints only."""
    for pid, arguments in bench.call(judge.commands, "nginx"):
        # nginx writes its command line into its title: "nginx: master process nginx -c FILE".
        own = re.findall(r" -c (/\S*)", " ".join(arguments))
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


@check(
    "4.4", "X-high-load-test: 123 is on every request to the upstream, or on every response",
    points=6, exactly=[f"{HEADER}: {VALUE}"], after=["4.1"],
)  # fmt: skip
def header(bench: Bench) -> Finding:
    """4.4: every request that reaches a backend, the backup too, carries the header once, or every response does; or both."""
    found = shared(bench)
    requests = [*found.received[8081], *found.received[8082], *found.others, *found.saved]
    answers = [row for row in found.alive if not row["error"]]
    if found.others:  # those requests were passed on
        answers += [row for row in found.by_name if row["status"] == 200]
    answers += [row for row in settled(found.rows) if row["status"] == 200]
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


def values(headers: list[Any]) -> list[str]:
    """All values of the asked header."""
    return [value for name, value in headers if name.lower() == HEADER.lower()]


def words(found: list[list[str]]) -> str:
    """The different values that a header had, for people."""
    kinds = {" and ".join(map(repr, one)) or "none" for one in found}
    return ", ".join(sorted(kinds)) or "nothing to look at"


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
    requests = [*found.received[8081], *found.received[8082]]
    paths = {request["path"].partition("?")[0] for request in requests}
    good = sum(answered(found.alive, page) for page in bench.pages.values())
    after = settled(found.rows)
    ok = answered(after, bench.pages[8082])
    off = f"with backend1 off, once nginx has switched: {ok} of {len(after)}"
    evidence = f"both alive: {good} of {len(found.alive)} answered; {off}"
    if good < len(found.alive):
        return failed(evidence, "with both servers alive, not every request is answered")
    if ok < len(after):
        return failed(evidence, "with backend1 off, requests fail even after the switch")
    if paths - PAGE_PATHS:
        said = f"nginx asks the backend for {' and '.join(sorted(paths))}"
        return failed(f"{evidence}; asked for /, {said}", f"{said}, where it has no page")
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
        return failed(evidence, f"tshark sees no HTTP exchange with {WANTED}")
    if not any("nginx → backend" in hop for hop in seen):
        return failed(evidence, "tshark sees no HTTP exchange between nginx and a backend")
    if not any(HEADER in hop for hop in seen):
        return failed(f"{evidence}; none carries {HEADER}", f"tshark sees no {HEADER} on either side of nginx")
    if header(bench).verdict != PASSED:  # one request may carry it where others do not
        return failed(evidence, f"what tshark sees is not {HEADER}: {VALUE} on every request or response")
    return passed(evidence)
