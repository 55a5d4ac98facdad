"""nginx's log of attempts as a DataFrame."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import MeasureError
from labkit.measure.counters import ATTEMPT_COLUMNS as COLUMNS
from labkit.measure.counters import LOG_FORMAT, attempts, parse_attempts

# Recorded from nginx 1.22: two attempts, one attempt, all upstreams down, an answer of nginx's own.
RECORDED = """\
1700000000.500|200|127.0.0.1:8081, 127.0.0.1:8082|502, 200
1700000000.750|200|127.0.0.1:8082|200
1700000001.000|502|127.0.0.1:8081, 127.0.0.1:8082|502, 502
1700000001.250|502|pool|502
1700000001.500|404|-|-
1700000001.750|499|127.0.0.1:8081|-
"""


def test_recorded_log_is_parsed() -> None:
    """One row a request, with the upstreams in the order tried, and their statuses."""
    table = parse_attempts(RECORDED)
    assert list(table.columns) == COLUMNS
    assert table["n"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["time"].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert table["upstreams"].tolist()[:2] == [("127.0.0.1:8081", "127.0.0.1:8082"), ("127.0.0.1:8082",)]
    assert table["statuses"].tolist()[:3] == [(502, 200), (200,), (502, 502)]
    assert table["upstreams"].tolist()[3:] == [("pool",), (), ("127.0.0.1:8081",)]
    assert table["status"].tolist() == [200, 200, 502, 502, 404, 499]


def test_empty_log_is_an_empty_table() -> None:
    """No requests give a table without rows and with every column."""
    assert list(parse_attempts("").columns) == COLUMNS
    assert len(parse_attempts("")) == 0


@pytest.mark.parametrize(
    "line",
    [
        '127.0.0.1 - - [23/Nov/2026:14:00:00 +0000] "GET / HTTP/1.1" 200 36 "-" "curl/7.88.1"',
        "1700000000.500|200|127.0.0.1:8081",
        "1700000000.500|200|127.0.0.1:8081|200|more",
        "when|200|127.0.0.1:8081|200",
        "1700000000.500|ok|127.0.0.1:8081|200",
        "|||",
        "",
    ],
)  # fmt: skip
def test_other_format_is_an_error_with_the_line_and_the_format(line: str) -> None:
    """A log in another format is refused with the line that is wrong and the format to use."""
    with pytest.raises(MeasureError) as caught:
        parse_attempts(f"1700000000.500|200|127.0.0.1:8082|200\n{line}\n")
    assert caught.value.words == line
    assert LOG_FORMAT in caught.value.way_out


def test_lines_of_an_earlier_format_are_left_out(fake_lab: Any) -> None:
    """What nginx wrote before the log had its format stays in the file, and is neither counted nor skipped."""
    fake_lab.files["/var/log/nginx/access.log"] = '127.0.0.1 - - "GET / HTTP/1.1" 200\n' + RECORDED
    assert len(attempts(fake_lab)) == 6
    assert attempts(fake_lab, skip=5)["status"].tolist() == [499]


def test_format_has_the_four_variables_in_the_order_that_is_read() -> None:
    """What nginx is told to write is what is read."""
    assert LOG_FORMAT == "log_format attempts '$msec|$status|$upstream_addr|$upstream_status';"


def test_first_lines_can_be_skipped(fake_lab: Any) -> None:
    """Requests before the measurement are left out, and numbering and time begin anew."""
    fake_lab.files["/var/log/nginx/access.log"] = RECORDED
    table = attempts(fake_lab, skip=2)
    assert (table["n"].tolist(), table["time"].iloc[0], len(table)) == ([1, 2, 3, 4], 0.0, 4)
    assert len(attempts(fake_lab, skip=100)) == 0


def test_log_that_is_not_there_is_an_error(fake_lab: Any) -> None:
    """Without a log the line for the config is told."""
    with pytest.raises(MeasureError, match="/tmp/x") as caught:
        attempts(fake_lab, log="/tmp/x")
    assert "access_log /tmp/x attempts;" in caught.value.way_out
