"""One failover of nginx: backend1 dies, requests follow each other, the refused attempts of each are counted.

One worker of nginx is judged: its requests come on one connection, which is kept, and where nginx closes it every request is put
down to the worker that got it. So it does not matter how many workers there are, or which of them the kernel chooses.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from ..bench import Bench
from ..evidence import request_rows

LIMIT = 7
# More than any number of failures that is taken for seven; and for each worker, where nginx keeps no connection, as many as show
# that it has left the server alone.
REQUESTS, EACH, MOST = 80, 10, 640
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


def of_one_worker(rows: Rows) -> list[dict[str, Any]]:
    """The rows of the worker that got most of the requests; of several with as many, of the one that was first."""
    workers = [row["worker"] for row in rows]
    return [row for row in rows if row["worker"] == max(workers, key=workers.count)]  # the first of several such


class Failover:
    """What happened: `rows` of the requests after backend1 died, and `more` of those after nginx's workers were replaced.

    Workers that count for themselves begin anew when they are replaced (`apart`); a count that they share goes on. `attempts` is
    how often one worker, or all that share a count, tried the dead server until it was left alone, `again` how often right after
    that; `received` what the backup got.
    """

    def __init__(self, bench: Bench, address: str, port: int) -> None:
        self._bench, self._place = bench, (address, port)
        bench.call("recorder:stop", 8081)
        bench.call("recorder:take", 8082)
        found = bench.inside("nginx_processes", port)
        self.workers = max(1, len(found["workers"]))
        self.rows = self._ask(REQUESTS)
        if len({row["worker"] for row in self.rows}) > 1:  # no connection is kept
            self.rows += self._ask(max(0, min(EACH * self.workers, MOST) - REQUESTS))
        self.refused = [row["refused"] for row in self.rows]
        bench.evidence["failover"] = request_rows(self.rows)
        self.received = bench.call("recorder:take", 8082)
        self.by_backup = len(self.received)
        # Without a master nobody would take the place of what is ended.
        alone = not found["workers"]
        self.more = self._replaced() if not (alone or self.never_stopped) else []
        self.apart = attempts_again([*self.rows, *self.more]) > attempts_again(self.rows)
        judged = of_one_worker(self.rows) if self.apart else self.rows
        self.attempts, self.unclear = first_attempts(judged)
        self.again = attempts_again(judged)

    def _ask(self, count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._bench.inside("kept", *self._place, count, TIMEOUT, GIVE_UP)
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
    def together(self) -> str:
        """How the attempts of several workers add up, in words, "" where they share one count."""
        if not self.apart:
            return ""
        each = "each worker counts for itself"
        sum_ = (
            f", so the {self.workers} make up to {self.workers * self.attempts} together"
            if self.workers > 1
            else ", and there is one"
        )
        return f"{each}{sum_}; `zone pool 64k;` in the upstream makes them {self.attempts} for any number of workers"

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
