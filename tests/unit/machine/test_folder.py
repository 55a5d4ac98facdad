"""The folder of one lab on the host."""

import os
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.machine.folder import LabFolder, write_below


@pytest.fixture(autouse=True)
def tmpdir_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labs' folders are made below the test's own folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_etc_is_as_the_packages_lay_it(tmp_path: Path) -> None:
    """What nginx and dnsmasq bring is there, whatever the host has; it is a fresh copy, which every user may read.

    The lab's resolver is its own dnsmasq, its hosts file knows localhost, and nobody can log in as anybody.
    """
    etc = LabFolder.create("x", tmp_path).path / "etc"
    assert "nameserver 127.0.0.1" in (etc / "resolv.conf").read_text().splitlines()
    assert (etc / "hosts").read_text().startswith("127.0.0.1 localhost")
    assert {"root", "nobody", "www-data"} <= {line.split(":")[0] for line in (etc / "passwd").read_text().splitlines()}
    assert os.readlink(etc / "nginx" / "sites-enabled" / "default") == "/etc/nginx/sites-available/default"
    assert "listen 80 default_server" in (etc / "nginx" / "sites-available" / "default").read_text()
    assert "#conf-dir=/etc/dnsmasq.d" in (etc / "dnsmasq.conf").read_text()
    assert not list((etc / "nginx" / "conf.d").iterdir())
    modes = {path.stat().st_mode & 0o777 for path in etc.rglob("*") if path.is_file() and not path.is_symlink()}
    assert modes == {0o644, 0o755}
    (etc / "dnsmasq.conf").write_text("mine")
    assert (LabFolder.create("y", tmp_path).path / "etc" / "dnsmasq.conf").read_text() != "mine"


def test_folder_goes_and_a_home_that_was_given_stays(tmp_path: Path) -> None:
    """Labs of one name have two folders; a home of its own is in the lab's; removing leaves the learner's work, follows no link,
    and may be repeated."""
    made, other = LabFolder.create("x", tmp_path / "deep" / "work"), LabFolder.create("x", None)
    assert made.path != other.path and other.home.is_relative_to(other.path)
    (made.home / "nginx.conf").write_text("mine")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (made.path / "captures" / "link").symlink_to(tmp_path / "kept")
    made.remove()
    made.remove()
    assert not made.path.exists() and (tmp_path / "kept" / "file").exists()
    assert (tmp_path / "deep" / "work" / "nginx.conf").read_text() == "mine"


def test_log_can_be_read_whatever_is_in_it(tmp_path: Path) -> None:
    """Bytes that are no text do not stop reading; a file that is not there is empty; a link shows no file of the host."""
    made = LabFolder.create("x", None)
    for content in (b"", b"caf\xc3\xa9\n", b"\xff\xfe"):
        (made.path / "logs" / "a.log").write_bytes(content)
        assert made.read("logs/a.log") == content.decode(errors="replace")
    (tmp_path / "secret").write_text("the user's own")
    (made.path / "logs" / "b.log").symlink_to(tmp_path / "secret")
    assert made.read("logs/b.log") == made.read("logs/none.log") == ""


def test_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Whoever has a file of the home open reads all of the old text; the new one keeps its mode; nothing else is left."""
    write_below(tmp_path, "backend1/index.html", "old\n")
    page = tmp_path / "backend1" / "index.html"
    page.chmod(0o640)
    with page.open() as reader:
        write_below(tmp_path, "backend1/index.html", "new\n")
        assert reader.read() == "old\n"
    assert page.read_text() == "new\n" and page.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in page.parent.iterdir()] == ["index.html"]


def test_file_that_cannot_be_replaced(tmp_path: Path) -> None:
    """A file that cannot be written is an error with the system's words, and leaves nothing beside."""
    (tmp_path / "nginx.conf").mkdir()
    with pytest.raises(LabError, match="cannot be written") as caught:
        write_below(tmp_path, "nginx.conf", "events {}\n")
    assert "directory" in caught.value.words
    assert [file.name for file in tmp_path.iterdir()] == ["nginx.conf"]
