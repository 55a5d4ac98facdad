"""The machine part of a report: the work and what was measured, as JSON in the page, with a digest of each part."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadInput
from .bench import MAX_BYTES, MAX_FILES
from .checks.task2 import written_answer

FORMAT = 2
BLOCK = "labkit-submission"
# A report with pictures has about 2 MB.
MAX_PAGE = 64 * 1024 * 1024
MAX_BLOCK = 48 * 1024 * 1024
# Numbers, texts and the like in it: a report has thousands, each takes memory here.
MAX_VALUES = 500_000
MAX_POINTS = 1000
# What of a work is handed in, bytes, so that a page stays below 5 MB: base64 takes a third more, pictures 1.5 MB.
MAX_WORK = 2_000_000
# The requirements that are answered in words.
QUESTIONS = ("2.3",)
PARTS = ("who", "work", "answers", "verdicts", "evidence", "versions")


# The element that as_block's text stands in: there is no "<" in that text, and the search takes time in proportion to the page.
ELEMENT = re.compile(rf'<script\b[^<>]{{0,200}}\bid="{BLOCK}"[^<>]{{0,200}}>([^<]*)(</script\s*>)?')


def digest(part: Any) -> str:
    """SHA-256 over the JSON text of a part, keys sorted, without white space."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def pack_work(work: Path) -> dict[str, Any]:
    """The files of a work by their paths: bytes in base64, and whether they are executable. Raises BadInput when too large."""
    files: dict[str, Any] = {}
    size = 0
    for path in sorted(work.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        size += len(data)
        if len(files) >= MAX_FILES or size > MAX_WORK:
            most = f"{MAX_FILES} files and {MAX_WORK:,} bytes are the most; here it is {path.relative_to(work)} that is too much"
            raise BadInput(f"{work} is too large to hand in.", way_out=f"delete what does not belong to it: {most}")
        name = path.relative_to(work).as_posix()
        files[name] = {"data": base64.b64encode(data).decode(), "executable": bool(path.stat().st_mode & 0o100)}
    return files


def build(
    work: Path, who: Mapping[str, str], verdicts: Mapping[str, Any], evidence: Any, versions: Mapping[str, str]
) -> dict[str, Any]:
    """The machine part of a report."""
    parts: dict[str, Any] = {
        "who": dict(who), "work": pack_work(work), "answers": answers_in(work), "verdicts": dict(verdicts),
        "evidence": evidence, "versions": dict(versions),
    }  # fmt: skip
    return {"format": FORMAT, **parts, "digests": digests(parts)}


def answers_in(work: Path) -> dict[str, str]:
    """The written answers in a work, by the number of their question."""
    file = work / "answers.md"
    text = file.read_text(errors="replace") if file.is_file() and not file.is_symlink() else ""
    return {number: written_answer(text, number) for number in QUESTIONS}


def digests(data: Mapping[str, Any]) -> dict[str, str]:
    """The digest of every part, of every file of the work, and of every piece of each task's evidence."""
    found = {name: digest(data[name]) for name in PARTS}
    found |= {f"work/{name}": digest(file) for name, file in data["work"].items()}
    for task, pieces in data["evidence"].items():
        if isinstance(pieces, dict):
            found |= {f"evidence/{task}/{name}": digest(piece) for name, piece in pieces.items()}
    return found


def as_block(data: Mapping[str, Any]) -> str:
    """The JSON text as it stands in the page: no character of it can end the element that holds it."""
    text = json.dumps(data, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def read(page: Path) -> dict[str, Any]:
    """The machine part of the report `page`. Raises BadInput, which says what is wrong with the file."""
    try:
        if page.exists() and not page.is_file():  # reading a pipe would wait for ever
            raise OSError("it is no file")
        size = page.stat().st_size
        if size > MAX_PAGE:
            raise BadInput(f"{page.name} has {size:,} bytes; a report has {MAX_PAGE:,} at the most.")
        text = page.read_text(encoding="utf-8", errors="strict")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{page.name} cannot be read as a report.", words=str(error)) from None
    blocks = ELEMENT.findall(text)
    if len(blocks) != 1 or not blocks[0][1]:
        found = f"{len(blocks)} machine parts" if len(blocks) > 1 else "no whole machine part"
        raise BadInput(f"{page.name} holds {found}: it is not a report of labkit, or it is cut off.")
    try:
        data = parsed(blocks[0][0])
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The machine part of {page.name} is broken.", words=str(error)[:500]) from None
    check_shape(data, page.name)
    return data


def parsed(block: str) -> Any:
    """The data of a block. Raises ValueError and RecursionError for what no report holds."""
    if len(block) > MAX_BLOCK or sum(map(block.count, ",[{")) > MAX_VALUES:
        raise ValueError(f"it has {len(block):,} characters, {MAX_BLOCK:,} and {MAX_VALUES:,} values are the most")
    data = json.loads(block)
    json.dumps(data, ensure_ascii=False).encode()  # half a character, which cannot be written anywhere
    return data


def check_shape(data: Any, name: str) -> None:
    """Raise BadInput unless `data` has the parts and types of a report's machine part."""
    good = isinstance(data, dict) and data.get("format") == FORMAT
    good = good and all(isinstance(data.get(part), dict) for part in (*PARTS, "digests"))
    good = good and all(isinstance(value, str) for value in data["who"].values())
    good = good and type(data["verdicts"].get("points")) is int and abs(data["verdicts"]["points"]) <= MAX_POINTS
    good = good and isinstance(data["verdicts"].get("verdicts"), list)
    good = good and len(data["work"]) <= MAX_FILES
    good = good and all(isinstance(file, dict) and isinstance(file.get("data"), str) for file in data["work"].values())
    if not good:
        raise BadInput(f"The machine part of {name} is not of the form that this labkit knows.", way_out=f"format {FORMAT}")


def altered(data: Mapping[str, Any]) -> list[str]:
    """What was edited, taken out or added, as its digest says: files and pieces by their names, else the whole part."""
    now, made = digests(data), data["digests"]
    names = sorted(name for name in {*now, *made} if now.get(name) != made.get(name))
    whole = [name for name in names if name in PARTS and not any(other.startswith(f"{name}/") for other in names)]
    return [*whole, *(name for name in names if name not in PARTS)]


def safe_path(name: str, below: Path) -> Path:
    """The place of a packed file below a folder. Raises BadInput for a name that leads elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or len(name) > 500:
        raise BadInput(f"{name[:80]!r} is no name of a file in a work.")
    return below.joinpath(*path.parts)


def unpack(data: Mapping[str, Any], to: Path) -> list[Path]:
    """Write the work of a report into the empty folder `to`, byte for byte. Raises BadInput, before anything is written."""
    if to.exists() and any(to.iterdir()):
        raise BadInput(f"{to} is not empty.", way_out="name a new folder with --to")
    files: list[tuple[Path, bytes, bool]] = []
    for name, file in data["work"].items():
        try:
            content = base64.b64decode(file["data"], validate=True)
        except ValueError as error:
            raise BadInput(f"The file {name[:80]!r} of the report is broken.", words=str(error)) from None
        files.append((safe_path(name, to), content, bool(file.get("executable"))))
    if sum(len(content) for _, content, _ in files) > MAX_BYTES:
        raise BadInput(f"The work in the report is larger than {MAX_BYTES:,} bytes.")
    to.mkdir(parents=True, exist_ok=True)
    for path, content, executable in files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if executable else 0o644)
        except OSError as error:
            raise BadInput(f"The report's file {path.name[:80]!r} cannot be written.", words=str(error)) from None
    return [path for path, _, _ in files]
