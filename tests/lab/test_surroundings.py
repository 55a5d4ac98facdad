"""labkit works wherever it is started: in odd folders, without a home, in the C locale, read-only, on each Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from box import TOP, box_command

from .helpers import CANDIDATES

pytestmark = pytest.mark.lab

# Opens a lab in the current folder, writes and reads a file of Russian name and text, and prints what it read.
SCRIPT = """
import sys
from labkit.inside import files
from labkit.lab import Lab
from labkit.machine import bwrap, choose, uml
kinds = {"uml": "bubblewrap", "landlock": "Landlock", "bare": ""}
chosen = bwrap.HostLinux() if sys.argv[1] == "host" else uml.UmlLinux(kinds[sys.argv[1]])
choose.candidates = lambda: [chosen]
with Lab("наша") as lab:
    lab.write("~/файл", "да\\n")
    assert lab.run("cat файл && echo нет >~/ответ").stdout == "да\\n"
    assert lab.read("~/ответ") == "нет\\n"
    assert lab.call(files.listing, "/root") == ["ответ", "файл"]
    print(ascii(lab.linux), sys.version_info[:2], len(str(lab.home)))
"""
TIMEOUT = 300.0
USER = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "LABKIT_"))}


def said(command: list[str], cwd: Path, **environment: str) -> str:
    """What a command prints, which must end well."""
    done = subprocess.run(
        command, cwd=cwd, env={**PLAIN, **environment}, capture_output=True, encoding="utf-8", timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_folder_with_blanks_and_russian_letters(tmp_path: Path, candidate: str) -> None:
    """labkit in a folder with blanks, quotes and letters of other scripts, started there, opens a lab with a home there."""
    folder = tmp_path / "мой 'курс' $x"
    shutil.copytree(TOP / "labkit", folder / "labkit")
    assert CANDIDATES[candidate].name in said([sys.executable, "-c", SCRIPT, candidate], folder)
    assert (folder / "work" / "ответ").read_text(encoding="utf-8") == "нет\n"


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_c_locale(tmp_path: Path, candidate: str) -> None:
    """In the C locale, which is POSIX's too, names and texts of other scripts are the same as elsewhere."""
    command = [sys.executable, "-c", SCRIPT, candidate]
    said(command, tmp_path, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONPATH=str(TOP))
    assert (tmp_path / "work" / "файл").read_text(encoding="utf-8") == "да\n"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_no_home_and_no_name(candidate: str) -> None:
    """A user without HOME and without a line in /etc/passwd, as `docker run --user` makes them, has a lab."""
    script = f'cd /tmp/home && "$0" -c "$1" {candidate} && test -d work && ! test -e "~"'
    bare = ("env", "-u", "HOME", "-u", "XDG_CACHE_HOME", f"PYTHONPATH={TOP}")
    said(box_command(*USER, *bare, "sh", "-c", script, sys.executable, SCRIPT), TOP)


def test_read_only_checkout() -> None:
    """From a checkout that nobody can write to, labs open, and `labkit doctor` tries every candidate."""
    script = f"""
        mount --bind "{TOP}" "{TOP}" && mount -o remount,ro,bind "{TOP}" && ! touch "{TOP}/x" 2>/dev/null && cd /tmp/home &&
        "$0" -c "$1" host && "$0" -m labkit doctor"""
    found = said(box_command("env", f"PYTHONPATH={TOP}", "sh", "-c", script, sys.executable, SCRIPT), TOP)
    assert "'host'" in found and "task 4: bubblewrap" in found


def pythons() -> list[str]:
    """Each Python from 3.11 to 3.14 that is installed here, by its own path; the one that runs now is among them."""
    found = {}
    for minor in range(11, 15):
        for place in [*os.environ["PATH"].split(":"), *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin"))]:
            program = Path(place, f"python3.{minor}")
            run = [str(program), "-c", "import sys; print(sys.version_info[1])"]
            if program.is_file() and minor not in found:
                done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
                if done.stdout.strip() == str(minor):
                    found[minor] = str(program)
    return list((found | {sys.version_info[1]: sys.executable}).values())


@pytest.mark.parametrize("candidate", ["host", "uml"])
@pytest.mark.parametrize("python", pythons())
def test_each_python_that_is_here(tmp_path: Path, python: str, candidate: str) -> None:
    """labkit's machine and commands work on each Python from 3.11 to 3.14 that is here, outside and in the lab."""
    site = next(path for path in map(Path, sys.path) if (path / "execnet").is_dir())
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("execnet", "lazy_loader", "packaging"):  # what this needs, of pure Python
        shutil.copytree(site / name, packages / name)
    found = said([python, "-c", SCRIPT, candidate], tmp_path, PYTHONPATH=f"{TOP}:{packages}")
    assert f"'{candidate}'" in found
