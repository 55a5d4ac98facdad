"""Report files that attack whoever grades them: how each differs from a right one, and words that its row must have."""

# ruff: noqa: E501 (a page a line)
import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labkit.homework.submission import BLOCK, as_block, digests


def bomb(size: int) -> dict[str, Any]:
    """A capture of a few kilobytes that unpacks to `size` zeros."""
    squeezer = zlib.compressobj(9)
    parts = [squeezer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return {"pcapng": base64.b64encode(b"".join([*parts, squeezer.flush()])).decode(), "bytes": 5}


START = f'<script type="application/json" id="{BLOCK}">'


def page(block: str) -> bytes:
    """A page with a machine part."""
    return f"<!DOCTYPE html><title>Homework</title><main>…</main>\n{START}{block}</script>\n</body>".encode()


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """The data with the digests that fit it: whoever forges a report can make them too."""
    return data | {"digests": digests(data)}


@dataclass(frozen=True)
class Page:
    """A hostile file: `make` gets the data of a right report; `says` stands in the flags of its row."""

    name: str
    says: str
    make: Callable[[dict[str, Any]], bytes]


def edited(name: str, says: str, change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> Page:
    """A page whose data were changed in place, with the digests that fit unless `seal` is off."""

    def make(data: dict[str, Any]) -> bytes:
        change(data)
        return page(as_block(sealed(data) if seal else data))

    return Page(name, says, make)


def with_file(name: str, says: str, path: str) -> Page:
    """A page with a file of that name in its work."""
    return edited(name, says, lambda data: data["work"].update({path: {"data": "eA==", "executable": True}}))


def with_entry(name: str, says: str, entry: dict[str, Any]) -> Page:
    """A page whose work holds this entry."""
    return edited(name, says, lambda data: data["work"].update(entry=entry))


def with_block(name: str, says: str, block: str) -> Page:
    """A page whose machine part is this text."""
    return Page(name, says, lambda _data: page(block))


FORM, BROKEN = "not of the form", "is broken"
UNREADABLE = [
    Page("empty", "no whole machine part", lambda _data: b""),
    Page("foreign", "no whole machine part", lambda _data: b"<html><body><p>My homework</p></body></html>"),
    Page("binary", "cannot be read", lambda _data: bytes(range(256)) * 64),
    Page("truncated", "no whole machine part", lambda data: page(as_block(data))[:-200]),
    Page("two-parts", "2 machine parts", lambda data: page(as_block(data)) + page(as_block(data))),
    Page("half-a-second-part", "2 machine parts", lambda data: page(as_block(data)) + START.encode()),
    with_block("no-json", BROKEN, "points = 100"),
    with_block("deep-lists", BROKEN, "[" * 400_000 + "]" * 400_000),
    with_block("deep-objects", BROKEN, '{"a":' * 200_000 + "1" + "}" * 200_000),
    with_block("many-values", "values", "[" + "[]," * 2_000_000 + "[]]"),
    with_block("long-number", BROKEN, "1" * 100_000),
    with_block("half-a-letter", BROKEN, r'{"format": 1, "who": {"name": "\ud800"}}'),
    with_block("a-list", FORM, "[1, 2, 3]"),
    with_block("a-text", FORM, json.dumps("x" * 1_000_000)),
    edited("other-format", FORM, lambda data: data.update(format=99)),
    edited("points-not-a-number", FORM, lambda data: data["verdicts"].update(points=float("nan"))),
    edited("points-without-end", FORM, lambda data: data["verdicts"].update(points=float("inf"))),
    edited("points-true", FORM, lambda data: data["verdicts"].update(points=True)),
    edited("points-huge", FORM, lambda data: data["verdicts"].update(points=10**4000)),
    edited("points-text", FORM, lambda data: data["verdicts"].update(points="100")),
    edited("verdicts-object", FORM, lambda data: data["verdicts"].update(verdicts={"1.1": "passed"})),
    edited("answers-a-text", FORM, lambda data: data.update(answers="Nothing.")),
    edited("evidence-a-list", FORM, lambda data: data.update(evidence=[1]), seal=False),
    edited("name-a-list", FORM, lambda data: data["who"].update(name=["Ann"])),
    edited("file-a-text", FORM, lambda data: data["work"].update({"task1.sh": "true"})),
    edited("file-a-number", FORM, lambda data: data["work"].update({"task1.sh": {"data": 5}})),
    edited("too-many-files", FORM, lambda data: data["work"].update({str(n): {"data": ""} for n in range(2000)})),
    edited("not-base64", BROKEN, lambda data: data["work"].update({"task1.sh": {"data": "~~~"}})),
    edited("letters-not-ascii", BROKEN, lambda data: data["work"].update({"task1.sh": {"data": "é"}})),
    edited("too-large", "is larger", lambda data: data["work"].update({"big": {"data": "A" * 24_000_000}})),
    with_file("absolute-path", "no name of a file", "/etc/cron.d/labkit"),
    with_file("path-upwards", "no name of a file", "../../.ssh/authorized_keys"),
    with_file("path-hidden-upwards", "no name of a file", "backend1/../../../x"),
    with_file("path-of-nothing", "no name of a file", "."),
    with_file("path-with-end", "no name of a file", "task1.sh\0.txt"),
    with_file("path-too-long", "no name of a file", "a/" * 400 + "x"),
    with_file("name-too-long", "is too long", "n" * 400),
    with_file("file-below-a-file", "which is no folder", "task1.sh/x"),
    with_file("file-below-a-file-in-capitals", "which is no folder", "TASK1.SH/x"),
    with_file("same-name-in-capitals", "same name", "Task1.sh"),
    with_file("same-name-with-a-dot", "same name", "./task1.sh"),
    with_file("same-name-with-slashes", "same name", "backend1//index.html"),
    edited("same-name-of-two-letters", "same name", lambda data: data["work"].update({"\u00fc": {"data": ""}, "u\u0308": {"data": ""}})),
    with_entry("link-to-the-host", "not in the work", {"link": "/etc/passwd"}),
    with_entry("link-upwards", "not in the work", {"link": "../x"}),
    with_entry("link-upwards-behind-a-link", "not in the work", {"link": "backend1/../../x"}),
    with_entry("link-with-an-end", "not in the work", {"link": "a\0b"}),
    edited("file-below-a-link", "which is no folder", lambda data: data["work"].update({"a": {"link": "backend1"}, "a/x": {"data": ""}})),
    with_entry("link-that-is-a-number", FORM, {"link": 5}),
    with_entry("folder-that-is-a-text", FORM, {"folder": "yes"}),
    Page("zip", "is an archive", lambda _data: b"PK\x03\x04" + bytes(100)),
]  # fmt: skip
# These are graded, and flagged.
READABLE = [
    edited("claims-more", "claims 100 points, measured 0", lambda data: data["verdicts"].update(points=100)),
    edited("claims-a-verdict", "claims passed, measured failed", lambda data: data["verdicts"].update(verdicts=[{"requirement": "1.1", "verdict": "passed"}])),
    edited("verdicts-of-any-type", "claims nothing, measured failed", lambda data: data["verdicts"].update(verdicts=[None, 5, [], {"requirement": []}])),
    edited("edited-verdicts", "edited after it was made: verdicts", lambda data: data["verdicts"].update(points=94), seal=False),
    edited("edited-work", "edited after it was made: work", lambda data: data["work"].update({"task1.sh": {"data": ""}}), seal=False),
    edited("edited-name", "edited after it was made: who", lambda data: data["who"].update(name="Bob"), seal=False),
    edited("edited-evidence", "edited after it was made: evidence", lambda data: data["evidence"].update(x=1), seal=False),
    edited("answers-of-another", "answers shown are not those", lambda data: data["answers"].update({"2.3": "<script>alert(1)</script>"})),
    edited("edited-answers", "edited after it was made: answers", lambda data: data["answers"].update({"2.3": "x"}), seal=False),
    edited("bomb-in-the-capture", "claims 1 points", lambda data: (data["evidence"].update(task4={"capture": bomb(1 << 28)}), data["verdicts"].update(points=1))),
    edited("many-edits", "edited after it was made: 4990 more", lambda data: data["digests"].update({f"work/{n}": "" for n in range(5000)}), seal=False),
    edited("evidence-of-any-type", "claims 1 points", lambda data: (data["evidence"].update(task1=[None], task2={"": 1}, task9="x"), data["verdicts"].update(points=1))),
    edited("edited-versions", "edited after it was made: versions", lambda data: data["versions"].update(x="1"), seal=False),
    edited("no-digests", "edited after it was made: who", lambda data: data.update(digests={}), seal=False),
]  # fmt: skip
PAGES = [*UNREADABLE, *READABLE]
