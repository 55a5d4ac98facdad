"""Rows of requests as a DataFrame, and what curl printed as the same rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from labkit.errors import MeasureError
from labkit.measure.traffic import COLUMNS, CURL_ERRORS, backend_of, curl, curl_command, frame, parse_curl, split_url

# (time, address, status, ms, error, page), as inside.http_client sends them.
GOOD = (1000.5, "127.0.0.1:8081", 200, 1.25, None, "<h1>Response from Backend Server 1</h1>\n")
DEAD = (1000.0, "127.0.0.1:8082", None, 0.5, "refused", "")
BROKEN = (1001.0, "127.0.0.1:8888", 502, 2.0, None, "<html>Bad Gateway</html>")

# What `curl_command` printed for: a page, a refused connection, an answer that took too long.
RECORDED = """\
# 1700000000.500000000
<h2>*** Response from Backend Server 2 ***</h2>

@ 0 127.0.0.1 8082 200 0.001500
# 1700000000.750000000

@ 7  0 000 0.000200
# 1700000001.000000000
half a pa
@ 28 127.0.0.1 8081 200 5.000000
"""


@pytest.mark.parametrize(
    ("page", "backend"),
    [
        ("<h1>Response from Backend Server 1</h1>", "backend1"),
        ("<h2>*** Response from Backend Server 2 ***</h2>", "backend2"),
        ("Backend Server 17", "backend17"),
        ("Backend Server", None),
        ("<html>502 Bad Gateway</html>", None),
        ("", None),
    ],
)
def test_backend_is_read_from_the_page(page: str, backend: str | None) -> None:
    """The page names its backend; another page names none."""
    assert backend_of(page) == backend


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:8081", ("127.0.0.1", 8081, "/")),
        ("http://192.168.100.1", ("192.168.100.1", 80, "/")),
        ("HTTP://My-App.local:80/a/b?x=1&y=2#end", ("my-app.local", 80, "/a/b?x=1&y=2")),
        ("http://[::1]:8081/", ("::1", 8081, "/")),
    ],
)
def test_url_is_split(url: str, parts: tuple[str, int, str]) -> None:
    """Host, port (80 by default), and path with its query."""
    assert split_url(url) == parts


def test_frame_has_named_columns_and_types() -> None:
    """Rows are numbered in the order in which they began; missing values are None, status is a nullable number."""
    table = frame([GOOD, DEAD, BROKEN])
    assert list(table.columns) == COLUMNS
    assert table["n"].tolist() == [1, 2, 3]
    assert table["start"].tolist() == [0.0, 0.5, 1.0]
    assert table["address"].tolist() == ["127.0.0.1:8082", "127.0.0.1:8081", "127.0.0.1:8888"]
    assert table["backend"].tolist() == [None, "backend1", None]
    assert table["error"].tolist() == ["refused", None, "http 502"]
    assert table["status"].isna().tolist() == [True, False, False]
    assert table.dtypes.astype(str).tolist() == ["int64", "float64", "object", "object", "Int64", "float64", "object"]
    assert table.attrs["epoch"] == 1000.0


@pytest.mark.parametrize("rows", [[], [DEAD], [GOOD], [BROKEN], [DEAD] * 3])
def test_frame_of_any_rows_has_the_same_types(rows: list[tuple[Any, ...]]) -> None:
    """No rows, or rows without a status, page or error, give the same columns and types of text."""
    table = frame(rows)
    assert list(table.columns) == COLUMNS
    assert len(table) == len(rows)
    assert str(table["status"].dtype) == "Int64"
    assert {str(table[column].dtype) for column in ("address", "backend", "error")} == {"object"}
    assert all(value is None or isinstance(value, str) for column in ("backend", "error") for value in table[column])


@pytest.mark.parametrize(("status", "error"), [(200, None), (304, None), (399, None), (400, "http 400"), (503, "http 503")])
def test_statuses_from_400_are_errors(status: int, error: str | None) -> None:
    """An answer that tells of a failure is one."""
    assert frame([(0.0, "x:1", status, 1.0, None, "")])["error"].tolist() == [error]


def test_recorded_curl_output_is_parsed() -> None:
    """A page, a refusal and a time-out become rows like those of `traffic`."""
    assert parse_curl(RECORDED, "127.0.0.1:9") == [
        (1700000000.5, "127.0.0.1:8082", 200, 1.5, None, "<h2>*** Response from Backend Server 2 ***</h2>\n"),
        (1700000000.75, "127.0.0.1:9", None, 0.2, "refused", ""),
        (1700000001.0, "127.0.0.1:8081", 200, 5000.0, "timeout", "half a pa"),
    ]  # fmt: skip


@pytest.mark.parametrize("page", ["# a heading\ntext", "text\n# 1 heading\n", "@ home", "a\n@ b\n", "#", "\n\n", "x @ 0 1 2 3 4"])
def test_page_may_hold_anything(page: str) -> None:
    """A page whose lines look like curl_command's own marks is still a page."""
    (row,) = parse_curl(f"# 5.25\n{page}\n@ 0 127.0.0.1 80 200 0.5\n", "x")
    assert row == (5.25, "127.0.0.1:80", 200, 500.0, None, page)


@pytest.mark.parametrize(
    ("code", "error"), [*((str(code), name) for code, name in CURL_ERRORS.items()), ("3", "curl 3"), ("0", None)]
)
def test_curls_exit_codes_have_names(code: str, error: str | None) -> None:
    """Known exit codes have the names that `traffic` uses; others are quoted."""
    assert parse_curl(f"# 1.0\n\n@ {code}  0 000 0.1\n", "x:1")[0][4] == error


def test_curl_command_keeps_the_url_in_one_word() -> None:
    """A URL with characters of the shell's stays a URL."""
    assert "'http://127.0.0.1/?a=1&b=$(id)'" in curl_command("http://127.0.0.1/?a=1&b=$(id)", 3, 2.5)
    assert "seq 3" in curl_command("http://x/", 3, 2.5) and "-m 2.5 " in curl_command("http://x/", 3, 2.5)


def test_missing_rows_of_curl_are_an_error(fake_lab: Any) -> None:
    """When fewer runs can be read than were asked for, that is said, and no time-out is claimed."""
    fake_lab.results["for"] = (0, RECORDED)
    with pytest.raises(MeasureError, match="Of 4 runs of curl only 3 can be read"):
        curl(fake_lab, "http://127.0.0.1:8081", 4)
    assert isinstance(curl(fake_lab, "http://127.0.0.1:8081", 3), pd.DataFrame)
