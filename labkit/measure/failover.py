"""A failover, observed: the same steady load through several balancers while a backend breaks and is healed."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import BadInput
from ..lab import Lab
from .traffic import MAX_AT_A_TIME, frame, sending, split_url

NOW = "labkit.inside.http_load:now"


@dataclass(frozen=True)
class Failover:
    """What was observed. Times are seconds since the first request, by the lab's clock.

    `requests` has a row a request: the columns of `traffic` and `balancer`. `broken` and `healed` are the moments at
    which the fault was made and taken away, `patience` is how long a client waits.
    """

    requests: pd.DataFrame
    broken: float
    healed: float
    patience: float


def is_name(url: str) -> bool:
    """True when the host of `url` is a name, which DNS has to be asked for. Raises BadInput for what is no http URL."""
    try:
        ipaddress.ip_address(split_url(url)[0])
    except ValueError:
        return True
    return False


def failover(
    lab: Lab, urls: Mapping[str, str], fault: Callable[[], object], heal: Callable[[], object], *,
    rate: int = 10, seconds: float = 9.0, broken: float = 2.0, healed: float = 6.0, patience: float = 2.0,
) -> Failover:  # fmt: skip
    """Send `rate` requests a second to each of `urls` ({balancer: URL}) for `seconds`; call `fault`, and later `heal`.

    `fault` is called after `broken` seconds, `heal` after `healed`. A request begins when its time has come, whether or not
    the ones before it are answered, and fails after `patience` seconds. A name in a URL is asked by DNS for each request,
    and the first record is taken. Whatever happens, a fault that was made is healed. Raises BadInput.
    """
    # So many senders that one is always free: none is busy longer than its request may take.
    senders = math.ceil(rate * patience) + 2
    if not urls or not 0 < broken < healed < seconds or rate < 1 or patience <= 0 or senders > MAX_AT_A_TIME:
        raise BadInput(
            f"A failover of {seconds:g} s cannot be broken after {broken:g} s and healed after {healed:g} s, "
            f"with {rate} requests a second to {len(urls)} balancers.",
            way_out=f"0 < broken < healed < seconds, and rate · patience below {MAX_AT_A_TIME}",
        )
    options = {"at_a_time": senders, "timeout": patience, "every": senders / rate}
    loads = {
        name: sending(lab, url, round(rate * seconds), first_record=is_name(url), **options)  # type: ignore[arg-type]
        for name, url in urls.items()
    }
    with Load(loads) as load:
        began = lab.call(NOW)
        load.wait(broken)
        fault()
        try:
            moments = [lab.call(NOW)]
            load.wait(began + healed - moments[0])
        finally:
            heal()
        moments.append(lab.call(NOW))
        tables = load.tables()
    first = min(table.attrs["epoch"] for table in tables.values())
    together = [
        table.assign(balancer=name, start=table["start"] + table.attrs["epoch"] - first) for name, table in tables.items()
    ]
    for table in together:
        table.attrs = {}
    return Failover(pd.concat(together, ignore_index=True), moments[0] - first, moments[1] - first, patience)


class Load:
    """Several loads at once, each drawn from its iterator in a thread of its own; left by an error, they all end."""

    def __init__(self, loads: Mapping[str, Iterator[list[tuple[Any, ...]]]]) -> None:
        self._loads, self._over = loads, threading.Event()
        self._threads = ThreadPoolExecutor(len(loads), thread_name_prefix="load")
        self._futures: dict[str, Future[pd.DataFrame]] = {}

    def __enter__(self) -> Load:
        self._futures = {name: self._threads.submit(self._draw, load) for name, load in self._loads.items()}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        if kind:
            self._over.set()
        self._threads.shutdown()

    def _draw(self, load: Iterator[list[tuple[Any, ...]]]) -> pd.DataFrame:
        rows: list[tuple[Any, ...]] = []
        try:
            for batch in load:  # at least one a second, an empty one as a sign of life
                rows += batch
                if self._over.is_set():
                    break
        finally:
            load.close()  # type: ignore[attr-defined]
        return frame(rows)

    def wait(self, seconds: float) -> None:
        """Let the loads go on for so long."""
        self._over.wait(seconds)

    def tables(self) -> dict[str, pd.DataFrame]:
        """What came of each, once all have ended. Raises what a load raised."""
        return {name: future.result() for name, future in self._futures.items()}
