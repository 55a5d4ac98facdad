"""Works that try to get points without doing what is asked get those that they deserve."""

from pathlib import Path

import pytest
from hostile import Hostile
from hostile_points import TALKERS

from labkit.judge.check import check_work


@pytest.mark.parametrize("work", TALKERS, ids=lambda work: work.name)
def test_work_is_not_talked_into_points(work: Hostile, tmp_path: Path) -> None:
    """What is asked of nginx comes from nginx alone: no other program plays its part, and what the work left cannot act.

    And nothing that a work does is taken for a fault of the machine, with which it would never have a grade.
    """
    verdicts = check_work(work.write(tmp_path / "work", {}), [work.task], trusted=False)
    assert verdicts.points == work.most, str(verdicts)
    assert not any(row.machine for row in verdicts), str(verdicts)
