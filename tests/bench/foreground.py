"""How long a work is judged whose programs stay in the foreground, against the same work with `&`."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from table import Row, at_most, in_turn

from labkit.judge.check import check_work
from labkit.judge.verdict import FAILED
from labkit.machine import choose

WORKS = Path(__file__).resolve().parents[1] / "as_typed"
# Works whose lines stay in the foreground, with their tasks; a running kernel may have no IPVS for task 3.
CASES = {
    "t1-two-terminals-bind": 1, "dnsmasq-no-daemon": 2, "t2-k-foreground": 2, "t3-tcpdump-and-tail": 3, "tshark-foreground": 4,
    "t4-daemon-off": 4,
}  # fmt: skip
STAYS = re.compile(r"^(?:.*&& )?(?:sudo )?(?:python3 -m|dnsmasq|tcpdump|tail -f|nginx .*daemon off|tshark)[^&]*$", re.MULTILINE)


def rows(rounds: int = 5) -> Iterator[Row]:
    """A line for each work on each Linux."""
    for name, task in CASES.items():
        for linux in ("host", "uml") if task != 3 else ("uml",):
            with tempfile.TemporaryDirectory() as folder:
                typed, beside = Path(folder, "typed"), Path(folder, "beside")
                for work in (typed, beside):
                    shutil.copytree(WORKS / name, work)
                script = beside / f"task{task}.sh"
                text, count = STAYS.subn(r"\g<0> &", script.read_text())
                assert count, f"{name} leaves nothing in the foreground"
                script.write_text(text)
                os.environ[choose.FORCE] = linux
                try:
                    ours, theirs = in_turn(rounds, partial(judged, typed, task), partial(judged, beside, task))
                finally:
                    os.environ.pop(choose.FORCE)
            yield at_most(f"check --task {task} of {name} on {linux}", ours, "the same with &", theirs, "s", 1.2)


def judged(work: Path, task: int) -> None:
    """Judge a work that is right but for its answer to 2.3. Raises RuntimeError when it is not found so."""
    wrong = [row for row in check_work(work, [task]) if row.verdict == FAILED and row.requirement != "2.3"]
    if wrong:
        raise RuntimeError(f"{work.name}: {wrong[0].requirement}: {wrong[0].evidence}")


if __name__ == "__main__":
    for line in rows(*map(int, sys.argv[1:])):
        print(line)
