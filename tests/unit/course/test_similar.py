"""Works that differ in white space and comments alone are the same; any other difference makes them two."""

from __future__ import annotations

import base64
import time

import pytest
from works import BACKUP, NGINX, RIGHT, SERVER1, SERVER2

from labkit.course.similar import essence, fingerprint


def packed(files: dict[str, str]) -> dict[str, dict[str, str]]:
    """Files as they stand in a report."""
    return {name: {"data": base64.b64encode(text.encode()).decode()} for name, text in files.items()}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("task1.sh", "# my own\n\n" + SERVER1 + "\t" + SERVER2 + "\n"),
        ("task1.sh", SERVER1.replace("\n", "   # the first\r\n") + SERVER2),
        ("nginx.conf", NGINX.replace("    ", "\t").replace(BACKUP, BACKUP + "  # backup")),
        ("dnsmasq.conf", "# names\n" + RIGHT["dnsmasq.conf"].replace("\n", "\n\n")),
        ("answers.md", "<!-- one\nline or two -->\n" + RIGHT["answers.md"].replace(" ", "\n")),
        ("answers.md", RIGHT["answers.md"].rstrip()),
    ],
)
def test_white_space_and_comments_make_no_difference(file: str, text: str) -> None:
    """A comment of its own, an indentation or another line end is not another work."""
    assert RIGHT[file] != text
    assert fingerprint(packed({**RIGHT, file: text})) == fingerprint(packed(RIGHT))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("task1.sh", SERVER2 + SERVER1),
        ("task1.sh", SERVER1.replace(" &", "") + SERVER2),
        ("task1.sh", SERVER1.replace("8081", "80 81") + SERVER2),
        ("nginx.conf", NGINX.replace("30s", "31s")),
        ("answers.md", RIGHT["answers.md"].replace("Nothing", "Everything")),
        ("backend1/index.html", RIGHT["backend1/index.html"] + "<!-- x -->"),
        ("extra.txt", ""),
    ],
)
def test_other_works_are_not_the_same(file: str, text: str) -> None:
    """Another order, option, word, page or file is another work."""
    assert fingerprint(packed({**RIGHT, file: text})) != fingerprint(packed(RIGHT))


def test_text_does_not_move_between_files() -> None:
    """What stands in which file matters."""
    assert fingerprint(packed({"a.sh": "x", "b.sh": "y"})) != fingerprint(packed({"a.sh": "x y", "b.sh": ""}))
    assert fingerprint(packed({"a": "b"})) != fingerprint(packed({"b": "a"}))


def test_number_sign_within_a_word_is_no_comment() -> None:
    """Only a # at the beginning of a word begins a comment in a shell, and none does in a text."""
    assert essence("task1.sh", b"echo a#b # c") == "echo a#b"
    assert essence("notes.txt", b"a # b") == "a # b"


def test_bytes_that_are_no_text_have_an_essence() -> None:
    """A binary file in a work is compared too."""
    assert essence("x.bin", b"\xff\xfe\x00") != essence("x.bin", b"\xff\xfe\x00\x01")


def test_comments_that_never_end_take_no_time() -> None:
    """Two million beginnings of a comment are read within seconds."""
    began = time.process_time()
    assert essence("answers.md", b"word " + b"<!--" * 2_000_000) == "word"
    assert essence("task1.sh", b" #" * 2_000_000) == ""
    assert time.process_time() - began < 5
