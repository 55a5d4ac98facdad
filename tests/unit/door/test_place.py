"""The folder of the doors."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from labkit.door import place
from labkit.errors import LabError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of doors for this test alone, not made yet. A socket's path has 107 bytes at the most, so it is a short one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, "folder", lambda: Path("doors"))
    return Path("doors")


def dead_pid() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def leave(path: Path) -> None:
    """A door as a killed process leaves it."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_door_is_for_this_user_alone(folder: Path) -> None:
    """The folder has mode 0700, the socket 0600; both are gone after the last door."""
    door, path = place.listen(1)
    assert path == folder / f"{os.getpid()}.1"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, path)] == [0o700, 0o600]
    assert os.listdir(folder) == [path.name]
    place.remove(path)
    door.close()
    assert not folder.exists()


def test_folder_stays_while_another_door_is_there(folder: Path) -> None:
    """Taking one of two doors away leaves the other, which still answers."""
    doors = [place.listen(number) for number in (1, 2)]
    place.remove(doors[0][1])
    assert place.doors() == [doors[1][1]]
    connection = place.connect(doors[1][1], 5)
    assert connection is not None
    accepted = doors[1][0].accept()[0]
    assert place.peer(accepted) == (os.getpid(), os.geteuid())
    for each in (connection, accepted, doors[0][0], doors[1][0]):
        each.close()
    place.remove(doors[1][1])


@pytest.mark.parametrize("spoil", ["mode", "file", "link"])
def test_folder_that_another_could_use_is_refused(folder: Path, spoil: str) -> None:
    """A folder others may look into, a file, and a link elsewhere are no place for a door: an error with the way out."""
    if spoil == "mode":
        folder.mkdir()
        folder.chmod(0o755)
    elif spoil == "file":
        folder.touch()
    else:
        Path("elsewhere").mkdir(0o700)
        folder.symlink_to("elsewhere")
    for use in (lambda: place.listen(1), place.doors):
        with pytest.raises(LabError, match="not a folder of this user alone") as caught:
            use()
        assert "chmod 700" in caught.value.way_out


def test_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that belongs to somebody else is refused, whatever its mode."""
    folder.mkdir(0o700)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(LabError, match="not a folder of this user alone"):
        place.doors()


def test_next_door_takes_away_what_the_dead_have_left(folder: Path) -> None:
    """Sockets of ended processes go, half-made ones too; one whose process lives is left alone."""
    folder.mkdir(0o700)
    dead = dead_pid()
    leave(folder / f"{dead}.1")
    leave(folder / f"{dead}.2-new")
    leave(folder / "1.7")
    door, path = place.listen(1)
    assert sorted(os.listdir(folder)) == sorted(["1.7", path.name])
    door.close()


def test_door_that_nobody_answers_is_taken_away(folder: Path) -> None:
    """Knocking at the door of a killed process finds nobody and removes it, whoever has its pid now."""
    folder.mkdir(0o700)
    leave(folder / "1.7")
    assert place.connect(folder / "1.7", 5) is None
    assert not folder.exists()


def test_doors_are_sorted_and_nothing_else_is_one(folder: Path) -> None:
    """Only PID.NUMBER is a door; without a folder there is none."""
    assert place.doors() == []
    folder.mkdir(0o700)
    for name in ("20.1", "3.10", "3.2", "x.1", "3.x", "4.1-new", ".hidden"):
        (folder / name).touch()
    assert [path.name for path in place.doors()] == ["3.2", "3.10", "20.1"]
