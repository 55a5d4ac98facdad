"""Messages of a door."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from labkit.door.wire import END, FAILURE, HEADER, INPUT, MAX_LENGTH, OUTPUT, Wire, raise_failure
from labkit.errors import BadInput, LabError


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    """The two ends of a connection."""
    one, other = (Wire(part) for part in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Wire, Wire]) -> None:
    """Kinds and bytes of every length, the empty one too, come as they were sent."""
    for kind, data in [(INPUT, b""), (OUTPUT, b"x" * 20_000), (INPUT, b"\x00\xff")]:
        ends[0].send(kind, data)
        assert ends[1].receive() == (kind, data)


def test_end_of_the_other_is_an_end(ends: tuple[Wire, Wire]) -> None:
    """What was sent before still arrives; then there is the end, again and again."""
    ends[0].send(OUTPUT, b"last")
    ends[0].shut()
    assert [ends[1].receive() for _ in range(3)] == [(OUTPUT, b"last"), (END, b""), (END, b"")]


@pytest.mark.parametrize(
    "sent", [b"q", b"GET / HTTP/1.0\r\n\r\n", HEADER.pack(b"q", MAX_LENGTH + 1), HEADER.pack(b"q", 5) + b"abc"]
)
def test_what_is_no_message_is_an_end(ends: tuple[Wire, Wire], sent: bytes) -> None:
    """Half a message, another protocol and an impossible length end the conversation."""
    ends[0].socket.sendall(sent)
    ends[0].shut()
    assert ends[1].receive() == (END, b"")


def test_silence_is_a_timeout(ends: tuple[Wire, Wire]) -> None:
    """Who says nothing in time is told apart from who is gone."""
    ends[1].socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        ends[1].receive()


def test_error_arrives_with_its_words_and_way_out(ends: tuple[Wire, Wire]) -> None:
    """An error of the lab reads the same at the other end."""
    ends[0].fail(BadInput("Tried это.", words="said", way_out="so"))
    kind, data = ends[1].receive()
    assert kind == FAILURE
    with pytest.raises(LabError, match="Tried это") as caught:
        raise_failure(data)
    assert (caught.value.words, caught.value.way_out) == ("said", "so")
