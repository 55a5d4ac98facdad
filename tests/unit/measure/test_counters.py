"""When counters have settled, on readings that a test makes up."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from labkit.errors import WaitTimeout
from labkit.measure.counters import COLUMNS, counters, settled


def reading(*servers: tuple[int, int]) -> list[dict[str, Any]]:
    """One reading: for each server its conns and in_packets."""
    row = dict.fromkeys(COLUMNS, 0)
    return [
        row | {"server": f"127.0.0.1:808{n}", "conns": conns, "in_packets": packets}
        for n, (conns, packets) in enumerate(servers, 1)
    ]


def test_columns_are_named_even_without_servers(fake_lab: Any) -> None:
    """An empty table has every column."""
    fake_lab.answers["counters"] = []
    assert list(counters(fake_lab).columns) == COLUMNS


def test_settled_waits_until_the_connections_add_up(fake_lab: Any) -> None:
    """Readings that do not have every connection yet are passed over."""
    readings = iter([reading((0, 0), (0, 0)), reading((1, 6), (0, 0)), reading((2, 12), (2, 12))])
    fake_lab.answers["counters"] = lambda: next(readings)
    assert settled(fake_lab, 4)["conns"].tolist() == [2, 2]


def test_torn_reading_is_passed_over(fake_lab: Any) -> None:
    """Connections without packets are half a summing up, and not settled."""
    readings = iter([reading((2, 12), (0, 0)), reading((2, 12), (2, 0)), reading((2, 12), (2, 12))])
    fake_lab.answers["counters"] = lambda: next(readings)
    assert settled(fake_lab, 4)["in_packets"].tolist() == [12, 12]


@pytest.mark.parametrize("servers", [[], [(0, 0)], [(1, 5), (0, 0)]])
def test_server_without_connections_needs_no_packets(fake_lab: Any, servers: list[tuple[int, int]]) -> None:
    """Only one with connections and without packets is torn: here the first readings are taken."""
    fake_lab.answers["counters"] = reading(*servers)
    assert len(settled(fake_lab, sum(conns for conns, _ in servers), timeout=0.0)) == len(servers)


def test_connections_that_never_come_are_an_error_with_the_last_counters(fake_lab: Any) -> None:
    """The error names how many were expected and shows the table."""
    fake_lab.answers["counters"] = reading((3, 18))
    with pytest.raises(WaitTimeout, match="100 connections") as caught:
        settled(fake_lab, 100, timeout=0.0)
    assert "127.0.0.1:8081" in caught.value.words


def test_counters_that_never_rest_are_an_error(fake_lab: Any) -> None:
    """Without a number, counters that keep changing never settle."""
    numbers = itertools.count(1)
    fake_lab.answers["counters"] = lambda: reading((next(numbers), 1))
    with pytest.raises(WaitTimeout, match="no longer change"):
        settled(fake_lab, timeout=0.5)
