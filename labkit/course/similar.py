"""Works that are the same but for white space and comments."""

from __future__ import annotations

import base64
import hashlib
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
SCRIPTS = re.compile(r"task[1-4]\.sh")


def essence(name: str, data: bytes) -> str:
    """The text of a file without comments and white space."""
    text = data.decode(errors="replace")
    comment = next((pattern for end, pattern in COMMENTS.items() if name.endswith(end)), None)
    if comment:
        text = comment.sub(r"\1", text)
    if name.endswith(".sh"):
        text = re.sub(r"\\\r?\n", "", text)
    if name.endswith(".md"):  # split: a pattern would take the square of the time where comments do not end
        head, *parts = text.split("<!--")
        text = " ".join([head, *(part.partition("-->")[2] for part in parts)])
    return "".join(text.split())


def fingerprint(work: Mapping[str, Any]) -> str:
    """One digest over the essence of every file of a packed work, "" where no script does anything: there is no work yet.

    A file of white space and comments alone does not count.
    """
    texts = {name: essence(name, base64.b64decode(file["data"])) for name, file in work.items()}
    if not any(text for name, text in texts.items() if SCRIPTS.fullmatch(name)):
        return ""
    whole = hashlib.sha256()
    for name in sorted(name for name, text in texts.items() if text):
        whole.update(name.encode(errors="replace") + b"\0" + texts[name].encode() + b"\0")
    return whole.hexdigest()
