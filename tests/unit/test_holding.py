"""An interrupt is held back, and comes; what nobody holds ends."""

from __future__ import annotations

import signal
import threading

import pytest

from labkit.holding import end_all, end_unheld, held_back


def test_interrupt_comes_after_what_it_would_have_broken() -> None:
    """What is begun is finished, then KeyboardInterrupt is raised, once; the handler is the usual one again."""
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_failure_gives_the_handler_back() -> None:
    """An error passes, and the next interrupt is as any."""
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_other_threads_and_ignored_interrupts_are_left_alone() -> None:
    """Only the main thread is interrupted; and who ignores interrupts goes on doing so."""
    seen = []

    def in_a_thread() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        in_a_thread()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [before, signal.SIG_IGN]


class Owner:
    """Holds something that must be ended."""


def test_what_nobody_holds_ends_once() -> None:
    """It ends when the last name goes; not before, and not again at the end of the process."""
    ended = threading.Event()
    calls: list[int] = []
    owner = Owner()
    end_unheld(owner, lambda number: (calls.append(number), ended.set()), 7)
    assert not calls
    del owner
    assert ended.wait(10)
    end_all()
    assert calls == [7]


def test_what_is_held_ends_with_the_process() -> None:
    """What still has a name is ended last, but not what was detached."""
    calls: list[str] = []
    owners = Owner(), Owner()
    end_unheld(owners[0], calls.append, "held")
    end_unheld(owners[1], calls.append, "detached").detach()
    end_all()
    assert calls == ["held"]


def test_one_that_cannot_be_ended_does_not_keep_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end of the process each is ended, and what one of them said is printed."""
    calls: list[str] = []
    owners = [Owner() for _ in range(5)]
    for owner in owners:
        end_unheld(owner, lambda: (calls.append("tried"), 1 / 0))
    end_all()
    assert calls == ["tried"] * 5
    assert capsys.readouterr().err.count("division by zero") == 5
