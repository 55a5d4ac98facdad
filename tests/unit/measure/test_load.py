"""wrk: its command, and the numbers in what it prints."""

from __future__ import annotations

import pandas as pd
import pytest

from labkit.compare import compared, parse_wrk, throughput, wrk, wrk_command
from labkit.errors import MeasureError

# Words of the real wrk 4.1.0.
FINE = """\
Running 2s test @ http://127.0.0.1:80/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.90ms    1.01ms   9.82ms   71.78%
    Req/Sec     3.09k   419.82     3.85k    70.00%
  Latency Distribution
     50%    1.59ms
     75%    2.56ms
     90%    3.21ms
     99%    4.71ms
  6161 requests in 2.00s, 1.10MB read
Requests/sec:   3079.13
Transfer/sec:    565.31KB
"""
# Of a server that is slow, resets and answers 500; {blank} is a space that an editor would take away.
TROUBLED = """\
Running 6s test @ http://127.0.0.1:18231/nothing
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   249.90ms  364.44ms   1.17s    78.75%
    Req/Sec    36.47     21.67   110.00     75.51%
  Latency Distribution
     50%   44.02ms
     75%  360.96ms
     90%  883.01ms
     99%    1.15s{blank}
  190 requests in 6.00s, 21.76KB read
  Socket errors: connect 0, read 31, write 0, timeout 4
  Non-2xx or 3xx responses: 37
Requests/sec:     31.65
Transfer/sec:      3.62KB
""".format(blank=" ")
# Of a fast one that answers 404.
QUICK = """\
Running 1s test @ http://127.0.0.1:18232/nothing
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    12.53ms   34.84ms 191.87ms   91.79%
    Req/Sec     4.06k     2.10k    6.84k    75.00%
  Latency Distribution
     50%  129.00us
     75%    4.02ms
     90%   30.18ms
     99%  174.69ms
  3628 requests in 1.01s, 1.07MB read
  Non-2xx or 3xx responses: 3628
Requests/sec:   3608.56
Transfer/sec:      1.06MB
"""


def test_numbers_of_a_good_run() -> None:
    """Requests, requests a second, and both latencies in milliseconds; no line of errors means none."""
    assert parse_wrk(FINE) == {"requests": 6161, "per_second": 3079.13, "p50": 1.59, "p99": 4.71, "errors": 0}


def test_units_and_errors_of_bad_runs() -> None:
    """Microseconds and seconds become milliseconds; broken connections, time-outs and bad answers are added up."""
    assert parse_wrk(TROUBLED) == {"requests": 190, "per_second": 31.65, "p50": 44.02, "p99": 1150.0, "errors": 72}
    assert parse_wrk(QUICK) == {"requests": 3628, "per_second": 3608.56, "p50": 0.129, "p99": 174.69, "errors": 3628}


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:99 Connection refused\n", FINE.replace("99%", "98%")])
def test_other_words_are_an_error(text: str) -> None:
    """What is not the whole output is refused, with itself as the words."""
    with pytest.raises(MeasureError) as caught:
        parse_wrk(text)
    assert caught.value.words == "\n".join(text.strip().splitlines()[-15:])


def test_command_is_as_typed() -> None:
    """One thread, so many connections and seconds, the latencies printed."""
    assert wrk_command("http://127.0.0.1/", 2, 8) == "wrk -t1 -c8 -d2s --latency http://127.0.0.1:80/"


def test_wrk_that_fails_tells_its_words(fake_lab) -> None:
    """A code other than 0 is an error with wrk's own words; a good run is one row."""
    fake_lab.results["wrk"] = (1, "unable to connect to 127.0.0.1:99 Connection refused\n")
    with pytest.raises(MeasureError, match="could not send") as caught:
        wrk(fake_lab, "http://127.0.0.1:99/")
    assert "Connection refused" in caught.value.words
    fake_lab.results["wrk"] = (0, FINE)
    assert wrk(fake_lab, "http://127.0.0.1/").to_dict("records") == [{"url": "http://127.0.0.1/", **parse_wrk(FINE)}]


def test_best_round_of_each_counts_against_the_best_of_the_first() -> None:
    """A round that something else slowed down does not count; its errors do."""
    rows = [("direct", 1000, 1.0, 0), ("nginx", 300, 9.0, 0), ("direct", 500, 7.0, 0), ("nginx", 400, 5.0, 2)]
    runs = pd.DataFrame(rows, columns=["name", "per_second", "p50", "errors"]).assign(p99=20.0)
    table = compared(runs)
    assert list(table.index) == ["direct", "nginx"]
    assert table["ratio"].tolist() == [1.0, 0.4]
    assert table["p50"].tolist() == [1.0, 5.0]
    assert table["errors"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("speeds", "rounds", "ratio"),
    [
        ([1000, 200, 1010, 205], 2, 205 / 1010),
        ([500, 200, 1000, 200, 990, 100], 3, 0.2),
        ([100, 100, 200, 200, 400, 400], 3, 1.0),
    ],
)
def test_rounds_end_when_no_way_gets_better(fake_lab, speeds: list[int], rounds: int, ratio: float) -> None:
    """A round without a better figure is the last, and three are the most that were allowed."""
    left = iter(speeds)
    run = fake_lab.run

    def next_speed(command: str, **options: object) -> object:
        fake_lab.results["wrk"] = (0, FINE.replace("3079.13", str(next(left))))
        return run(command, **options)

    fake_lab.run = next_speed
    table = throughput(fake_lab, {"direct": "http://127.0.0.1/", "nginx": "http://127.0.0.1:8888/"}, rounds=3)
    assert len(fake_lab.ran) == 2 * rounds
    assert table["ratio"].tolist() == [1.0, pytest.approx(ratio)]
