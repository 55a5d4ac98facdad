"""The evidence in a report: small plain data, a capture that comes back whole, and no bomb that goes off."""

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from hostile_pages import bomb

from labkit.errors import BadInput
from labkit.homework.submission import unpacked, write_evidence
from labkit.judge.bench import MAX_CAPTURE, packed, request_rows


def test_rows_are_small_and_begin_at_zero() -> None:
    """Times count from the first request, and headers and bodies stay out."""
    row = {"status": 200, "error": None, "refused": 1, "began": 100.0, "ended": 100.00512345, "body": "x", "headers": []}
    second = row | {"began": 100.5, "ended": 100.7}
    kept = {"status": 200, "error": None, "refused": 1}
    assert request_rows([row, second]) == [{"at": 0.0, "ms": 5.12} | kept, {"at": 0.5, "ms": 200.0} | kept]
    assert request_rows([]) == []


def test_capture_comes_back_byte_for_byte() -> None:
    """What was packed is JSON, smaller than a capture of repeated packets, and unpacks to the same bytes."""
    capture = os.urandom(100) * 100
    assert len(json.dumps(packed(capture))) < len(capture)
    assert unpacked(json.loads(json.dumps(packed(capture)))) == capture
    assert len(unpacked(packed(bytes(MAX_CAPTURE)))) == MAX_CAPTURE  # the limit is what may be, not one less


@pytest.mark.parametrize(
    "capture",
    [
        None, [], {}, {"pcapng": 5}, {"pcapng": "~~~"}, {"pcapng": "eA=="}, bomb(1 << 28),
        {"pcapng": base64.b64encode(zlib.compress(bytes(5000))[:-6]).decode()},
    ],
    ids=["none", "list", "empty", "number", "no base64", "no zlib", "bomb", "cut off"],
)  # fmt: skip
def test_broken_capture_is_bad_input(capture: Any) -> None:
    """Anything but a packed capture is refused, a bomb after MAX_CAPTURE bytes."""
    with pytest.raises(BadInput, match="capture in the report"):
        unpacked(capture)


def test_evidence_is_written_for_wireshark_and_as_json(tmp_path: Path) -> None:
    """The capture is a file that Wireshark opens, the rest JSON of its task; parts that no labkit made are left out.

    A folder with something in it is refused, and a bomb leaves no folder.
    """
    capture = {"capture": packed(b"\n\r\r\n"), "requests": []}
    evidence = {"task3": {"counters": [1]}, "task4": capture, "../x": {"a": 1}, "task1": 5}
    files = write_evidence(evidence, tmp_path / "evidence")
    assert {file.name for file in files} == {"task3.json", "task4.json", "task4-capture.pcapng"}
    assert sorted(files) == sorted((tmp_path / "evidence").iterdir())
    assert (tmp_path / "evidence/task4-capture.pcapng").read_bytes() == b"\n\r\r\n"
    assert json.loads((tmp_path / "evidence/task3.json").read_text()) == {"counters": [1]}
    with pytest.raises(BadInput, match="not empty"):
        write_evidence({}, tmp_path / "evidence")
    with pytest.raises(BadInput):
        write_evidence({"task4": {"capture": bomb(1 << 26), "rows": [1]}}, tmp_path / "new")
    assert not (tmp_path / "new").exists()
