"""What the topology is told of a table of traffic."""

from __future__ import annotations

import pandas as pd
import pytest

from labkit.panel.topology import failed_at, sent_to

TRAFFIC = pd.DataFrame(
    {
        "address": ["127.0.0.1:80", "127.0.0.2:80", "127.0.0.2:80"],
        "backend": ["backend1", None, None],
        "error": [None, "refused", "timeout"],
    }
)
COUNTERS = pd.DataFrame({"server": ["127.0.0.1:80", "127.0.0.2:80"], "conns": [3, 4]})


@pytest.mark.parametrize(("table", "sent"), [(TRAFFIC, 1), (COUNTERS, 3)])
def test_requests_of_a_backend_are_counted(table: pd.DataFrame, sent: int) -> None:
    """By the page that answered, or by the kernel's counters."""
    assert sent_to(table, "backend1", "127.0.0.1:80") == sent


def test_failures_are_counted_where_they_happened() -> None:
    """A request that failed at a backend's own address is told there, and only there; counters know no failures."""
    assert failed_at(TRAFFIC, "127.0.0.2:80") == "2 failed here"
    assert [failed_at(TRAFFIC, "127.0.0.1:80"), failed_at(COUNTERS, "127.0.0.2:80"), failed_at(None, "127.0.0.1:80")] == [""] * 3
