"""What `from labkit import …` offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import labkit


def offered() -> dict[str, str]:
    """Each public name and its module, read from the text of labkit/__init__.py."""
    (attach,) = [
        node
        for node in ast.walk(ast.parse(Path(labkit.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazy_loader.attach"
    ]
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in attach.keywords}
    modules = {name: f"labkit.{name}" for name in keywords["submodules"]}
    return modules | {name: f"labkit.{module}" for module, names in keywords["submod_attrs"].items() for name in names}


def test_all_is_sorted_and_complete() -> None:
    """`__all__` is sorted and equal to what labkit/__init__.py attaches."""
    assert labkit.__all__ == sorted(offered())


@pytest.mark.parametrize(("name", "module"), sorted(offered().items()))
def test_each_public_name_can_be_imported(name: str, module: str) -> None:
    """Every name is what its module says."""
    home = importlib.import_module(module)
    assert getattr(labkit, name) is getattr(home, name, home)


def test_dir_shows_the_public_names() -> None:
    """Completion in a notebook offers every public name."""
    assert set(labkit.__all__) <= set(dir(labkit))


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there is refused as in any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = labkit.nonsense


def test_importing_labkit_loads_nothing_heavy() -> None:
    """`import labkit` alone costs nothing: pandas and pyshark come with their first use."""
    code = "import sys, labkit; print(sorted({'pandas', 'pyshark', 'execnet', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TOP = Path(labkit.__file__).parent
LAYERS = ("machine", "services", "measure", "show", "course")


def test_layers_import_one_way() -> None:
    """A layer imports what stands below it, never above; the lab's inside imports none, the door machine alone."""
    below = {name: {*LAYERS[:place], "inside"} for place, name in enumerate(LAYERS)}
    below |= {"inside": set(), "door": {"inside", "machine"}}
    wrong = []
    for file in sorted(path for name in below for path in (TOP / name).rglob("*.py")):
        folder = file.relative_to(TOP).parts[:-1]
        for node in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom) and node.level):
            place = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
            names = {place[0] or alias.name for alias in node.names}
            wrong += [f"{file}: {name}" for name in names & {*below} - below[folder[0]] - {folder[0]}]
    assert not wrong
