"""Which lab is meant, and what `labkit ps` prints."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from labkit.door.callers import OpenLab, age, as_text, family, memory, pick, rows
from labkit.errors import BadInput

LABS = [OpenLab("a", "10", "one"), OpenLab("b", "10.2", "two"), OpenLab("c", "11", "two")]


@pytest.mark.parametrize(
    ("labs", "wanted", "door"),
    [(LABS, "one", "a"), (LABS, "one:10", "a"), (LABS, "two:10.2", "b"), (LABS, "two:11", "c"), (LABS[:1], None, "a")],
)
def test_lab_is_found_by_name_or_id(labs: list[OpenLab], wanted: str | None, door: str) -> None:
    """A name that is the only one of its kind is enough; else the id decides. The only lab needs no name."""
    assert pick(labs, wanted).door == door


@pytest.mark.parametrize(
    ("labs", "wanted", "words"),
    [
        (LABS, "three", "No lab is called three"),
        (LABS, "two:12", "No lab is called two:12"),
        (LABS, "two", "2 labs are"),
        (LABS, None, "No lab was named"),
        ([], "one", "No lab is open"),
    ],
)
def test_unclear_name_lists_what_is_open(labs: list[OpenLab], wanted: str | None, words: str) -> None:
    """An unknown or ambiguous name is BadInput, whose way out has what can be typed instead; without any lab, how to open one."""
    with pytest.raises(BadInput, match=words) as caught:
        pick(labs, wanted)
    assert caught.value.way_out.startswith("open: one, two:10.2, two:11" if labs else "open one: run the cell with `Lab(…)`")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 00"), (90000, "25 h 00"), (None, "?")],
)
def test_age_is_for_people(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours; an age that is not known is a question mark."""
    assert age(seconds) == text


def test_memory_is_that_of_the_kernel_and_counts_a_shared_one_once() -> None:
    """The proportional set size of this process, which a second handle on it does not double; nothing for one that has ended."""
    own = family(os.getpid())[:1]  # others may have left this process children
    found = memory(own)
    (line,) = (line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
    assert found == pytest.approx(int(line.split()[1]) * 1024, rel=0.2)
    assert memory([*own, psutil.Process()]) == pytest.approx(found, rel=0.2)
    with subprocess.Popen(["sleep", "1000"]) as child:
        one = psutil.Process(child.pid)
        child.kill()
    assert (memory([one]), family(child.pid)) == (0, [])


def test_table_has_a_line_for_each_lab_by_name() -> None:
    """Name, id, Linux, age and memory, in columns; without labs one sentence."""
    assert as_text([]) == "No lab is open."
    lines = as_text(rows(reversed(LABS))).splitlines()
    assert lines[0].split() == ["NAME", "ID", "LINUX", "AGE", "MEMORY"]
    assert [line.split()[0] for line in lines[1:]] == ["one", "two", "two"]
    assert as_text([{"name": "n", "id": "1", "linux": "uml", "seconds": 5, "memory": None}]).splitlines()[1].endswith("?")
