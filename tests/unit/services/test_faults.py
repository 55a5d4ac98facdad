"""What faults are made of: the words of commands, and which answers fail."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.inside.stand_in import is_error
from labkit.services.faults import netem_commands, nft_commands


@pytest.mark.parametrize(("share", "of", "failing"), [(0.25, 8, 2), (0.5, 9, 4), (1.0, 5, 5), (0.1, 1000, 100), (1 / 3, 9, 3)])
def test_share_of_errors_is_exact(share: float, of: int, failing: int) -> None:
    """Of so many requests the share that fails is what was asked for, not about it."""
    assert sum(is_error(number, share) for number in range(1, of + 1)) == failing


def test_errors_are_spread() -> None:
    """A quarter is every fourth request, not the last ones."""
    assert [number for number in range(1, 13) if is_error(number, 0.25)] == [4, 8, 12]


@pytest.mark.parametrize("commands_of", [nft_commands, netem_commands])
def test_drops_of_two_backends_do_not_meet(commands_of: Any) -> None:
    """What one drop deletes is its own: two backends on one port, or at one address, can be unplugged at once."""
    places = [("127.0.0.1", 80), ("127.0.0.2", 80), ("127.0.0.1", 8081), ("127.0.0.1", 8082)]
    assert len({commands_of(*place)[1][0] for place in places}) == len(places)
