"""The capture's command and the names that it takes."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import MeasureError
from labkit.machine.folder import LabFolder
from labkit.measure import exchanges
from labkit.measure.capture import PORTS, Capture, capture_command


def test_command_records_the_ports_and_the_marks() -> None:
    """The filter is one word; the discard port carries the marks."""
    assert capture_command("tshark", "lo", [8888, 8081], "/lab/x.pcapng") == [
        "tshark", "-q", "-i", "lo", "-f", "tcp port 8888 or tcp port 8081 or udp port 9", "-w", "/lab/x.pcapng",
    ]  # fmt: skip


def test_ports_are_the_assignments() -> None:
    """nginx and the two backends."""
    assert PORTS == {8888: "nginx", 8081: "backend1", 8082: "backend2"}


@pytest.mark.parametrize("read", [Capture.exchanges, Capture.syns, lambda capture: capture.packets(0)])
def test_capture_that_recorded_nothing_says_so(fake_lab: Any, read: Any) -> None:
    """Reading before recording is an error that shows how to record."""
    with pytest.raises(MeasureError, match="nothing yet") as caught:
        read(Capture(fake_lab))
    assert "with Capture(lab)" in caught.value.way_out


@pytest.mark.parametrize("read", [Capture.exchanges, Capture.syns])
def test_capture_of_strangers_is_read_apart(fake_lab: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read of a lab that is not trusted, tshark sees nothing but the file."""
    seen: list[str] = []
    monkeypatch.setattr(exchanges, "reading_command", lambda command: seen.extend(command) or ["true"])
    fake_lab.trusted = False
    capture = Capture(fake_lab)
    capture.file.touch()
    read(capture)
    assert seen[:4] == ["tshark", "-n", "-r", "-"] and not any(capture.file.name in word for word in seen)
    with pytest.raises(MeasureError, match="stranger"):
        capture.packets(0)


class Writing:
    """A capture program that lives."""

    alive, command, log = True, "tshark", ""


def test_recording_is_searched_once(fake_lab: Any, folder: LabFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a mark is waited for, only what is new of a large recording is read; a mark that comes in two parts is found."""
    fake_lab.folder = folder
    (folder.path / "captures").mkdir()
    capture = Capture(fake_lab)
    capture._process = Writing()  # type: ignore[assignment]
    capture._recording.write_bytes(bytes(8_000_000))
    marks = count()

    def mark(token: str) -> None:
        parts = {3: token[:9], 4: token[9:]}
        with capture._recording.open("ab") as file:
            file.write(parts.get(next(marks), "").encode())

    fake_lab.answers["mark"] = mark
    before = read_so_far()
    capture._mark()
    assert next(marks) == 5
    assert read_so_far() - before < 2 * 8_000_000


def read_so_far() -> int:
    """How many bytes this process has read in its life (proc(5))."""
    return int(Path("/proc/self/io").read_text().split()[1])
