"""What a call into the machine says when the machine is being closed under it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from labkit import opening
from labkit.errors import CallFailed, LabClosed
from labkit.machine.folder import LabFolder
from labkit.opening import Opening


class Machine:
    """What `choose` returns, as far as these tests need it."""

    stopped = 0

    def stop(self) -> None:
        """Nothing is to be stopped, but it is counted."""
        Machine.stopped += 1


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """An open one."""
    monkeypatch.setattr(opening, "choose", lambda *_arguments, **_options: Machine())
    result = Opening("own", LabFolder.create("own", tmp_path / "home"), (), trusted=True)
    result.opened()
    return result


def call(machine: Opening, *, close: bool) -> Iterator[Any]:
    """A call that yields an item and fails, before which the machine may be closed."""
    yield 1
    if close:
        machine.close()
    raise CallFailed("it failed in the lab: OSError: Function not implemented", kind="OSError", words="Traceback")


def test_call_that_fails_while_the_machine_closes_says_that_it_is_closed(machine: Opening) -> None:
    """A program that is being ended may fail in any way; that is not the caller's error."""
    stream = machine.until_closed(call(machine, close=True))
    assert next(stream) == 1
    with pytest.raises(LabClosed, match="The lab own is closed"):
        next(stream)


def test_call_that_fails_in_an_open_machine_says_why(machine: Opening) -> None:
    """Its own words reach the caller."""
    stream = machine.until_closed(call(machine, close=False))
    assert next(stream) == 1
    with pytest.raises(CallFailed, match="Function not implemented"):
        next(stream)
    machine.close()


def test_two_that_close_at_once_end_it_once(machine: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """`labkit stop` and the notebook may close the same lab: one of them does, and both see its end."""
    other = threading.Thread(target=machine.close)

    class Slow(Future[None]):
        """Made by whoever closes it first, in the middle of which the other comes."""

        def __init__(self) -> None:
            super().__init__()
            if not other.ident:
                other.start()
                other.join(0.5)

    monkeypatch.setattr(opening, "Future", Slow)
    before = Machine.stopped
    machine.close()
    other.join(30)
    assert Machine.stopped == before + 1
