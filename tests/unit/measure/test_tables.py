"""What programs printed as DataFrames: requests, answers of dnsmasq, nginx's attempts; and when IPVS's counters have settled."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import pytest

from labkit.errors import MeasureError, WaitTimeout
from labkit.measure import counters as counting
from labkit.measure import traffic
from labkit.measure.counters import LOG_FORMAT, attempts, parse_attempts, settled
from labkit.measure.traffic import curl, frame, frame_of_answers, parse_curl

# ---- requests: (time, address, status, ms, error, page), as inside.http_client sends them.
GOOD = (1000.5, "127.0.0.1:8081", 200, 1.25, None, "<h1>Response from Backend Server 1</h1>\n")
DEAD = (1000.0, "127.0.0.1:8082", None, 0.5, "refused", "")
BROKEN = (1001.0, "127.0.0.1:8888", 502, 2.0, None, "<html>Bad Gateway</html>")
# What `curl_command` printed for: a page, a refused connection, an answer that took too long.
CURLED = """\
# 1700000000.500000000
<h2>*** Response from Backend Server 2 ***</h2>

@ 0 127.0.0.1 8082 200 0.001500
# 1700000000.750000000

@ 7  0 000 0.000200
# 1700000001.000000000
half a pa
@ 28 127.0.0.1 8081 200 5.000000
"""


def test_backend_is_read_from_the_page() -> None:
    """The page names its backend; another page names none."""
    pages = {
        "<h1>Response from Backend Server 1</h1>": "backend1", "<h2>*** Response from Backend Server 2 ***</h2>": "backend2",
        "Backend Server 17": "backend17", "Backend Server": None, "<html>502 Bad Gateway</html>": None, "": None,
    }  # fmt: skip
    rows = [(0.0, "x:1", 200, 1.0, None, page) for page in pages]
    assert frame(rows)["backend"].tolist() == list(pages.values())


def test_url_is_split() -> None:
    """Host, port (80 by default), and path with its query."""
    urls = {
        "http://127.0.0.1:8081": ("127.0.0.1", 8081, "/"), "http://192.168.100.1": ("192.168.100.1", 80, "/"),
        "HTTP://My-App.local:80/a/b?x=1&y=2#end": ("my-app.local", 80, "/a/b?x=1&y=2"),
        "http://[::1]:8081/": ("::1", 8081, "/"),
    }  # fmt: skip
    assert {url: traffic.split_url(url) for url in urls} == urls


def test_frame_of_requests() -> None:
    """Rows are numbered in the order in which they began; missing values are None, status is a nullable number."""
    table = frame([GOOD, DEAD, BROKEN])
    assert table.drop(columns=["ms", "status"]).to_numpy().tolist() == [
        [1, 0.0, "127.0.0.1:8082", None, "refused"], [2, 0.5, "127.0.0.1:8081", "backend1", None],
        [3, 1.0, "127.0.0.1:8888", None, "http 502"],
    ]  # fmt: skip
    assert table["status"].isna().tolist() == [True, False, False]
    assert table.attrs["epoch"] == 1000.0
    for status, error in ((200, None), (399, None), (400, "http 400"), (503, "http 503")):
        assert frame([(0.0, "x:1", status, 1.0, None, "")])["error"].tolist() == [error]


@pytest.mark.parametrize("rows", [[], [DEAD], [GOOD], [BROKEN], [DEAD] * 3])
def test_frame_of_any_rows_has_the_same_types(rows: list[tuple[Any, ...]]) -> None:
    """No rows, or rows without a status, page or error, give the same columns and types of text."""
    table = frame(rows)
    assert (list(table.columns), len(table)) == (traffic.COLUMNS, len(rows))
    types = table[["address", "backend", "status", "error"]].dtypes.map(str).tolist()
    assert types == ["object", "object", "Int64", "object"]
    words = [*table["backend"], *table["error"]]
    assert all(value is None or isinstance(value, str) for value in words)


def test_recorded_curl_output_is_parsed() -> None:
    """A page, a refusal and a time-out become rows like those of `traffic`; known exit codes have its names."""
    assert parse_curl(CURLED, "127.0.0.1:9") == [
        (1700000000.5, "127.0.0.1:8082", 200, 1.5, None, "<h2>*** Response from Backend Server 2 ***</h2>\n"),
        (1700000000.75, "127.0.0.1:9", None, 0.2, "refused", ""),
        (1700000001.0, "127.0.0.1:8081", 200, 5000.0, "timeout", "half a pa"),
    ]  # fmt: skip
    for code, error in {**traffic.CURL_ERRORS, 3: "curl 3", 0: None}.items():
        assert parse_curl(f"# 1.0\n\n@ {code}  0 000 0.1\n", "x:1")[0][4] == error


PAGES = ["# a heading\ntext", "text\n# 1 heading\n", "a\n@ b\n", "\n\n", "x @ 0 1 2 3 4"]


@pytest.mark.parametrize("page", PAGES)
def test_page_may_hold_anything(page: str) -> None:
    """A page whose lines look like curl_command's own marks is still a page."""
    (row,) = parse_curl(f"# 5.25\n{page}\n@ 0 127.0.0.1 80 200 0.5\n", "x")
    assert row == (5.25, "127.0.0.1:80", 200, 500.0, None, page)


def test_curl_is_run_as_one_types_it(fake_lab: Any) -> None:
    """A URL with characters of the shell's stays one word; fewer runs than were asked for are told, and no time-out claimed."""
    fake_lab.results["for"] = (0, CURLED)
    with pytest.raises(MeasureError, match="Of 4 runs of curl only 3 can be read"):
        curl(fake_lab, "http://127.0.0.1/?a=1&b=$(id)", 4, timeout=2.5)
    for part in ("seq 4", "-m 2.5 ", "'http://127.0.0.1/?a=1&b=$(id)'"):
        assert part in fake_lab.ran[0]
    table = curl(fake_lab, "http://127.0.0.1:8081", 3)
    assert table["error"].tolist() == [None, "refused", "timeout"]


# ---- DNS

KEYS = ["time", "answers", "ttl", "rcode", "ms", "error"]
ANSWER = dict(zip(KEYS, [5.0, ["127.0.0.2", "127.0.0.1"], 0, "NOERROR", 0.5, None], strict=True))
REFUSED = dict(zip(KEYS, [5.5, [], None, "REFUSED", 0.25, None], strict=True))
LOST = dict(zip(KEYS, [6.0, [], None, None, 5000.0, "timeout"], strict=True))


@pytest.mark.parametrize("rows", [[], [ANSWER], [LOST], [ANSWER, LOST], [ANSWER, REFUSED, LOST]])
def test_frame_of_answers(rows: list[dict[str, Any]]) -> None:
    """The answers are a tuple in their order, the first its own column; a TTL of 0 is 0, without an answer there is none."""
    table = frame_of_answers(rows, "x.local")
    assert list(table.columns) == traffic.ANSWER_COLUMNS and str(table["ttl"].dtype) == "Int64"
    for n, (found, row) in enumerate(zip(table.itertuples(), rows, strict=True), 1):
        assert (found.n, found.name, found.start) == (n, "x.local", row["time"] - rows[0]["time"])
        first = (row["answers"] or [None])[0]
        assert (found.answers, found.first) == (tuple(row["answers"]), first)
        assert (found.rcode, found.error) == (row["rcode"], row["error"])
        assert pd.isna(found.ttl) if row["ttl"] is None else found.ttl == row["ttl"]
    assert table.attrs["epoch"] == (rows[0]["time"] if rows else 0.0)


# ---- nginx's attempts. Recorded from nginx 1.22: two attempts, one attempt, all upstreams down, an answer of nginx's own.
LOGGED = """\
1700000000.500|200|127.0.0.1:8081, 127.0.0.1:8082|502, 200
1700000000.750|200|127.0.0.1:8082|200
1700000001.000|502|127.0.0.1:8081, 127.0.0.1:8082|502, 502
1700000001.250|502|pool|502
1700000001.500|404|-|-
1700000001.750|499|127.0.0.1:8081|-
"""
EARLIER = '127.0.0.1 - - [23/Nov/2026:14:00:00 +0000] "GET / HTTP/1.1" 200 36 "-" "curl/7.88.1"'


def test_recorded_log_is_parsed() -> None:
    """One row a request, with the upstreams in the order tried, and their statuses; nginx is told to write what is read."""
    table, one, two = parse_attempts(LOGGED), "127.0.0.1:8081", "127.0.0.1:8082"
    assert table["n"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["time"].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert table["upstreams"].tolist() == [(one, two), (two,), (one, two), ("pool",), (), (one,)]
    assert table["statuses"].tolist() == [(502, 200), (200,), (502, 502), (502,), (), ()]
    assert table["status"].tolist() == [200, 200, 502, 502, 404, 499]
    for one, rows in ((table, 6), (parse_attempts(""), 0)):
        assert (list(one.columns), len(one)) == (counting.ATTEMPT_COLUMNS, rows)
    assert LOG_FORMAT == "log_format attempts '$msec|$status|$upstream_addr|$upstream_status';"


@pytest.mark.parametrize(
    "line",
    [
        EARLIER, "1700000000.500|200|127.0.0.1:8081|200|more", "when|200|127.0.0.1:8081|200",
        "1700000000.500|ok|127.0.0.1:8081|200", "",
    ],
)  # fmt: skip
def test_other_format_is_an_error_with_the_line_and_the_format(line: str) -> None:
    """A log in another format is refused with the line that is wrong and the format to use."""
    with pytest.raises(MeasureError) as caught:
        parse_attempts(f"1700000000.500|200|127.0.0.1:8082|200\n{line}\n")
    assert caught.value.words == line and LOG_FORMAT in caught.value.way_out


def test_log_of_attempts_in_the_lab(fake_lab: Any) -> None:
    """Requests before the measurement are left out, numbering and time begin anew; lines of an earlier format do not count."""
    fake_lab.files["/var/log/nginx/access.log"] = f"{EARLIER}\n{LOGGED}"
    table = attempts(fake_lab, skip=2)
    assert (table["n"].tolist(), table["time"].iloc[0]) == ([1, 2, 3, 4], 0.0)
    assert [len(attempts(fake_lab, skip=skip)) for skip in (0, 5, 100)] == [6, 1, 0]
    assert attempts(fake_lab, skip=5)["status"].tolist() == [499]
    with pytest.raises(MeasureError, match="/tmp/x") as caught:
        attempts(fake_lab, log="/tmp/x")
    assert "access_log /tmp/x attempts;" in caught.value.way_out


# ---- IPVS's counters


def reading(*servers: tuple[int, int]) -> list[dict[str, Any]]:
    """One reading: for each server its conns and in_packets."""
    rows = []
    for n, (conns, packets) in enumerate(servers, 1):
        new = {"server": f"127.0.0.1:808{n}", "conns": conns, "in_packets": packets}
        rows.append(dict.fromkeys(counting.COLUMNS, 0) | new)
    return rows


# Readings one after another, and how many connections are waited for: the last is taken.
READINGS = {
    "connections add up": ([((0, 0), (0, 0)), ((1, 6), (0, 0)), ((2, 12), (2, 12))], 4),
    "a torn reading": ([((2, 12), (0, 0)), ((2, 12), (2, 0)), ((2, 12), (2, 12))], 4),
    "no servers": ([()], 0),
    "no connections": ([((0, 0),)], 0),
    "a server without connections needs no packets": ([((1, 5), (0, 0))], 1),
}


@pytest.mark.parametrize(("readings", "conns"), READINGS.values(), ids=READINGS)
def test_settled_waits_until_all_adds_up(fake_lab: Any, readings: list[Any], conns: int) -> None:
    """Readings that do not have every connection yet, or half of a summing up, are passed over; columns are always named."""
    coming = itertools.chain(readings, itertools.repeat(readings[-1]))
    fake_lab.answers["counters"] = lambda: reading(*next(coming))
    table = settled(fake_lab, conns, timeout=2.0 if len(readings) > 1 else 0.0)
    assert table[["conns", "in_packets"]].to_numpy().tolist() == [list(one) for one in readings[-1]]
    assert list(table.columns) == counting.COLUMNS
    fake_lab.answers["counters"] = []
    assert list(counting.counters(fake_lab).columns) == counting.COLUMNS


def test_counters_that_do_not_settle_are_an_error(fake_lab: Any) -> None:
    """How many connections were expected, and the table; without a number, those that keep changing never settle."""
    fake_lab.answers["counters"] = reading((3, 18))
    with pytest.raises(WaitTimeout, match="100 connections") as caught:
        settled(fake_lab, 100, timeout=0.0)
    assert "127.0.0.1:8081" in caught.value.words
    numbers = itertools.count(1)
    fake_lab.answers["counters"] = lambda: reading((next(numbers), 1))
    with pytest.raises(WaitTimeout, match="no longer change"):
        settled(fake_lab, timeout=0.5)
