"""HTTP GET, one or many, as fast as goes or paced, by Python's own http.client over sockets of ours.

A `deadline` (time.monotonic) is the end of the whole request: of connecting, sending, and all parts of the answer together.
"""

import contextlib
import http.client
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

PAGE_LIMIT = 65536
NEAR = 0.02
T = TypeVar("T")


def left(deadline: float) -> float:
    """Return the seconds until the deadline. Raises TimeoutError when it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


class Connection(socket.socket):
    """A TCP connection on which no wait lasts longer than until its `deadline`, give or take NEAR.

    The kernel sees to it (socket(7), SO_RCVTIMEO): Python's own limit takes two system calls more for each that it limits.
    """

    deadline, _limit = 0.0, -1.0

    def _until(self, what: Callable[..., T], *args: Any) -> T:
        seconds = left(self.deadline)
        if abs(seconds - self._limit) > NEAR:
            self._limit = seconds
            # Nothing would be any time.
            limit = struct.pack("@ll", int(seconds), max(1, int(seconds % 1 * 1e6)))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self.setsockopt(socket.SOL_SOCKET, option, limit)
        try:
            return what(*args)
        except BlockingIOError:
            raise TimeoutError("timed out") from None

    def sendall(self, *args: Any) -> None:
        self._until(super().sendall, *args)

    def recv_into(self, *args: Any) -> int:
        return self._until(super().recv_into, *args)


def connect(target: str, port: int, deadline: float) -> tuple[Connection, str]:
    """Connect to the first address of `target` that answers; the connection, and "address:port" of the other side."""
    problem: OSError = socket.gaierror("no address")
    for *kind, _, place in socket.getaddrinfo(target, port, type=socket.SOCK_STREAM):
        connection = Connection(*kind)
        try:
            connection.settimeout(left(deadline))
            connection.connect(place)
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection, "{}:{}".format(*connection.getpeername()[:2])
        except OSError as error:
            connection.close()
            problem = error
    raise problem


def ask(
    connection: Connection, host: str, path: str, deadline: float, *, keep: bool = False
) -> tuple[dict[str, Any], bool, bool]:
    """Ask for `path` and return status, headers and body of the answer; whether that is all of it, and the connection kept.

    The server is told to close the connection, unless it is to be kept. Of a body 65,536 bytes are read at the most. Raises
    OSError, and http.client.HTTPException for a request that cannot be sent and an answer that is not HTTP.
    """
    if " " in path or not path.isprintable():
        raise http.client.InvalidURL(path)
    connection.deadline = deadline
    close = "" if keep else "Connection: close\r\n"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{close}\r\n".encode("ascii"))
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        body = response.read(PAGE_LIMIT)
        # (`length` is what is left of the length that was announced.)
        whole = not response.length or len(body) == PAGE_LIMIT
        row = {"status": response.status, "headers": response.getheaders()}
        keeps = whole and not response.will_close and len(body) < PAGE_LIMIT
        return row | {"body": body.decode(errors="replace")}, whole, keeps


def fetch(host: str, port: int, path: str = "/", timeout: float = 3.0) -> dict[str, Any]:
    """GET a page within `timeout` seconds: status and headers (name, value) of the answer, its body, error (None with one)."""
    row: dict[str, Any] = {"status": None, "headers": [], "body": "", "error": None}
    deadline = time.monotonic() + timeout
    try:
        connection, _ = connect(host, port, deadline)
        with connection:
            row |= ask(connection, f"{host}:{port}", path, deadline)[0]
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
    targets: list[tuple[str, int]], path: str, count: int, concurrency: int, timeout: float,
    interval: float, first_record: bool,
) -> Iterator[list[Row]]:  # fmt: skip
    """Send `count` requests to the `targets` in turn, `concurrency` at a time; yield lists of rows in the order they ended in.

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
                number = next(tickets, None)
            if number is None:
                return
            began = time.monotonic()
            rows.put(one_request(*targets[number % len(targets)], path, timeout, first_record))
            stop.wait(max(0.0, began + interval - time.monotonic()))

    for number in range(min(concurrency, count)):
        delay = interval * number / concurrency
        threading.Thread(target=send, args=(delay,), name="sender", daemon=True).start()
    try:
        while count:
            batch = []  # an empty one is a sign of life
            with contextlib.suppress(queue.Empty):
                batch.append(rows.get(timeout=1.0))
                until = time.monotonic() + BATCH
                while 1 + rows.qsize() < count and time.monotonic() < until:
                    time.sleep(STEP)  # to take each row as it comes costs the senders a change of threads
                while True:
                    batch.append(rows.get_nowait())
            count -= len(batch)
            yield batch
    finally:
        stop.set()


def one_request(host: str, port: int, path: str, timeout: float, first_record: bool) -> Row:
    """Send one GET, which has `timeout` seconds for all that it does, and return its row."""
    time_began, began, deadline = time.time(), time.perf_counter(), time.monotonic() + timeout
    address, status, error, page = f"{host}:{port}", None, None, ""
    try:
        target = first_address(host, left(deadline)) if first_record else host
        address = f"{target}:{port}"
        connection, address = connect(target, port, deadline)
        with connection:
            row, whole, _ = ask(connection, host, path, deadline)
        status, page, error = row["status"], row["body"], None if whole else "cut short"
    except Exception as problem:  # a row for every request: whatever else goes wrong has a name too
        error = error_name(problem)
    return time_began, address, status, (time.perf_counter() - began) * 1000, error, page


def first_address(name: str, timeout: float) -> str:
    """The first A record that the lab's DNS server gives for `name`. Raises LookupError when there is none."""
    from .dns_load import ask

    answers: list[str] = ask(name, "127.0.0.1", 53, "A", timeout, False)["answers"]
    if not answers:
        raise LookupError(name)
    return answers[0]


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
    found = next((name for kind, name in ERRORS if isinstance(problem, kind)), "")
    return found or getattr(problem, "strerror", None) or type(problem).__name__
