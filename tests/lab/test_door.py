"""`labkit ps` and `labkit stop`, and the door that they knock at."""

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from labkit.door import place, server
from labkit.door.callers import open_labs
from labkit.errors import LabClosed
from labkit.lab import Lab

from .helpers import CANDIDATES, LabFactory, eventually, python
from .terminal import LABKIT, PATIENCE, address
from .test_lifecycle import SCRIPT


def labkit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of labkit."""
    return subprocess.run([*LABKIT, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


def listed(lab_id: str) -> dict[str, Any] | None:
    """What `labkit ps --json` says about a lab of this id, None without one."""
    rows = json.loads(labkit("ps", "--json").stdout)
    return next((row for row in rows if row["id"] == lab_id), None)


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_open_lab_is_listed_and_can_be_stopped(own_lab: LabFactory, candidate: str) -> None:
    """ps has its name, Linux, age and memory; stop closes it as lab.close() does, and the notebook is told at the next use."""
    lab = own_lab(candidate)
    row = listed(lab.door.id)
    assert row is not None
    assert (row["name"], row["linux"], row["shell"]) == ("own", lab.linux, True)
    assert 0 <= row["seconds"] < 600
    assert (1 if candidate == "host" else 20) < row["memory"] / 1e6 < 700
    assert any(line.split()[:3] == ["own", lab.door.id, lab.linux] for line in labkit("ps").stdout.splitlines())
    done = labkit("stop", address(lab))
    assert (done.returncode, done.stdout) == (0, "The lab own is closed.\n")
    assert (lab.closed, lab.folder.path.exists(), listed(lab.door.id)) == (True, False, None)
    with pytest.raises(LabClosed, match="own is closed"):
        lab.run("true")


def test_two_labs_of_one_name_are_told_apart(own_lab: LabFactory, tmp_path: Path) -> None:
    """Both are listed, the name alone is refused with both ids, and an id stops the one that it names."""
    labs = [own_lab("host", name="twins", home=tmp_path / name, current=False) for name in ("a", "b")]
    done = labkit("stop", "twins")
    assert done.returncode == 3
    assert "2 labs are called twins." in done.stderr
    assert all(address(lab) in done.stderr for lab in labs)
    assert labkit("stop", address(labs[1])).returncode == 0
    assert [lab.closed for lab in labs] == [False, True]


def test_lab_for_others_and_one_that_died_are_listed(own_lab: LabFactory, tmp_path: Path) -> None:
    """ps marks that a lab for the work of others has no shell; one whose Linux is gone, and that nobody has used since, says so;
    a notebook can look for itself too: its own labs answer while it asks."""
    with Lab("judging", home=tmp_path / "judging", current=False, trusted=False) as lab:
        row = listed(lab.door.id)
        assert row is not None and (row["name"], row["shell"]) == ("judging", False)
    lab = own_lab("host")
    assert [(one.name, one.linux) for one in open_labs() if one.id == lab.door.id] == [("own", "host")]
    os.kill(lab.state[1], signal.SIGKILL)
    eventually(lambda: (listed(lab.door.id) or {}).get("linux") == "ended", "the lab's end in the list")


def test_process_that_does_not_answer_is_listed_until_it_is_killed(tmp_path: Path) -> None:
    """A stopped notebook kernel neither hides its lab nor holds up the list; kill -9 of it leaves nothing of its door."""
    with python(SCRIPT, "host", str(tmp_path / "home"), "opened") as child:
        assert child.stdout
        folder = child.stdout.readline().strip()
        assert str(child.pid) in map(place.identity, place.doors())
        child.send_signal(signal.SIGSTOP)
        row = listed(str(child.pid))
        child.kill()
    assert row is not None and row["linux"] == "silent"
    assert str(child.pid) not in map(place.identity, place.doors())
    subprocess.run(["rm", "-r", folder], check=False)


STRANGE = [b"", b"GET / HTTP/1.0\r\n\r\n", b"q", b"q[]", b"qnull", b'q{"do": "?"}', b"q{}", b"x{}", b'q{"do": "shell"}', b"q\xff"]


def test_stranger_at_the_door_changes_nothing(own_lab: LabFactory) -> None:
    """Another protocol, half a message, an unknown request and somebody who says nothing are let go; the lab works on."""
    lab = own_lab("host")
    quiet = place.connect(lab.door.name, 5)
    for sent in STRANGE:
        caller = place.connect(lab.door.name, PATIENCE)
        assert caller is not None
        with caller:
            caller.send(sent)
            assert place.receive(caller)[0] == place.END
    with socket.socket(socket.AF_UNIX) as stream, pytest.raises(OSError, match="refused"):
        stream.connect(f"\0{lab.door.name}")
    assert lab.run("echo on").stdout == "on\n"
    lab.close()
    assert quiet is not None
    assert quiet.recv(1) == b""
    quiet.close()


def test_lab_opens_where_there_can_be_no_door(own_lab: LabFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another has taken the door's name, a lab opens all the same."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(f"\0labkit-{os.geteuid()}-{os.getpid()}.999")
        monkeypatch.setattr(server, "_numbers", iter([999]))
        lab = own_lab("host")
        assert (lab.run("echo on").stdout, lab.door.id) == ("on\n", "")
        lab.close()


def test_door_is_this_users_and_closes_with_its_lab(own_lab: LabFactory, linux: str) -> None:
    """It is a socket of this user's, with a name that is no file, and the lab sees none; when a lab is closed from outside and
    inside at once, both return after the lab is gone."""
    lab = own_lab(linux)
    assert lab.door.name.startswith(f"labkit-{os.geteuid()}-") and lab.door.name in place.doors()
    assert lab.run("cat /proc/net/unix").stdout.count("labkit-") == 0
    clients = [subprocess.Popen([*LABKIT, "stop", address(lab)], stdout=subprocess.DEVNULL) for _ in range(2)]
    eventually(lambda: lab.closed, "the first one at work")
    lab.close()
    assert not lab.folder.path.exists()
    for client in clients:
        client.wait(PATIENCE)
    assert {"labkit-door-own"} & {thread.name for thread in threading.enumerate()} == set()
