"""What `from labkit import …` offers."""

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
    for module, names in keywords["submod_attrs"].items():
        modules |= dict.fromkeys(names, f"labkit.{module}")
    return modules


def test_public_names_are_those_of_the_modules() -> None:
    """`__all__` is sorted and equal to what labkit/__init__.py attaches; each name is what its module says; completion offers
    every one; a name that is not there is refused as in any module."""
    assert labkit.__all__ == sorted(offered()) and set(labkit.__all__) <= set(dir(labkit))
    for name, module in offered().items():
        home = importlib.import_module(module)
        assert getattr(labkit, name) is getattr(home, name, home), name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = labkit.nonsense


def test_importing_labkit_loads_nothing_heavy() -> None:
    """`import labkit` alone costs nothing: pandas and pyshark come with their first use, and Dask with a grading on a cluster."""
    for module, heavy in (
        ("labkit", {"pandas", "pyshark", "execnet", "matplotlib"}), ("labkit.grading.batch", {"distributed"}),
    ):  # fmt: skip
        code = f"import sys, labkit.cli, {module}; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
