"""Works, judged: the mutation table, where every wrong work fails its one requirement and no other and every right one gets its
points, and works typed as people type them, by the rulings (tests/as_typed/README.md).

Usually a small set runs; with `./lab test --works` every work, on each Linux that can do its tasks.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest
import works_task1
import works_task2
import works_task3
import works_task4
from works import RIGHT, Work, right

from labkit.inside import processes
from labkit.judge import bench
from labkit.judge.check import REQUIREMENTS, check_work
from labkit.judge.verdict import COULD_NOT_RUN, FAILED, PASSED, Finding, Verdicts, passed
from labkit.machine import choose

TABLES = (works_task1, works_task2, works_task3, works_task4)
WRONG = [work for table in TABLES for work in table.WRONG]
RIGHT_ONES = [work for table in TABLES for work in table.RIGHT_ONES]
TYPED = Path(__file__).parents[1] / "as_typed"
EXPECTED = json.loads((TYPED / "expected.json").read_text(encoding="utf-8"))
ALL = os.environ.get("LABKIT_TESTS") in ("all", "works")
SMALL = {
    "1.3-both-on-one-folder", "2.1-third-record", "2.2-python-dns", "3.1-prefix-24", "3.2-wrr", "4.2-four-workers-6",
    "4.3-every-address", "4.4-on-neither", "1-right-cd-first", "3-right-restored", "4-right-fail_timeout-1s",
    "4-right-four-workers", "4-right-only-on-response",
}  # fmt: skip
# Judged on both Linuxes in any case: what could differ there is the number of processors, and what ends with a work's scripts.
ON_BOTH = {"1-right-pages-in-quotes", "2.1-dnsmasq.d-and-bare", "2.2-port-5353", "4.3-default-site-left", "4-right-auto-workers"}
SMALL_TYPED = {
    "foreground-servers", "systemctl-for-nginx", "systemctl-for-dnsmasq", "sudo-on-uml", "modprobe-on-uml", "ps-on-uml",
    "t1-tmux", "t1-pipe-tee",
}  # fmt: skip


def cases() -> list[object]:
    """The works of the table with the Linuxes to do it on; the kernels that most machines run have no IPVS for task 3."""
    found = []
    for work in [*WRONG, *RIGHT_ONES]:
        if ALL or work.id in SMALL | ON_BOTH:
            both = ALL or work.id in ON_BOTH
            linuxes = ["uml"] if work.task == 3 else ["host", "uml"] if both else ["host"]
            found.append(pytest.param(work, linuxes, id=f"{work.id}-{'-'.join(linuxes)}"))
    return found


def typed_cases() -> list[object]:
    """The works of the other table, each on one Linux."""
    return [
        pytest.param(name, linux, id=f"{name}-{linux}")
        for name, expected in EXPECTED.items()
        if ALL or name in SMALL_TYPED
        for linux in ("host", "uml")
        if linux == "uml" or 3 not in expected["tasks"]
    ]


def judged(work: Work, folder: Path, linux: str, patch: pytest.MonkeyPatch) -> Verdicts:
    """The verdicts on the work's own task, on this Linux."""
    patch.setenv(choose.FORCE, linux)
    verdicts = check_work(work.write(folder), [work.task])
    assert verdicts.linux == linux, verdicts
    return verdicts


@pytest.mark.parametrize(("work", "linuxes"), cases())
def test_work_is_judged_as_it_deserves(work: Work, linuxes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong work fails its requirement and no other; a right one gets every point that is not given by hand.

    Every verdict is the same on every Linux, and a failure's hint too.
    """
    found = [judged(work, tmp_path / linux, linux, monkeypatch) for linux in linuxes]
    for verdicts in found:
        lines = [f"{row.requirement} {row.verdict}: {row.evidence} → {row.hint}" for row in verdicts]
        assert all(row.evidence for row in verdicts), lines
        assert [row.requirement for row in verdicts if row.verdict == FAILED] == ([work.fails] if work.fails else []), lines
        if work.fails:
            assert all(row.hint and not row.points for row in verdicts if row.verdict in (FAILED, COULD_NOT_RUN)), lines
        else:
            assert verdicts.points == verdicts.of > 0, lines
    said = [[(row.requirement, row.verdict, row.points, row.hint) for row in verdicts] for verdicts in found]
    assert all(rows == said[0] for rows in said), said


def test_table_is_as_large_as_it_says() -> None:
    """At least 205 wrong and 138 right works, no name twice, every requirement but 4.6 failed by one, none without a change; and
    each folder of the at least 204 that are typed is expected."""
    every = [*WRONG, *RIGHT_ONES]
    assert len(WRONG) >= 205 and len(RIGHT_ONES) >= 138 and len(EXPECTED) >= 204
    assert len({work.id for work in every}) == len(every)
    assert {work.id for work in every} >= SMALL | ON_BOTH
    # What fails 4.6 fails 4.1 first: where tshark sees no exchange, no request reaches a backend.
    assert REQUIREMENTS.keys() - {work.fails for work in WRONG} == {"4.6"}
    assert all(work.files() != RIGHT for work in every)
    assert {path.name for path in TYPED.iterdir() if path.is_dir()} == EXPECTED.keys()


def test_script_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, what it did not start earns nothing, and the evidence says that it did not end."""
    monkeypatch.setattr(bench, "SCRIPT_TIMEOUT", 3.0)
    work = right("for-ever", 1, ("task1.sh", f"until false; do :; done\n{RIGHT['task1.sh']}"))
    rows = {row.requirement: row for row in judged(work, tmp_path, "host", monkeypatch)}
    assert (rows["1.3"].verdict, rows["1.3"].points) == (FAILED, 0)
    assert "did not end within 3 s" in rows["1.3"].evidence


def test_example_of_the_readme_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's requirement is registered by its ten lines, judged after the others, and passed by a right work."""
    (example,) = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.S)
    before = dict(REQUIREMENTS)
    try:
        exec(example, {})
        rows = {row.requirement: row for row in judged(right("right", 1), tmp_path, "host", monkeypatch)}
        assert list(rows) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
        assert (rows["1.5"].verdict, rows["1.5"].of) == ("passed", 0) and rows["1.5"].evidence.startswith("Server: SimpleHTTP")
    finally:
        REQUIREMENTS.clear()
        REQUIREMENTS.update(before)


@pytest.mark.parametrize("linux", ["host", "uml"])
def test_what_a_script_leaves_beside_the_judged_programs_is_ended(
    linux: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop in the background, which could watch for a check and act a program's part, is gone on every Linux, dnsmasq not."""

    def running(opened: bench.Bench) -> Finding:
        return passed(", ".join(name for name in ("sleep", "dnsmasq") if opened.call(processes.named, name)))

    monkeypatch.setitem(REQUIREMENTS, "2.3", dataclasses.replace(REQUIREMENTS["2.3"], check=running))
    script = RIGHT["task2.sh"] + "while sleep 0.2; do :; done &\n(setsid sh -c 'sleep 999 & sleep 999') &\n"
    rows = {row.requirement: row for row in judged(right("loops", 2, ("task2.sh", script)), tmp_path, linux, monkeypatch)}
    assert rows["2.3"].evidence == "dnsmasq"
    assert [rows[number].verdict for number in ("2.1", "2.2")] == ["passed"] * 2


def test_work_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts run in a copy: what they write, and the modes that they need, stay there."""
    work = right("writes", 1, ("task1.sh", RIGHT["task1.sh"] + "echo x > ~/backend1/x; rm ~/nginx.conf ~/backend2/index.html\n"))
    (work.write(tmp_path) / "answers.md").chmod(0o600)
    verdicts = judged(work, tmp_path, "host", monkeypatch)
    assert next(row for row in verdicts if row.requirement == "1.1").verdict == FAILED
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(work.files())
    assert stat.S_IMODE((tmp_path / "answers.md").stat().st_mode) == 0o600


@pytest.mark.parametrize(("name", "linux"), typed_cases())
def test_work_as_it_is_typed_is_judged(name: str, linux: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right is passed and what is wrong is not, with the cause in a hint or the evidence, as often as it is judged."""
    expected = EXPECTED[name]
    monkeypatch.setenv(choose.FORCE, linux)
    for run in range(expected.get("runs", 1)):
        shutil.copytree(TYPED / name, tmp_path / str(run))
        rows = [row for row in check_work(tmp_path / str(run), expected["tasks"]) if row.requirement != "2.3"]  # for a person
        lines = "\n".join(f"{row.requirement} {row.verdict}: {row.evidence} → {row.hint}" for row in rows)
        missed = {row.requirement for row in rows if row.verdict != PASSED}
        assert missed ^ set(expected["not_passed"]) <= set(expected.get("either", ())), lines
        for key in ("hint", "evidence"):
            assert expected.get(key, "") in lines, f"{key} lacks {expected[key]!r}:\n{lines}"
