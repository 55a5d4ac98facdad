"""Judging in real labs: an interrupt ends it at once, and what this machine lacks is no fault of the work."""

import contextlib
import os
import threading
from pathlib import Path

import psutil
import pytest
from hostile_pages import page
from works import right

from labkit.grading.batch import Notes, grade_files
from labkit.grading.grade import MEASURED, NOT_MEASURED, Grade
from labkit.homework.submission import as_block, build
from labkit.judge.check import check_work
from labkit.judge.verdict import BY_HAND, PASSED
from labkit.machine import choose

from .helpers import eventually, interrupted, mentioning, running

# Longer than a script may take: an interrupt that does not end it is seen.
SLEEP = "1234567"


def report(folder: Path, name: str, **scripts: str) -> Path:
    """A report on the right work with other scripts."""
    work = right("right", 1).write(folder / f"work-{name}")
    for script, text in scripts.items():
        (work / f"{script}.sh").write_text(text)
    return report_on(work, name)


def report_on(work: Path, name: str = "work", points: int = 0) -> Path:
    """A report on this work, beside it, which claims these points."""
    file = work.with_name(f"{name}.html")
    file.write_bytes(page(as_block(build(work, {"name": name}, {"points": points, "verdicts": []}, {}, {}))))
    return file


@pytest.mark.parametrize("command", ["check", "grade"])
def test_interrupt_ends_a_judgement_at_once(tmp_path: Path, command: str) -> None:
    """Ctrl-C while scripts sleep: code 130, the labs' processes and folders are gone, and what had not begun never begins."""
    scripts = {f"task{number}": f"sleep {SLEEP}\n" for number in (1, 2, 3, 4)}
    pages = [report(tmp_path, name, **scripts) for name in ("a", "b")]
    (tmp_path / "tmp").mkdir()
    what = ["check", "--work", tmp_path / "work-a"] if command == "check" else ["grade", *pages, "--csv", tmp_path / "out.csv"]
    env = os.environ | {"TMPDIR": str(tmp_path / "tmp")} | ({choose.FORCE: "host"} if command == "check" else {})
    labs = tmp_path / "tmp"
    with interrupted(*what, env=env) as process:
        eventually(lambda: len(list(labs.glob("labkit-*/*check[34]*"))) == 2, "both labs")
        children = psutil.Process(process.pid).children(recursive=True)
        if command == "check":
            eventually(lambda: mentioning(SLEEP), "the script")
    eventually(lambda: not running(children), "the end of the labs")
    eventually(lambda: not list(labs.iterdir()), "the end of the labs' folders")
    if command == "grade":
        assert not Notes(tmp_path / "out.csv.notes").known()


def test_shortage_that_a_work_has_made_is_graded(tmp_path: Path) -> None:
    """Its server finds no file descriptors, which the work took from it: the guest's kernel knows nothing of a short machine."""
    file = report(tmp_path, "ann", task2="prlimit --nofile=4 dnsmasq -C ~/dnsmasq.conf\n")
    (grade,) = grade_files([file], notes=tmp_path / "notes")
    assert grade.state == MEASURED, grade.flags
    rows = {row["requirement"]: row for row in grade.verdicts}
    assert not rows["2.2"]["points"] and "open files" in rows["2.2"]["hint"], rows["2.2"]
    assert {row["verdict"] for number, row in rows.items() if number[0] in "14"} == {PASSED} and rows["2.3"]["verdict"] == BY_HAND


def test_link_and_empty_folder_earn_the_same_at_the_teachers(tmp_path: Path) -> None:
    """A work whose configuration is a link, and whose nginx writes into a folder that was empty, is right on both machines."""
    work = right("right", 1).write(tmp_path / "work")
    (work / "nginx.conf").rename(work / "real.conf")
    (work / "nginx.conf").symlink_to("real.conf")
    (work / "logs").mkdir()
    text = (work / "real.conf").read_text()
    (work / "real.conf").write_text(text.replace("http {", "http {\n    access_log logs/access.log;\n", 1))
    (work / "task4.sh").write_text("nginx -p ~ -c ~/nginx.conf\n")
    mine = check_work(work, [4])
    assert mine.points == 35, mine
    (grade,) = grade_files([report_on(work)])
    assert grade.measured == 94, grade.flags


def test_guest_that_is_killed_is_no_grade(tmp_path: Path) -> None:
    """The out-of-memory killer takes the guests: nothing is the work's fault, and it is measured again at the next run."""
    file = report(tmp_path, "ann", **{f"task{number}": f"sleep {SLEEP}\n" for number in (1, 2, 3, 4)})
    found: list[Grade] = []
    judging = threading.Thread(target=lambda: found.extend(grade_files([file], notes=tmp_path / "notes")))
    judging.start()
    killed: set[int] = set()
    while judging.is_alive():
        judging.join(0.1)
        for one in running(psutil.Process().children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                if one.name().startswith("linux") and one.pid not in killed:
                    killed.add(one.pid)
                    one.kill()
    (grade,) = found
    assert grade.state == NOT_MEASURED and grade.measured == 0 and "measured again" in "; ".join(grade.flags), grade.flags
    assert killed and Notes(tmp_path / "notes").known() == {}
