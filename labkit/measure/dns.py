"""DNS answers: dig's own words, and many queries as a table."""

from typing import Any

import pandas as pd

from ..errors import BadInput, MeasureError
from ..inside import dns_load
from ..lab import COMMAND_TIMEOUT, Lab, Result
from .traffic import gathered, tidy

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
    if not 1 <= count <= 1_000_000 or len(name) > 253:
        raise BadInput(f"dns cannot ask {count} times for {name[:60]!r}.", way_out="count from 1 to 1,000,000 and a DNS name")
    batches = lab.stream(dns_load.queries, COMMAND_TIMEOUT, name, server, 53, kind, count, 5.0, tcp)
    return frame(gathered(batches, count, "query", name), name)


def frame(rows: list[dict[str, Any]], name: str) -> pd.DataFrame:
    """Return rows of inside.dns_load as the DataFrame that `dns` describes."""
    found = []
    for n, row in enumerate(rows, 1):
        answers = tuple(row["answers"])
        found.append(row | {"n": n, "start": row["time"], "name": name, "answers": answers, "first": next(iter(answers), None)})
    return tidy(found, COLUMNS, time="start", numbers=["ttl"], words=["first", "rcode", "error"])
