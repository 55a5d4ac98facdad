"""Notebooks that must fail: what nbval is asked to run is really judged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run import NBVAL, TOP

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("path", sorted((TOP / "tests" / "wrong").glob("*.ipynb")), ids=lambda path: path.stem)
def test_nbval_fails_the_notebook_and_says_why(path: Path, tmp_path: Path) -> None:
    """nbval fails it with the words that its metadata announce in `labkit.fails_with`."""
    copy = shutil.copy(path, tmp_path)
    run = [sys.executable, "-m", "pytest", "-c", TOP / "pyproject.toml", f"--rootdir={tmp_path}", *NBVAL, copy]
    done = subprocess.run(run, cwd=TOP, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["labkit"]["fails_with"] in done.stdout
