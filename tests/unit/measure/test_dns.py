"""DNS rows as a DataFrame."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import MeasureError
from labkit.measure.dns import COLUMNS, NAME, dig, frame

ANSWER = {"time": 5.0, "answers": ["127.0.0.2", "127.0.0.1"], "ttl": 0, "rcode": "NOERROR", "ms": 0.5, "error": None}
REFUSED = {"time": 5.5, "answers": [], "ttl": None, "rcode": "REFUSED", "ms": 0.25, "error": None}
LOST = {"time": 6.0, "answers": [], "ttl": None, "rcode": None, "ms": 5000.0, "error": "timeout"}


def test_frame_keeps_the_order_of_the_answers() -> None:
    """The answers are a tuple in their order, the first one is its own column."""
    table = frame([ANSWER, REFUSED, LOST], "x.local")
    assert list(table.columns) == COLUMNS
    assert table["n"].tolist() == [1, 2, 3]
    assert table["start"].tolist() == [0.0, 0.5, 1.0]
    assert table["answers"].tolist() == [("127.0.0.2", "127.0.0.1"), (), ()]
    assert table["first"].tolist() == ["127.0.0.2", None, None]
    assert table["rcode"].tolist() == ["NOERROR", "REFUSED", None]
    assert table["error"].tolist() == [None, None, "timeout"]
    assert set(table["name"]) == {"x.local"}
    assert table.attrs["epoch"] == 5.0


@pytest.mark.parametrize("rows", [[], [ANSWER], [LOST], [ANSWER, LOST]])
def test_ttl_is_a_number_that_may_be_missing(rows: list[dict[str, Any]]) -> None:
    """A TTL of 0 is 0, and without an answer there is none."""
    table = frame(rows, "x")
    assert str(table["ttl"].dtype) == "Int64"
    assert table["ttl"].isna().tolist() == [row["ttl"] is None for row in rows]


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, f"dig @127.0.0.1 {NAME}"),
        ({"server": "127.0.0.2", "options": "+short AAAA"}, f"dig @127.0.0.2 {NAME} +short AAAA"),
    ],
)
def test_dig_is_what_one_types(fake_lab: Any, options: dict[str, str], command: str) -> None:
    """The command that ran is in the result, without blanks at its end."""
    assert dig(fake_lab, **options).command == command


def test_dig_without_an_answer_is_an_error_with_its_words(fake_lab: Any) -> None:
    """dig's own words and the way out are told."""
    fake_lab.results["dig"] = (9, ";; connection refused\n")
    with pytest.raises(MeasureError, match="had no answer") as caught:
        dig(fake_lab)
    assert "connection refused" in caught.value.words and "dnsmasq" in caught.value.way_out


def test_name_is_the_assignments() -> None:
    """Requirement 2.1."""
    assert NAME == "my-awesome-highload-app.local"
