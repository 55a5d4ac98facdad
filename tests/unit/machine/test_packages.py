"""What the packages of a system can give, by the real apt with lists made here, and how User-Mode Linux is had there."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from labkit.errors import NoLinux
from labkit.machine import choose, uml
from labkit.machine.folder import LabFolder
from labkit.machine.packages import apt_has_lists, offered, way_to_uml

# Of a system that has user-mode-linux, and of one where another package mentions it alone, as on Ubuntu.
MENTIONS = "Package: uml-utilities\nVersion: 1\nArchitecture: all\nSuggests: user-mode-linux\nFilename: ./u.deb\nSize: 1\n"
HAS = MENTIONS + "\nPackage: user-mode-linux\nVersion: 6\nArchitecture: all\nFilename: ./l.deb\nSize: 1\n"
SYSTEMS = {"Debian": HAS, "Ubuntu": MENTIONS, "no lists": ""}


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt's lists are those of a made-up system, and linux.uml is not on this one."""
    name, machine = request.param
    for place in ("state/lists/partial", "cache/archives/partial", "repository", "etc"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "repository/Packages").write_text(SYSTEMS[name])
    (tmp_path / "etc/sources.list").write_text(f"deb [trusted=yes] copy:{tmp_path}/repository ./\n" if SYSTEMS[name] else "")
    settings = {
        "Dir::Etc": "etc", "Dir::State": "state", "Dir::State::status": "status", "Dir::Cache": "cache",
    }  # fmt: skip
    lines = [f'{key} "{tmp_path / value}";\n' for key, value in settings.items()]
    (tmp_path / "apt.conf").write_text("".join(lines) + 'APT::Sandbox::User "root";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    subprocess.run(["apt-get", "-qq", "update"], check=True, timeout=60)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine, release="6.1"))
    monkeypatch.setattr(uml, "PROGRAM", "no-linux.uml")
    monkeypatch.setattr(choose, "PROGRAM", "no-linux.uml")


CASES = [
    (("Debian", "x86_64"), "sudo apt-get install user-mode-linux"),
    (("no lists", "x86_64"), "sudo apt-get update && sudo apt-get install user-mode-linux"),
    (("Ubuntu", "x86_64"), "take a Debian, or the course's image"),
    (("Ubuntu", "aarch64"), "not for this processor"),
    (("Debian", "aarch64"), "not for this processor"),
]


@pytest.mark.parametrize(("system", "way"), CASES, indirect=["system"], ids=[" ".join(case[0]) for case in CASES])
def test_only_what_can_be_had_is_advised(system: None, way: str, tmp_path: Path) -> None:
    """apt's command is named where it would work, and else who has User-Mode Linux: for a need and for the work of others."""
    assert way in way_to_uml()
    assert way in choose.remedy("ipvs", "host")
    folder = LabFolder.create("test", tmp_path)
    try:
        with pytest.raises(NoLinux) as caught:
            choose.choose([], folder, trusted=False)
    finally:
        folder.remove()
    assert way in caught.value.way_out
    assert caught.value.words.count("is not installed") == 2
    if "sudo" not in way:
        assert "apt-get" not in caught.value.way_out


@pytest.mark.parametrize("system", [("Debian", "x86_64")], indirect=True)
def test_offered_is_what_apt_can_install(system: None) -> None:
    """A package that apt has never heard of is not offered, nor one that others mention; one of its lists is."""
    assert apt_has_lists()
    assert offered(["labkit-no-such-package", "user-mode-linux"]) == ["user-mode-linux"]
    assert offered(["labkit-no-such-package"]) == []


def test_system_without_apt_is_told_who_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no apt, no command of apt is advised."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "take a Debian" in way_to_uml() or os.uname().machine != "x86_64"
    assert "sudo" not in way_to_uml()
