"""Task 2: the records, the server, the written answer."""

from __future__ import annotations

import re
from typing import Any

from ...measure.dns import NAME
from ..bench import Bench, Check
from ..verdict import BY_HAND, Finding, could_not_run, failed, passed

ADDRESSES = ["127.0.0.1", "127.0.0.2"]
SERVER = "127.0.0.1"
QUERIES = 6
TIMEOUT = 5.0
# An answer shorter than this says nothing, characters.
MIN_ANSWER = 20
# What of an answer is shown beside the verdict, and what of answers.md is read, characters: each heading takes memory.
MAX_SHOWN, MAX_ANSWERS = 2000, 200_000


def ask(bench: Bench, *, tcp: bool) -> list[dict[str, Any]]:
    """Ask for the A records a few times; a question without an answer is asked once more, and then no other."""
    rows: list[dict[str, Any]] = []
    while len(rows) < (2 if tcp else QUERIES):
        for _ in range(2):
            row = bench.call("dns_load:ask", NAME, SERVER, 53, "A", TIMEOUT, tcp)
            if not row["error"]:
                break
        rows.append(row)
        if row["error"]:
            break
    keep = ("answers", "ttl", "rcode", "error")
    kept = [{"tcp": tcp, "ms": round(row["ms"], 2)} | {name: row[name] for name in keep} for row in rows]
    bench.evidence["queries"] = bench.evidence.get("queries", []) + kept
    return rows


def records(bench: Bench) -> Finding:
    """2.1: over UDP and TCP, every answer holds exactly the two addresses."""
    rows = ask(bench, tcp=False)
    silent = next((row["error"] for row in rows if row["error"]), None)
    if silent:
        return could_not_run(f"no DNS server answers at {SERVER}: {silent}")
    over_tcp = ask(bench, tcp=True)
    silent = next((row["error"] for row in over_tcp if row["error"]), None)
    if silent:
        return could_not_run(f"the DNS server at {SERVER} does not answer over TCP: {silent}")
    rows += over_tcp
    for row in rows:
        if row["alias"]:
            return failed(
                f"{NAME} is an alias of {row['alias'].rstrip('.')}", f"{NAME} has no A records of its own: it is an alias (CNAME)"
            )
        if sorted(row["answers"]) != ADDRESSES:
            got = ", ".join(row["answers"]) or f"no A record ({row['rcode'] or row['error']})"
            return failed(f"{NAME}: {got}", f"the A records of {NAME} are not the two asked ones: {got}")
    turns = len({row["answers"][0] for row in rows[:QUERIES]}) > 1
    return passed(f"{' and '.join(ADDRESSES)}, over UDP and TCP; the order {'rotates' if turns else 'stays the same'}")


def server(bench: Bench) -> Finding:
    """2.2: a process of dnsmasq has port 53, and dig at 127.0.0.1 gets an answer."""
    done = bench.instrument("dig", f"@{SERVER}", NAME, "+tries=2", f"+time={TIMEOUT:g}")
    # Who listens by now may have been slow to start, and be the one that answered.
    rows = [*bench.listeners, *bench.inside("programs")]
    programs = sorted({row["program"] for row in rows if (row["protocol"], row["port"]) == ("udp", 53)})
    status = re.search(r"status: (\w+)", done.stdout)
    elsewhere = {row["port"] for row in bench.listeners if row["program"] == "dnsmasq"} - {53}
    if not programs and elsewhere:
        return failed(f"dnsmasq listens on {sorted(elsewhere)}", "dnsmasq runs, but not on the port of DNS")
    if not programs:
        return failed(f"nobody listens on UDP port 53{bench.words}", "no DNS server runs")
    if programs != ["dnsmasq"]:
        return failed(f"{', '.join(programs)} has UDP port 53", "the DNS server is not dnsmasq")
    if not status:
        return failed(f"dig @{SERVER}: {done.stdout.strip()[-200:]}", f"dnsmasq runs, and dig at {SERVER} gets no answer")
    return passed(f"dnsmasq answers dig at {SERVER} with status {status[1]}")


def without_comments(text: str) -> str:
    """Markdown without HTML comments; one that is never closed is text (a pattern would take quadratic time for many)."""
    first, *parts = text.split("<!--")
    closed = [part.partition("-->") for part in parts]
    return first + "".join(after if end else f"<!--{inside}" for inside, end, after in closed)


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
    found, below = [], 0
    for level, head, lines in parts:
        if not below or level <= below:
            below = level if re.search(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)", head) else 0
        if below or not numbered:
            found += lines
    answer = "\n".join(found).strip()
    return f"{answer}\n… {rest:,} more characters of answers.md were not read" if answer and rest > 0 else answer


def answer(bench: Bench) -> Finding:
    """2.3: an answer is there; whether it is right is for a person to say."""
    text = written_answer(bench.lab.read("~/answers.md") or "", "2.3")
    if len(text) < MIN_ANSWER:
        return failed("answers.md holds no answer to 2.3", "the question of 2.3 is not answered in answers.md")
    rest = len(text) - MAX_SHOWN
    return Finding(BY_HAND, text if rest <= 0 else f"{text[:MAX_SHOWN]}\n… {rest:,} more characters stand in answers.md")


CHECKS: dict[str, Check] = {"2.1": records, "2.2": server, "2.3": answer}
