"""The DNS client: single queries by dnspython, one row a query."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

BATCH = 50


def ask(name: str, server: str, port: int, kind: str, timeout: float, tcp: bool) -> dict[str, Any]:
    """Ask `server` once and return the answers in order, their TTL in seconds, the response code and milliseconds.

    `alias` is the name that a CNAME of `name` leads to, None without one; `own` is True for an authoritative answer.
    """
    row: dict[str, Any] = {"time": time.time(), "answers": [], "own": False}
    row |= dict.fromkeys(("alias", "ttl", "rcode", "error"))
    began = time.perf_counter()
    try:
        response = exchange(dns.message.make_query(name, kind), server, port, timeout, tcp)
        row["rcode"] = dns.rcode.to_text(response.rcode())
        row["own"] = bool(response.flags & dns.flags.AA)
        for records in response.answer:
            if records.rdtype == dns.rdatatype.from_text(kind):
                row["answers"] += [record.to_text() for record in records]
                row["ttl"] = records.ttl
            elif records.rdtype == dns.rdatatype.CNAME:
                row["alias"] = records[0].to_text()
    except dns.exception.Timeout:
        row["error"] = "timeout"
    except ConnectionRefusedError:
        row["error"] = "refused"
    except (OSError, EOFError, dns.exception.DNSException) as problem:  # EOFError: it closes at once
        row["error"] = str(problem) or type(problem).__name__
    row["ms"] = (time.perf_counter() - began) * 1000
    return row


def exchange(query: dns.message.Message, server: str, port: int, timeout: float, tcp: bool) -> dns.message.Message:
    """Send one query and return the response; a UDP socket that is connected learns at once when nobody listens."""
    if tcp:
        return dns.query.tcp(query, server, port=port, timeout=timeout)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
        connected.setblocking(False)
        connected.connect((server, port))
        return dns.query.udp(query, server, port=port, timeout=timeout, sock=connected)


def queries(
    name: str, server: str, port: int, kind: str, count: int, timeout: float, tcp: bool
) -> Iterator[list[dict[str, Any]]]:
    """Ask `count` times, one after another, and yield lists of rows as `ask` returns them."""
    batch = []
    for number in range(1, count + 1):
        batch.append(ask(name, server, port, kind, timeout, tcp))
        if len(batch) == BATCH or number == count or batch[-1]["error"]:
            yield batch
            batch = []
