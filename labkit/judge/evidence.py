"""The evidence that a report carries: rows of requests, counters and a compressed capture, small and as plain data."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadInput
from ..writing import writing

CAPTURE = "capture"
# What a capture may hold, compressed or not, bytes: one of a request has about 5 kB.
MAX_CAPTURE = 16 * 1024 * 1024
ROW = ("status", "error", "refused")


def request_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the checks' `series`, a row a request: at (s since the first one), ms, status, error, refused (attempts)."""
    found = list(rows)
    return [
        {"at": round(row["began"] - found[0]["began"], 4), "ms": round(1000 * (row["ended"] - row["began"]), 2)}
        | {name: row[name] for name in ROW}
        for row in found
    ]


def packed(capture: bytes) -> dict[str, Any]:
    """A pcapng file as plain data: its bytes by zlib and base64, and their number."""
    return {"pcapng": base64.b64encode(zlib.compress(capture, 9)).decode(), "bytes": len(capture)}


def unpacked(capture: Any) -> bytes:
    """The pcapng file that `packed` packed. Raises BadInput for anything else, and for one that unpacks to too much."""
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
        rest = {name: part for name, part in parts.items() if name != CAPTURE} if isinstance(parts, dict) else {}
        if rest:
            files[f"task{task}.json"] = json.dumps(rest, indent=1).encode()
        if isinstance(parts, dict) and CAPTURE in parts:
            files[f"task{task}-{CAPTURE}.pcapng"] = unpacked(parts[CAPTURE])
    with writing("The evidence", to, "name another folder with --evidence"):
        if to.exists() and any(to.iterdir()):
            raise BadInput(f"{to} is not empty.", way_out="name a new folder with --evidence")
        to.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (to / name).write_bytes(data)
    return [to / name for name in files]
