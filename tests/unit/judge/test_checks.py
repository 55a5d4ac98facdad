"""The checks' own reasoning, on what could have been measured."""

from typing import Any

import pytest

from labkit.judge.failover import LIMIT, attempts_again, first_attempts, of_one_worker, settled
from labkit.judge.task1 import parting
from labkit.judge.task2 import written_answer
from labkit.judge.task3 import interface_fault, service_faults
from labkit.judge.task4 import fault

ANSWER = "The records stay."
ANSWERS = [
    (ANSWER, ANSWER),
    (f"## 2.3\n{ANSWER}\n", ANSWER),
    (f"# Task 2\n## 2.3 What happens?\n\n{ANSWER}\n## 4.5\nother\n", ANSWER),
    (f"## 2.3\n### Why\n{ANSWER}\n## 3.1\nother\n", ANSWER),
    (f"# Answers\n\n{ANSWER}\n", ANSWER),
    (f"# Task 2\n\n**2.3** {ANSWER}\n", f"**2.3** {ANSWER}"),
    (f"## 2.3\n<!-- write here -->\n{ANSWER}\n", ANSWER),
    (f"## 2.3\n```\n# dig\n```\n{ANSWER}\n", f"```\n# dig\n```\n{ANSWER}"),
    (f"#### 2.3:\n{ANSWER}\n", ANSWER),
    ("## 2.3\n<!-- write\n\nhere -->\n", ""),
    (f"## 2.3\n<!-- never closed <!-- closed -->{ANSWER} <!-- nor this", f"<!-- never closed {ANSWER} <!-- nor this"),
    (f"## 2.3\n## 4.5\n{ANSWER}\n", ""),
    (f"## 12.3\n{ANSWER}\n## 2.34\nx\n## 4.5\n", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "answer"), ANSWERS)
def test_written_answer(text: str, answer: str) -> None:
    """What stands below the heading that names the question; all of it where no heading names any."""
    assert written_answer(text, "2.3") == answer


def service(**changes: Any) -> dict[str, Any]:
    """A row of the IPVS table: the right one, changed."""
    servers = [{"server": f"127.0.0.1:{port}", "weight": 1, "method": 0} for port in (8081, 8082)]
    return {"scheduler": "rr", "persistent": False, "servers": servers} | changes


def servers(*weights: int, method: int = 0, first: int = 8081) -> list[dict[str, Any]]:
    """Real servers with these weights on ports from `first` on."""
    return [{"server": f"127.0.0.1:{first + i}", "weight": weight, "method": method} for i, weight in enumerate(weights)]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"scheduler": "wlc"}, "wlc"), ({"persistent": True}, "persistent"), ({"servers": servers(1)}, "127.0.0.1:8081"),
        ({"servers": []}, "none"), ({"servers": servers(1, 1, 1)}, "8083"), ({"servers": servers(1, 1, first=8082)}, "8083"),
        ({"servers": servers(1, 1, method=3)}, "masquerading"), ({"servers": servers(1, 2)}, "not equal"),
        ({"servers": servers(0, 0)}, "weight 0"), ({"servers": servers(1, 0)}, "weight 0"),
    ],
)  # fmt: skip
def test_service_fault(changes: dict[str, Any], word: str) -> None:
    """One fault is one hint, which names it."""
    faults = service_faults(service(**changes))
    assert len(faults) == 1 and word in faults[0]


def test_service_without_fault() -> None:
    """Equal weights above 0 are round robin, whatever they are; several faults are all named."""
    assert service_faults(service()) == service_faults(service(servers=servers(5, 5))) == []
    assert len(service_faults(service(scheduler="wrr", persistent=True, servers=servers(1, 2)))) == 3


def interface(name: str, kind: str, *addresses: str, up: bool = True) -> dict[str, Any]:
    """A row of network.interfaces."""
    return {"name": name, "kind": kind, "up": up, "addresses": list(addresses)}


VIP = "192.168.100.1/32"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([interface("dummy1", "dummy", VIP)], ""), ([interface("dummy1", "dummy", VIP, "10.0.0.1/8")], ""),
        ([], "no interface"),
        ([interface("dummy0", "dummy", VIP)], "no interface"), ([interface("dummy1", "veth", VIP)], "veth"),
        ([interface("dummy1", "", VIP)], "no dummy"), ([interface("dummy1", "dummy")], "does not carry"),
        ([interface("dummy1", "dummy", "192.168.100.1/24")], "/24"),
        ([interface("dummy1", "dummy", "192.168.100.10/32")], "not carry"),
        ([interface("dummy1", "dummy", VIP), interface("lo", "", VIP)], "also on lo"),
        ([interface("dummy1", "dummy", VIP, up=False)], "down"),
    ],
)  # fmt: skip
def test_interface_fault(rows: list[dict[str, Any]], words: str) -> None:
    """What is wrong with the interfaces, in words that name it."""
    found = interface_fault(rows)
    assert words in found if words else not found


def series(pattern: str, *, each: float = 0.01, pauses: dict[int, float] | None = None) -> list[dict[str, Any]]:
    """Requests of `each` seconds with these refused attempts, one digit each, and pauses before some."""
    rows, now = [], 0.0
    for i, digit in enumerate(pattern):
        now += (pauses or {}).get(i, 0.0)
        rows.append({"refused": int(digit), "began": now, "ended": now + each, "status": 200})
        now += each
    return rows


SEVEN = "1" * LIMIT
ATTEMPTS = [
    (series(SEVEN + "0" * 73), (7, False), 0, "one worker, or a shared count"),
    (series("111" + "0" * 77), (3, False), 0, "max_fails=3"),
    (series("0" * 80), (0, False), 0, "remembered failures"),
    (series("1" * 80), (80, False), 0, "never left alone"),
    (series("1101" + "0" * 76), (2, False), 1, "two workers of less than seven"),
    (series(SEVEN + "0" + SEVEN + "0" * 20), (7, False), 7, "two workers"),
    (series(SEVEN + "0" * 10 + "1" + "0" * 10 + "1", pauses={17: 1.2, 28: 1.5}), (7, False), 0, "probes after fail_timeout=1s"),
    (series(SEVEN + "0010010010010", each=0.45), (7, False), 0, "the same on a slow machine"),
    (series(SEVEN + "0000" + SEVEN, pauses={11: 3.0}), (7, False), 6, "another worker's seven after a pause"),
    (series("7" + "0" * 20), (7, False), 0, "seven attempts by one request"),
    (series(SEVEN + "1" + "0" * 20, pauses={7: 1.5}), (7, True), 0, "no telling whether the eighth is a probe"),
    (series(SEVEN + "0" * 20, pauses={3: 5.0, 5: 2.0}), (7, False), 0, "a pause among the failures, which nginx adds up"),
    ([], (0, False), 0, "nothing was measured"),
]


@pytest.mark.parametrize(("rows", "first", "again"), [case[:3] for case in ATTEMPTS], ids=[case[3] for case in ATTEMPTS])
def test_attempts_are_counted(rows: list[dict[str, Any]], first: tuple[int, bool], again: int) -> None:
    """The attempts before the server is left alone, and those after it that no fail_timeout explains."""
    assert first_attempts(rows) == first
    assert attempts_again(rows) == again


def test_answers_after_the_switch() -> None:
    """The requests without an attempt at the dead server; all of them where there is none without."""
    rows = series("1101")
    assert settled(rows) == [rows[2]]
    assert settled(rows[:2]) == rows[:2]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([["123"], ["123"]], ""), ([["321"]], "'321'"),
        ([["123"], []], "the response does not carry X-high-load-test every time"),
        ([["123", "123"]], "2 times"), ([["123 "]], "'123 '"),
    ],
)  # fmt: skip
def test_header_fault(found: list[list[str]], words: str) -> None:
    """A header is there once with its value on every message, or the hint says what is wrong with it."""
    assert words in fault("the response", found) if words else not fault("the response", found)


@pytest.mark.parametrize(
    ("asked", "found", "at", "words"),
    [
        ("<h1>Backend</h1>", "<h1>backend</h1>", 5, "'Backend</h' is asked, 'backend</h' stands there"),
        ("<h1>", "<h1>x", 5, "its end is asked, 'x' stands there"),
        ("<h1>x", "<h1>", 5, "'x' is asked, its end stands there"),
        ("<h1>", "\ufeff<h1>", 1, "'<h1>' is asked, '\\ufeff<h1>' stands there"),
        ("<h1>", "", 1, "'<h1>' is asked, its end stands there"),
    ],
)  # fmt: skip
def test_pages_part(asked: str, found: str, at: int, words: str) -> None:
    """The hint shows what was asked, what was found, and the first character that differs, be it one that cannot be seen."""
    said = parting(asked, found)
    assert said.startswith(f"asked {asked!r}, found {found!r}; they part at character {at}: ") and said.endswith(words)


def test_rows_of_one_worker() -> None:
    """Where requests reach several workers, the one that got most of them is judged by its own."""
    rows = [row | {"worker": int(worker)} for row, worker in zip(series("1111111000"), "1221112222", strict=True)]
    assert [row["worker"] for row in of_one_worker(rows)] == [2] * 6
    assert of_one_worker(series("")) == []
