"""The folder of the doors, and the messages that go through one."""

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.door import place
from labkit.door.callers import entered
from labkit.door.place import CHUNK, END, FAILURE, INPUT, OUTPUT, REPLY
from labkit.errors import BadInput, LabError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of doors for this test alone, not made yet. A socket's path has 107 bytes at the most, so it is a short one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, "folder", lambda: Path("doors"))
    return Path("doors")


def leave(path: Path) -> None:
    """A door as a killed process leaves it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(str(path))


def test_doors_are_for_this_user_alone_and_the_folder_goes_with_the_last(folder: Path) -> None:
    """The folder has mode 0700, a socket 0600; taking one of two away leaves the other, which still answers its user."""
    doors = [place.listen(number) for number in (1, 2)]
    paths = [path for _, path in doors]
    assert (paths, place.doors()) == ([folder / f"{os.getpid()}.{number}" for number in (1, 2)], paths)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, *paths)] == [0o700, 0o600, 0o600]
    place.remove(paths[0])
    assert place.doors() == paths[1:]
    connection = place.connect(paths[1], 5)
    assert connection is not None
    accepted = doors[1][0].accept()[0]
    assert place.user(accepted) == os.geteuid()
    for each in (connection, accepted, doors[0][0], doors[1][0]):
        each.close()
    place.remove(paths[1])
    assert not folder.exists()


@pytest.mark.parametrize("spoil", ["mode", "file", "link", "owner"])
def test_folder_that_another_could_use_is_refused(folder: Path, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that others may look into or own, a file, and a link elsewhere are no place for a door: an error with the way out."""
    if spoil == "file":
        folder.touch()
    elif spoil == "link":
        Path("elsewhere").mkdir(0o700)
        folder.symlink_to("elsewhere")
    else:
        folder.mkdir(0o755 if spoil == "mode" else 0o700)
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + (spoil == "owner"))
    for use in (lambda: place.listen(1), place.doors):
        with pytest.raises(LabError, match="not a folder of this user alone") as caught:
            use()
        assert "chmod 700" in caught.value.way_out


def test_what_the_dead_have_left_goes(folder: Path) -> None:
    """With the next door go sockets of ended processes, half-made ones too; knocking at one that nobody answers removes it."""
    folder.mkdir(0o700)
    with subprocess.Popen(["true"]) as dead:
        pass
    for name in (f"{dead.pid}.1", f"{dead.pid}.2-new", "1.7"):
        leave(folder / name)
    door, path = place.listen(1)
    assert sorted(os.listdir(folder)) == sorted(["1.7", path.name]), "the process 1 lives"
    assert place.connect(folder / "1.7", 5) is None
    assert os.listdir(folder) == [path.name]
    door.close()


def test_door_of_another_pid_namespace_is_left_alone(folder: Path) -> None:
    """A door whose process cannot be seen, but answers, stays."""
    with subprocess.Popen(["true"]) as dead:
        pass
    door, path = place.listen(1)
    path = path.rename(folder / f"{dead.pid}.1")
    place.sweep(folder)
    assert path.exists()
    door.close()


def test_doors_are_sorted_and_nothing_else_is_one(folder: Path) -> None:
    """Only PID.NUMBER is a door; without a folder there is none."""
    assert place.doors() == []
    folder.mkdir(0o700)
    for name in ("20.1", "3.10", "3.2", "x.1", "3.x", "4.1-new", ".hidden"):
        (folder / name).touch()
    assert [path.name for path in place.doors()] == ["3.2", "3.10", "20.1"]


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
def test_one_who_does_not_answer_in_time_is_told_apart_from_one_who_is_gone(folder: Path, said: bytes | None, words: str) -> None:
    """The time is one for the whole of an answer."""
    door, path = place.listen(1)
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
    place.remove(path)
    with pytest.raises(FileNotFoundError), entered(path, {}, 1):
        pass
