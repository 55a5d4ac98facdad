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


def test_returns_what_the_check_returned(clock: Clock) -> None:
    """The first true value comes back, and nothing is slept before the first check."""
    assert wait(lambda: "value", clock) == "value"
    assert clock.slept == []


def test_asks_again_after_the_interval(clock: Clock) -> None:
    """False values of every kind mean: not yet."""
    values = iter([None, 0, "", [], 7])
    assert wait(lambda: next(values), clock, timeout=10) == 7
    assert clock.slept == [0.25] * 4


def test_gives_up_after_the_timeout_and_names_the_reason(clock: Clock) -> None:
    """The error names the seconds, the reason and the way out."""
    with pytest.raises(WaitTimeout) as caught:
        wait(lambda: False, clock)
    assert str(caught.value) == "Waited 1 s for the moon.\nWay out: go out"
    assert sum(clock.slept) == 1.0


def test_checks_once_more_when_the_time_is_over(clock: Clock) -> None:
    """What comes true during the last sleep is still seen."""
    assert wait(lambda: clock.now >= 101.0, clock) is True


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_checks_at_least_once(clock: Clock, timeout: float) -> None:
    """Without any time, one check decides."""
    assert wait(lambda: True, clock, timeout) is True
    with pytest.raises(WaitTimeout):
        wait(lambda: False, clock, timeout)


def test_an_error_of_the_check_comes_through(clock: Clock) -> None:
    """A check that raises ends the waiting with its own error."""
    with pytest.raises(ZeroDivisionError):
        wait(lambda: 1 / 0, clock)
