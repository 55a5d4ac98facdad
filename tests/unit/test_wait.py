"""The one way to wait, on a clock that the test moves."""

from collections.abc import Callable

import pytest

from labkit.errors import WaitTimeout, wait_until


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A fresh clock."""
    return Clock()


def wait(check: Callable[[], object], clock: Clock, timeout: float = 1.0) -> object:
    """wait_until on the test's clock."""
    return wait_until(check, reason="the moon", timeout=timeout, interval=0.25, way_out="go out", clock=clock, sleep=clock.sleep)


def test_waits_for_the_first_true_value(clock: Clock) -> None:
    """It comes back; nothing is slept before the first check; false values of every kind mean: not yet; what comes true during
    the last sleep is still seen; an error of the check ends the waiting."""
    assert (wait(lambda: "value", clock), clock.slept) == ("value", [])
    values = iter([None, 0, "", [], 7])
    assert (wait(lambda: next(values), clock, timeout=10), clock.slept) == (7, [0.25] * 4)
    assert wait(lambda: clock.now >= 102.0, clock) is True
    with pytest.raises(ZeroDivisionError):
        wait(lambda: 1 / 0, clock)


def test_gives_up_after_the_timeout_and_names_the_reason(clock: Clock) -> None:
    """The error names the seconds, the reason and the way out."""
    with pytest.raises(WaitTimeout) as caught:
        wait(lambda: False, clock)
    assert str(caught.value) == "Waited 1 s for the moon.\nWay out: go out"
    assert sum(clock.slept) == 1.0


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_checks_at_least_once(clock: Clock, timeout: float) -> None:
    """Without any time, one check decides."""
    assert wait(lambda: True, clock, timeout) is True
    with pytest.raises(WaitTimeout):
        wait(lambda: False, clock, timeout)
