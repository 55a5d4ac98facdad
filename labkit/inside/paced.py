"""The panel's traffic sender: so many requests a second, evenly, whether or not the earlier ones were answered."""

from __future__ import annotations

import math
import queue
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from .http_load import Row, batches, one_request


def requests(targets: list[tuple[str, int]], path: str, rate: float, timeout: float, first_record: bool) -> Iterator[list[Row]]:
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
