"""What bubblewrap's refusals are answered with, that a failed start leaves nothing open, and which user ids a lab can have."""

import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from labkit.errors import LabError
from labkit.machine import bwrap
from labkit.machine.bwrap import IdMaps, apparmor, find_id_maps, ranges, start_bwrap, subordinate, way_out, write_maps


@pytest.mark.parametrize(
    ("words", "knob", "value", "setting"),
    [
        # Debian's kernel (bubblewrap.c, raw_clone).
        (
            "bwrap: No permissions to create new namespace, likely because the kernel does not allow non-privileged user "
            "namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'.",
            "kernel/unprivileged_userns_clone", "0", "=1",
        ),
        (
            "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
            "user/max_user_namespaces", "0", "=15000",
        ),
    ],
)  # fmt: skip
def test_refused_user_namespaces_name_the_setting_that_forbids_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, knob: str, value: str, setting: str
) -> None:
    """The one that has its forbidding value is named, and no other; where none has, User-Mode Linux is."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    other = {"kernel/unprivileged_userns_clone": "1", "user/max_user_namespaces": "63000"}
    for name, text in {**other, knob: value}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert way_out(words, tmp_path) == f"user namespaces are refused here: sudo sysctl {knob.replace('/', '.')}{setting}"
    (tmp_path / knob).unlink()
    assert way_out(words, tmp_path).endswith("User-Mode Linux works without")


# Ubuntu's own names and heads of profiles, and what is shown and what helps with them.
OTHER = "profile bwrap /usr/bin/bwrap flags=(attach_disconnected,mediate_deleted) {\n  userns,\n}\n"


@pytest.mark.parametrize("words", ["loopback: Failed RTM_NEWADDR: No child processes", "setting up uid map: Permission denied"])
@pytest.mark.parametrize(
    ("profiles", "told", "helps"),
    [
        ({}, "no profile", "./lab setup"),
        ({"flatpak": "profile flatpak /usr/bin/flatpak flags=(unconfined) {\n  userns,\n}\n"}, "no profile", "./lab setup"),
        ({"bwrap-labkit": "profile bwrap-labkit /usr/bin/bwrap flags=(unconfined) { userns, }\n"}, "labkit lets", "_parser -r"),
        ({"bwrap-userns-restrict": OTHER}, "bwrap-userns-restrict decides", "apparmor_parser -R"),
        ({"bwrap-userns-restrict": OTHER, "disable/bwrap-userns-restrict": OTHER}, "no profile", "./lab setup"),
    ],
)  # fmt: skip
def test_apparmor_is_answered_with_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, profiles: dict[str, str], told: str, helps: str
) -> None:
    """Where AppArmor restricts user namespaces (Ubuntu 24.04), the way out is a profile for bubblewrap and never the sysctl."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    texts = {
        "sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
        **{f"etc/{name}": text for name, text in profiles.items()},
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    way = way_out(f"bwrap: {words}", tmp_path / "sys", tmp_path / "etc")
    assert way.startswith("user namespaces are refused here: ")
    assert helps in way
    assert "sysctl" not in way
    assert told in apparmor(tmp_path / "sys", tmp_path / "etc")[0]
    assert apparmor(tmp_path / "none", tmp_path / "etc") == ("", "")


@pytest.mark.parametrize("words", ["", "bwrap: Can't find source path /x: No such file or directory"])
def test_other_refusals_lead_to_the_doctor(words: str) -> None:
    """Words that are not known lead to `./lab doctor`."""
    assert "doctor" in way_out(words)


def test_missing_bubblewrap_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bwrap on PATH the package to install is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="bwrap") as caught:
        start_bwrap([], IdMaps("single"), log=tmp_path / "log")
    assert caught.value.way_out == "apt-get install bubblewrap"


def test_failed_start_leaves_no_process_and_no_open_file(tmp_path: Path) -> None:
    """bubblewrap's own words are in the error; neither a process nor a file descriptor is left."""
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    others = psutil.Process().children()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        for count in range(2):
            before = psutil.Process().num_fds()
            with pytest.raises(LabError) as caught:
                start_bwrap([], IdMaps("single"), log=tmp_path / f"log{count}")
    assert caught.value.words == "bwrap: setting up uid map: Permission denied"
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == others


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


def test_refused_map_is_an_error_with_the_programs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """When newuidmap refuses, its words and what to check are told."""
    refusal = SimpleNamespace(returncode=1, stderr="newuidmap: write to uid_map failed: Operation not permitted\n")
    monkeypatch.setattr(bwrap.subprocess, "run", lambda *_args, **_options: refusal)
    with pytest.raises(LabError) as caught:
        write_maps(IdMaps("subids", (100000, 100000)), 77)
    assert "newuidmap 77 0" in str(caught.value)
    assert "Operation not permitted" in caught.value.words
    assert "/etc/subuid" in caught.value.way_out


@pytest.mark.parametrize("missing", ["newuidmap", "newgidmap", "range", "nothing"])
def test_ordinary_user_needs_both_programs_and_both_ranges(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Without one of the programs or ranges an ordinary user has a single id."""
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="ann"))
    monkeypatch.setattr(bwrap, "subordinate", lambda file, *_who: None if missing == "range" and "gid" in file.name else 100000)
    monkeypatch.setattr(bwrap.shutil, "which", lambda program: None if program == missing else f"/usr/bin/{program}")
    assert find_id_maps().kind == ("subids" if missing == "nothing" else "single")
