"""Small frames with the columns that `labkit.measure` gives, and what is read back from a picture."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist

from labkit.show import Picture

ADDRESSES = {"backend1": "127.0.0.1:8081", "backend2": "127.0.0.1:8082"}
FIRST, SECOND = ADDRESSES.values()


def traffic(*results: str, ms: float = 1.5) -> pd.DataFrame:
    """A request for each of `results`: the backend that answered, or the error."""
    rows = []
    for n, result in enumerate(results, start=1):
        answer = (result, 200, ms, None) if result in ADDRESSES else (None, None, ms, result)
        rows.append((n, n * 0.1, ADDRESSES.get(result, SECOND), *answer))
    return pd.DataFrame(rows, columns=["n", "start", "address", "backend", "status", "ms", "error"])


def dns(*answers: tuple[str, ...]) -> pd.DataFrame:
    """A query for each of `answers`; an empty one timed out."""
    rows = [(n, found, None if found else "timeout") for n, found in enumerate(answers, start=1)]
    return pd.DataFrame(rows, columns=["n", "answers", "error"])


def counters(first: int, second: int, **more: object) -> pd.DataFrame:
    """What IPVS counted at two real servers."""
    rows = [("192.168.100.1:80", FIRST, first, 400 * first)]
    rows.append(("192.168.100.1:80", SECOND, second, 400 * second))
    return pd.DataFrame(rows, columns=["service", "server", "conns", "in_bytes"]).assign(**more)


def attempts(*tries: tuple[Sequence[str], Sequence[int]]) -> pd.DataFrame:
    """A request for each of `tries`: its upstreams and their statuses; the client gets the last."""
    rows = [(n, tuple(who), tuple(codes), codes[-1]) for n, (who, codes) in enumerate(tries, 1)]
    return pd.DataFrame(rows, columns=["n", "upstreams", "statuses", "status"])


def syns(*rows: tuple[float, str, str]) -> pd.DataFrame:
    """Rows of time, target, answer."""
    return pd.DataFrame(rows, columns=["time", "target", "answer"])


def exchanges(later: float = 0.0, **more: object) -> pd.DataFrame:
    """A client's request through nginx to backend1; nginx sets the header to both sides."""
    header = {"x-High-Load-Test": "123"}
    rows = [
        (1.0, "client → nginx", "127.0.0.1:5000", "127.0.0.1:8888", 4.0, {"Host": "here"}, header),
        (1.001, "nginx → backend1", "127.0.0.1:5001", FIRST, 2.0, header, {"Server": "SimpleHTTP"}),
    ]
    columns = ["time", "hop", "client", "server", "ms", "request_headers", "response_headers"]
    common = {"method": "GET", "uri": "/", "status": 200}
    table = pd.DataFrame(rows, columns=columns).assign(**common | more)
    return table.assign(time=table["time"] + later)


def seconds(**balancers: Sequence[tuple[int, int, int, int]]) -> pd.DataFrame:
    """For each balancer and second how many of backend1 and backend2, how many late and failed."""
    rows = [(name, n, *counts) for name, bars in balancers.items() for n, counts in enumerate(bars)]
    columns = ["balancer", "second", "backend1", "backend2", "late", "failed"]
    return pd.DataFrame(rows, columns=columns)


def load(**ratios: float) -> pd.DataFrame:
    """What `throughput` measures: the direct way first."""
    return pd.DataFrame({"ratio": ratios, "p50": 1.5, "p99": 12.0, "errors": 0})


def drawn(picture: Picture, gid: str) -> list[Artist]:
    """The artists of a picture that carry a `gid`."""
    return picture.figure.findobj(lambda artist: artist.get_gid() == gid)


def marks(picture: Picture, gid: str) -> int:
    """How many points the scatters with a `gid` have."""
    return sum(len(artist.get_offsets()) for artist in drawn(picture, gid))  # type: ignore[attr-defined]


def texts(picture: Picture) -> list[str]:
    """Every text in a picture."""
    found = picture.figure.findobj(match=lambda artist: hasattr(artist, "get_text"))
    return [text.get_text() for text in found]
