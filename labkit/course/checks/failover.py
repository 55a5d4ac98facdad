"""One failover of nginx: backend1 dies, requests follow each other, the refused attempts of each are counted."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from ..bench import Bench
from ..evidence import request_rows

LIMIT = 7
# Enough for seven failures in each of eight workers.
REQUESTS = 80
# For each count of failures that a new worker may begin.
AFRESH = 9
TIMEOUT, GIVE_UP = 10.0, 2
# The shortest fail_timeout: nginx counts it in whole seconds and tries again only after more than that
# (ngx_http_upstream_round_robin.c, `now - peer->checked > peer->fail_timeout`).
PAUSE = 1.0
NEW_WORKERS = 15.0

Rows = Sequence[dict[str, Any]]


def longest_pause(rows: Rows, i: int) -> float:
    """The most that can lie between the attempt in request `i` and the last one before it, seconds; 0 without one."""
    before = next((row for row in reversed(rows[:i]) if row["refused"]), None)
    return float(rows[i]["ended"] - before["began"]) if before else 0.0


def first_attempts(rows: Rows) -> tuple[int, bool]:
    """The attempts until the first request without one, and whether one more may have been a probe after fail_timeout.

    A probe comes once the server was given up, so it is only thought of from the limit on.
    """
    count = 0
    for i, row in enumerate(rows):
        if not row["refused"]:
            return count, False
        if count >= LIMIT and longest_pause(rows, i) >= PAUSE:
            return count, True
        count += row["refused"]
    return count, False


def attempts_again(rows: Rows) -> int:
    """The attempts after the first request without one that came too soon after another to be probes."""
    given_up = next((i for i, row in enumerate(rows) if not row["refused"]), len(rows))
    return sum(rows[i]["refused"] for i in range(given_up, len(rows)) if longest_pause(rows, i) < PAUSE)


def settled(rows: Rows) -> list[dict[str, Any]]:
    """The requests that nginx did not try the dead server for; all of them when it never left it alone."""
    return [row for row in rows if not row["refused"]] or list(rows)


class Failover:
    """What happened: `rows` of the requests after backend1 died, and `more` of those after nginx's workers were replaced.

    Workers that count for themselves begin anew when they are replaced; a count that they share goes on. `attempts` is how
    often the dead server was tried until nginx left it alone, `again` how often right after that; `received` what the backup got.
    """

    def __init__(self, bench: Bench, address: str, port: int) -> None:
        self._bench, self._place = bench, (address, port)
        bench.call("recorder:stop", 8081)
        bench.call("recorder:take", 8082)
        self.rows = self._ask(REQUESTS)
        self.refused = [row["refused"] for row in self.rows]
        bench.evidence["failover"] = request_rows(self.rows)
        self.received = bench.call("recorder:take", 8082)
        self.by_backup = len(self.received)
        self.attempts, self.unclear = first_attempts(self.rows)
        self.workers = len(bench.inside("nginx_processes", port)["workers"])
        self.more = self._replaced() if self.workers > 1 and not self.never_stopped else []
        self.again = attempts_again([*self.rows, *self.more])

    def _ask(self, count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._bench.inside("series", *self._place, count, TIMEOUT, GIVE_UP)
        return rows

    def _replaced(self) -> list[dict[str, Any]]:
        """Kill the workers, which the master replaces, and ask on."""
        replace_workers(self._bench, self._place[1], "workers", signal.SIGKILL)
        return self._ask(AFRESH)

    @property
    def never_stopped(self) -> bool:
        """True when every request tried the dead server."""
        return all(self.refused)

    @property
    def pattern(self) -> str:
        """The refused attempts of each request, in order."""
        return " ".join(map(str, self.refused[:30])) + (" …" if len(self.refused) > 30 else "")


def replace_workers(bench: Bench, port: int, whom: str, number: signal.Signals) -> None:
    """Send a signal to the `whom` ("masters", "workers") of the nginx on `port`, wait for new workers. Raises WaitTimeout."""
    before = bench.inside("nginx_processes", port)

    def new() -> bool:
        workers = bench.inside("nginx_processes", port)["workers"]
        return len(workers) >= len(before["workers"]) and not set(workers) & set(before["workers"])

    for pid in before[whom]:
        bench.call("processes:send_signal", pid, int(number))
    if before["workers"]:
        bench.lab.wait_until(new, reason="new workers of nginx", timeout=NEW_WORKERS)
