"""Whose fault it is that something could not run, and what a judgement does that is stopped."""

from concurrent.futures import CancelledError
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from labkit.errors import CallFailed, LabClosed, LabError, MeasureError, MissingProgram, NoLinux, WaitTimeout
from labkit.judge import check, task4
from labkit.judge import failover as nginx
from labkit.judge.bench import Bench
from labkit.judge.cause import Line
from labkit.judge.check import REQUIREMENTS, Stop, check_work, judge, of_task, run_check
from labkit.judge.task2 import answer
from labkit.judge.verdict import BY_HAND, COULD_NOT_RUN, FAILED, PASSED, Finding, failed, passed

# What a check raises; whether that is the machine's fault, and words that its hint must have.
RAISED: list[tuple[Exception, bool, str]] = [
    (MeasureError("nobody answers at 127.0.0.1:8888"), False, "nobody answers"),
    (MeasureError("tshark could not read it.", words="write: No space left on device"), True, "`df`"),
    (LabClosed("The lab's Linux ended."), True, "ended"),
    (WaitTimeout("Waited 3 s for it.", words="words"), True, "Waited 3 s for it. (words)"),
    (MissingProgram("There is no dig.", way_out="apt-get install dig"), True, "apt-get install dig"),
    (CallFailed("f failed.", kind="OSError", words="[Errno 24] Too many open files"), True, "ulimit -n"),
    (OSError(28, "No space left on device"), True, "`df`"),
    (RuntimeError("can't start new thread"), True, "ulimit -u"),
    (MemoryError(), True, "memory"),
    (KeyError("x"), True, "KeyError"),
]


@pytest.mark.parametrize(("error", "machine", "words"), RAISED, ids=lambda one: type(one).__name__)
def test_whose_fault_it_is(fake_lab: Any, error: Exception, machine: bool, words: str) -> None:
    """What a check cannot see may be the work's fault; all that goes wrong beneath it is the machine's, with the way out."""

    def check_that_raises(_bench: Bench) -> Finding:
        raise error

    found = run_check(Bench(fake_lab, 1), check_that_raises)
    assert (found.verdict, found.machine) == (COULD_NOT_RUN, machine)
    assert words in found.hint


@pytest.fixture
def judged(fake_lab: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench on which a script has run, with a check that passes, one that fails and one that waits for a person."""
    checks = {"1.1": passed("e"), "1.3": failed("nobody listens", "no server"), "2.3": Finding(BY_HAND, "text")}
    rows = [replace(REQUIREMENTS[number], check=lambda _bench, found=found: found) for number, found in checks.items()]
    monkeypatch.setattr(check, "of_task", lambda _task: rows)
    monkeypatch.setattr(Bench, "run_scripts", lambda _bench: None)
    (fake_lab.home / "task1.sh").write_text("true\n")
    return Bench(fake_lab, 1)


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("ok\ndnsmasq: failed to create inotify: Too many open files\nmore", "inotify"),
        ("sh: 1: Cannot fork", "ulimit -u"),
        ("RTNETLINK answers: Cannot allocate memory", "ulimit -u"),
        ("nginx: write() failed (28: No space left on device)", "`df`"),
        ("bash: fork: retry: Resource temporarily unavailable", "ulimit -u"),
    ],
)
def test_shortage_of_a_program_is_no_fault_of_the_work(judged: Bench, said: str, way_out: str) -> None:
    """What failed could not run, with the program's words and the remedy; what passed, and what waits for a person, stays."""
    judged.said = {1: [Line(1, "x", 1, said)]}
    found = judge(judged)
    assert [one.verdict for one in found.values()] == [PASSED, COULD_NOT_RUN, BY_HAND]
    assert found["1.3"].machine and way_out in found["1.3"].hint
    assert next(line for line in said.splitlines() if ":" in line) in found["1.3"].hint
    judged.said = {1: [Line(1, "x", 1, "nginx: [emerg] unknown directive\n503 Service Temporarily Unavailable")]}
    assert judge(judged)["1.3"].verdict == FAILED


@pytest.mark.parametrize("short", [True, False])
def test_words_of_a_shortage_in_a_guest(judged: Bench, fake_lab: Any, short: bool) -> None:
    """Of the work of others they count where the guest's kernel says that the machine was short: anybody can print them."""
    fake_lab.trusted, fake_lab.answers["machine_is_short"] = False, short
    judged.said = {1: [Line(1, "x", 1, "sh: 1: Cannot fork")]}
    found = judge(judged)["1.3"]
    assert (found.verdict, found.machine) == ((COULD_NOT_RUN, True) if short else (FAILED, False))


def test_words_of_a_shortage_that_a_script_says_itself_are_none(judged: Bench, fake_lab: Any) -> None:
    """Who prints them on purpose is judged like everybody; so is a task without the script of an earlier one (3, without 1)."""
    (fake_lab.home / "task1.sh").write_text("echo 'sh: 1: Cannot fork'\n")
    judged.said = {1: [Line(1, "echo 'sh: 1: Cannot fork'", 0, "sh: 1: Cannot fork\n")]}
    assert judge(judged)["1.3"].verdict == FAILED
    (fake_lab.home / "task1.sh").unlink()
    judged.said = {3: [Line(1, "x", 0, "")], 1: [Line(1, "x", 1, "words")]}
    assert judge(Bench(fake_lab, 1))["1.3"].verdict == FAILED


def test_missing_program_is_no_fault_of_the_work(judged: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has not what the assignment asks for, what failed could not run, and the package is named."""
    assert judge(judged)["1.3"].verdict == FAILED
    monkeypatch.setattr(check, "ASKED", {1: ("curl", "no-such-program")})
    monkeypatch.setitem(check.PROGRAMS, "no-such-program", ("its-package", "task 1"))
    found = judge(judged)["1.3"]
    assert found.machine and "no no-such-program" in found.hint and "apt-get install its-package" in found.hint


def test_lab_that_cannot_open_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each requirement of each task could not run, by the machine's fault, with the reason."""

    def lab(*_args: Any, **_options: Any) -> None:
        raise LabError("No thread can be started to open the lab.", words="can't start new thread")

    monkeypatch.setattr(check, "Lab", lab)
    rows = check_work(tmp_path, [1, 4]).rows
    assert len(rows) == 10 and all(row.machine and "ulimit" in row.hint for row in rows)


class LabWithout(nullcontext[Any]):
    """A lab that opens where IPVS is not asked for."""

    def __init__(self, name: str, *, needs: list[str], **_options: Any) -> None:
        if "ipvs" in needs:
            raise NoLinux("No Linux for a lab that needs ipvs.")
        super().__init__(self)
        self.name, self.linux = name, "host"

    def close(self) -> None:
        """Nothing is open."""


def test_only_task_3_needs_ipvs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no Linux has IPVS the other tasks are judged all the same; task 3 could not run, and says what is missing."""
    monkeypatch.setattr(check, "Lab", LabWithout)
    monkeypatch.setattr(check, "judge", lambda bench: {one.number: passed("judged") for one in of_task(bench.task)})
    verdicts = check_work(tmp_path)
    assert {row.task for row in verdicts if row.verdict == PASSED} == {1, 2, 4}
    assert all(row.machine and "needs ipvs" in row.hint for row in verdicts if row.task == 3)
    assert verdicts.linux == "host"


def test_stopped_judgement_closes_its_labs_and_opens_no_more() -> None:
    """Stop closes what is open; a lab that comes later, and a task that has not begun, is refused."""
    stop, closed = Stop(), []

    class Open:
        def close(self) -> None:
            closed.append(self)

    first: Any = Open()
    with stop.watching(first):
        stop.now()
        assert closed == [first]
    for begin in (stop.look, lambda: stop.watching(first).__enter__()):
        with pytest.raises(CancelledError):
            begin()


def test_interrupt_while_a_task_is_judged_begins_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four tasks one is under way: when the judgement is stopped the others are not begun, and no verdict comes."""
    stop, begun = Stop(), []

    def judge(bench: Bench) -> dict[str, Finding]:
        begun.append(bench.task)
        stop.now()
        return {}

    monkeypatch.setattr(check, "Lab", LabWithout)
    monkeypatch.setattr(check, "judge", judge)
    monkeypatch.setattr(check, "AT_ONCE", 1)
    with pytest.raises(CancelledError):
        check_work(tmp_path, trusted=False, stop=stop)
    assert begun == [4]


def test_tshark_takes_no_other_measurement_down(fake_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens while a capture is read is what 4.6 says, and nothing that the other checks of task 4 meet."""
    monkeypatch.setattr(nginx, "both_hops", lambda _bench: 1 / 0)
    seen = nginx.look(Bench(fake_lab, 4))
    assert isinstance(seen, MeasureError)
    monkeypatch.setattr(task4, "shared", lambda _bench: SimpleNamespace(hops=seen))
    found = task4.on_the_wire(Bench(fake_lab, 4))
    assert found.verdict == COULD_NOT_RUN and "ZeroDivisionError" in found.hint


def test_request_without_a_response_is_no_exchange(fake_lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a capture with one answered and one unanswered request only the answered one is a sentence."""
    one: dict[str, Any] = {"hop": "client → nginx", "method": "GET", "uri": "/", "request_headers": {}, "response_headers": {}}
    table = pd.DataFrame([{**one, "status": 200, "ms": 1.0}, {**one, "status": None, "ms": None}])
    table["status"] = table["status"].astype("Int64")

    (tmp_path / "capture.pcapng").write_bytes(b"x")
    capture = SimpleNamespace(file=tmp_path / "capture.pcapng", exchanges=lambda: table)
    monkeypatch.setattr(nginx, "Capture", lambda *_: nullcontext(capture))
    fake_lab.answers["fetch"] = {}
    assert nginx.both_hops(Bench(fake_lab, 4)) == ["client → nginx: GET / → 200 (1.0 ms)"]


def test_long_answer_is_not_cut_without_a_word(fake_lab: Any) -> None:
    """Beside the verdict stands the beginning of a long answer, and how much more there is."""
    fake_lab.files["~/answers.md"] = "## 2.3\n" + "x" * 5000
    assert answer(Bench(fake_lab, 2)).evidence.endswith("… 3,000 more characters stand in answers.md")
    fake_lab.files["~/answers.md"] = "## 2.3\n" + "x" * 2000
    assert answer(Bench(fake_lab, 2)).evidence == "x" * 2000
