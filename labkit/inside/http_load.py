"""The traffic sender: plain HTTP GET requests, each on a connection of its own, one row a request."""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
from collections.abc import Iterator

from .http_get import connect, get, left

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


def now() -> float:
    """The lab's clock, Unix seconds: the one by which the requests are timed."""
    return time.time()


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
