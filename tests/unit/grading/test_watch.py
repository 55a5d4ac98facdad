"""A folder is watched: what arrives is graded when it is whole, and once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_pages import page
from works import right

from labkit.cli import main
from labkit.errors import BadInput
from labkit.grading import batch
from labkit.grading import grade as grading
from labkit.homework.submission import as_block, build
from labkit.judge.verdict import Verdicts, passed, verdict


def test_reports_are_told_when_they_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that grows is left out until it does no more; a new one, a changed one and one that is gone are told, each once."""
    clock, asleep = [100.0], iter(range(100))

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        steps.get(next(asleep), lambda: None)()

    one, other, half = tmp_path / "ann" / "a.html", tmp_path / "bob" / "b.html", tmp_path / "bob" / "c.html"
    steps = {
        4: lambda: (other.parent.mkdir(), other.write_text("b"), half.write_text("1")),
        5: lambda: half.write_text("12"), 7: lambda: half.write_text("123"),
        12: lambda: one.write_text("another"), 20: other.unlink,
    }  # fmt: skip
    monkeypatch.setattr(batch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(batch.time, "sleep", sleep)
    one.parent.mkdir()
    one.write_text("a")
    (tmp_path / "notes.txt").write_text("no report")
    told = batch.arrivals(tmp_path, every=1.0, quiet=3.0)
    both, every = [one, other], [one, other, half]
    assert [next(told) for _ in range(6)] == [[one], both, every, [other, half], every, [one, half]]
    with pytest.raises(BadInput, match="no folder"):
        next(batch.arrivals(tmp_path / "none"))


def test_watching_grades_each_once_and_ends_at_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is current after each arrival, rows have their names from the folder, and the command ends well."""
    works, work = list[Path](), right("right", 1).write(tmp_path / "work")

    def check_work(work: Path, *_tasks: Any, **_options: Any) -> Verdicts:
        works.append(work)
        return Verdicts([verdict("1.1", passed("measured"))], "uml")

    def arrivals(folder: Path) -> Iterator[list[Path]]:
        pages = [folder / "ann" / "a.html", folder / "bob" / "b.html"]
        for number, each in enumerate(pages, 1):
            each.parent.mkdir(parents=True)
            data = build(work, {"name": each.stem}, {"points": 2, "verdicts": []}, {}, {})
            each.write_bytes(page(as_block(data)))
            yield pages[:number]
            rows = (tmp_path / "grades.csv").read_text().splitlines()[1:]
            assert [row.split(",")[0].strip('"\ufeff') for row in rows] == ["ann/a.html", "bob/b.html"][:number]
        raise KeyboardInterrupt

    monkeypatch.setattr(grading, "check_work", check_work)
    monkeypatch.setattr(batch, "arrivals", arrivals)
    assert main(["watch", str(tmp_path / "in"), "--csv", str(tmp_path / "grades.csv")]) == 0
    assert len(works) == 2 and "goes on from here" in capsys.readouterr().err
    assert main(["watch", str(tmp_path / "in")]) == 3  # kept nowhere
