"""How long `./lab report` takes, against the waits that the experiments in the notebooks and checks need."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from table import Row, at_most, seconds

TOP = Path(__file__).resolve().parents[2]
# Seconds that pass whatever the speed of the machine.
WAITS = {
    # Four curls with -m 4 whose packets to one address vanish: two of them wait for it until they try the other.
    "2_dns, dropped packets": 6.0,
    # The kernel adds its counters up every two seconds, on the average one second after the last request. Five times for so
    # many connections, once until nothing changes for 2.5 s; 60 requests one every 0.05 s.
    "3_ipvs, counters": 5 * 1.0 + 2.5 + 60 * 0.05,
    # 25 and 20 requests, one every 0.2 s, to see fail_timeout pass twice.
    "4_nginx, probes": 45 * 0.2,
    # wrk: five ways, three rounds, a second each; three failovers of 1 + 5 + 2 s.
    "5_compare, wrk and failovers": 5 * 3 * 1.0 + 3 * 8.0,
    # Task 3's counters, twice each time it is judged: in its notebook and for the hand-in.
    "checks, counters": 2 * 2 * 1.0,
}


def rows() -> Iterator[Row]:
    """The line of this file."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-P", "-m", "labkit", "report", "--out", out]
        times = [seconds(lambda: subprocess.run(command, cwd=TOP, check=True, capture_output=True)) for _ in range(3)]
    what = f"./lab report, warm, {len(list((TOP / 'notebooks').glob('*.ipynb')))} notebooks"
    yield at_most(what, times, "sum of the waits that the experiments need", [sum(WAITS.values())], "s", 1.5)
