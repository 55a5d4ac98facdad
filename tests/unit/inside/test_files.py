"""Files inside the lab, read here."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.inside import files
from labkit.inside.files import grown, read


@pytest.mark.parametrize("content", [b"", b"a\nb\n", "ünïcode".encode(), b"\xff\x00"])
def test_file_is_read_as_text(tmp_path: Path, content: bytes) -> None:
    """Whatever is in it comes as text."""
    (tmp_path / "x").write_bytes(content)
    assert read(str(tmp_path / "x")) == content.decode(errors="replace")


def test_only_the_end_of_a_large_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file beyond the limit the last bytes come."""
    monkeypatch.setattr(files, "LIMIT", 5)
    (tmp_path / "x").write_text("0123456789")
    assert read(str(tmp_path / "x")) == "56789"


@pytest.mark.parametrize("name", ["none", ".", "a/b"])
def test_what_is_no_file_is_none(tmp_path: Path, name: str) -> None:
    """A missing file or a folder is None."""
    assert read(str(tmp_path / name)) is None


def test_file_of_proc_is_read() -> None:
    """Files that say they are empty, as those of /proc do, are read too."""
    assert "Name:" in (read("/proc/self/status") or "")


def test_log_grows_by_whole_lines(tmp_path: Path) -> None:
    """From its end on, each reading brings the whole lines that were written since; half a line waits."""
    log = tmp_path / "log"
    log.write_text("old\n")
    _, end = grown(str(log), -1)
    with log.open("a") as file:
        file.write("new\nha")
    assert grown(str(log), end) == ("new\n", end + 4)
    with log.open("a") as file:
        file.write("lf\n")
    assert grown(str(log), end + 4)[0] == "half\n"


def test_log_that_was_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    """One that is shorter than before was emptied meanwhile; one that is not there has not grown."""
    (tmp_path / "log").write_text("a\n")
    assert grown(str(tmp_path / "log"), 100) == ("a\n", 2)
    assert grown(str(tmp_path / "none"), -1) == ("", 0)
