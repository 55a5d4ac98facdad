"""Works that are the same but for white space and comments."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from typing import Any

# Where a # begins a comment, by the end of a file's name: at the beginning of a word, and in a shell and in nginx.conf also
# after what ends a word. A page's comments are left in.
COMMENTS = {
    "dnsmasq.conf": re.compile(r"(^|\s)#.*$", re.M),
    ".conf": re.compile(r"(^|[\s;{}])#.*$", re.M),
    ".sh": re.compile(r"(^|[\s;&|()])#.*$", re.M),
}
WHITE = dict.fromkeys(number for number in range(0x3001) if chr(number).isspace())
SCRIPTS = re.compile(r"task[1-4]\.sh")


def essence(name: str, data: bytes) -> str:
    """The text of a file without comments and white space."""
    text = data.decode(errors="replace")
    comment = next((pattern for end, pattern in COMMENTS.items() if name.endswith(end)), None)
    if comment:
        text = comment.sub(r"\1", text)
    if name.endswith(".sh"):
        text = re.sub(r"\\\r?\n", "", text)
    if name.endswith(".md"):
        text = without_html_comments(text)
    return text.translate(WHITE)


def without_html_comments(text: str) -> str:
    """Return Markdown without comments; one that never ends goes to the end. Takes time and memory in proportion to the text."""
    kept, at = io.StringIO(), 0
    while (begin := text.find("<!--", at)) >= 0:
        kept.write(f"{text[at:begin]} ")
        end = text.find("-->", begin)
        at = end + len("-->") if end >= 0 else len(text)
    kept.write(text[at:])
    return kept.getvalue()


def fingerprint(work: Mapping[str, Any]) -> str:
    """One digest over the essence of every file of a packed work, "" where no script does anything: there is no work yet.

    A file of white space and comments alone does not count.
    """
    texts = {name: essence(name, base64.b64decode(entry["data"])) for name, entry in work.items() if "data" in entry}
    texts |= {name: f"-> {entry['link']}" for name, entry in work.items() if "link" in entry}
    if not any(text for name, text in texts.items() if SCRIPTS.fullmatch(name)):
        return ""
    whole = hashlib.sha256()
    for name in sorted(name for name, text in texts.items() if text):
        whole.update(name.encode(errors="replace") + b"\0" + texts[name].encode() + b"\0")
    return whole.hexdigest()
