"""DNS answers: dig's own words, and many queries as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..errors import BadInput, MeasureError
from ..lab import Lab, Result

NAME = "my-awesome-highload-app.local"
COLUMNS = ["n", "start", "name", "answers", "first", "ttl", "rcode", "ms", "error"]


def dig(lab: Lab, name: str = NAME, *, server: str = "127.0.0.1", options: str = "") -> Result:
    """Ask `server` for `name` with the real dig and return its own output. Raises MeasureError when no server answers."""
    done = lab.run(f"dig @{server} {name} {options}".strip(), check=False)
    if done.code:
        raise MeasureError(f"`{done.command}` had no answer.", words=str(done), way_out="is dnsmasq running in this lab?")
    return done


def dns(
    lab: Lab, name: str = NAME, count: int = 200, *, server: str = "127.0.0.1", kind: str = "A", tcp: bool = False
) -> pd.DataFrame:
    """Ask `server` `count` times for the records `kind` of `name` from inside the lab, and return a row for each query.

    Columns: n (1 …), start (s since the first), name, answers (tuple of addresses in the order of the answer), first (the
    first of them, None without one), ttl (s), rcode, ms, error (None, timeout, refused, …). Raises BadInput.
    """
    from tqdm.auto import tqdm

    if not 1 <= count <= 1_000_000 or len(name) > 253:
        raise BadInput(f"dns cannot ask {count} times for {name[:60]!r}.", way_out="count from 1 to 1,000,000 and a DNS name")
    rows: list[dict[str, Any]] = []
    with tqdm(total=count, delay=1, leave=False, unit="query", desc=name) as bar:
        for batch in lab.stream("labkit.inside.dns_load:queries", name, server, 53, kind, count, 5.0, tcp):
            rows += batch
            bar.update(len(batch))
    return frame(rows, name)


def frame(rows: list[dict[str, Any]], name: str) -> pd.DataFrame:
    """Rows of inside.dns_load as the DataFrame that `dns` describes."""
    epoch = rows[0]["time"] if rows else 0.0
    columns = ("answers", "ttl", "rcode", "ms", "error")
    table = pd.DataFrame([{column: row[column] for column in columns} for row in rows], columns=COLUMNS)
    table["n"], table["name"] = range(1, len(rows) + 1), name
    table["start"] = [row["time"] - epoch for row in rows]
    table["answers"] = [tuple(row["answers"]) for row in rows]
    table["first"] = [next(iter(row["answers"]), None) for row in rows]
    table["ttl"] = table["ttl"].astype("Int64")
    for column in ("first", "rcode", "error"):
        table[column] = table[column].astype(object).where(table[column].notna(), None)
    table.attrs["epoch"] = epoch
    return table
