"""Works judged by the workers of a Dask scheduler: each once in the table, whatever becomes of workers and answers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pandas as pd
import pytest
from cluster import PATIENCE, Cluster, cluster
from hostile_pages import UNREADABLE as HOSTILE

from labkit.cli import main
from labkit.errors import BadInput, LabError, LabkitError, wait_until
from labkit.grading import farm
from labkit.grading.batch import Notes, grade_files
from labkit.grading.farm import edition, judged, taken
from labkit.grading.grade import NOT_MEASURED, UNREADABLE, Grade
from labkit.grading.table import to_csv
from labkit.judge.check import Stop
from labkit.judge.verdict import failed, passed, verdict

# The workers have no tests: what they are to do in the place of judging goes there as a whole.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
Judge = Callable[..., str]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers for the tests that leave them alive."""
    with cluster(tmp_path_factory.mktemp("lasting") / "cluster", 2) as made:
        yield made


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Callable[[Judge], None]:
    """Has the workers do something else in the place of judging."""

    def put(judge: Judge) -> None:  # in the place of a name goes the whole of a function that has none
        monkeypatch.setattr(farm, "on", partial(farm.on, judge=lambda *work, stop: judge(*work, stop=stop)))

    return put


def pages(folder: Path, count: int) -> list[Path]:
    """Files that are no reports, for which no lab is opened: those of the hostile ones that need no right report, many times."""
    folder.mkdir(exist_ok=True)
    made = []
    for number in range(count):
        hostile = HOSTILE[number % 3]
        made.append(folder / f"{number:03}-{hostile.name}.html")
        made[-1].write_bytes(hostile.make({}) + str(number).encode())
    return made


def in_thread(work: Callable[[], list[Grade]]) -> Callable[[], list[Grade]]:
    """Begin it, and return what waits for its end."""
    return partial(ThreadPoolExecutor(1).submit(work).result, PATIENCE)


def table(grades: list[Grade]) -> list[dict[str, Any]]:
    """The rows of a table but for the time that each took."""
    return [grade.row() | {"seconds": None} for grade in grades]


def held(folder: str, names: tuple[str, ...], name: str, *work: Any, stop: Stop) -> str:
    """Judge; but one of `names` never ends where it is begun first, which is told by a file with the process's number."""
    with open(f"{folder}/begun", "a") as begun:
        begun.write(f"{name}\n")
    told = f"{folder}/{name}.pid"
    if name in names and not os.path.exists(told):
        with open(f"{told}.new", "w") as file:
            file.write(str(os.getpid()))
        os.rename(f"{told}.new", told)
        while True:
            time.sleep(0.05)
            stop.look()
    return judged(name, *work, stop=stop)


def pid(folder: Path, name: str) -> int:
    """The number of the process that holds a work, once it does."""
    wait_until((folder / f"{name}.pid").is_file, reason=f"{name} to be begun", timeout=PATIENCE)
    return int((folder / f"{name}.pid").read_text())


def test_works_of_lost_workers_are_graded_elsewhere(
    tmp_path: Path, judges: Callable[[Judge], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four workers two are killed and one is frozen, each with a work in its hands: all of 100 works are in the table, once
    and as one process has them, and only those three were begun twice."""
    monkeypatch.setattr(farm, "AHEAD", 1)  # no held work waits behind another: Dask moves none that it takes for so short
    files = pages(tmp_path / "files", 100)
    names = tuple(files[number].name for number in (30, 31, 40))
    judges(partial(held, str(tmp_path), names))
    with cluster(tmp_path / "cluster", 4, ttl="5s") as made:
        batch = in_thread(lambda: grade_files(files, on=made.address, notes=tmp_path / "notes"))
        pids = [pid(tmp_path, name) for name in names]
        for number, how in zip(pids, (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP), strict=True):
            (worker,) = (each for each in made.workers if each.pid == number)
            worker.send_signal(how)
        grades = batch()
    assert table(grades) == table(grade_files(files))
    assert sorted((tmp_path / "begun").read_text().split()) == sorted([*(file.name for file in files), *names])
    assert len(Notes(tmp_path / "notes").known()) == 100


def poisonous(name: str, *work: Any, stop: Stop) -> str:
    """Judge; but the first of all works ends the process that judges it."""
    if name.startswith("000"):
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return judged(name, *work, stop=stop)


def test_work_that_ends_its_workers_is_set_aside(tmp_path: Path, judges: Callable[[Judge], None]) -> None:
    """Two of four workers are lost to it, the others live; its row names them and is no grade; other rows are as they are."""
    files = pages(tmp_path / "files", 20)
    judges(poisonous)
    with cluster(tmp_path / "cluster", 4) as made:
        grades = grade_files(files, on=made.address, notes=tmp_path / "notes")
        assert len(made.killed) == 2
    assert grades[0].state == NOT_MEASURED
    (flag,) = grades[0].flags
    assert "Set aside: the 2 workers that judged it ended" in flag and flag.count("tcp://127.0.0.1:") == 2
    assert table(grades[1:]) == table(grade_files(files))[1:]
    assert len(Notes(tmp_path / "notes").known()) == 19


class Made:
    """What nobody should make anew from what a worker sends."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["HOME"] + "/unpickled",)


def crooked(name: str, *work: Any, stop: Stop) -> Any:
    """Judge; but the first three works get answers that are none."""
    answers = {"000": Made(), "001": {"edition": edition()}, "002": ValueError("so it goes")}
    answer = answers.get(name[:3]) or judged(name, *work, stop=stop)
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_bad_answer_is_a_row(
    lasting: Cluster, tmp_path: Path, judges: Callable[[Judge], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object, plain data of another form and an error of a worker's are no grades and stop nothing; no object is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    judges(crooked)
    grades = grade_files(pages(tmp_path / "files", 6), on=lasting.address)
    assert [grade.state for grade in grades] == [NOT_MEASURED] * 3 + [UNREADABLE] * 3
    assert "so it goes" in grades[2].flags[0] and all("measured again" in grade.flags[0] for grade in grades[:3])
    assert not (tmp_path / "unpickled").exists()


GRADE = Grade(
    "a.html", verdicts=[asdict(verdict("1.1", passed("e"))), asdict(verdict("1.2", failed("e", "h")))], texts={"a": "b"}
)
BAD: dict[str, dict[str, Any]] = {
    "of another work": {"file": "b.html"},
    "of no known state": {"state": "well"},
    "points that are text": {"measured": "94"},
    "points that are true": {"measured": True},
    "time that is none": {"seconds": None},
    "flags that are a text": {"flags": "many"},
    "a flag that is a number": {"flags": [1]},
    "verdicts that are a table": {"verdicts": {}},
    "a verdict that is none": {"verdicts": ["passed"]},
    "a verdict without a task": {"verdicts": [{"requirement": "1.1"}]},
    "a verdict's points that are text": {"verdicts": [GRADE.verdicts[0] | {"points": "2"}]},
    "a text that is a list": {"texts": {"task1.sh": []}},
    "points of a person's": {"hand": {"2.3": {"points": 6, "comment": ""}}},
    "something more": {"more": 1},
}


def answer(grade: dict[str, Any]) -> str:
    """What a worker sends."""
    return json.dumps({"edition": edition(), "grade": grade})


NONE = [None, b"{}", "", "{", "[]", "{}", "5", '{"edition": "x"', " " * (1 << 26) + " "]


@pytest.mark.parametrize(
    "sent", [answer(asdict(GRADE) | change) for change in BAD.values()] + NONE, ids=[*BAD, *range(len(NONE))]
)
def test_only_what_has_the_form_of_a_grade_is_taken(sent: object) -> None:
    """A grade comes back as it was; with one part of another type or kind, or where it is no such text, it is none.

    Never is it an error of the whole batch.
    """
    assert taken(answer(asdict(GRADE)), "a.html") == GRADE
    with pytest.raises((ValueError, TypeError, *([KeyError] if sent in NONE else []))):
        taken(sent, "a.html")


def test_worker_that_judges_otherwise_is_told_apart(lasting: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its edition and the one here are named with its address, before it judges anything."""
    theirs = edition()
    monkeypatch.setattr(farm, "edition", lambda: "of this machine")
    with pytest.raises(LabError, match="is not the one here") as raised:
        grade_files(pages(tmp_path / "files", 3), on=lasting.address, notes=tmp_path / "notes")
    assert theirs in raised.value.words and "of this machine" in raised.value.words and "tcp://" in raised.value.words
    assert "one image" in raised.value.way_out and not Notes(tmp_path / "notes").known(of_any=True)


def test_work_that_takes_too_long_is_a_row(
    lasting: Cluster, tmp_path: Path, judges: Callable[[Judge], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it any longer, it is stopped where it is judged, and its worker judges the next one."""
    monkeypatch.setattr(farm, "LIMIT", 3.0)
    monkeypatch.setattr(farm, "AHEAD", 1)  # none waits behind it for as long
    files = pages(tmp_path / "files", 6)
    judges(partial(held, str(tmp_path), tuple(file.name for file in files[:2])))
    grades = grade_files(files, on=lasting.address)
    assert [grade.state for grade in grades] == [NOT_MEASURED] * 2 + [UNREADABLE] * 4
    assert "No worker has answered in 3 s" in grades[0].flags[0]


def test_workers_may_come_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scheduler without workers is waited for, which is said once; so is one whose workers all went away."""
    with cluster(tmp_path / "cluster", 0) as made:
        batch = in_thread(lambda: grade_files(pages(tmp_path / "files", 3), on=made.address))
        said: list[str] = []
        wait_until(
            lambda: said.append(capsys.readouterr().err) or "no worker yet" in "".join(said), reason="a word", timeout=PATIENCE
        )
        made.start_worker()
        assert [grade.state for grade in batch()] == [UNREADABLE] * 3
    whole = "".join(said) + capsys.readouterr().err
    assert whole.count("no worker yet") == 1 and f"workers of {made.address}; Dask's dashboard: http://127.0.0.1:" in whole


def test_scheduler_that_goes_away_is_said(tmp_path: Path, judges: Callable[[Judge], None]) -> None:
    """What was graded is noted, and the error says how to go on."""
    files = pages(tmp_path / "files", 4)
    judges(partial(held, str(tmp_path), (files[3].name,)))
    with cluster(tmp_path / "cluster", 1) as made:
        batch = in_thread(lambda: grade_files(files, on=made.address, notes=tmp_path / "notes"))
        pid(tmp_path, files[3].name)
        wait_until(lambda: len(Notes(tmp_path / "notes").known()) == 3, reason="three notes", timeout=PATIENCE)
        made.scheduler.kill()
        with pytest.raises(LabError, match="The Dask scheduler is gone") as raised:
            batch()
    assert "goes on from its notes" in raised.value.way_out


ADDRESSES = {
    "tcp://127.0.0.1:9": (LabError, "No Dask scheduler answers at tcp://127.0.0.1:9"),
    "": (BadInput, "no address"),
    "nonsense": (BadInput, "missing port"),
    "smb://127.0.0.1:9": (BadInput, "unknown address scheme"),
    "tcp://127.0.0.1:x": (BadInput, "no address"),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_where_no_scheduler_is_is_said(address: str) -> None:
    """With the words of who tried, and the way out."""
    kind, words = ADDRESSES[address]
    with pytest.raises(LabkitError) as raised, farm.on(address):
        pass
    assert type(raised.value) is kind and words in str(raised.value) and raised.value.way_out


TLS = "DASK_DISTRIBUTED__COMM__TLS__"


def certificate(folder: Path, name: str) -> dict[str, str]:
    """Dask's variables for a certificate that is its own authority, and is made."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    subprocess.run(["openssl", "req", "-x509", *kind, "-keyout", key, "-out", made], check=True, capture_output=True)
    roles = [f"{TLS}{role}__{part}" for role in ("SCHEDULER", "WORKER", "CLIENT") for part in ("CERT", "KEY")]
    return {f"{TLS}CA_FILE": str(made)} | {role: str(made if role.endswith("CERT") else key) for role in roles}


def test_works_are_judged_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the certificates that Dask's variables name the table is that of one process; without them, with a missing one and
    with another authority's the error names the variables, and nothing hangs."""
    files, ours, others = pages(tmp_path / "files", 6), certificate(tmp_path, "ours"), certificate(tmp_path, "others")
    plain = dict(os.environ)
    for name, value in ours.items():  # for the scheduler and the workers
        monkeypatch.setenv(name, value)

    def graded(variables: dict[str, str], address: str) -> tuple[int, str]:
        """Dask reads the variables when it is imported: in another process."""
        command = [sys.executable, "-m", "labkit", "grade", *files, "--csv", tmp_path / "table.csv", "--fresh", "--on", address]
        done = subprocess.run(command, env=plain | variables, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stderr

    with cluster(tmp_path / "cluster", 2, protocol="tls") as made:
        assert graded(ours, made.address)[0] == 0 and made.address.startswith("tls://")
        wrong = {
            "there are no certificates for that": {},
            "No such file": ours | {f"{TLS}CLIENT__CERT": str(tmp_path / "none.pem")},
            "certificate does not match": others,
        }
        for words, variables in wrong.items():
            code, said = graded(variables, made.address)
            assert (code, words in said, f"{TLS}CA_FILE" in said, "Traceback" in said) == (3, True, True, False), said
    rows = pd.read_csv(tmp_path / "table.csv", keep_default_na=False).drop(columns="seconds")
    to_csv(grade_files(files), tmp_path / "here.csv")
    assert rows.equals(pd.read_csv(tmp_path / "here.csv", keep_default_na=False).drop(columns="seconds"))


def test_jobs_and_on_contradict_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many at once is the workers' matter, and nothing is tried."""
    assert main(["grade", *map(str, pages(tmp_path, 1)), "--jobs", "2", "--on", "tcp://127.0.0.1:9"]) == 3
    assert "leave --jobs out" in capsys.readouterr().err
    assert main(["grade", *map(str, pages(tmp_path, 1)), "--on", "tcp://127.0.0.1:9"]) == 3
    assert "No Dask scheduler answers" in capsys.readouterr().err
