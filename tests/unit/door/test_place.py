"""The doors, and the messages that go through one."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from labkit.door import place
from labkit.door.callers import entered
from labkit.door.place import CHUNK, END, FAILURE, INPUT, OUTPUT, REPLY
from labkit.errors import BadInput, LabClosed, LabError


def test_doors_are_found_by_their_user_and_go_with_their_sockets() -> None:
    """Closing one of two leaves the other, which still answers its user; a name that nobody has is no door."""
    doors = [place.listen(number) for number in (991, 992)]
    names = [name for _, name in doors]
    assert [name for name in place.doors() if name in names] == names
    assert [place.identity(name) for name in names] == [f"{os.getpid()}.{number}" for number in (991, 992)]
    doors[0][0].close()
    assert names[0] not in place.doors() and place.connect(names[0], 5) is None
    connection = place.connect(names[1], 5)
    assert connection is not None and place.process(names[1]) == os.getpid()
    accepted = doors[1][0].accept()[0]
    assert place.user(accepted) == os.geteuid()
    for each in (connection, accepted, doors[1][0]):
        each.close()


def test_door_of_another_user_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a name that is not theirs is not spoken to: the kernel says whose a socket is."""
    door, name = place.listen(993)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert place.connect(name, 5) is None and name not in place.doors()
    door.close()


def test_doors_are_sorted_and_nothing_else_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a socket that listens, by the name USER-PID.NUMBER, is a door."""
    user = 2**31 + os.getpid()
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert place.doors() == []
    with contextlib.ExitStack() as stack:
        for name in ("20.1", "3.10", "3.2", "x.1", "3.x", "4.1-new", "5.1"):
            one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            one.bind(f"\0labkit-{user}-{name}")
            if name != "5.1":
                one.listen()
        assert [place.identity(name) for name in place.doors()] == ["3.2", "3.10", "20"]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


def test_messages_arrive_whole_and_in_order_and_then_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    """Long output comes in parts; what was sent before the end still arrives; then there is the end, again and again."""
    text = os.urandom(2 * CHUNK + 7)
    place.send(ends[0], OUTPUT, text)
    place.send(ends[0], INPUT, b"")
    place.say(ends[0], REPLY, {"это": [1, None]})
    place.shut(ends[0])
    found = [place.receive(ends[1]) for _ in range(6)]
    assert [kind for kind, _ in found] == [OUTPUT] * 3 + [REPLY, END, END]
    assert b"".join(data for kind, data in found if kind == OUTPUT) == text


def test_error_arrives_with_its_words_and_way_out(ends: tuple[socket.socket, socket.socket]) -> None:
    """An error of the lab reads the same at the other end."""
    place.fail(ends[0], BadInput("Tried это.", words="said", way_out="so"))
    kind, data = place.receive(ends[1])
    assert kind == FAILURE
    with pytest.raises(LabError, match="Tried это") as caught:
        place.raise_failure(data)
    assert (caught.value.words, caught.value.way_out) == ("said", "so")


@pytest.mark.parametrize(("said", "words"), [(None, "does not answer"), (b"", "just been closed"), (b'!["t", "", ""]', "^t")])
def test_one_who_does_not_answer_in_time_is_told_apart_from_one_who_is_gone(said: bytes | None, words: str) -> None:
    """The time is one for the whole of an answer."""
    door, path = place.listen(994)
    held: list[socket.socket] = []

    def answer() -> None:
        held.append(door.accept()[0])
        place.receive(held[0])
        if said is not None:
            held[0].send(said)
            place.shut(held[0])

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(LabError, match=words), entered(path, {"do": "describe"}, 0.2 if said is None else 30):
        pass
    thread.join()
    held[0].close()
    door.close()
    with pytest.raises(LabClosed), entered(path, {}, 1):
        pass
