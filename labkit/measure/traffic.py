"""What clients in a lab ask its services, as tables: a row an HTTP request, a row a DNS query; also as curl and dig tell it."""

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from ..errors import BadInput, MeasureError, require
from ..inside import dns_load, http_client
from ..lab import COMMAND_TIMEOUT, Lab, Result

COLUMNS = ["n", "start", "address", "backend", "status", "ms", "error"]
ANSWER_COLUMNS = ["n", "start", "name", "answers", "first", "ttl", "rcode", "ms", "error"]
NAME = "my-awesome-highload-app.local"
BACKEND = re.compile(r"Backend Server (\d+)")
# Labels of letters, digits and hyphens, 63 at the most, as DNS has them (RFC 1123, 2.1); IPv4 addresses are such names too.
HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?", re.I)
MAX_REQUESTS, MAX_AT_A_TIME = 1_000_000, 256
# curl(1), EXIT CODES
CURL_ERRORS = {6: "no such name", 7: "refused", 28: "timeout", 52: "closed", 56: "reset"}


def split_url(url: str) -> tuple[str, int, str]:
    """Return host, port and path of an http URL. Raises BadInput for anything else."""
    way_out = "write it like http://127.0.0.1:8081/"
    try:
        parts = urlsplit(url)
        port = 80 if parts.port is None else parts.port
    except ValueError as error:
        raise BadInput(f"{url!r} is no URL.", words=str(error), way_out=way_out) from None
    named = HOST.fullmatch(parts.hostname or "") or "[" in parts.netloc
    require(parts.scheme == "http" and named and port, f"{url!r} is no http URL.", way_out)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fine = path.isascii() and path.isprintable() and " " not in path
    require(fine, f"The path of {url!r} cannot be sent as it is.", "write other letters as %XX")
    return parts.hostname or "", port, path


def frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return rows of inside.http_client as the DataFrame that `traffic` describes, in the order in which the requests began."""
    found = []
    for n, row in enumerate(sorted(rows, key=lambda row: row[0]), 1):
        time, address, status, ms, error, page = row
        named = BACKEND.search(page)
        backend = f"backend{named[1]}" if named else None
        found.append((n, time, address, backend, status, ms, error))
    words = ["address", "backend", "error"]
    table = tidy(found, COLUMNS, time="start", numbers=["status"], words=words)
    failed = table["error"].isna() & (table["status"] >= 400).fillna(False)
    table.loc[failed, "error"] = "http " + table.loc[failed, "status"].astype(str)
    return table


def tidy(rows: Iterable[Any], columns: list[str], time: str = "time", numbers: Any = (), words: Any = ()) -> pd.DataFrame:
    """Return rows as a DataFrame whose `time` (Unix seconds) is counted from the first on, which `attrs["epoch"]` keeps.

    A whole number of `numbers` may be missing (NA), and so may a word of `words` (None).
    """
    table = pd.DataFrame(rows, columns=columns)
    table = table.astype(dict.fromkeys(numbers, "Int64") | dict.fromkeys(words, object))
    for column in words:
        table[column] = table[column].where(table[column].notna(), None)
    table.attrs["epoch"] = float(table[time].min()) if len(table) else 0.0
    table[time] -= table.attrs["epoch"]
    return table


def gathered(batches: Iterable[list[Any]], count: int, unit: str, what: str) -> list[Any]:
    """Return the rows of all batches, `count` in the end; a bar shows how many have come, where that takes its time."""
    from tqdm.auto import tqdm

    rows: list[Any] = []
    with tqdm(total=count, delay=1, leave=False, unit=unit, desc=what) as bar:
        for batch in batches:
            rows += batch
            bar.update(len(batch))
    return rows


def traffic(
    lab: Lab, url: str, count: int = 100, *, at_a_time: int = 1, timeout: float = 5.0, every: float = 0.0,
    first_record: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Send `count` GET requests to `url` from inside the lab, each on a new connection, and return a row for each.

    `at_a_time` senders share them; each begins one every `every` seconds at the most, evenly spread. `timeout` is seconds a
    request, for all that it does: asking DNS, connecting, and the answer.
    With `first_record` the client takes the first A record that the lab's DNS gives; otherwise getaddrinfo chooses.

    Columns: n (1 …), start (s since the first began), address (connected to, "address:port"), backend (read from the
    page, None without one), status (Int64, NA without an answer), ms, error (None, or refused, timeout, reset, closed,
    no such name, http 502, …). `attrs["epoch"]` is the Unix time of the first. Raises BadInput, LabClosed.
    """
    batches = sending(lab, url, count, at_a_time, timeout, every, first_record)
    return frame(gathered(batches, count, "request", url))


def sending(
    lab: Lab, url: str, count: int, at_a_time: int, timeout: float, every: float, first_record: bool
) -> Iterator[list[tuple[Any, ...]]]:
    """Send as `traffic` does, and return batches of rows of inside.http_client; closing them ends it. Raises BadInput at once."""
    host, port, path = split_url(url)
    fine = 1 <= count <= MAX_REQUESTS and 1 <= at_a_time <= MAX_AT_A_TIME and timeout > 0
    fine = fine and every >= 0
    require(
        fine, f"traffic cannot send {count} requests, {at_a_time} at a time.",
        f"count from 1 to {MAX_REQUESTS}, at_a_time from 1 to {MAX_AT_A_TIME}, timeout above 0",
    )  # fmt: skip
    how = (path, count, at_a_time, timeout, every, first_record)
    return lab.stream(http_client.requests, timeout + 30, [(host, port)], *how)


def curl_command(url: str, count: int, timeout: float) -> str:
    """Return the shell loop that asks `url` with curl `count` times and prints a line and a page each."""
    # %header and time formats: curl(1), --write-out. The line stands before the page's own lines and is found by its mark.
    write = shlex.quote(r"\n@ %{exitcode} %{remote_ip} %{remote_port} %{http_code} %{time_total}\n")
    ask = f"date +'# %s.%N'; curl -s -m {timeout:g} -w {write} {shlex.quote(url)}"
    return f"for i in $(seq {count}); do {ask}; done"


def curl(lab: Lab, url: str, count: int = 20, *, timeout: float = 5.0) -> pd.DataFrame:
    """Ask `url` with the real curl, `count` times one after another; the same columns as `traffic`.

    Raises BadInput, CommandTimeout, and MeasureError when not every run can be read.
    """
    host, port, _ = split_url(url)
    fine = 1 <= count <= MAX_REQUESTS
    require(fine, f"curl cannot be run {count} times.", f"count from 1 to {MAX_REQUESTS}")
    done = lab.run(curl_command(url, count, timeout), check=False, timeout=count * (timeout + 2))
    rows = parse_curl(done.stdout, f"{host}:{port}")
    if len(rows) < count:
        raise MeasureError(
            f"Of {count} runs of curl only {len(rows)} can be read.",
            words=done.stderr, way_out="ask fewer times at once, or for a smaller page; `traffic` passes on 64 KiB of each page",
        )  # fmt: skip
    return frame(rows)


def parse_curl(text: str, target: str) -> list[tuple[Any, ...]]:
    """Return what `curl_command` printed as rows of inside.http_client; `target` stands for an address never connected to."""
    rows = []
    parts = re.split(r"^# (\d+\.\d+)\n", text, flags=re.M)[1:]
    for when, rest in zip(parts[::2], parts[1::2], strict=True):
        page, mark, line = rest.rpartition("\n@ ")
        if not mark:  # what one command may print is bounded, and large pages use it up
            break
        code, ip, port, status, seconds = line.split(" ")
        address = f"{ip}:{port}" if ip else target
        error = None if code == "0" else CURL_ERRORS.get(int(code), f"curl {code}")
        rows.append((float(when), address, int(status) or None, float(seconds) * 1000, error, page))
    return rows


def dig(lab: Lab, name: str = NAME, *, server: str = "127.0.0.1", options: str = "") -> Result:
    """Ask `server` for `name` with the real dig and return its own output. Raises MeasureError when no server answers."""
    done = lab.run(f"dig @{server} {name} {options}".strip(), check=False)
    if done.code:
        way_out = "is dnsmasq running in this lab?"
        raise MeasureError(f"`{done.command}` had no answer.", words=str(done), way_out=way_out)
    return done


def dns(
    lab: Lab, name: str = NAME, count: int = 200, *, server: str = "127.0.0.1", kind: str = "A",
    tcp: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Ask `server` `count` times for the records `kind` of `name` from inside the lab, and return a row for each query.

    Columns: n (1 …), start (s since the first), name, answers (tuple of addresses in the order of the answer), first (the
    first of them, None without one), ttl (s), rcode, ms, error (None, timeout, refused, …). Raises BadInput.
    """
    fine = 1 <= count <= MAX_REQUESTS and len(name) <= 253
    tried = f"dns cannot ask {count} times for {name[:60]!r}."
    require(fine, tried, "count from 1 to 1,000,000 and a DNS name")
    batches = lab.stream(dns_load.queries, COMMAND_TIMEOUT, name, server, 53, kind, count, 5.0, tcp)
    return frame_of_answers(gathered(batches, count, "query", name), name)


def frame_of_answers(rows: list[dict[str, Any]], name: str) -> pd.DataFrame:
    """Return rows of inside.dns_load as the DataFrame that `dns` describes."""
    found = []
    for n, row in enumerate(rows, 1):
        answers = tuple(row["answers"])
        more = {"n": n, "start": row["time"], "name": name, "first": next(iter(answers), None)}
        found.append(row | more | {"answers": answers})
    words = ["first", "rcode", "error"]
    return tidy(found, ANSWER_COLUMNS, time="start", numbers=["ttl"], words=words)
