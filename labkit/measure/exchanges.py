"""Reads a capture with `tshark -T fields`: HTTP exchanges and connection attempts, as DataFrames."""

import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import MeasureError, MissingProgram
from ..machine.view import PATH, reading_command
from .traffic import tidy

EXCHANGES = [
    "time", "hop", "client", "server", "stream", "method", "uri", "status", "request_headers", "response_headers", "ms",
]  # fmt: skip
SYNS = ["time", "source", "target", "answer", "packets", "stream"]
TIMEOUT = 300.0
SEPARATOR, HEADER_SEPARATOR = "\x1f", "\x1e"

PACKET_FIELDS = ("frame.time_epoch", "tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport")
SYN_FIELDS = (*PACKET_FIELDS, "tcp.flags.syn", "tcp.flags.ack", "tcp.flags.reset")
HTTP_FIELDS = (
    *PACKET_FIELDS, "http.request.method", "http.request.uri", "http.response.code", "http.request.line", "http.response.line",
)  # fmt: skip


def decode_options(ports: Iterable[int]) -> dict[str, str]:
    """Return what each port is to be decoded as: tshark guesses by port, and an ephemeral one can be another protocol's."""
    return {f"tcp.port=={port}": "http" for port in ports}


def tshark(file: Path, ports: Iterable[int], options: list[str], *, apart: bool = False) -> str:
    """Run tshark over `file` and return what it prints. Raises MeasureError with its words.

    With `apart` it sees nothing but the file: whoever made the packets may know a fault of one of its dissectors.
    """
    if not shutil.which("tshark", path=PATH):
        raise MissingProgram("There is no tshark to read the capture with.", way_out="apt-get install tshark")
    decode = [part for rule, protocol in decode_options(ports).items() for part in ("-d", f"{rule},{protocol}")]
    command = ["tshark", "-n", "-r", "-" if apart else str(file), *decode, *options]
    command = reading_command(command) if apart else command
    try:
        with file.open("rb") as stdin:
            done = subprocess.run(
                command, stdin=stdin, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasureError(f"tshark could not read {file.name}.", words=str(error), way_out="apt-get install tshark") from error
    if done.returncode:
        raise MeasureError(f"tshark could not read {file.name}.", words=done.stderr)
    return done.stdout


def fields(
    file: Path, ports: Iterable[int], display_filter: str, names: tuple[str, ...], *, apart: bool = False
) -> list[dict[str, str]]:
    """Return the fields `names` of every packet that passes `display_filter`, as text; several values of one are joined."""
    options = ["-Y", display_filter, "-T", "fields", "-E", f"separator={SEPARATOR}", "-E", f"aggregator={HEADER_SEPARATOR}"]
    options += [part for name in names for part in ("-e", name)]
    lines = tshark(file, ports, options, apart=apart).split("\n")
    return [dict(zip(names, line.split(SEPARATOR), strict=True)) for line in lines if line]


def packet(row: Mapping[str, str]) -> dict[str, Any]:
    """Return when a packet was seen, on which TCP stream, and between whom ("address:port")."""
    return {
        "time": float(row["frame.time_epoch"]), "stream": int(row["tcp.stream"]),
        "source": f"{row['ip.src']}:{row['tcp.srcport']}", "target": f"{row['ip.dst']}:{row['tcp.dstport']}",
    }  # fmt: skip


def messages(file: Path, ports: Iterable[int], *, apart: bool = False) -> Iterator[dict[str, Any]]:
    """Yield every HTTP message of the capture: when, between whom, its request line or status, and its headers.

    Several values of one name are joined by ", " (RFC 9110, 5.3), under the name as it was written first.
    """
    for row in fields(file, ports, "http.request or http.response", HTTP_FIELDS, apart=apart):
        lines = row["http.request.line"] or row["http.response.line"]
        values: dict[str, tuple[str, list[str]]] = {}
        # tshark writes the line ends of a header as the two characters \r and \n.
        for name, colon, value in (line.replace("\\r\\n", "").partition(":") for line in lines.split(HEADER_SEPARATOR)):
            if colon:
                values.setdefault(name.strip().lower(), (name.strip(), []))[1].append(value.strip())
        yield packet(row) | {
            "method": row["http.request.method"], "uri": row["http.request.uri"],
            "status": int(row["http.response.code"]) if row["http.response.code"] else None,
            "headers": {name: ", ".join(each) for name, each in values.values()},
        }  # fmt: skip


def pair(found_messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pair each request with the response that follows it on the same TCP stream; one without a response stays alone."""
    exchanges: list[dict[str, Any]] = []
    open_requests: dict[int, list[dict[str, Any]]] = {}
    for found in found_messages:
        waiting = open_requests.setdefault(found["stream"], [])
        if found["status"] is None:
            exchange = {
                "time": found["time"], "client": found["source"], "server": found["target"], "stream": found["stream"],
                "method": found["method"], "uri": found["uri"], "status": None, "request_headers": found["headers"],
                "response_headers": {}, "ms": None,
            }  # fmt: skip
            exchanges.append(exchange)
            waiting.append(exchange)
        elif waiting:
            exchange = waiting.pop(0)
            ms = (found["time"] - exchange["time"]) * 1e3
            exchange |= {"status": found["status"], "response_headers": found["headers"], "ms": ms}
    return exchanges


def name_hops(exchanges: list[dict[str, Any]], ports: Mapping[int, str]) -> None:
    """Say of each exchange between whom it was: one with a backend, inside the time of one with nginx, is nginx's."""
    forever, proxied = float("inf"), []
    servers = [ports.get(int(row["server"].rpartition(":")[2]), row["server"]) for row in exchanges]
    for row, server in zip(exchanges, servers, strict=True):
        if server == "nginx":
            proxied.append((row["time"], forever if row["ms"] is None else row["time"] + row["ms"] / 1e3))
    begins = [began for began, _ in sorted(proxied)]
    latest_end = list(accumulate((ended for _, ended in sorted(proxied)), max))  # of all that have begun by then
    for row, server in zip(exchanges, servers, strict=True):
        begun = bisect_right(begins, row["time"])
        inside = server != "nginx" and begun > 0 and row["time"] <= latest_end[begun - 1]
        row["hop"] = f"{'nginx' if inside else 'client'} → {server}"


def read_exchanges(file: Path, ports: Mapping[int, str], *, apart: bool = False) -> pd.DataFrame:
    """Return the HTTP exchanges in a capture.

    Columns: time (s since the first), hop ("client → nginx", "nginx → backend1", …), client, server ("address:port"),
    stream (tshark's number of the TCP connection), method, uri, status (NA without a response), request_headers and
    response_headers (dict; several values of one name are joined by ", "), ms (from the request to its response). With
    `apart` tshark sees nothing but the file. Raises MeasureError.
    """
    exchanges = pair(messages(file, ports, apart=apart))
    name_hops(exchanges, ports)
    return tidy(exchanges, EXCHANGES, numbers=["status"])


def read_syns(file: Path, ports: Mapping[int, str], *, apart: bool = False) -> pd.DataFrame:
    """Return the TCP connection attempts in a capture, one row each.

    Columns: time (s since the first), source, target ("address:port"), answer (accepted, refused, none), packets (SYNs
    sent: more than 1 when they were repeated), stream. With `apart` tshark sees nothing but the file. Raises MeasureError.
    """
    attempts: dict[int, dict[str, Any]] = {}
    for row in fields(file, ports, "tcp.flags.syn == 1 or tcp.flags.reset == 1", SYN_FIELDS, apart=apart):
        stream, syn, ack = int(row["tcp.stream"]), row["tcp.flags.syn"] in ("1", "True"), row["tcp.flags.ack"] in ("1", "True")
        if syn and not ack:
            attempts.setdefault(stream, packet(row) | {"answer": "none", "packets": 0})["packets"] += 1
        elif stream in attempts and attempts[stream]["answer"] == "none":
            attempts[stream]["answer"] = "accepted" if syn else "refused"
    return tidy([*attempts.values()], SYNS)
