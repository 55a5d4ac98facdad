"""The feedback page: what was measured, with every text of the submission escaped."""

from __future__ import annotations

from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labkit.course.feedback import page, write_pages
from labkit.course.grade import Grade
from labkit.course.verdict import failed, passed, verdict

EVIL = "<script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>{{ 7*7 }}{% raw %}\"'&amp;$x$[a](javascript:x)"


def grade(text: str) -> Grade:
    """A grade that has `text` wherever a submission can put one."""
    rows = [asdict(verdict("1.1", passed(text))), asdict(verdict("1.2", failed(text, text)))]
    return Grade(text, text, text, 2, 4, 4, 6, 1.0, [text, "edited after it was made: who"], rows, text)


class Seen(HTMLParser):
    """What a browser makes of a page: tags, attributes that could act or load, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acting: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acting += [(name, value) for name, value in attrs if name.startswith("on") or name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def seen() -> Seen:
    """The page on a submission that is markup throughout."""
    parser = Seen()
    parser.feed(page(grade(EVIL)))
    return parser


def test_markup_of_a_submission_is_text(seen: Seen) -> None:
    """Name, group, file, flags, evidence, hints and answer are shown letter by letter, wherever they stand."""
    assert seen.text.count(EVIL) == 7
    assert seen.tags == [tag for tag in seen.tags if tag not in ("script", "img", "iframe", "object", "form")]


def test_page_acts_and_loads_nothing(seen: Seen) -> None:
    """No handler, no address, and a policy that forbids scripts."""
    assert seen.acting == []
    assert "default-src 'none'" in page(grade("x")) and "script-src" not in page(grade("x"))


def test_page_says_what_counts() -> None:
    """Points measured and claimed, verdicts, hints, flags and the answer to be read by hand are there."""
    text = page(Grade("ann.html", "Ann", "G1", 2, 4, 4, 6, 1.0, ["edited"], grade("why").verdicts, "my answer"))
    for words in ("Ann · G1 · ann.html", "To look at", "edited", "✓ passed", "✗ failed", "why", "claims 4 points", "my answer"):
        assert words in text, words


def test_page_of_a_broken_file_is_its_flag() -> None:
    """Without verdicts there is no empty table."""
    text = page(Grade("x.html", flags=["no machine part"]))
    assert "no machine part" in text and "(no name)" in text and "Measured" not in text


def test_files_have_harmless_names(tmp_path: Path) -> None:
    """Names of pages cannot lead elsewhere, hide, or overwrite each other."""
    names = ["../../etc/passwd.html", ".hidden.html", "a b;rm.html", "-rf.html", "same.html", "same.html", "n" * 300, "\n.html"]
    files = write_pages([Grade(name) for name in names], tmp_path / "new")
    assert sorted(files) == sorted((tmp_path / "new").iterdir()) and len(files) == len(names)
    assert all(
        file.name.replace("-", "").replace("_", "").replace(".", "").isalnum() and file.name[:3].isdigit() for file in files
    )
