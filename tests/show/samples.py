"""Small frames with the columns that `labkit.measure` gives."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist

from labkit.show import Picture

ADDRESSES = {"backend1": "127.0.0.1:8081", "backend2": "127.0.0.1:8082"}
FIRST, SECOND = ADDRESSES.values()


def traffic(*results: str, ms: float = 1.5) -> pd.DataFrame:
    """A request for each of `results`: the backend that answered, or the error."""
    rows = [
        {
            "n": n,
            "start": n * 0.1,
            "address": ADDRESSES.get(result, SECOND),
            "backend": result if result in ADDRESSES else None,
            "status": 200 if result in ADDRESSES else None,
            "ms": ms,
            "error": None if result in ADDRESSES else result,
        }
        for n, result in enumerate(results, start=1)
    ]
    return pd.DataFrame(rows, columns=["n", "start", "address", "backend", "status", "ms", "error"])


def dns(*answers: tuple[str, ...]) -> pd.DataFrame:
    """A query for each of `answers`; an empty one timed out."""
    rows = [{"n": n, "answers": found, "error": None if found else "timeout"} for n, found in enumerate(answers, start=1)]
    return pd.DataFrame(rows, columns=["n", "answers", "error"])


def counters(first: int, second: int) -> pd.DataFrame:
    """What IPVS counted at two real servers."""
    rows = [{"service": "192.168.100.1:80", "server": FIRST, "conns": first, "in_bytes": 400 * first}]
    rows += [{"service": "192.168.100.1:80", "server": SECOND, "conns": second, "in_bytes": 400 * second}]
    return pd.DataFrame(rows)


def attempts(*tries: tuple[Sequence[str], Sequence[int]]) -> pd.DataFrame:
    """A request for each of `tries`: its upstreams and their statuses; the client gets the last."""
    rows = [
        {"n": n, "upstreams": tuple(upstreams), "statuses": tuple(statuses), "status": statuses[-1]}
        for n, (upstreams, statuses) in enumerate(tries, start=1)
    ]
    return pd.DataFrame(rows, columns=["n", "upstreams", "statuses", "status"])


def syns(*rows: tuple[float, str, str]) -> pd.DataFrame:
    """Rows of time, target, answer."""
    return pd.DataFrame(rows, columns=["time", "target", "answer"])


def exchanges() -> pd.DataFrame:
    """A client's request through nginx to backend1; nginx sets the header to both sides."""
    header = {"x-High-Load-Test": "123"}
    common = {"method": "GET", "uri": "/", "status": 200}
    outer = {"time": 1.0, "hop": "client → nginx", "client": "127.0.0.1:5000", "server": "127.0.0.1:8888", "ms": 4.0}
    inner = {"time": 1.001, "hop": "nginx → backend1", "client": "127.0.0.1:5001", "server": FIRST, "ms": 2.0}
    outer |= {"request_headers": {"Host": "here"}, "response_headers": header}
    inner |= {"request_headers": header, "response_headers": {"Server": "SimpleHTTP"}}
    return pd.DataFrame([outer | common, inner | common])


def seconds(**balancers: Sequence[tuple[int, int, int, int]]) -> pd.DataFrame:
    """For each balancer and second how many of backend1 and backend2, how many late and failed."""
    rows = [(name, second, *counts) for name, bars in balancers.items() for second, counts in enumerate(bars)]
    return pd.DataFrame(rows, columns=["balancer", "second", "backend1", "backend2", "late", "failed"])


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
    return [text.get_text() for text in picture.figure.findobj(match=lambda artist: hasattr(artist, "get_text"))]
