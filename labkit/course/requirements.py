"""The numbered requirements of the assignment, with their points, and with every exact value as the checks have it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Requirement:
    """A numbered requirement of the assignment, as a sentence, with its points."""

    number: str
    points: int
    sentence: str

    @property
    def task(self) -> int:
        """The task it belongs to."""
        return int(self.number[0])


# The tasks' points (10, 20, 35, 35) are the assignment's; how they are spread over its requirements is this course's.
REQUIREMENTS = {
    requirement.number: requirement
    for requirement in (
        Requirement("1.1", 2, "~/backend1 and ~/backend2 exist, each with one index.html"),
        Requirement("1.2", 2, "each index.html holds its own page, to the letter"),
        Requirement("1.3", 4, "a Python http server serves each folder, on port 8081 and 8082"),
        Requirement("1.4", 2, "both answer with their own page"),
        Requirement("2.1", 8, "the name has two A records, 127.0.0.1 and 127.0.0.2"),
        Requirement("2.2", 6, "dnsmasq answers at 127.0.0.1, on port 53"),
        Requirement("2.3", 6, "the question what happens when backend2 breaks is answered"),
        Requirement("3.1", 10, "dummy1 carries 192.168.100.1/32"),
        Requirement("3.2", 15, "IPVS has a round robin service for TCP port 80, masquerading to ports 8081 and 8082"),
        Requirement("3.3", 10, "requests to 192.168.100.1 are balanced, as IPVS counts them"),
        Requirement("4.1", 8, "nginx sends everything to 127.0.0.1:8081 and has 127.0.0.1:8082 as backup"),
        Requirement("4.2", 10, "the switch to the backup comes after 7 failed attempts of an nginx worker"),
        Requirement("4.3", 5, "nginx listens on 127.0.0.1:8888 and nowhere else"),
        Requirement("4.4", 6, "X-high-load-test: 123 is on every request to the upstream, or on every response"),
        Requirement("4.5", 3, "clients are answered with both servers alive, and with backend1 off"),
        Requirement("4.6", 3, "tshark shows an HTTP request and its response on both sides of nginx, the header among them"),
    )
}  # fmt: skip
# A requirement that fails, or cannot be seen, while one of these has not passed cannot be judged by itself.
DEPENDS = {
    "1.2": ("1.1",), "1.3": ("1.1",), "1.4": ("1.1", "1.3"), "3.3": ("3.1", "3.2"), "4.2": ("4.1",),
    "4.4": ("4.1",), "4.5": ("4.1",), "4.6": ("4.1", "4.4"),
}  # fmt: skip


def exact() -> dict[str, tuple[str, ...]]:
    """The exact values of the requirements that have some, from the checks that compare with them."""
    from .checks import failover, nginx, task1, task2, task3, task4, tshark  # they load what measures

    ports = tuple(map(str, task1.PORTS.values()))
    return {
        "1.1": tuple(f"~/{name}/index.html" for name in task1.PAGES),
        "1.2": tuple(task1.PAGES.values()),
        "1.3": ports,
        "2.1": (task2.NAME, *task2.ADDRESSES),
        "2.2": (f"{task2.SERVER}:{task2.DNS}",),
        "2.3": ("~/answers.md",),
        "3.1": (task3.DUMMY, f"{task3.VIP}/32"),
        "3.2": (f"{task3.VIP}:{task3.PORT}", task3.SCHEDULER, *task3.SERVERS),
        "3.3": (f"http://{task3.VIP}/",),
        "4.1": tuple(f"{nginx.ADDRESS}:{port}" for port in ports),
        "4.2": (str(failover.LIMIT),),
        "4.3": (f"{nginx.ADDRESS}:{nginx.PORT}",),
        "4.4": (f"{tshark.HEADER}: {task4.VALUE}",),
    }


class Asked:
    """What a task asks, as a table: number, sentence, exact values, points."""

    def __init__(self, task: int) -> None:
        values = exact()
        rows = [requirement for requirement in REQUIREMENTS.values() if requirement.task == task]
        self.rows = [(row.number, row.sentence, values.get(row.number, ()), row.points) for row in rows]

    def __repr__(self) -> str:
        return "\n".join(
            f"{number} {sentence} ({points} points)" + "".join(f"\n      {value}" for value in values)
            for number, sentence, values, points in self.rows
        )

    def _repr_html_(self) -> str:
        left = ' style="text-align:left"'
        lines = [
            f"<tr><td>{number}</td><td{left}>{escape(sentence)}</td>"
            f"<td{left}>{'<br>'.join(f'<code>{escape(value)}</code>' for value in values)}</td><td>{points}</td></tr>"
            for number, sentence, values, points in self.rows
        ]
        head = f"<tr><th></th><th{left}>asked</th><th{left}>exactly</th><th>points</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def asked(task: int) -> Asked:
    """What task 1, 2, 3 or 4 asks, with every exact value and the points, as the checks have them."""
    return Asked(task)
