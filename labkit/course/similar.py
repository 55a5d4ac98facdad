"""Works that are the same but for white space and comments."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

# Files of a work in which a # that begins a word begins a comment; a page's comments are left in.
NUMBER_SIGN = (".sh", ".conf")


def essence(name: str, data: bytes) -> str:
    """The text of a file without comments, all white space made one space."""
    text = data.decode(errors="replace")
    if name.endswith(NUMBER_SIGN):
        text = re.sub(r"(^|\s)#.*$", " ", text, flags=re.M)
    if name.endswith(".md"):  # split: a pattern would take the square of the time where comments do not end
        head, *parts = text.split("<!--")
        text = " ".join([head, *(part.partition("-->")[2] for part in parts)])
    return " ".join(text.split())


def fingerprint(work: Mapping[str, Any]) -> str:
    """One digest over the essence of every file of a packed work."""
    whole = hashlib.sha256()
    for name in sorted(work):
        whole.update(name.encode(errors="replace") + b"\0" + essence(name, base64.b64decode(work[name]["data"])).encode() + b"\0")
    return whole.hexdigest()
