"""Works that differ in white space and comments alone are the same; any other difference makes them two."""

import base64
import time
import tracemalloc

import pytest
from works import BACKUP, NGINX, RIGHT, SERVER1, SERVER2

from labkit.grading.grade import essence, fingerprint


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
        ("nginx.conf", NGINX.replace(" {", "{").replace(BACKUP, BACKUP + "# backup")),
        ("task1.sh", SERVER1.replace("8081", "\\\n 8081") + SERVER2),
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
        ("nginx.conf", NGINX.replace("30s", "31s")),
        ("answers.md", RIGHT["answers.md"].replace("Nothing", "Everything")),
        ("backend1/index.html", RIGHT["backend1/index.html"] + "<!-- x -->"),
        ("extra.txt", "x"),
    ],
)
def test_other_works_are_not_the_same(file: str, text: str) -> None:
    """Another order, option, word, page or file is another work."""
    assert fingerprint(packed({**RIGHT, file: text})) != fingerprint(packed(RIGHT))


def test_where_a_text_stands_and_what_it_is_matters() -> None:
    """Which file it is in; a link counts by where it leads; an empty folder, and a file of white space and comments laid beside a
    copied work, do not count; nor are learners who have done nothing yet a pair: there is no command to compare."""
    script = {"task1.sh": "true"}
    assert fingerprint(packed({"task1.sh": "x", "task2.sh": "y"})) != fingerprint(packed({"task1.sh": "xy", "task2.sh": ""}))
    assert fingerprint(packed({"a": "b", **script})) != fingerprint(packed({"b": "a", **script}))
    work = packed({"task1.sh": "true", "x": "-"})
    assert fingerprint({**work, "l": {"link": "x"}}) != fingerprint({**work, "l": {"link": "y"}}) != fingerprint(work)
    assert fingerprint({**work, "logs": {"folder": True}}) == fingerprint(work)
    assert fingerprint(packed({**RIGHT, "own.conf": "# mine\n", "x": " \n"})) == fingerprint(packed(RIGHT))
    for files in ({}, {"task1.sh": "# not yet\n", "task2.sh": ""}, {"backend1/index.html": "page"}):
        assert fingerprint(packed(files)) == ""


def test_number_sign_within_a_word_is_no_comment() -> None:
    """Only a # at the beginning of a word begins a comment in a shell, and none does in a text; bytes have an essence too."""
    assert essence("task1.sh", b"echo a#b ${#x} # c") == "echoa#b${#x}"
    assert essence("task1.sh", b"true;# c") == essence("nginx.conf", b"true;# c") == "true;"
    assert essence("dnsmasq.conf", b"server=127.0.0.1#5353 # c") == "server=127.0.0.1#5353"
    assert essence("notes.txt", b"a # b") == "a#b"
    assert essence("x.bin", b"\xff\xfe\x00") != essence("x.bin", b"\xff\xfe\x00\x01")


def test_essence_takes_little_memory_and_no_time() -> None:
    """A million words, or comments, take a few times the file's size; two million beginnings of one are read within seconds."""
    for text in (b"ab " * 400_000, b"<!---->ab" * 150_000):
        tracemalloc.start()
        try:
            assert essence("answers.md", text).startswith("abab")
            assert tracemalloc.get_traced_memory()[1] < 10 * len(text)
        finally:
            tracemalloc.stop()
    began = time.process_time()
    assert essence("answers.md", b"word " + b"<!--" * 2_000_000).startswith("word<!--")
    assert essence("task1.sh", b" #" * 2_000_000) == ""
    assert time.process_time() - began < 5
