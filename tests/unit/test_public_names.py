"""What `from labkit import …` offers."""

import subprocess
import sys

import pytest

import labkit


def test_public_names_are_there() -> None:
    """Each is in its module, and completion offers it; a name that is not there is refused as in any module."""
    assert set(labkit.__all__) <= set(dir(labkit)) and "Lab" in labkit.__all__
    for name in labkit.__all__:
        assert getattr(labkit, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = labkit.nonsense


def test_importing_labkit_loads_nothing_heavy() -> None:
    """`import labkit` alone costs nothing: pandas and pyshark come with their first use, and Dask with a grading on a cluster."""
    for module, heavy in (
        ("labkit", {"pandas", "pyshark", "execnet", "matplotlib"}), ("labkit.grading.batch", {"distributed"}),
    ):  # fmt: skip
        code = f"import sys, labkit.cli, {module}; print(sorted({heavy} & set(sys.modules)))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
