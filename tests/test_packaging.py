"""The packaging files agree with each other, so that apt, pip, conda and Docker users get the same course; and labkit where pip
installed it: the wheel has all that the checkout has, and works without it.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from box import TOP, check_out
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# A pin of the lock: name==version, perhaps a marker, then one or more hashes on continued lines, then comments.
PIN = re.compile(r"(?P<pin>[A-Za-z0-9][^\\\n]*) (?P<hashes>(?:\\\n    --hash=sha256:[0-9a-f]{64} ?)+)\n(?: +#.*\n)*")
# Spelled in halves, so that this file does not name what it forbids.
HOSTS = ["pypi" + ".org", "python" + "hosted.org", "deb" + ".debian.org", "archive" + ".ubuntu.com", "registry" + ".npmjs"]
PATHS = ["/wo" + "rk/", "/fa" + "rm/", "/opt/" + "wheels", "/opt/" + "pypi"]


def ranges(lines: list[str]) -> dict[str, set[str]]:
    """Name to the set of its version conditions, so that neither order nor spelling matters."""
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(each.name): {str(part) for part in each.specifier} for each in parsed}


def pins() -> list[Requirement]:
    """Every pin of the lock."""
    text = (TOP / "requirements.lock").read_text(encoding="utf-8")
    return [Requirement(match["pin"]) for match in PIN.finditer(text)]


def packages() -> list[str]:
    """The names in binder/apt.txt in their order, without what stands behind them."""
    lines = (TOP / "binder" / "apt.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(" # ")[0] for line in lines if not line.startswith("#")]


def test_environment_yml_agrees_with_pyproject() -> None:
    """conda users get the packages and ranges of pyproject.toml, its Python, and labkit itself."""
    entries = yaml.safe_load((TOP / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = ranges([entry for entry in entries if isinstance(entry, str)])
    assert conda.pop("python") == {PROJECT["requires-python"]}
    assert conda.pop("pip") == set()
    assert conda == ranges(PROJECT["dependencies"])
    assert [entry for entry in entries if not isinstance(entry, str)] == [{"pip": ["-e ."]}]


def test_each_dependency_has_a_range() -> None:
    """Every direct dependency, those of the test extra too, says from which version and below which it works."""
    for name, conditions in ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]).items():
        assert sorted(condition.rstrip("0123456789.") for condition in conditions) == ["<", ">="], name


def test_lock_is_exact_pins_with_hashes_of_what_pyproject_asks_for() -> None:
    """Every line of the lock belongs to an exact pin with a hash, or is a comment; each direct dependency is pinned, on every
    platform, inside its range."""
    rest = PIN.sub("", (TOP / "requirements.lock").read_text(encoding="utf-8"))
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    assert pins() and [str(pin) for pin in pins() if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []
    for wanted in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]):
        found = [pin for pin in pins() if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert found, f"{wanted.name} is not in the lock"
        for pin in found:
            assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} is locked, {wanted} is wanted"


def test_lock_is_complete() -> None:
    """What the locked packages themselves need is in the lock: ./lab installs without looking for dependencies."""
    locked = {canonicalize_name(pin.name): pin for pin in pins() if not pin.marker or pin.marker.evaluate()}
    checked = 0
    for name, pin in locked.items():
        if not pin.specifier.contains(installed(name)):
            continue
        checked += 1
        for need in map(Requirement, metadata.requires(name) or []):
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            assert canonicalize_name(need.name) in locked, f"{name} needs {need}"
            assert need.specifier.contains(installed(need.name), prereleases=True), f"{name} needs {need}"
    if not checked:
        pytest.skip("none of the locked versions is installed here: not an environment that ./lab made")


def installed(name: str) -> str:
    """The installed version of a package, `0` where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "0"


@pytest.mark.parametrize("file", ["lab", "binder/Dockerfile", ".ci/run", ".github/workflows/ci.yml"])
def test_only_apt_txt_names_system_packages(file: str) -> None:
    """binder/apt.txt names each package once, in order, one a line, and no other file repeats a name of it; python3 is also a
    program that makes the venv, apparmor a folder. ./lab and the image take their system packages from there."""
    assert packages() == sorted(set(packages()))
    assert [name for name in packages() if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)] == []
    code = re.sub(r"^\s*#.*$", "", (TOP / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    words = set(re.findall(r"[a-z0-9][a-z0-9.+-]*", code))
    assert words & set(packages()) - {"python3", "apparmor"} == set()
    assert "binder/apt.txt" in code or file.startswith(".")


def test_image_of_learners_holds_no_solutions(tmp_path: Path) -> None:
    """What the stage with the checkout copies makes the edition; of that and of the environment alone is the image."""
    stages = re.split(r"^FROM ", (TOP / "binder" / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)[1:]
    copies = [re.findall(r"^COPY (.*) (\S+)$", stage, re.M) for stage in stages]
    assert [stage.split("\n")[0].split()[-1] for stage in stages] == ["programs", "build", "programs"]
    assert [sources for sources, _ in copies[0]] == ["binder/apt.txt"]
    assert [sources for sources, _ in copies[2]] == [
        "--from=build /opt/labkit", "--from=build /opt/edition", "binder/health.sh",
    ]  # fmt: skip
    for sources, target in (*copies[0], *copies[1]):
        for name in sources.split():
            place = tmp_path / target.lstrip("/") / ("" if (TOP / name).is_dir() or not target.endswith("/") else Path(name).name)
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (TOP / name).is_dir() else shutil.copy
            copy(TOP / name, place, **({"dirs_exist_ok": True} if (TOP / name).is_dir() else {}))  # type: ignore[operator]
    command = [sys.executable, "-m", "labkit", "release", "--to", str(tmp_path / "edition")]
    done = subprocess.run(command, cwd=tmp_path / "opt" / "checkout", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    notebooks = list((tmp_path / "edition").rglob("*.ipynb"))
    assert len(notebooks) == 5 and not any("BEGIN SOLUTION" in path.read_text(encoding="utf-8") for path in notebooks)
    assert {path.name for path in notebooks} == {path.name for path in (tmp_path / "edition").glob("*.ipynb")}


def test_hubs_lock_agrees_with_the_courses() -> None:
    """What a hub's lock pins and the course's lock too has one version: the image installs both."""
    texts = [(TOP / name).read_text(encoding="utf-8") for name in ("requirements.lock", "binder/hub/requirements.lock")]
    course, hub = (
        {pin.name: pin.specifier for pin in (Requirement(match["pin"]) for match in PIN.finditer(text))} for text in texts
    )
    both = hub.keys() & course.keys()
    assert "jupyterhub" in hub and {name: course[name] for name in both} == {name: hub[name] for name in both}
    assert [line for line in PIN.sub("", texts[1]).splitlines() if line and not line.startswith("#")] == []


def test_no_file_names_a_registry_or_a_machine_path() -> None:
    """The project can be installed from any mirror and on any machine: no file that git tracks names a host or folder of one."""
    try:
        run = ["git", "-C", str(TOP), "ls-files", "-z"]
        names = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = []
    if not any(names):
        pytest.skip("git tracks no files here: no git, or not a clone")
    own = [path for path in (Path.home(), Path(sys.base_prefix)) if len(path.parts) > 2 and path != Path("/usr/local")]
    forbidden = re.compile(b"|".join(re.escape(str(each).encode()) for each in [*HOSTS, *PATHS, TOP, *own]))
    found = {name: forbidden.search((TOP / name).read_bytes()) for name in names if name and (TOP / name).is_file()}
    assert {name: match[0].decode() for name, match in found.items() if match} == {}


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


def test_layers_import_one_way() -> None:
    """No import of labkit's runs upward between its floors, or out of what is in a lab: the contracts of pyproject.toml hold."""
    run([Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"], cwd=TOP)
