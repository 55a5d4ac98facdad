"""Which user ids a lab can have."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from labkit.errors import LabError
from labkit.machine import bwrap as ids
from labkit.machine.bwrap import IdMaps, find_id_maps, map_commands, ranges, subordinate, write_maps


@pytest.fixture
def subuid(tmp_path: Path) -> Path:
    """A file like /etc/subuid."""
    return tmp_path / "subuid"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("ann:100000:65536\n", 100000),
        ("bob:100000:65536\nann:165536:65536", 165536),
        ("1001:200000:65536\n", 200000),
        ("ann:100000:10\nann:300000:65536\n", 300000),
        ("ann:100000:65535\n", 100000),
        ("ann:100000:65534\n", None),
        ("anna:100000:65536\nan:1:65536\n", None),
        ("", None),
        ("\n#comment\nann\nann:\nann:1\nann:x:65536\nann:1:y\nann:-1:65536\n", None),
        ("ann:0x10:65536\nann:7:65536:extra\n", 7),
    ],
)  # fmt: skip
def test_subordinate_range(subuid: Path, text: str, first: int | None) -> None:
    """The first large enough range of the user, by name or number; lines that are none are passed over."""
    subuid.write_text(text)
    assert subordinate(subuid, "ann", 1001) == first


def test_no_file_means_no_range(tmp_path: Path) -> None:
    """Without the file nobody has a range."""
    assert subordinate(tmp_path / "none", "ann", 1001) is None


@pytest.mark.parametrize(
    ("uid_map", "rows"),
    [
        ("         0          0 4294967295\n", [(0, 65536)]),
        ("         0     100000      65536\n", [(0, 65536)]),
        ("         0       1000          1\n", []),
        ("         0       1000          1\n         1     100000      65536\n", [(0, 1), (1, 65535)]),
        ("         1     100000      65535\n         0       1000          1\n", [(0, 1), (1, 65535)]),
        ("         0       1000          1\n         2     100000      65536\n", []),
        ("         0       1000          1\n         1     100000      65534\n", []),
        ("      1000       1000      65536\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_ranges_of_root(uid_map: str, rows: list[tuple[int, int]]) -> None:
    """Root has the ids 0 to 65535 when the ranges of its map join up to them, and a new map keeps to those ranges."""
    assert ranges(uid_map) == rows


def test_map_commands_give_root_to_the_user_and_the_rest_to_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside, 0 is the user; 1 to 65535 are the subordinate ids; users and groups apart."""
    monkeypatch.setattr(os, "getuid", lambda: 1001)
    monkeypatch.setattr(os, "getgid", lambda: 1002)
    assert map_commands(IdMaps("subids", (100000, 200000)), 77) == [
        ["newuidmap", "77", "0", "1001", "1", "1", "100000", "65535"],
        ["newgidmap", "77", "0", "1002", "1", "1", "200000", "65535"],
    ]


def test_refused_map_is_an_error_with_the_programs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """When newuidmap refuses, its words and what to check are told."""
    refusal = SimpleNamespace(returncode=1, stderr="newuidmap: write to uid_map failed: Operation not permitted\n")
    monkeypatch.setattr(ids.subprocess, "run", lambda *_args, **_options: refusal)
    with pytest.raises(LabError) as caught:
        write_maps(IdMaps("subids", (100000, 100000)), 77)
    assert "newuidmap 77 0" in str(caught.value)
    assert "Operation not permitted" in caught.value.words
    assert "/etc/subuid" in caught.value.way_out


@pytest.mark.parametrize(("kind", "full"), [("root", True), ("subids", True), ("single", False)])
def test_maps_are_full_or_single(kind: str, full: bool) -> None:
    """Only a single id leaves a lab without other users."""
    assert IdMaps(kind).full is full


@pytest.mark.parametrize("missing", ["newuidmap", "newgidmap", "range", "nothing"])
def test_ordinary_user_needs_both_programs_and_both_ranges(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Without one of the programs or ranges an ordinary user has a single id."""
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="ann"))
    monkeypatch.setattr(ids, "subordinate", lambda file, *_who: None if missing == "range" and "gid" in file.name else 100000)
    monkeypatch.setattr(ids.shutil, "which", lambda program: None if program == missing else f"/usr/bin/{program}")
    assert find_id_maps().kind == ("subids" if missing == "nothing" else "single")
