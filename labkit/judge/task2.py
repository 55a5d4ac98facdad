"""Task 2: the records, the server, the written answer."""

import io
import re
from typing import Any

from ..inside import dns_load, judge
from ..measure.traffic import NAME
from .bench import REACHED, Bench
from .verdict import BY_HAND, COULD_NOT_RUN, PASSED, Finding, check, could_not_run, failed, needs, passed

ADDRESSES = ["127.0.0.1", "127.0.0.2"]
SERVER, DNS = "127.0.0.1", 53
START = ": `systemctl restart dnsmasq`, or `dnsmasq -C FILE` with a file of your own"
# Where Debian's service has its configuration.
FOLDER, CONFIG = "/etc/dnsmasq.d", "/etc/dnsmasq.conf"
QUERIES = 6
TIMEOUT = 5.0
# An answer shorter than this says nothing, characters.
MIN_ANSWER = 20
# What of an answer is shown beside the verdict, and what of answers.md is read, characters: each heading takes memory.
MAX_SHOWN, MAX_ANSWERS = 2000, 200_000


def ask(bench: Bench, port: int, *, tcp: bool) -> list[dict[str, Any]]:
    """Ask for the A records a few times; a question without an answer is asked once more, and then no other."""
    rows: list[dict[str, Any]] = []
    while len(rows) < (2 if tcp else QUERIES) and not (rows and rows[-1]["error"]):
        row = bench.call(dns_load.ask, NAME, SERVER, port, "A", TIMEOUT, tcp)
        if row["error"]:
            row = bench.call(dns_load.ask, NAME, SERVER, port, "A", TIMEOUT, tcp)
        rows.append(row)
        kept = {name: row[name] for name in ("answers", "ttl", "rcode", "error")}
        bench.evidence.setdefault("queries", []).append({"tcp": tcp, "ms": round(row["ms"], 2), **kept})
    return rows


def udp(bench: Bench) -> list[dict[str, Any]]:
    """Who has UDP ports: who had one when the scripts had run, and who has by now, for it may have been slow to start."""
    rows = bench.once("udp", lambda: [*bench.listeners, *bench.call(judge.programs)])
    return [row for row in rows if row["protocol"] == "udp"]


def dns_ports(bench: Bench) -> list[int]:
    """The ports at which dnsmasq can be asked at 127.0.0.1, that of DNS first, and that alone when there is none."""
    # dnsmasq answers over TCP too, which tells a port of its DNS from one of DHCP.
    rows = [row for row in bench.call(judge.programs) if row["protocol"] == "tcp"]
    over_tcp = {row["port"] for row in rows if row["program"] == "dnsmasq"}
    rows = [row for row in udp(bench) if row["address"] in REACHED]
    found = {row["port"] for row in rows if row["program"] == "dnsmasq"}
    return sorted(found & over_tcp, key=lambda port: (port != DNS, port)) or [DNS]


@check("2.1", "the name has two A records, 127.0.0.1 and 127.0.0.2", points=8, exactly=[NAME, *ADDRESSES])
def records(bench: Bench) -> Finding:
    """2.1: over UDP and TCP, every answer of dnsmasq at 127.0.0.1, on whatever port, holds exactly the two addresses."""
    found = list(found_at(bench).values())
    return next((finding for finding in found if finding.verdict == PASSED), found[0])


def found_at(bench: Bench) -> dict[int, Finding]:
    """What comes from each port of dnsmasq's, asked once."""
    return bench.once("records", lambda: {port: records_at(bench, port) for port in dns_ports(bench)})


def records_at(bench: Bench, port: int) -> Finding:
    """What comes from one port."""
    rows, at = [], SERVER if port == DNS else f"{SERVER}, port {port}"
    for tcp in (False, True):
        rows += ask(bench, port, tcp=tcp)
        if rows[-1]["error"]:
            if tcp:
                return could_not_run(f"the DNS server at {at} does not answer over TCP: {rows[-1]['error']}")
            silent = f"no DNS server answers at {at}: {rows[-1]['error']}"
            return Finding(COULD_NOT_RUN, silent, f"{needs('2.2').hint} ({silent}){not_read(bench)}")
    for row in rows:
        if row["alias"]:
            seen = f"{NAME} is an alias of {row['alias'].rstrip('.')}"
            return failed(seen, f"{NAME} has no A records of its own: it is an alias (CNAME)")
        if sorted(row["answers"]) != ADDRESSES:
            got = ", ".join(row["answers"]) or f"no A record ({row['rcode'] or row['error']})"
            hint = f"the A records of {NAME} are not the two asked ones: asked {' and '.join(ADDRESSES)}"
            why = not_read(bench) or bench.cause
            return failed(f"{NAME}: {got}{bench.words}", f"{hint}, found {got}{why}")
    if not all(row["own"] for row in rows):  # setup_reply and answer_request in its source: AA is set for records of its own
        kept = f"dnsmasq has the addresses of {NAME} from another server and only remembers them"
        return failed(kept, f"{kept}: `host-record={NAME},{ADDRESSES[0]}`")
    order = "rotates" if len({row["answers"][0] for row in rows[:QUERIES]}) > 1 else "stays the same"
    return passed(f"{' and '.join(ADDRESSES)} from {at}, over UDP and TCP; the order {order}")


def not_read(bench: Bench) -> str:
    """A hint at records that lie where the dnsmasq that runs does not read them, "" when none do; no verdict looks there."""
    for pid, arguments in bench.call(judge.commands, "dnsmasq")[:1]:
        files = bench.call(judge.lines_of, FOLDER, pid) | bench.call(judge.lines_of, CONFIG, pid)
        bare = {name: [line.partition("#")[0] for line in lines] for name, lines in files.items()}
        holding = [name for name, lines in bare.items() if any(NAME in line for line in lines)]
        if holding and (FOLDER in " ".join(arguments) or (holding == [CONFIG] and len(arguments) == 1)):
            return f"; {holding[0]} names it, and dnsmasq has not read that: `systemctl restart dnsmasq`"
        if holding and holding != [CONFIG]:
            return (
                f"; {holding[0]} names it, but a bare `dnsmasq` does not read {FOLDER}, only the service does: "
                f"`pkill dnsmasq; systemctl restart dnsmasq`, or `dnsmasq --conf-dir={FOLDER}`"
            )
    return ""


@check("2.2", "dnsmasq answers at 127.0.0.1, on port 53", points=6, exactly=[f"{SERVER}:{DNS}"])
def server(bench: Bench) -> Finding:
    """2.2: a process of dnsmasq has port 53, and dig at 127.0.0.1 gets an answer."""
    done = bench.instrument("dig", f"@{SERVER}", NAME, "+tries=2", f"+time={TIMEOUT:g}")
    programs = sorted({row["program"] for row in udp(bench) if row["port"] == DNS})
    status = re.search(r"status: (\w+)", done.stdout)
    ours = [row for row in udp(bench) if row["program"] == "dnsmasq"]
    elsewhere = sorted({row["port"] for row in ours} - {DNS})
    if not programs and elsewhere:
        ports = " and ".join(map(str, elsewhere))
        hint = f"dnsmasq runs on port {ports}, not on 53, the port of DNS: 53 is free in the lab"
        return failed(f"dnsmasq listens on UDP port {ports}", f"{hint}, so leave `port={elsewhere[0]}` out")
    if not programs:
        hint = f"no DNS server runs{bench.cause or START}"
        return failed(f"nobody listens on UDP port {DNS}{bench.words}", hint)
    places = {row["address"] for row in ours if row["port"] == DNS}
    if places.isdisjoint(REACHED) and places:  # whoever else is there
        where = f"dnsmasq has UDP port {DNS} at {', '.join(sorted(places))}"
        return failed(where, f"{where}, and not at {SERVER}")
    if programs != ["dnsmasq"]:
        return failed(f"{', '.join(programs)} has UDP port {DNS}", "the DNS server is not dnsmasq")
    if not status:
        seen = f"dig @{SERVER}: {done.stdout.strip()[-200:]}"
        return failed(seen, f"dnsmasq runs, and dig at {SERVER} gets no answer")
    good = [port for port, finding in found_at(bench).items() if finding.verdict == PASSED]
    if good and DNS not in good:
        said = f"the dnsmasq with the records is on port {good[0]}, and the one on {DNS} has them not"
        way_out = f"{said}: end that, and leave `port={good[0]}` out"
        return failed(f"dig @{SERVER}: status {status[1]}; {said}", way_out)
    return passed(f"dnsmasq answers dig at {SERVER} with status {status[1]}")


def without_comments(text: str) -> str:
    """Markdown without HTML comments; one that is never closed is text. In time and memory as the text (no pattern is that)."""
    kept, at = io.StringIO(), 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin + 4)) >= 0:
        kept.write(text[at : text.rfind("<!--", begin, end)])
        at = end + len("-->")
    return kept.getvalue() + text[at:]


def written_answer(text: str, number: str) -> str:
    """The part of answers.md below the heading that names `number`, with its sub-headings' parts.

    Without a heading that names any requirement, all that stands below headings is the answer. Comments are left out, and
    lines that begin with # inside a fence are no headings.
    """
    parts: list[tuple[int, str, list[str]]] = [(0, "", [])]
    fenced, rest = False, len(text) - MAX_ANSWERS
    for line in without_comments(text[:MAX_ANSWERS]).splitlines():
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        level = 0 if fenced else len(line) - len(line.lstrip("#"))
        if level:
            parts.append((level, line, []))
        else:
            parts[-1][2].append(line)
    numbered = any(re.search(r"\b[1-4]\.\d", head) for _, head, _ in parts)
    wanted = re.compile(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)")
    found, below = [], 0
    for level, head, lines in parts:
        if not below or level <= below:
            below = level if wanted.search(head) else 0
        if below or not numbered:
            found += lines
    answer = "\n".join(found).strip()
    more = f"\n… {rest:,} more characters of answers.md were not read" if rest > 0 else ""
    return answer and answer + more


@check("2.3", "the question what happens when backend2 breaks is answered", points=6, exactly=["~/answers.md"])
def answer(bench: Bench) -> Finding:
    """2.3: an answer is there; whether it is right is for a person to say."""
    text = written_answer(bench.lab.read("~/answers.md") or "", "2.3")
    if len(text) < MIN_ANSWER:
        return failed("answers.md holds no answer to 2.3", "the question of 2.3 is not answered in answers.md")
    rest = len(text) - MAX_SHOWN
    more = f"\n… {rest:,} more characters stand in answers.md" if rest > 0 else ""
    return Finding(BY_HAND, text[:MAX_SHOWN] + more)
