"""How long `./lab report` takes, against the waits that the experiments in the notebooks and checks need."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from table import Row, at_most, seconds

TOP = Path(__file__).resolve().parents[2]
# Seconds that pass whatever the speed of the machine, by notebook; the checks are run by the notebook and for the hand-in.
WAITS: dict[str, float] = {}


def rows() -> Iterator[Row]:
    """The line of this file."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-P", "-m", "labkit", "report", "--out", out]
        times = [seconds(lambda: subprocess.run(command, cwd=TOP, check=True, capture_output=True)) for _ in range(3)]
    what = f"./lab report, warm, {len(list((TOP / 'notebooks').glob('*.ipynb')))} notebooks"
    yield at_most(what, times, "sum of the waits that the experiments need", [sum(WAITS.values())], "s", 1.5)
