"""A capture in the lab: tshark records while traffic is sent, and reads it into tables of HTTP exchanges and of SYNs.

pyshark looks into one TCP connection of it; for a table of many it would make an object of every field of every packet.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import pandas as pd

from ..errors import MeasureError, MissingProgram, WaitTimeout, require, wait_until
from ..inside import files, processes
from ..inside.files import DISCARD
from ..lab import Lab, Process
from ..machine.temporary import own_folder
from ..machine.view import FOLDER, PATH, reading_command
from .traffic import tidy

# tshark hands capturing to dumpcap and writes the same file. On User-Mode Linux loading tshark's dissectors takes five
# seconds, so there dumpcap is started without it.
PROGRAMS = {"host": "tshark", "uml": "dumpcap"}
# nginx and the two backends of the assignment.
PORTS = {8888: "nginx", 8081: "backend1", 8082: "backend2"}
# dumpcap passes packets on within 0.75 s (measured); on a busy machine without a fast processor tshark alone starts in 30 s.
MARK_TIMEOUT = 60.0
# On User-Mode Linux each mark takes time from the program that is waited for, seconds.
MARK_EVERY = 0.1
# How long reading may take, and tshark to end after it, seconds.
TIMEOUT, END_TIMEOUT = 300.0, 5.0
EXCHANGES = [
    "time", "hop", "client", "server", "stream", "method", "uri", "status", "request_headers", "response_headers", "ms",
]  # fmt: skip
SYNS = ["time", "source", "target", "answer", "packets", "stream"]
SEPARATOR, HEADER_SEPARATOR = "\x1f", "\x1e"
PACKET_FIELDS = ("frame.time_epoch", "tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport")
SYN_FIELDS = (*PACKET_FIELDS, "tcp.flags.syn", "tcp.flags.ack", "tcp.flags.reset")
HTTP_FIELDS = (
    *PACKET_FIELDS, "http.request.method", "http.request.uri", "http.response.code", "http.request.line", "http.response.line",
)  # fmt: skip


def capture_command(program: str, interface: str, ports: Iterable[int], file: str) -> list[str]:
    """Return the command that records TCP on `ports`, and the marks, into `file` (pcap-filter(7))."""
    tcp = " or ".join(f"tcp port {port}" for port in ports)
    return [program, "-q", "-i", interface, "-f", f"{tcp} or udp port {DISCARD}", "-w", file]


class Capture:
    """Records the lab's TCP packets between `with` and its end; `ports` maps each port to the name of who listens there.

    Every packet of what happens inside the `with` is in the file: at both ends a mark is sent and waited for.
    Afterwards `exchanges()`, `syns()` and `packets()` read it, also when the lab is closed.
    """

    def __init__(self, lab: Lab, ports: Mapping[int, str] = PORTS, *, interface: str = "lo") -> None:
        self.lab, self.ports, self.interface = lab, ports, interface
        fine = re.fullmatch(r"[\w.][\w.-]{0,14}", interface)
        require(fine, f"{interface!r} is no name of an interface.", "lo")
        self._folder = tempfile.TemporaryDirectory(prefix="capture-", dir=own_folder())
        self.file = Path(self._folder.name) / "capture.pcapng"
        self._name = f"captures/{uuid.uuid4().hex[:8]}.pcapng"
        self._process: Process | None = None
        self._looked = 0  # so much of the recording has been searched for marks

    @property
    def _recording(self) -> Path:
        return self.lab.folder.path / self._name

    def _mark(self) -> None:
        """Send marks until one is in the file. Raises MeasureError when capturing does not work."""
        token, came = f"labkit-{uuid.uuid4().hex}", b""
        process = self._process
        assert process is not None

        def seen() -> bool:
            nonlocal came
            if not process.alive:
                tried = f"`{process.command}` ended."
                way_out = "is the interface there? `%lab ip link`"
                raise MeasureError(tried, words=process.log, way_out=way_out)
            self.lab.call(files.mark, token)
            if self._recording.exists():
                with self._recording.open("rb") as file:
                    file.seek(self._looked)
                    new = file.read()
                self._looked += len(new)
                came = came[-len(token) :] + new
            return token.encode() in came

        try:
            reason = "a packet to appear in the capture"
            wait_until(seen, reason=reason, timeout=MARK_TIMEOUT, interval=MARK_EVERY)
        except WaitTimeout as error:
            tried = f"`{process.command}` records nothing."
            raise MeasureError(tried, words=process.log) from error

    def __enter__(self) -> Self:
        """Start recording; it records when this returns. Raises MeasureError."""
        program, file = PROGRAMS[self.lab.linux], f"{FOLDER}/{self._name}"
        command = capture_command(program, self.interface, self.ports, file)
        self._process = self.lab.start(command, name="capture")
        try:
            self._mark()
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop recording once all packets are in the file."""
        process = self._process
        if process is None or self.lab.closed:
            return
        try:
            self._mark()
            self.lab.call(processes.send_signal, process.pid, int(signal.SIGINT))
            wait_until(lambda: not process.alive, reason="the end of the capture")
        finally:
            process.stop()
            if self._recording.exists():
                shutil.move(self._recording, self.file)

    def _finished(self) -> Path:
        if not self.file.exists():
            way_out = "use it as `with Capture(lab) as capture: …` first"
            raise MeasureError("This capture has recorded nothing yet.", way_out=way_out)
        return self.file

    def _fields(self, display_filter: str, names: tuple[str, ...]) -> list[dict[str, str]]:
        apart = not self.lab.trusted
        return fields(self._finished(), self.ports, display_filter, names, apart)

    def exchanges(self) -> pd.DataFrame:
        """Return the HTTP exchanges.

        Columns: time (s since the first), hop ("client → nginx", "nginx → backend1", …), client, server ("address:port"),
        stream (tshark's number of the TCP connection), method, uri, status (NA without a response), request_headers and
        response_headers (dict; several values of one name are joined by ", "), ms (from the request to its response).
        Raises MeasureError.
        """
        exchanges = pair(map(message, self._fields("http.request or http.response", HTTP_FIELDS)))
        name_hops(exchanges, self.ports)
        return tidy(exchanges, EXCHANGES, numbers=["status"])

    def syns(self) -> pd.DataFrame:
        """Return the TCP connection attempts, one row each.

        Columns: time (s since the first), source, target ("address:port"), answer (accepted, refused, none), packets (SYNs
        sent: more than 1 when they were repeated), stream. Raises MeasureError.
        """
        rows = self._fields("tcp.flags.syn == 1 or tcp.flags.reset == 1", SYN_FIELDS)
        return tidy(attempts_to_connect(rows), SYNS)

    def packets(self, stream: int) -> list[Any]:
        """Return the HTTP messages of one TCP stream as pyshark's packets: `packet.http`, `packet.tcp`, … Raises MeasureError.

        Not of a lab that is not trusted: pyshark's tshark would see more than the file.
        """
        file = self._finished()
        if not self.lab.trusted:
            tried = "A stranger's capture is not looked into with pyshark."
            raise MeasureError(tried, way_out="read it with `exchanges()`")
        return read_packets(file, self.ports, stream)


def decode_options(ports: Iterable[int]) -> dict[str, str]:
    """Return what each port is to be decoded as: tshark guesses by port, and an ephemeral one can be another protocol's."""
    return {f"tcp.port=={port}": "http" for port in ports}


def fields(file: Path, ports: Iterable[int], display_filter: str, names: Iterable[str], apart: bool) -> list[dict[str, str]]:
    """Return the fields `names` of every packet that passes `display_filter`, as text; several values of one are joined.

    With `apart` tshark sees nothing but the file: whoever made the packets may know a fault of one of its dissectors.
    Raises MissingProgram, and MeasureError with tshark's words.
    """
    way_out = "apt-get install tshark"
    if not shutil.which("tshark", path=PATH):
        raise MissingProgram("There is no tshark to read the capture with.", way_out=way_out)
    command = ["tshark", "-n", "-r", "-" if apart else str(file), "-Y", display_filter]
    command += ["-T", "fields", "-E", f"separator={SEPARATOR}"]
    command += ["-E", f"aggregator={HEADER_SEPARATOR}"]
    for rule, protocol in decode_options(ports).items():
        command += ["-d", f"{rule},{protocol}"]
    for name in names:
        command += ["-e", name]
    command = reading_command(command) if apart else command
    how: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "capture_output": True}
    tried = f"tshark could not read {file.name}."
    try:
        with file.open("rb") as stdin:
            done = subprocess.run(command, stdin=stdin, timeout=TIMEOUT, check=False, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasureError(tried, words=str(error), way_out=way_out) from error
    if done.returncode:
        raise MeasureError(tried, words=done.stderr)
    lines = filter(None, done.stdout.split("\n"))
    return [dict(zip(names, line.split(SEPARATOR), strict=True)) for line in lines]


def packet(row: Mapping[str, str]) -> dict[str, Any]:
    """Return when a packet was seen, on which TCP stream, and between whom ("address:port")."""
    return {
        "time": float(row["frame.time_epoch"]), "stream": int(row["tcp.stream"]),
        "source": f"{row['ip.src']}:{row['tcp.srcport']}", "target": f"{row['ip.dst']}:{row['tcp.dstport']}",
    }  # fmt: skip


def message(row: Mapping[str, str]) -> dict[str, Any]:
    """Return an HTTP message: when, between whom, its request line or status, and its headers.

    Several values of one name are joined by ", " (RFC 9110, 5.3), under the name as it was written first.
    """
    lines = row["http.request.line"] or row["http.response.line"]
    values: dict[str, tuple[str, list[str]]] = {}
    for line in lines.split(HEADER_SEPARATOR):
        # tshark writes the line ends of a header as the two characters \r and \n.
        name, colon, value = line.replace("\\r\\n", "").partition(":")
        if colon:
            values.setdefault(name.strip().lower(), (name.strip(), []))[1].append(value.strip())
    return packet(row) | {
        "method": row["http.request.method"], "uri": row["http.request.uri"],
        "status": int(row["http.response.code"]) if row["http.response.code"] else None,
        "headers": {name: ", ".join(each) for name, each in values.values()},
    }  # fmt: skip


def pair(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pair each request with the response that follows it on the same TCP stream; one without a response stays alone."""
    exchanges: list[dict[str, Any]] = []
    waiting: dict[int, list[dict[str, Any]]] = {}
    for found in messages:
        if found["status"] is None:
            exchanges.append({
                "time": found["time"], "client": found["source"], "server": found["target"], "stream": found["stream"],
                "method": found["method"], "uri": found["uri"], "status": None, "request_headers": found["headers"],
                "response_headers": {}, "ms": None,
            })  # fmt: skip
            waiting.setdefault(found["stream"], []).append(exchanges[-1])
        elif waiting.get(found["stream"]):
            exchange = waiting[found["stream"]].pop(0)
            ms = (found["time"] - exchange["time"]) * 1e3
            exchange |= {"status": found["status"], "response_headers": found["headers"], "ms": ms}
    return exchanges


def name_hops(exchanges: list[dict[str, Any]], ports: Mapping[int, str]) -> None:
    """Say of each exchange between whom it was: one with a backend, inside the time of one with nginx, is nginx's."""
    forever, proxied = float("inf"), []
    servers = [ports.get(int(row["server"].rpartition(":")[2]), row["server"]) for row in exchanges]
    for row, server in zip(exchanges, servers, strict=True):
        if server == "nginx":
            ended = forever if row["ms"] is None else row["time"] + row["ms"] / 1e3
            proxied.append((row["time"], ended))
    begins = [began for began, _ in sorted(proxied)]
    # Of all that have begun by then.
    latest_end = list(accumulate((ended for _, ended in sorted(proxied)), max))
    for row, server in zip(exchanges, servers, strict=True):
        begun = bisect_right(begins, row["time"])
        inside = server != "nginx" and begun > 0 and row["time"] <= latest_end[begun - 1]
        row["hop"] = f"{'nginx' if inside else 'client'} → {server}"


def attempts_to_connect(rows: Iterable[Mapping[str, str]]) -> Iterable[dict[str, Any]]:
    """Return a row for each TCP stream that began with a SYN, as `Capture.syns` describes them."""
    attempts: dict[str, dict[str, Any]] = {}
    for row in rows:
        syn, ack = (row[f"tcp.flags.{flag}"] in ("1", "True") for flag in ("syn", "ack"))
        stream = row["tcp.stream"]
        if syn and not ack:
            new = packet(row) | {"answer": "none", "packets": 0}
            attempts.setdefault(stream, new)["packets"] += 1
        elif stream in attempts and attempts[stream]["answer"] == "none":
            attempts[stream]["answer"] = "accepted" if syn else "refused"
    return attempts.values()


def read_packets(file: Path, ports: Iterable[int], stream: int) -> list[Any]:
    """Return the packets of a TCP stream that complete an HTTP message. Raises MeasureError.

    pyshark works in a thread with an event loop of its own, because a notebook's already runs. It kills tshark as soon as its
    output is read; when tshark has just ended, that takes its exit code away from asyncio, which then reports 255, and pyshark
    believes in a crash. So tshark is let end by itself.
    """
    import asyncio  # not for everybody: with both come 0.05 s and more of the import of labkit

    import pyshark

    class PatientCapture(pyshark.FileCapture):
        async def _cleanup_subprocess(self, process: Any) -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), END_TIMEOUT)
            await super()._cleanup_subprocess(process)

    done: Future[list[Any]] = Future()
    shown = f"http and tcp.stream == {int(stream)}"

    def work() -> None:
        try:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            how = {"display_filter": shown, "decode_as": decode_options(ports), "eventloop": loop}
            capture = PatientCapture(str(file), **how)
            with contextlib.closing(loop), contextlib.closing(capture):
                done.set_result(list(capture))
        except BaseException as error:
            if not done.done():
                done.set_exception(error)

    threading.Thread(target=work, name="labkit-pyshark", daemon=True).start()
    try:
        return done.result(TIMEOUT)
    except TimeoutError:
        tried = f"pyshark did not read the capture within {TIMEOUT:g} s."
        raise MeasureError(tried, way_out="capture less") from None
    except Exception as error:
        raise MeasureError("pyshark could not read the capture.", words=str(error)) from error
