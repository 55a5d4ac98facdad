"""The machine part of a report: the work and what was measured, as JSON in the page, with a digest of each part."""

import base64
import hashlib
import json
import os
import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadInput, CourseError, shortage
from ..judge.bench import CAPTURE, MAX_BYTES, MAX_CAPTURE, MAX_FILES
from ..judge.task2 import written_answer
from ..writing import writing

# Format 3 also has links and empty folders; a report of format 2 is read as it was.
FORMAT, FORMATS = 3, (2, 3)
BLOCK = "labkit-submission"
# A report with pictures has about 2 MB.
MAX_PAGE = 64 * 1024 * 1024
MAX_BLOCK = 48 * 1024 * 1024
# Numbers, texts and the like in it: a report has thousands, each takes memory here.
MAX_VALUES = 500_000
MAX_POINTS = 1000
# What of a work is handed in, bytes, so that a page stays below 5 MB: base64 takes a third more, pictures 1.5 MB.
MAX_WORK = 2_000_000
# What a name may be at the most on Linux, bytes.
MAX_NAME = 255
# How zip, gzip, 7z and rar files begin: an export of a course comes as one.
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08\x00", b"7z\xbc\xaf", b"Rar!")
# The requirements that are answered in words.
QUESTIONS = ("2.3",)
PARTS = ("who", "work", "answers", "verdicts", "evidence", "versions")


# The element that as_block's text stands in: there is no "<" in that text, and the search takes time in proportion to the page.
ELEMENT = re.compile(rf'<script\b[^<>]{{0,200}}\bid="{BLOCK}"[^<>]{{0,200}}>([^<]*)(</script\s*>)?')


def digest(part: Any) -> str:
    """SHA-256 over the JSON text of a part, keys sorted, without white space."""
    text = json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def pack_work(work: Path) -> dict[str, Any]:
    """Return what a work holds, by path: {"data", "executable"} of a file, {"link"} of a link, {"folder"} of an empty folder.

    Bytes are base64; pipes and sockets are left out, as where a work is judged. Raises BadInput for what cannot be handed in.
    """
    packed: dict[str, Any] = {}
    size = 0
    try:
        for path in below(work):
            name = path.relative_to(work).as_posix()
            if any("\ud800" <= letter <= "\udfff" for letter in name):
                tried = f"{name!r} is no name that can be handed in: it is no UTF-8."
                raise BadInput(tried, way_out="rename the file")
            if path.is_symlink():
                packed[name] = {"link": inner_link(name, os.readlink(path))}
            elif path.is_dir():
                packed[name] = {"folder": True}
            else:
                data = path.read_bytes()
                size += len(data)
                executable = bool(path.stat().st_mode & 0o100)
                packed[name] = {"data": base64.b64encode(data).decode(), "executable": executable}
            if len(packed) > MAX_FILES or size > MAX_WORK:
                most = f"{MAX_FILES} files and {MAX_WORK:,} bytes are the most; here it is {name} that is too much"
                way_out = f"delete what does not belong to it: {most}"
                raise BadInput(f"{work} is too large to hand in.", way_out=way_out)
    except OSError as error:
        tried, way_out = f"The work in {work} cannot be read.", "make its files readable"
        raise BadInput(tried, words=str(error), way_out=way_out) from None
    return packed


def below(folder: Path) -> Iterator[Path]:
    """Yield the files, links and empty folders below a folder, in order. Raises OSError."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.is_file():
            yield path
        elif path.is_dir():
            inside = list(below(path))
            yield from inside or [path]


def inner_link(name: str, target: str) -> str:
    """Return the target of the link `name`. Raises BadInput unless it leads to a place in the work.

    Only at its beginning may it go upwards: after the name of another link, `..` can be anywhere.
    """
    path = PurePosixPath(target)
    ups = next((number for number, part in enumerate(path.parts) if part != ".."), len(path.parts))
    outside = path.is_absolute() or ups >= len(PurePosixPath(name).parts) or ".." in path.parts[ups:]
    if outside or "\0" in target:
        tried = f"{name[:80]!r} is a link to {target[:80]!r}, which is not in the work"
        way_out = "put a copy of the file in its place, or a relative link to a file of the work"
        raise BadInput(f"{tried}, so it cannot be handed in.", way_out=way_out)
    return target


def build(
    work: Path, who: Mapping[str, str], verdicts: Mapping[str, Any], evidence: Any, versions: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """The machine part of a report."""
    parts: dict[str, Any] = {
        "who": dict(who), "work": pack_work(work), "answers": answers_in(work), "verdicts": dict(verdicts),
        "evidence": evidence, "versions": dict(versions),
    }  # fmt: skip
    return {"format": FORMAT, **parts, "digests": digests(parts)}


def answers_in(work: Path) -> dict[str, str]:
    """The written answers in a work, by the number of their question; a link that leads out of it is not followed."""
    file = work / "answers.md"
    inside = file.is_file() and file.resolve().is_relative_to(work.resolve())
    text = file.read_text(encoding="utf-8", errors="replace") if inside else ""
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
    """The machine part of the report `page`.

    Raises BadInput, which says what is wrong with the file, and CourseError when it cannot be read here.
    """
    return machine_part(content(page), page.name)


def content(page: Path) -> bytes:
    """The bytes of the file `page`. Raises BadInput where it can be no report, and CourseError where it cannot be read here."""
    tried = f"{page.name} cannot be read as a report"
    try:
        if page.exists() and not page.is_file():  # reading a pipe would wait for ever
            raise BadInput(f"{tried}: it is no file.")
        if (size := page.stat().st_size) > MAX_PAGE:
            most = f"a report has {MAX_PAGE:,} at the most"
            raise BadInput(f"{page.name} has {size:,} bytes; {most}.")
        return page.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        way_out = shortage(str(error)) or "look at its name and at who may read it"
        raise CourseError(f"{tried}.", words=str(error), way_out=way_out) from None


def machine_part(data: bytes, name: str) -> dict[str, Any]:
    """The machine part of a report that is called `name`. Raises BadInput, which says what is wrong with it."""
    tried = f"{name} cannot be read as a report"
    if data[:4] in ARCHIVES:
        raise BadInput(f"{tried}: it is an archive.", way_out="unpack it, and grade the folder")
    try:
        text = data.decode()
    except UnicodeError as error:
        raise BadInput(f"{tried}.", words=str(error)) from None
    blocks = ELEMENT.findall(text)
    if len(blocks) != 1 or not blocks[0][1]:
        found = f"{len(blocks)} machine parts" if len(blocks) > 1 else "no whole machine part"
        raise BadInput(f"{name} holds {found}: it is not a report of labkit, or it is cut off.")
    block = blocks[0][0]
    try:
        if len(block) > MAX_BLOCK or sum(map(block.count, ",[{")) > MAX_VALUES:
            most = f"{MAX_BLOCK:,} and {MAX_VALUES:,} values are the most"
            raise ValueError(f"it has {len(block):,} characters, {most}")
        part = json.loads(block)
        json.dumps(part, ensure_ascii=False).encode()  # half a character: it can be written nowhere
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The machine part of {name} is broken.", words=str(error)[:500]) from None
    if not has_the_form(part):
        tried = f"The machine part of {name} is not of the form that this labkit knows."
        raise BadInput(tried, way_out=f"formats {FORMATS}")
    return dict(part)


def has_the_form(data: Any) -> bool:
    """Return True when `data` has the parts and types of a report's machine part."""
    if not isinstance(data, dict) or data.get("format") not in FORMATS:
        return False
    if not all(isinstance(data.get(part), dict) for part in (*PARTS, "digests")):
        return False
    verdicts, points, entries = data["verdicts"], data["verdicts"].get("points"), data["work"].values()
    return (
        all(isinstance(value, str) for value in data["who"].values())
        and type(points) is int
        and abs(points) <= MAX_POINTS
        and isinstance(verdicts.get("verdicts"), list)
        and len(entries) <= MAX_FILES
        and all(isinstance(entry, dict) for entry in entries)
        and all(isinstance(entry.get("data", entry.get("link")), str) or entry.get("folder") is True for entry in entries)
    )


def altered(data: Mapping[str, Any]) -> list[str]:
    """What was edited, taken out or added, as its digest says: files and pieces by their names, else the whole part."""
    now, made = digests(data), data["digests"]
    names = sorted(name for name in {*now, *made} if now.get(name) != made.get(name))
    pieces = [name for name in names if name not in PARTS]
    of_pieces = {name.partition("/")[0] for name in pieces}
    return [*(name for name in names if name in PARTS and name not in of_pieces), *pieces]


def safe_path(name: str, below: Path) -> Path:
    """The place of a packed file below a folder. Raises BadInput for a name that leads elsewhere, or is none on this machine."""
    path = PurePosixPath(name)
    elsewhere = path.is_absolute() or ".." in path.parts
    if elsewhere or not path.parts or "\0" in name or len(name) > 500:
        raise BadInput(f"{name[:80]!r} is no name of a file in a work.")
    if any(len(part.encode()) > MAX_NAME for part in path.parts):
        raise BadInput(f"{name[:80]!r}… is too long for the name of a file.")
    return below.joinpath(*path.parts)


def same_name(path: PurePosixPath) -> str:
    """Return what is the same for two paths that are one on some machine: not all know capitals, or one way to write ü."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def places(work: Mapping[str, Any], to: Path) -> dict[str, Path]:
    """Return where each entry of a packed work comes to lie. Raises BadInput for two at one place, or one below a file."""
    found = {name: safe_path(name, to) for name in work}
    taken: dict[str, str] = {}
    for name in work:
        other = taken.setdefault(same_name(PurePosixPath(name)), name)
        if other != name:
            said = f"{other[:80]!r} and {name[:80]!r} are the same name on some machines"
            raise BadInput(f"{said}, so they cannot be unpacked.")
    for name in work:
        for folder in PurePosixPath(name).parents:
            above = taken.get(same_name(folder))
            if above is not None and "folder" not in work[above]:
                said = f"{name[:80]!r} is below {above[:80]!r}, which is no folder"
                raise BadInput(f"{said}, so it cannot be unpacked.")
    return found


def unpack(data: Mapping[str, Any], to: Path) -> list[Path]:
    """Write the work of a report into the empty folder `to`, byte for byte, and return the paths.

    Raises BadInput, before anything is written, for a work that is none, and CourseError where it cannot be written.
    """
    work = data["work"]
    found = places(work, to)
    contents: dict[str, bytes] = {}
    for name, entry in work.items():
        if "link" in entry:
            inner_link(name, entry["link"])
        elif "data" in entry:
            try:
                contents[name] = base64.b64decode(entry["data"], validate=True)
            except ValueError as error:
                tried = f"The file {name[:80]!r} of the report is broken."
                raise BadInput(tried, words=str(error)) from None
    if sum(map(len, contents.values())) > MAX_BYTES:
        raise BadInput(f"The work in the report is larger than {MAX_BYTES:,} bytes.")
    try:
        if to.exists() and any(to.iterdir()):
            raise BadInput(f"{to} is not empty.", way_out="name a new folder with --to")
        to.mkdir(parents=True, exist_ok=True)
        for name, path in found.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if name in contents:
                path.write_bytes(contents[name])
                path.chmod(0o755 if work[name].get("executable") else 0o644)
            elif "link" in work[name]:
                path.symlink_to(work[name]["link"])
            else:
                path.mkdir(exist_ok=True)
    except (OSError, ValueError) as error:
        tried = f"The work cannot be written to {str(to)[:500]!r}."
        way_out = shortage(str(error)) or "name another folder"
        raise CourseError(tried, words=str(error), way_out=way_out) from None
    return list(found.values())


def unpacked(capture: Any) -> bytes:
    """The pcapng file that `packed` (judge/bench.py) packed. Raises BadInput for all else, and for what unpacks to too much."""
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(capture["pcapng"], validate=True), MAX_CAPTURE + 1)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise BadInput("The capture in the report is broken.", words=str(error)[:200]) from None
    if len(data) > MAX_CAPTURE or not stream.eof:
        raise BadInput(f"The capture in the report is cut off, or has more than {MAX_CAPTURE:,} bytes.")
    return data


def write_evidence(evidence: Mapping[str, Any], to: Path) -> list[Path]:
    """Write evidence into the empty folder `to`: task4-capture.pcapng for Wireshark, the rest as JSON. Raises BadInput.

    The names are this function's own, whatever the report calls its parts.
    """
    files: dict[str, bytes] = {}
    for task in range(1, 5):
        parts = evidence.get(f"task{task}")
        parts = dict(parts) if isinstance(parts, dict) else {}
        if CAPTURE in parts:
            files[f"task{task}-{CAPTURE}.pcapng"] = unpacked(parts.pop(CAPTURE))
        if parts:
            files[f"task{task}.json"] = json.dumps(parts, indent=1).encode()
    with writing("The evidence", to, "name another folder with --evidence"):
        if to.exists() and any(to.iterdir()):
            raise BadInput(f"{to} is not empty.", way_out="name a new folder with --evidence")
        to.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (to / name).write_bytes(data)
    return [to / name for name in files]
