"""HTTP GET as lean as Python can, one or many, as fast as goes or paced: what is measured should be the server.

A `deadline` (time.monotonic) is the end of the whole request: of connecting, sending, and all parts of the answer together.
"""

import contextlib
import http.client
import io
import math
import queue
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PAGE_LIMIT, CHUNK = 65536, 65536
# RFC 9112: the status line (4), the end of the head (2.1; 2.2 lets a line end without CR), what says how long the body is (6).
STATUS = re.compile(rb"HTTP/1\.\d ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
HEAD_END = re.compile(rb"\r?\n\r?\n")
NO_BODY = (204, 304)
LENGTH = re.compile(rb"\r?\ncontent-length:[ \t]*(\d+)[ \t]*\r?\n", re.I)
CHUNKED = re.compile(rb"\r?\ntransfer-encoding:", re.I)


def left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError when it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def connect(target: str, port: int, deadline: float) -> tuple[socket.socket, str]:
    """Connect to the first address of `target` that answers; the socket, and "address:port" of the other side."""
    problem: OSError = socket.gaierror("no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(target, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left(deadline))
            connection.connect(place)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, "{}:{}".format(*connection.getpeername()[:2])
        except OSError as error:
            connection.close()
            problem = error
    raise problem


def get(connection: socket.socket, host: str, path: str, deadline: float) -> tuple[int, str, bool]:
    """Ask for `path` and return status, page (65,536 bytes at the most), and whether all of it came. Raises as `ask`."""
    status, head, body, whole = ask(connection, host, path, deadline)
    if CHUNKED.search(head):
        body, whole = parsed(head, body).read(PAGE_LIMIT), True
    return status, body[:PAGE_LIMIT].decode(errors="replace"), whole


def ask(
    connection: socket.socket, host: str, path: str, deadline: float, *, keep: bool = False
) -> tuple[int, bytes, bytes, bool]:
    """Ask for `path` and return status, head, body as it came, and whether it is as long as announced.

    The server is told to close the connection, unless that is to be kept. Raises OSError, and http.client.HTTPException for a
    request that cannot be sent and an answer that is not HTTP.
    """
    if " " in path or not path.isprintable():
        raise http.client.InvalidURL(path)
    connection.settimeout(left(deadline))
    close = "" if keep else "Connection: close\r\n"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n".encode("ascii"))
    head, body = read_head(connection, deadline)
    found = STATUS.match(head)
    if not found:
        raise http.client.BadStatusLine(repr(head[:80]))
    status, chunked, length = int(found[1]), CHUNKED.search(head), LENGTH.search(head)
    wanted = 0 if status in NO_BODY else min(int(length[1]), PAGE_LIMIT) if length and not chunked else PAGE_LIMIT
    while len(body) < wanted and not (chunked and chunks_end(head, body)) and (part := receive(connection, deadline)):
        body += part
    return status, head, body, chunks_end(head, body) if chunked else not length or len(body) >= wanted


def chunks_end(head: bytes, body: bytes) -> bool:
    """Return True once a body in chunks has come to its end."""
    if not body.endswith(b"\r\n\r\n"):
        return False
    try:
        parsed(head, body).read()
    except http.client.IncompleteRead:
        return False
    return True


def receive(connection: socket.socket, deadline: float) -> bytes:
    """Return what comes next, nothing at the end of the stream. Raises TimeoutError at the deadline."""
    connection.settimeout(left(deadline))
    return connection.recv(CHUNK)


def read_head(connection: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    """Read until the head is there; the head, and what has come of the body."""
    data = b""
    while part := receive(connection, deadline):
        data += part
        if end := HEAD_END.search(data):
            return data[: end.start()] + b"\r\n", data[end.end() :]
        if len(data) > PAGE_LIMIT:
            raise http.client.LineTooLong("head")
    if not data:
        raise http.client.RemoteDisconnected("closed without an answer")
    raise http.client.BadStatusLine(repr(data[:80]))


def parsed(head: bytes, body: bytes) -> http.client.HTTPResponse:
    """Return an answer taken apart by Python's own library, for what is rare: headers, and a body in chunks."""

    class Received:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(head + b"\r\n" + body)

    response = http.client.HTTPResponse(Received())  # type: ignore[arg-type]
    response.begin()
    return response


def answer(
    connection: socket.socket, host: str, path: str, deadline: float, *, keep: bool = False
) -> tuple[dict[str, Any], bool]:
    """Ask for `path` and return status, headers and body of the answer, and whether the connection is kept. Raises as `ask`."""
    status, head, body, whole = ask(connection, host, path, deadline, keep=keep)
    response = parsed(head, body)
    keeps = whole and not response.will_close and len(body) < PAGE_LIMIT
    page = response.read(PAGE_LIMIT).decode(errors="replace")
    return {"status": status, "headers": response.getheaders(), "body": page}, keeps


def fetch(host: str, port: int, path: str = "/", timeout: float = 3.0) -> dict[str, Any]:
    """GET a page within `timeout` seconds: status and headers (name, value) of the answer, its body, error (None with one)."""
    row: dict[str, Any] = {"status": None, "headers": [], "body": "", "error": None}
    deadline = time.monotonic() + timeout
    try:
        connection, _ = connect(host, port, deadline)
        with connection:
            row |= answer(connection, f"{host}:{port}", path, deadline)[0]
    except (OSError, http.client.HTTPException) as problem:
        row["error"] = error_name(problem)
    return row


def refused_attempts() -> int:
    """How many TCP connection attempts in this network have failed so far (/proc/net/snmp, AttemptFails: RFC 4022)."""
    with open("/proc/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("AttemptFails")])


# How long rows are gathered before they travel to the notebook together, and how often it is looked whether all are there,
# seconds.
BATCH, STEP = 0.1, 0.01

Row = tuple[float, str, int | None, float, str | None, str]


def requests(
    host: str, port: int, path: str, count: int, concurrency: int, timeout: float, interval: float, first_record: bool
) -> Iterator[list[Row]]:
    """Send `count` requests, `concurrency` at a time, and yield lists of rows in the order in which they ended.

    A row is (time it began, Unix seconds; address connected to; status or None; milliseconds; error name or None; page).
    Each sender waits until `interval` seconds have passed since its last request began; their first ones are spread over it.
    With `first_record` the name is asked over DNS each time and the first A record is taken; else getaddrinfo decides.
    """
    rows: queue.SimpleQueue[Row] = queue.SimpleQueue()
    tickets = iter(range(count))
    lock, stop = threading.Lock(), threading.Event()

    def send(delay: float) -> None:
        stop.wait(delay)
        while not stop.is_set():
            with lock:
                if next(tickets, None) is None:
                    return
            began = time.monotonic()
            rows.put(one_request(host, port, path, timeout, first_record))
            stop.wait(max(0.0, began + interval - time.monotonic()))

    for number in range(min(concurrency, count)):
        delay = interval * number / concurrency
        threading.Thread(target=send, args=(delay,), name="sender", daemon=True).start()
    try:
        yield from batches(rows, count, timeout)
    finally:
        stop.set()


def batches(rows: queue.SimpleQueue[Row], count: int, timeout: float) -> Iterator[list[Row]]:
    """Yield what comes into `rows`, gathered for a moment, until `count` rows have come; an empty list as a sign of life."""
    while count:
        batch = []
        with contextlib.suppress(queue.Empty):
            batch.append(rows.get(timeout=1.0))
            until = time.monotonic() + BATCH
            while 1 + rows.qsize() < count and time.monotonic() < until:
                time.sleep(STEP)  # to take each row as it comes would cost the senders a change of threads a row
            while True:
                batch.append(rows.get_nowait())
        count -= len(batch)
        yield batch


def one_request(host: str, port: int, path: str, timeout: float, first_record: bool) -> Row:
    """Send one GET, which has `timeout` seconds for all that it does, and return its row."""
    time_began, began, deadline = time.time(), time.perf_counter(), time.monotonic() + timeout
    address, status, error, page = f"{host}:{port}", None, None, ""
    connection = None
    try:
        target = first_address(host, left(deadline)) if first_record else host
        address = f"{target}:{port}"
        connection, address = connect(target, port, deadline)
        status, page, whole = get(connection, host, path, deadline)
        error = None if whole else "cut short"
    except Exception as problem:  # a row for every request: whatever else goes wrong has a name too
        error = error_name(problem)
    finally:
        if connection:
            connection.close()
    return time_began, address, status, (time.perf_counter() - began) * 1000, error, page


ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "refused"),
    (TimeoutError, "timeout"),
    (http.client.RemoteDisconnected, "closed"),
    (ConnectionResetError, "reset"),
    (BrokenPipeError, "reset"),
    (socket.gaierror, "no such name"),
    (http.client.HTTPException, "not HTTP"),
    (LookupError, "no such name"),
)


def error_name(problem: BaseException) -> str:
    """A short name for what went wrong."""
    for kind, name in ERRORS:
        if isinstance(problem, kind):
            return name
    return getattr(problem, "strerror", None) or type(problem).__name__


def first_address(name: str, timeout: float) -> str:
    """The first A record that the lab's DNS server gives for `name`. Raises LookupError when there is none."""
    from .dns_load import ask

    row = ask(name, "127.0.0.1", 53, "A", timeout, False)
    answers: list[str] = row["answers"]
    if not answers:
        raise LookupError(name)
    return answers[0]


def paced_requests(
    targets: list[tuple[str, int]], path: str, rate: float, timeout: float, first_record: bool
) -> Iterator[list[Row]]:
    """Send `rate` GET requests a second to the `targets` in turn, and yield lists of rows as http_load does.

    It goes on until the caller closes the iterator. `timeout` is seconds a request.
    """
    rows: queue.SimpleQueue[Row] = queue.SimpleQueue()
    stop = threading.Event()
    # So many that no request waits for a free sender: none is busy longer than its request may take.
    senders = ThreadPoolExecutor(math.ceil(rate * timeout) + 4, "sender")

    def send(host: str, port: int) -> None:
        rows.put(one_request(host, port, path, timeout, first_record))

    def pace() -> None:
        number, began = 0, time.monotonic()
        while not stop.wait(max(0.0, began + number / rate - time.monotonic())):
            senders.submit(send, *targets[number % len(targets)])
            number += 1

    threading.Thread(target=pace, name="pacer", daemon=True).start()
    try:
        yield from batches(rows, sys.maxsize, timeout)
    finally:
        stop.set()
        senders.shutdown(wait=False, cancel_futures=True)
