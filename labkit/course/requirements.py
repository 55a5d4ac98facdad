"""What the assignment asks, task by task, as the checks have it."""

from __future__ import annotations

from .checks import task1, task2, task3, task4  # noqa: F401 (they tell their requirements)
from .html import filled
from .verdict import REQUIREMENTS, of_task

__all__ = ["REQUIREMENTS", "Asked", "asked", "of_task"]


class Asked:
    """What a task asks, as a table: number, sentence, exact values, points."""

    def __init__(self, task: int) -> None:
        self.rows = of_task(task)

    def __repr__(self) -> str:
        return "\n".join(
            f"{row.number} {row.sentence} ({row.points} points)" + "".join(f"\n      {value}" for value in row.exactly)
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        return filled("asked.html.j2", rows=self.rows)


def asked(task: int) -> Asked:
    """What task 1, 2, 3 or 4 asks, with every exact value and the points, as the checks have them."""
    return Asked(task)
