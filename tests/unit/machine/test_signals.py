"""An interrupt waits for what must not be broken."""

import signal
import threading

import pytest

from labkit.machine.temporary import held_back


@pytest.mark.parametrize(("error", "seen"), [(None, KeyboardInterrupt), (ZeroDivisionError, KeyboardInterrupt)])
def test_interrupt_comes_after_what_it_would_have_broken(error: type[Exception] | None, seen: type[BaseException]) -> None:
    """What is begun is finished, or fails; then KeyboardInterrupt is raised, once, and the handler is the usual one again."""
    done = []
    with pytest.raises(seen), held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        if error:
            raise error
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_and_ignored_interrupts_are_left_alone() -> None:
    """Only the main thread is interrupted; and who ignores interrupts goes on doing so."""
    seen = []

    def look() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        look()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [before, signal.SIG_IGN]
