"""Takes out of the image's Python environment what nobody uses in it. Run by that environment's Python when the image is built.

What goes: packages that neither the course nor a hub needs (those of its tests, and pip: a user cannot write there), the tests
that packages bring along, the long sources of scripts that are there in a short form, dates in other languages.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
# Below the environment: its packages' tests, maps from short scripts to their sources, and all of babel's languages but English.
NOT_USED = (
    "lib/**/site-packages/*/**/tests", "lib/**/site-packages/*/**/test_data", "lib/**/*.map", "share/**/*.map",
    "lib/**/babel/locale-data/[!er]*.dat", "lib/**/babel/locale-data/e[!n]*.dat", "lib/**/babel/locale-data/r[!o]*.dat",
    "lib/**/jupyterlab/staging/yarn.*", "include", "share/man",
)  # fmt: skip


def needed(wanted: list[Requirement]) -> set[str]:
    """The installed packages that are `wanted`, and all that they need, for what is asked of them in brackets too."""
    found: set[tuple[str, str]] = set()
    while wanted:
        one = wanted.pop()
        for extra in {"", *one.extras} - {extra for name, extra in found if name == canonicalize_name(one.name)}:
            found.add((canonicalize_name(one.name), extra))
            needs = [Requirement(line) for line in metadata.requires(one.name) or []]
            wanted += [need for need in needs if not need.marker or need.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def main() -> None:
    """Keep what the course needs, and the packages that the command line names."""
    course = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    kept = needed([Requirement(line) for line in [*course, *sys.argv[1:]]])
    others = {canonicalize_name(one.name) for one in metadata.distributions()} - kept
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", "--root-user-action=ignore", *others], check=True)
    for pattern in NOT_USED:
        for path in list(Path(sys.prefix).glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
