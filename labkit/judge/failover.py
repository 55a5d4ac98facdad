"""What task 4's checks measure together: requests with both backends alive, then one failover, attempt by attempt.

One worker of nginx is judged: its requests come on one connection, which is kept, and where nginx closes it every request is put
down to the worker that got it. So it does not matter how many workers there are, or which of them the kernel chooses.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..errors import LabkitError, MeasureError, WaitTimeout, wait_until
from ..inside import http_client, judge, processes, recorder
from ..measure.capture import PORTS, Capture
from .bench import BACKENDS, CAPTURE, MAX_CAPTURE, Bench, packed, request_rows

ADDRESS, PORT = "127.0.0.1", 8888
HEADER = "X-high-load-test"
# A few, each on its own connection; and a crowd on one, in which even a plain server of weight 1 beside 1000 has its turn
# (smooth weighted round robin: it comes after about half the sum of the weights).
ALIVE, CROWD, CROWD_SECONDS = 20, 600, 60.0
# How often the page is asked for by its name.
BY_NAME = 2
LIMIT = 7
# More than any number of failures that is taken for seven; and for each worker, where nginx keeps no connection, as many as show
# that it has left the server alone.
REQUESTS, EACH, MOST = 80, 10, 640
# Over so many connections they come where the server keeps them (judge.kept).
CONNECTIONS = 3
# For each count of failures that a new worker may begin.
AFRESH = 9
TIMEOUT, GIVE_UP = 10.0, 2
# The shortest fail_timeout: nginx counts it in whole seconds and tries again only after more than that
# (ngx_http_upstream_round_robin.c, `now - peer->checked > peer->fail_timeout`).
PAUSE = 1.0
NEW_WORKERS = 30.0
# How often all is measured at the most, and after how many seconds not again.
TIMES, AGAIN_UNTIL = 3, 60.0

Rows = Sequence[dict[str, Any]]


def longest_pause(rows: Rows, i: int) -> float:
    """The most that can lie between the attempt in request `i` and the last one before it, seconds; 0 without one."""
    began = next((row["began"] for row in reversed(rows[:i]) if row["refused"]), None)
    return 0.0 if began is None else float(rows[i]["ended"] - began)


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


def answered(rows: Rows, page: str) -> int:
    """How many of the requests the backend with this page has answered."""
    return sum(row["status"] == 200 and row["body"] == page for row in rows)


def settled(rows: Rows) -> list[dict[str, Any]]:
    """The requests that nginx did not try the dead server for; all of them when it never left it alone."""
    return [row for row in rows if not row["refused"]] or list(rows)


def of_one_worker(rows: Rows) -> list[dict[str, Any]]:
    """The rows of the worker that got most of the requests; of several with as many, of the one that was first."""
    workers = [row["worker"] for row in rows]
    return [row for row in rows if row["worker"] == max(workers, key=workers.count)]  # the first of several such


class Measured:
    """What happened: with both backends alive, and after backend1 had died.

    Alive: `alive` are the client's rows, `received` what each backend got, `by_name` the rows of a few requests for /index.html,
    `others` what the backends received of these, and `hops` what tshark saw of one request, or the error with which it could not.

    Dead: `rows` of the requests, and more of them after nginx's workers were replaced. Before the last failure that is asked for
    the server is back for one request, `back`, which nginx must still send there. Workers that count for themselves begin anew
    when they are replaced (`apart`); a count that they share goes on. `attempts` is how often one worker, or all that share a
    count, tried the dead server until it was left alone, `again` how often right after that; `saved` what the backup got.
    """

    def __init__(self, bench: Bench) -> None:
        """Send the requests, with recorders as backends. Raises MeasureError when nobody answers."""
        self._bench = bench
        bench.call(recorder.take, 8082)
        self.alive = bench.call(judge.series, ADDRESS, PORT, ALIVE, TIMEOUT, GIVE_UP)
        if all(row["error"] for row in self.alive):
            raise MeasureError(f"nobody answers at {ADDRESS}:{PORT}: {self.alive[0]['error']}{bench.words}")
        bench.call(judge.crowd, ADDRESS, PORT, CROWD, TIMEOUT, CROWD_SECONDS)
        self.received = {port: bench.call(recorder.take, port) for port in BACKENDS}
        bench.evidence["requests"] = request_rows(self.alive)
        bench.evidence["received"] = {str(port): len(rows) for port, rows in self.received.items()}
        page = ADDRESS, PORT, "/index.html", TIMEOUT
        self.by_name = [bench.call(http_client.fetch, *page) for _ in range(BY_NAME)]
        self.others = [row for port in BACKENDS for row in bench.call(recorder.take, port)]
        self.hops = look(bench)
        self._fail_over()

    def _fail_over(self) -> None:
        """Let backend1 die, and count."""
        bench = self._bench
        bench.call(recorder.stop, 8081)
        bench.call(recorder.take, 8082)
        found = bench.call(judge.nginx_processes, PORT)
        self.workers = max(1, len(found["workers"]))
        rows = self._ask(REQUESTS, (LIMIT - 1, 8081, bench.pages[8081]))
        self.back = next((row for row in rows if row["back"]), None)
        self.rows = [row for row in rows if not row["back"]]
        if len({row["worker"] for row in self.rows}) > CONNECTIONS:  # no connection is kept
            self.rows += self._ask(max(0, min(EACH * self.workers, MOST) - REQUESTS))
        self.refused = [row["refused"] for row in self.rows]
        bench.evidence["failover"] = request_rows(self.rows)
        self.saved = bench.call(recorder.take, 8082)
        more = []
        if found["workers"] and not self.never_stopped:  # without a master nobody takes the place of what is ended
            try:
                replace_workers(bench, "workers", signal.SIGKILL)
            except WaitTimeout as error:
                raise MeasureError(f"nginx does not replace workers that have ended: {error.tried}") from error
            more = self._ask(AFRESH)
        self.apart = attempts_again([*self.rows, *more]) > attempts_again(self.rows)
        judged = of_one_worker(self.rows) if self.apart else self.rows
        self.attempts, self.unclear = first_attempts(judged)
        # A request that succeeds more than fail_timeout after a failure lets nginx begin anew.
        if self.back and self.attempts != LIMIT:
            self.unclear |= longest_pause(rows, rows.index(self.back)) >= PAUSE
        self.again = attempts_again(judged)

    def _ask(self, count: int, back: tuple[int, int, str] | None = None) -> list[dict[str, Any]]:
        rows = self._bench.call(judge.kept, ADDRESS, PORT, count, TIMEOUT, GIVE_UP, back)
        return rows

    @property
    def never_stopped(self) -> bool:
        """True when every request tried the dead server."""
        return all(self.refused)

    @property
    def together(self) -> str:
        """How the attempts of several workers add up, in words, "" where they share one count."""
        if not self.apart:
            return ""
        most = self.workers * self.attempts
        sum_ = f"so the {self.workers} make up to {most} together" if self.workers > 1 else "and there is one"
        zone = f"`zone pool 64k;` in the upstream makes them {self.attempts} for any number of workers"
        return f"each worker counts for itself, {sum_}; {zone}"


def replace_workers(bench: Bench, whom: str, number: signal.Signals) -> None:
    """Send a signal to nginx' `whom` ("masters", "workers"), and wait for new workers. Raises WaitTimeout."""
    before = bench.call(judge.nginx_processes, PORT)

    def new() -> bool:
        workers = bench.call(judge.nginx_processes, PORT)["workers"]
        return len(workers) >= len(before["workers"]) and not set(workers) & set(before["workers"])

    for pid in before[whom]:
        bench.call(processes.send_signal, pid, int(number))
    if before["workers"]:
        wait_until(new, reason="new workers of nginx", timeout=NEW_WORKERS)


def carried(request: Mapping[str, str], response: Mapping[str, str]) -> str:
    """Where the asked header is, with its value, in words."""
    return "".join(
        f", {HEADER}: {value} on the {message}"
        for message, headers in (("request", request), ("response", response))
        for name, value in headers.items()
        if name.lower() == HEADER.lower()
    )


def both_hops(bench: Bench) -> list[str]:
    """Record one request and return a sentence for each exchange that tshark decodes with request and response."""
    with Capture(bench.lab, PORTS) as capture:
        bench.call(http_client.fetch, ADDRESS, PORT)
    size = capture.file.stat().st_size
    if size > MAX_CAPTURE:
        raise MeasureError(f"During one request {size:,} bytes were sent: too many to look for it.")
    exchanges = capture.exchanges()
    bench.evidence[CAPTURE] = packed(capture.file.read_bytes())
    return [
        f"{row.hop}: {row.method} {row.uri} → {row.status} ({row.ms:.1f} ms)" + carried(row.request_headers, row.response_headers)
        for row in exchanges.itertuples()
        if row.method and pd.notna(row.status)
    ]


def look(bench: Bench) -> list[str] | LabkitError:
    """What tshark sees of one request, or why it sees nothing: whatever tshark does, the other measurements go on."""
    try:
        return both_hops(bench)
    except LabkitError as error:
        return error
    except Exception as error:  # of ours, at packets that nobody thought of
        return MeasureError(f"the capture could not be read: {type(error).__name__}: {error}")


def listening(bench: Bench) -> list[dict[str, Any]]:
    """Who listens once nginx has been measured: one that reads its configuration again takes a moment to close a socket."""
    rows = bench.once("listening", lambda: bench.call(judge.programs))
    return rows


def measured(bench: Bench) -> Measured:
    """Measure, and again when it may have been nginx's memory, or the machine's slowness, that was measured.

    The work's own trials, or a request before its backends ran, leave failures that nginx remembers until its workers
    are replaced; successes soon after do not clear them (ngx_http_upstream_module, max_fails).
    """
    bench.record_backends()
    until = time.monotonic() + AGAIN_UNTIL
    found = Measured(bench)
    listening(bench)  # before it reads its configuration again
    for again in range(1, TIMES):
        remembering = found.received[8082] or found.attempts < LIMIT
        if time.monotonic() > until or not (found.unclear or (again == 1 and remembering)):
            break
        # Workers that are replaced remember nothing, and run the configuration that was read, whatever stands in its file by
        # now; a count that they share goes on until it is read again.
        whom, number = ("workers", signal.SIGKILL) if found.apart else ("masters", signal.SIGHUP)
        try:
            replace_workers(bench, whom, number)
            bench.record_backend(8081)
            found = Measured(bench)
        except LabkitError:  # it cannot read its configuration again; then what was measured stands
            break
    return found
