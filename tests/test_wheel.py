"""labkit where pip installed it: the wheel has all that the checkout has, and works without it."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from box import TOP, check_out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = check_out(folder / "source")  # setuptools leaves its own folders beside what it builds
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source])
    (built,) = folder.glob("*.whl")
    return built


def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed; its words are in the error when it does not."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


def test_wheel_has_all_of_labkit_and_the_notebooks(wheel: Path) -> None:
    """Every file of labkit in the repository is in the wheel with its mode, and so are the notebooks."""
    listed = run(["git", "ls-files", "-s", "labkit", "notebooks/*.ipynb"], cwd=TOP).stdout.splitlines()
    modes = {line.split("\t")[1]: line.startswith("100755") for line in listed if (TOP / line.split("\t")[1]).exists()}
    wanted = {f"labkit/{name}" if name.startswith("notebooks/") else name: mode for name, mode in modes.items()}
    with zipfile.ZipFile(wheel) as file:
        found = {one.filename: bool(one.external_attr >> 16 & 0o100) for one in file.infolist()}
    assert wanted == {name: mode for name, mode in found.items() if ".dist-info/" not in name}


def test_installed_labkit_opens_and_reports(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment `labkit open` copies the learner's notebooks into an empty folder and starts JupyterLab, once and
    again; `labkit report 1` runs its notebook and gets all points."""
    home, bin_ = tmp_path / "home", tmp_path / "env" / "bin"
    home.mkdir()
    run([sys.executable, "-m", "venv", tmp_path / "env"])
    run([bin_ / "pip", "install", "-q", "--require-hashes", "-r", TOP / "requirements.lock"])
    run([bin_ / "pip", "install", "-q", "--no-deps", "--no-index", wheel])
    environment = {**os.environ, "HOME": str(home), "PATH": f"{bin_}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)

    def labkit(*words: str) -> str:
        return run([bin_ / "labkit", *words], cwd=home, env=environment).stdout

    assert labkit("open", "--", "--version")[0].isdigit()
    learners = sorted(home.glob("*.ipynb"))
    assert [path.stem for path in learners] == ["1_backends", "2_dns", "3_ipvs", "4_nginx", "5_compare"]
    assert not any("BEGIN SOLUTION" in path.read_text() for path in learners)
    assert "labkit check" in (home / "README.md").read_text() and "./lab" not in (home / "README.md").read_text()
    learners[0].write_text(learners[0].read_text() + " ")  # the learner's own: it stays
    labkit("open", "--", "--version")
    assert learners[0].read_text().endswith(" ")
    labkit("report", "1", "--out", "reports")
    assert "10 of 10 points" in (home / "reports" / "1_backends.html").read_text()
    assert "10 of 10 points" in labkit("check", "--work", "reports/work", "--task", "1")
