"""Works typed as people type them, judged by the rulings: tests/as_typed/README.md.

Usually a small set runs; with `./lab test --works` every work, on each Linux that can do its tasks here.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from labkit.judge.check import check_work
from labkit.judge.verdict import PASSED
from labkit.machine import choose

pytestmark = pytest.mark.lab

WORKS = Path(__file__).parents[1] / "as_typed"
EXPECTED = json.loads((WORKS / "expected.json").read_text(encoding="utf-8"))
ALL = os.environ.get("LABKIT_TESTS") in ("all", "works")
SMALL = {
    "foreground-servers", "systemctl-for-nginx", "systemctl-for-dnsmasq", "sudo-on-uml", "modprobe-on-uml", "ps-on-uml",
    "t1-tmux", "t1-pipe-tee",
}  # fmt: skip
# Question 2.3 waits for a person.
BY_HAND = "2.3"


def cases() -> list[object]:
    """The works with the Linux to judge them on: for IPVS only User-Mode Linux, because a running kernel may have none."""
    return [
        pytest.param(name, linux, id=f"{name}-{linux}")
        for name, expected in EXPECTED.items()
        if ALL or name in SMALL
        for linux in ("host", "uml")
        if linux == "uml" or 3 not in expected["tasks"]
    ]


@pytest.mark.parametrize(("name", "linux"), cases())
def test_work_is_judged_as_a_person_would(name: str, linux: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right is passed and what is wrong is not, with the cause in a hint or the evidence, as often as it is judged."""
    expected = EXPECTED[name]
    monkeypatch.setenv(choose.FORCE, linux)
    for run in range(expected.get("runs", 1)):
        work = tmp_path / str(run)
        shutil.copytree(WORKS / name, work)
        rows = [row for row in check_work(work, expected["tasks"]) if row.requirement != BY_HAND]
        lines = "\n".join(f"{row.requirement} {row.verdict}: {row.evidence} → {row.hint}" for row in rows)
        open_ones = set(expected.get("either", ()))
        missed = {row.requirement for row in rows if row.verdict != PASSED}
        assert missed - open_ones == set(expected["not_passed"]) - open_ones, lines
        for key in ("hint", "evidence"):
            assert expected.get(key, "") in lines, f"{key} lacks {expected[key]!r}:\n{lines}"


def test_every_work_is_expected() -> None:
    """The table has every folder, and the number of works does not shrink."""
    assert {path.name for path in WORKS.iterdir() if path.is_dir()} == EXPECTED.keys()
    assert len(EXPECTED) >= 204
