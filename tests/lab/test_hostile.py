"""Works that attack: contained, each with verdicts that say what happened, and nothing on the host is changed."""

import gc
import http.server
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile import NOTHING, SPIES, WORKS, Hostile
from works import right

from labkit.grading.batch import grade_files
from labkit.inside.processes import prepare_cell
from labkit.judge.check import check_work
from labkit.judge.verdict import BY_HAND
from labkit.lab import Lab
from labkit.machine.cell import PREPARATION, cell_command

from .helpers import eventually
from .test_grading import report_on

ALL = os.environ.get("LABKIT_TESTS") == "all"
# Where a work could leave a file on the host if it got out.
PLACES = ("/", "/usr", "/usr/local/bin", "/opt", "/root", "/home", "/boot", "/dev", "/tmp", "/var/tmp", ".")
# The longest that judging a hostile task may take on a busy machine, seconds: the lab's lifetime, and its start and end.
LONGEST = 240.0


@dataclass
class Teacher:
    """The machine of whoever grades: a secret in a file, in the environment and on the loopback, and a folder for labs."""

    secret: str
    file: Path
    labs: Path
    port: int
    asked: list[str]

    @property
    def mark(self) -> str:
        """The name of a file that must not come to be."""
        return f"mark-{self.secret}"

    @property
    def words(self) -> dict[str, str]:
        """What a hostile work knows about this machine."""
        return {"@SECRET@": str(self.file), "@PORT@": str(self.port), "@MARK@": self.mark}

    def processes(self) -> list[int]:
        """The processes of this machine that have one of this teacher's labs mounted, or a file of one open, as its log is.

        Where /tmp is a file system of its own, the path of a mount begins there.
        """
        found, top = [], next(folder for folder in self.labs.parents if folder.is_mount())
        for process in (Path("/proc", entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()):
            try:
                mounted = f"/{self.labs.relative_to(top)}" in (process / "mountinfo").read_text()
                opened = any(os.readlink(file).startswith(f"{self.labs}/") for file in (process / "fd").iterdir())
            except OSError:
                continue
            found += [int(process.name)] if mounted or opened else []
        return found

    def assert_unharmed(self) -> None:
        """The secret is whole and has not been asked for, and no file and no process is left."""
        assert self.file.read_text() == self.secret
        assert not self.asked
        assert not [place for place in PLACES if os.path.exists(f"{place}/{self.mark}")]  # false where one may not look
        gc.collect()  # the folder of a capture that failed goes with the object, at the latest when this process ends
        assert not [left for own in self.labs.iterdir() for left in own.iterdir()]  # each process has a folder of its own there
        eventually(lambda: not self.processes(), "the end of the lab's processes on the host")


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teacher]:
    """A teacher's machine, with labs in a folder of their own."""
    secret, asked = uuid.uuid4().hex, []
    (tmp_path / "secret").write_text(secret)
    (tmp_path / "labs").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "labs"))
    monkeypatch.setenv("HOSTILE_SECRET", secret)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.wfile.write(f"HTTP/1.0 200 OK\r\n\r\n{secret}".encode())

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Teacher(secret, tmp_path / "secret", tmp_path / "labs", server.server_port, asked)
        server.shutdown()


@pytest.mark.parametrize("work", [work for work in WORKS if ALL or work.quick], ids=lambda work: work.name)
def test_hostile_work_is_contained(work: Hostile, teacher: Teacher, tmp_path: Path) -> None:
    """It gets what it deserves, with a reason for each lost point; the host is unharmed, the next work judged rightly."""
    verdicts = check_work(work.write(tmp_path / "work", teacher.words), [work.task], trusted=False)
    assert teacher.secret not in verdicts.json()
    assert work.least <= verdicts.points <= work.most, str(verdicts)
    assert all(row.hint for row in verdicts if not row.points and row.verdict != BY_HAND)
    assert not work.says or any(work.says in row.hint for row in verdicts), str(verdicts)
    if work in SPIES:
        assert NOTHING in next(row.evidence for row in verdicts if row.requirement == "1.2")
    teacher.assert_unharmed()
    if ALL or work.name == "kill-the-agent":
        following = check_work(right("next", work.task).write(tmp_path / "next"), [work.task], trusted=False)
        assert following.points == following.of, str(following)


def test_script_that_is_a_link_shows_nothing_of_the_hosts(teacher: Teacher, tmp_path: Path) -> None:
    """A script that leads to a file of the teacher's is the file at that place in the lab, and so are its lines in a hint."""
    says = r"printf '\0010\0021\002x\003bash: nginx: command not found\n'"
    files = {"task1.sh": f"mkdir -p {teacher.file.parent}\ncat >{teacher.file} <<'END'\n{says}\nEND\n"}
    work = Hostile("link", "", 0, 0, task=4, files=files).write(tmp_path / "work", {})
    (work / "task4.sh").unlink()
    (work / "task4.sh").symlink_to(teacher.file)
    verdicts = check_work(work, [4], trusted=False)
    assert verdicts.points == 0
    assert teacher.secret not in verdicts.json()
    teacher.assert_unharmed()


def test_neighbour_is_out_of_reach(teacher: Teacher, tmp_path: Path) -> None:
    """A hostile work does not find what another lab, open at the same time, serves on its loopback; that lab goes on."""
    ask = ["curl", "-s", "-m", "20", "http://127.0.0.1:7777/secret"]
    with Lab("neighbour", home=tmp_path / "home", current=False, trusted=False) as lab:
        lab.run(f"echo {teacher.secret} >~/secret")
        lab.start("python3 -m http.server 7777 -d ~", name="server")
        eventually(lambda: teacher.secret in lab.run(ask, check=False).stdout, "the neighbour's server")
        spy = next(work for work in SPIES if work.name == "hosts-loopback")
        words = teacher.words | {"@PORT@/": "7777/secret"}
        verdicts = check_work(spy.write(tmp_path / "work", words), [1], trusted=False)
        assert NOTHING in next(row.evidence for row in verdicts if row.requirement == "1.2")
        assert teacher.secret in lab.run(ask).stdout
    teacher.assert_unharmed()


def test_close_ends_a_raging_guest(teacher: Teacher, tmp_path: Path) -> None:
    """Closing a lab ends all its processes on the host while a fork bomb that ignores signals rages in it."""
    bomb = "trap '' TERM HUP INT; f() { setsid sh -c : & f | f & }; f"
    lab = Lab("raging", home=tmp_path / "home", current=False, trusted=False)
    try:
        lab.call(prepare_cell, *PREPARATION)
        lab.start(cell_command(["sh", "-c", bomb]), name="bomb")
        eventually(lambda: len(teacher.processes()) > 60, "the bomb to rage")
    finally:
        lab.close()
    teacher.assert_unharmed()


@pytest.mark.skipif(not ALL, reason="./lab test --all grades the whole works")
def test_right_report_among_hostile_ones_gets_its_points(teacher: Teacher, tmp_path: Path) -> None:
    """In one batch, two at once, with works that bomb every task, each file is a row with its flags and the right one has 94."""
    names = ("fork-bomb", "right-1", "fill-memory", "endless-output", "right-2")
    files = []
    for name in names:
        folder = right("right", 1).write(tmp_path / name)
        hostile = next((work for work in WORKS if work.name == name), None)
        for task in (1, 2, 3, 4) if hostile else ():
            (folder / f"task{task}.sh").write_text(hostile.script)
        files.append(report_on(folder, name, 94))
    grades = {grade.name: grade for grade in grade_files(files, jobs=2)}
    assert [grades[name].measured for name in ("right-1", "right-2")] == [94, 94]
    assert all(grades[name].measured <= 10 and grades[name].flags for name in names if "right" not in name)
    assert max(grade.seconds for grade in grades.values()) < 2 * LONGEST
    teacher.assert_unharmed()
