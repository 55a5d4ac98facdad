"""What is handed in comes back byte for byte, nothing in it can end its element, and every edit is seen."""

import os
import subprocess
import sys
import time
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hostile_pages import START, page, sealed
from nbformat.v4 import new_notebook

from labkit.errors import BadInput
from labkit.homework.document import to_html
from labkit.homework.submission import (
    BLOCK,
    MAX_WORK,
    PARTS,
    altered,
    answers_in,
    as_block,
    build,
    digest,
    pack_work,
    read,
    safe_path,
    unpack,
)
from labkit.judge.bench import copy_work

EVIL = "</script><script>alert(1)</script><!--<script> ]]> &lt; \u2028 \\u003c"
FILES = {
    "task1.sh": b"#!/bin/sh\nexit 0\n",
    "empty": b"",
    "every-byte.bin": bytes(range(256)) * 3,
    "deep/er/\u043e\u0442\u0432\u0435\u0442 \u00fc \u732b.md": "\u043f\u0440\u0438\u0432\u0435\u0442\r\n".encode(),
    "no-newline.txt": b"last line",
    "windows.txt": b"\xef\xbb\xbfone\r\ntwo\r\n",
    "</script><!--": EVIL.encode(),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with awkward files, one of them executable, links within it, empty folders, and a pipe that is left out."""
    folder = tmp_path / "work"
    for name, content in FILES.items():
        if "/script" in name:
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "task1.sh").chmod(0o755)
    (folder / "logs" / "empty").mkdir(parents=True)
    (folder / "nginx.conf").symlink_to("deep/er/x")
    (folder / "deep" / "up").symlink_to("../task1.sh")
    (folder / "to-a-folder").symlink_to("deep")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "piped").mkdir()
    os.mkfifo(folder / "piped" / "pipe")
    return folder


@pytest.fixture
def data(work: Path) -> dict[str, Any]:
    """A report's machine part with markup wherever its maker can put some."""
    verdicts = {"points": 5, "of": 10, "verdicts": [{"requirement": "1.1", "verdict": EVIL, "evidence": EVIL}]}
    made = build(work, {"name": EVIL, "group": "<!--"}, verdicts, {"rows": [1, 2.5, None, EVIL]}, {"curl": EVIL})
    made["work"]["</script><!--"] = {"data": "eA==", "executable": False}
    return sealed(made)


def written(data: dict[str, Any], folder: Path) -> Path:
    """The page with `data` as a file."""
    file = folder / "submission.html"
    file.write_bytes(page(as_block(data)))
    return file


def everything(folder: Path) -> dict[str, Any]:
    """What a folder holds: bytes and mode of files, targets of links, None for folders."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        elif path.is_dir():
            found[name] = None
    return found


def test_work_comes_back_byte_for_byte(data: dict[str, Any], work: Path, tmp_path: Path) -> None:
    """Pack, page, read and unpack give all that a copy to be judged has: files, the executable bit, links and empty folders."""
    del data["work"]["</script><!--"]
    unpack(read(written(sealed(data), tmp_path)), tmp_path / "back")
    assert pack_work(tmp_path / "back") == pack_work(work)
    copy_work(work, tmp_path / "copy")
    assert everything(tmp_path / "back") == everything(tmp_path / "copy")


@pytest.mark.parametrize("target", ["/etc/passwd", "..", "../x", "deep/../../x", "deep/..", "a/b/../../.."])
def test_link_out_of_the_work_is_refused_aloud(tmp_path: Path, target: str) -> None:
    """It would be another file at the teacher's, or none: the link and its target are named, and what to do."""
    (tmp_path / "nginx.conf").symlink_to(target)
    with pytest.raises(BadInput, match=r"'nginx.conf' is a link to") as caught:
        pack_work(tmp_path)
    assert "copy" in caught.value.way_out
    (tmp_path / "work" / "deep").mkdir(parents=True)
    (tmp_path / "work" / "deep" / "x").symlink_to("../../x")
    with pytest.raises(BadInput, match="not in the work"):
        pack_work(tmp_path / "work")


def test_name_that_is_no_text_and_unreadable_file_are_refused_aloud(tmp_path: Path) -> None:
    """What cannot be put into the page is named before anything is judged."""
    (tmp_path / "a" / "b\udcff").mkdir(parents=True)
    with pytest.raises(BadInput, match="no UTF-8"):
        pack_work(tmp_path / "a")
    with pytest.raises(BadInput, match="cannot be read"):
        pack_work(tmp_path / "nothing")


def test_report_of_the_format_before_is_read(data: dict[str, Any], tmp_path: Path) -> None:
    """Reports made before links and empty folders were packed are graded as they were."""
    files = {name: entry for name, entry in data["work"].items() if "data" in entry}
    old = sealed(data | {"format": 2, "work": files})
    assert read(written(old, tmp_path)) == old and not altered(old)


def test_data_come_back_through_the_real_page(data: dict[str, Any], tmp_path: Path) -> None:
    """The template's page holds exactly the data that were put into it, also with markup in every text."""
    file = tmp_path / "submission.html"
    file.write_text(to_html(new_notebook(), EVIL, block=as_block(data)), encoding="utf-8")
    assert read(file) == data
    assert not altered(read(file))


def test_no_text_ends_the_element(data: dict[str, Any]) -> None:
    """A browser's parser, too, finds one script element with all of the text in it, and nothing after it but the page's end."""
    found: dict[str, list[str]] = {"tags": [], "texts": []}
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _attrs: found["tags"].append(tag)  # type: ignore[method-assign]
    parser.handle_data = found["texts"].append  # type: ignore[method-assign]
    parser.feed(page(as_block(data)).decode())
    parser.close()
    assert found["tags"].count("script") == 1 and as_block(data) in found["texts"]
    assert not set("<>&") & set(as_block(data))


@pytest.mark.parametrize("part", PARTS)
def test_every_edit_is_seen(data: dict[str, Any], part: str) -> None:
    """A change of any value, a new key and a missing one break the digest of their part or of a piece of it, and of no other."""
    first = next(iter(data[part]))
    without = {name: value for name, value in data[part].items() if name != first}
    for change in (without, {**data[part], "new": 1}, {**data[part], first: "x"}):
        found = altered({**data, part: change})
        assert found and all(name == part or name.startswith(f"{part}/") for name in found)
    assert altered(data) == []


def test_edited_piece_is_named(data: dict[str, Any]) -> None:
    """Of the work the file is named, of the evidence the capture or table of its task; one that is gone or new too."""
    data = sealed(data | {"evidence": {"task4": {"capture": {"pcapng": "x"}, "requests": [1]}}})
    work = {**data["work"], "task1.sh": {"data": ""}, "new.sh": {"data": ""}}
    del work["empty"]
    evidence = {"task4": {"capture": {"pcapng": "y"}, "requests": [1]}}
    found = altered({**data, "work": work, "evidence": evidence})
    assert found == ["evidence/task4/capture", "work/empty", "work/new.sh", "work/task1.sh"]


def test_written_answers_are_a_part(work: Path) -> None:
    """The answer below the heading 2.3 stands beside the work; a link is followed within the work only."""
    (work / "answers.md").write_text("# 2.3\nNothing happens to them.\n# 3.1\nother\n")
    assert build(work, {}, {}, {}, {})["answers"] == {"2.3": "Nothing happens to them."}
    assert answers_in(work) == {"2.3": "Nothing happens to them."}
    (work / "answers.md").rename(work / "text.md")
    (work / "answers.md").symlink_to("text.md")
    assert answers_in(work) == {"2.3": "Nothing happens to them."}
    (work / "answers.md").unlink()
    (work / "answers.md").symlink_to("/etc/passwd")
    assert answers_in(work) == {"2.3": ""}


def test_answers_are_utf8_in_every_locale(tmp_path: Path) -> None:
    """Russian is read as it was written also where the locale's letters are ASCII."""
    (tmp_path / "answers.md").write_text("## 2.3\nНичего: записи остаются.\n", encoding="utf-8")
    code = "from pathlib import Path; from labkit.homework.submission import answers_in; print(ascii(answers_in(Path('.'))))"
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ascii({"2.3": "Ничего: записи остаются."})


def test_many_headings_take_little_memory(tmp_path: Path) -> None:
    """Four megabytes of headings in answers.md take a few times their size, and what was not read is said."""
    (tmp_path / "answers.md").write_text("## 2.3\nNothing happens.\n" + "#\n" * 2_000_000)
    tracemalloc.start()
    try:
        answer = answers_in(tmp_path)["2.3"]
        assert tracemalloc.get_traced_memory()[1] < 25_000_000
    finally:
        tracemalloc.stop()
    assert answer.startswith("Nothing happens.") and "more characters of answers.md were not read" in answer


def test_digest_knows_types_and_order(data: dict[str, Any]) -> None:
    """The order of keys does not matter; the order of rows and the type of a value do; without digests every part is edited."""
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(one) for one in ([1, 2], [2, 1], ["1", 2], [1, 2.0], [1, 2, None], {"1": 2})}) == 6
    found = altered(data | {"digests": {}})
    assert all(any(name == part or name.startswith(f"{part}/") for name in found) for part in PARTS)


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    """A packed name is a path below the folder, or no name at all; one that only looks odd is a file's name."""
    for name in ("/x", "../x", "a/../../x", "", ".", "./", "a\0b", "a/" * 300):
        with pytest.raises(BadInput, match="no name of a file"):
            safe_path(name, tmp_path)
    for name in ("a", "a/b", "..a", "a..", "a b", "-rf", "~", "$(reboot)"):
        assert safe_path(name, tmp_path).resolve().is_relative_to(tmp_path)


def test_unpacking_is_all_or_nothing(data: dict[str, Any], work: Path, tmp_path: Path) -> None:
    """All names are looked at before the first file is written; never is anything mixed with files that are there; a work that
    is too large is not packed."""
    data["work"]["../x"] = {"data": ""}
    with pytest.raises(BadInput):
        unpack(data, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    del data["work"]["../x"]
    before = pack_work(work)
    with pytest.raises(BadInput, match="not empty"):
        unpack(data, work)
    assert pack_work(work) == before
    (work / "big").write_bytes(bytes(MAX_WORK + 1))
    with pytest.raises(BadInput, match="too large"):
        pack_work(work)


@pytest.mark.parametrize("part", ["<script", START, f'<script id="{BLOCK}"', "<!--", "</", "<![CDATA[", "<a "])
def test_reading_takes_time_in_proportion(part: str, tmp_path: Path) -> None:
    """A page of eight million letters that would start a search again and again is refused within seconds."""
    file = tmp_path / "x.html"
    file.write_text(part * (8_000_000 // len(part)))
    began = time.process_time()
    with pytest.raises(BadInput):
        read(file)
    assert time.process_time() - began < 5
