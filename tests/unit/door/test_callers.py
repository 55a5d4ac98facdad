"""Which lab is meant, and what `labkit ps` prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labkit.door.callers import OpenLab, pick
from labkit.door.listing import age, as_text, family, memory, row, rows
from labkit.errors import BadInput

LABS = [OpenLab(Path("a"), "10", "one"), OpenLab(Path("b"), "10.2", "two"), OpenLab(Path("c"), "11", "two")]


@pytest.mark.parametrize(("wanted", "door"), [("one", "a"), ("one:10", "a"), ("two:10.2", "b"), ("two:11", "c")])
def test_lab_is_found_by_name_or_id(wanted: str, door: str) -> None:
    """A name that is the only one of its kind is enough; else the id decides."""
    assert pick(LABS, wanted).door == Path(door)


def test_only_lab_needs_no_name() -> None:
    """Where one lab is open, it is meant."""
    assert pick(LABS[:1], None) is LABS[0]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("three", "No lab is called three"),
        ("two:12", "No lab is called two:12"),
        ("two", "2 labs are"),
        (None, "No lab was named"),
    ],
)
def test_unclear_name_lists_what_is_open(wanted: str | None, words: str) -> None:
    """An unknown or ambiguous name is BadInput, and the way out has what can be typed instead."""
    with pytest.raises(BadInput, match=words) as caught:
        pick(LABS, wanted)
    assert caught.value.way_out == "open: one, two:10.2, two:11"


def test_no_lab_at_all_says_how_to_open_one() -> None:
    """Without any lab the way out is to open one."""
    with pytest.raises(BadInput, match="No lab is open") as caught:
        pick([], "one")
    assert "Lab(" in caught.value.way_out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 00"), (90000, "25 h 00"), (None, "?")],
)
def test_age_is_for_people(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours; an age that is not known is a question mark."""
    assert age(seconds) == text


def test_memory_is_a_share_of_the_resident_size() -> None:
    """The proportional set size of this process is above nothing and not above its resident pages."""
    found = memory(family(os.getpid()))
    assert found is not None
    assert 1_000_000 < found < 10_000_000_000


def test_lab_whose_first_process_is_gone_has_ended() -> None:
    """A lab that died by itself says so and has no memory; one that does not answer is listed too."""
    dead = row(OpenLab(Path("a"), "10", "one", "host", since=100.0, first=2**22 + 1, shell=True), 160.0)
    assert dead == {"name": "one", "id": "10", "linux": "ended", "seconds": 60.0, "memory": 0, "shell": True}
    assert row(OpenLab(Path("a"), "10"), 160.0)["linux"] == "silent"


def test_table_has_a_line_for_each_lab_by_name() -> None:
    """Name, id, Linux, age and memory, in columns; without labs one sentence."""
    assert as_text([]) == "No lab is open."
    lines = as_text(rows(reversed(LABS))).splitlines()  # type: ignore[arg-type]
    assert lines[0].split() == ["NAME", "ID", "LINUX", "AGE", "MEMORY"]
    assert [line.split()[0] for line in lines[1:]] == ["one", "two", "two"]
    assert as_text([{"name": "n", "id": "1", "linux": "uml", "seconds": 5, "memory": None}]).splitlines()[1].endswith("?")
