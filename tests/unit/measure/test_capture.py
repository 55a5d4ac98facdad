"""The capture's command and the names that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import BadInput, MeasureError
from labkit.measure.capture import PORTS, Capture, capture_command


def test_command_records_the_ports_and_the_marks() -> None:
    """The filter is one word; the discard port carries the marks."""
    assert capture_command("tshark", "lo", [8888, 8081], "/lab/x.pcapng") == [
        "tshark", "-q", "-i", "lo", "-f", "tcp port 8888 or tcp port 8081 or udp port 9", "-w", "/lab/x.pcapng",
    ]  # fmt: skip


@pytest.mark.parametrize("interface", ["", "-D", "lo; id", "a b", "x" * 16, "lo\n", "../lo"])
def test_interface_name_that_is_none_is_bad_input(fake_lab: Any, interface: str) -> None:
    """A name that Linux does not take, or that would be an option, is refused."""
    with pytest.raises(BadInput):
        Capture(fake_lab, interface=interface)


def test_ports_are_the_assignments() -> None:
    """nginx and the two backends."""
    assert PORTS == {8888: "nginx", 8081: "backend1", 8082: "backend2"}


@pytest.mark.parametrize("read", [Capture.exchanges, Capture.syns, lambda capture: capture.raw(0)])
def test_capture_that_recorded_nothing_says_so(fake_lab: Any, read: Any) -> None:
    """Reading before recording is an error that shows how to record."""
    with pytest.raises(MeasureError, match="nothing yet") as caught:
        read(Capture(fake_lab))
    assert "with Capture(lab)" in caught.value.way_out
