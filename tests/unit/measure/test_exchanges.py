"""HTTP messages of a capture paired to exchanges, and their hops named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from labkit.errors import MeasureError
from labkit.measure import exchanges as module
from labkit.measure.exchanges import decode_options, messages, name_hops, pair, read_syns, tshark

PORTS = {8888: "nginx", 8081: "backend1", 8082: "backend2"}
SEPARATOR, HEADER_SEPARATOR = module.SEPARATOR, module.HEADER_SEPARATOR


def found(time: float, stream: int, status: int | None = None, port: int = 8081, **headers: str) -> dict[str, Any]:
    """A message as `message` gives it: a request, or with a status its response."""
    client, server = "127.0.0.1:40000", f"127.0.0.1:{port}"
    ends = (client, server) if status is None else (server, client)
    return {
        "time": time, "stream": stream, "source": ends[0], "target": ends[1], "method": "" if status else "GET",
        "uri": "" if status else "/", "status": status, "headers": headers,
    }  # fmt: skip


def test_response_belongs_to_the_request_on_its_stream() -> None:
    """Two streams that overlap are kept apart, and ms is the time between."""
    rows = pair([found(1.0, 0), found(1.5, 1, port=8082), found(2.0, 1, 404, 8082, Server="x"), found(3.0, 0, 200)])
    assert [(row["stream"], row["status"], row["ms"]) for row in rows] == [(0, 200, 2000.0), (1, 404, 500.0)]
    assert rows[1]["response_headers"] == {"Server": "x"}
    assert (rows[1]["client"], rows[1]["server"]) == ("127.0.0.1:40000", "127.0.0.1:8082")


def test_requests_on_a_kept_connection_are_answered_in_order() -> None:
    """On one stream the first response is the first request's, pipelined or not."""
    rows = pair([found(1.0, 0), found(2.0, 0), found(3.0, 0, 200), found(5.0, 0, 404)])
    assert [(row["status"], row["ms"]) for row in rows] == [(200, 2000.0), (404, 3000.0)]


def test_request_without_a_response_stays_alone() -> None:
    """A request that was never answered is a row without status and ms."""
    (row,) = pair([found(1.0, 0)])
    assert (row["status"], row["ms"], row["response_headers"]) == (None, None, {})


def test_response_without_a_request_is_left_out() -> None:
    """A response whose request was not captured is no exchange."""
    assert pair([found(1.0, 0, 200), found(2.0, 1, 200)]) == []
    assert pair([]) == []


def hops(*seen: dict[str, Any]) -> list[str]:
    """The names of the hops of these messages."""
    rows = pair(seen)
    name_hops(rows, PORTS)
    return [row["hop"] for row in rows]


def test_what_nginx_asks_is_nginxs() -> None:
    """An exchange with a backend within one with nginx is nginx's; one before or after it is the client's own."""
    proxied = [found(1.0, 0, port=8888), found(1.1, 1), found(1.2, 1, 200), found(1.3, 0, 200, 8888)]
    direct = [found(2.0, 2, port=8082), found(2.1, 2, 200, 8082)]
    assert hops(*proxied, *direct) == ["client → nginx", "nginx → backend1", "client → backend2"]


def test_failed_attempt_of_nginx_is_nginxs() -> None:
    """A backend that never answered within an exchange with nginx was asked by nginx."""
    seen = [found(1.0, 0, port=8888), found(1.1, 1), found(1.2, 2, port=8082), found(1.3, 2, 200), found(1.4, 0, 200, 8888)]
    assert hops(*seen) == ["client → nginx", "nginx → backend1", "nginx → backend2"]


def test_nginx_that_has_not_answered_yet_still_asks_its_backend() -> None:
    """When the capture ends before nginx answers, the backend's exchange is nginx's all the same."""
    assert hops(found(1.0, 0, port=8888), found(1.1, 1), found(1.2, 1, 200)) == ["client → nginx", "nginx → backend1"]


def test_port_without_a_name_is_named_by_its_address() -> None:
    """A server that `ports` does not name is shown by its address and port."""
    rows = pair([found(1.0, 0, port=9000)])
    name_hops(rows, PORTS)
    assert rows[0]["hop"] == "client → 127.0.0.1:9000"


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (["Host: a", "X-high-load-test:123", "Empty:"], {"Host": "a", "X-high-load-test": "123", "Empty": ""}),
        (["X-high-load-test: 123", "A: b", "x-HIGH-load-test: 123"], {"X-high-load-test": "123, 123", "A": "b"}),
        (["Location: http://x:80/"], {"Location": "http://x:80/"}),
        ([""], {}),
        (["no colon"], {}),
    ],
)
def test_headers_are_split_at_the_first_colon(monkeypatch: pytest.MonkeyPatch, lines: list[str], headers: dict[str, str]) -> None:
    """Names and values are without spaces around; two values of a name are both seen; a line without a colon is none."""
    joined = HEADER_SEPARATOR.join(rf"{line}\r\n" for line in lines)
    words = ["1.5", "0", "127.0.0.1", "40000", "127.0.0.1", "8888", "GET", "/", "", joined, ""]
    monkeypatch.setattr(module, "tshark", lambda *_args, **_options: SEPARATOR.join(words) + "\n")
    (row,) = messages("file", PORTS)  # type: ignore[arg-type]
    assert row["headers"] == headers
    assert (row["source"], row["target"], row["method"], row["status"]) == ("127.0.0.1:40000", "127.0.0.1:8888", "GET", None)


def syn_lines(*packets: tuple[str, str, str, str]) -> str:
    """tshark's lines for packets (stream, syn, ack, reset)."""
    rows = ([f"{n}.5", stream, "127.0.0.1", "40000", "127.0.0.1", "8081", *flags] for n, (stream, *flags) in enumerate(packets))
    return "".join(SEPARATOR.join(row) + "\n" for row in rows)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("True", "False")])
def test_syns_are_accepted_refused_or_unanswered(monkeypatch: pytest.MonkeyPatch, yes: str, no: str) -> None:
    """A SYN is accepted by SYN+ACK, refused by RST, else unanswered; a reset after it was accepted changes nothing."""
    packets = [
        ("0", yes, no, no), ("0", yes, yes, no), ("0", no, yes, yes), ("1", yes, no, no), ("1", no, yes, yes),
        ("2", yes, no, no), ("2", yes, no, no), ("2", yes, no, no), ("3", no, no, yes),
    ]  # fmt: skip
    monkeypatch.setattr(module, "tshark", lambda *_args, **_options: syn_lines(*packets))
    table = read_syns("file", PORTS)  # type: ignore[arg-type]
    assert table["answer"].tolist() == ["accepted", "refused", "none"]
    assert table["packets"].tolist() == [1, 1, 3]
    assert table["time"].tolist() == [0.0, 3.0, 5.0]
    assert set(table["target"]) == {"127.0.0.1:8081"}


def test_every_port_is_decoded_as_http() -> None:
    """tshark is told what each port is, because it would guess."""
    assert decode_options(PORTS) == {"tcp.port==8888": "http", "tcp.port==8081": "http", "tcp.port==8082": "http"}


def test_tsharks_refusal_is_an_error_with_its_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A file that is no capture, or no tshark at all, is a MeasureError."""
    refusal = SimpleNamespace(returncode=2, stderr="tshark: The file isn't a capture file\n", stdout="")
    monkeypatch.setattr(module.subprocess, "run", lambda *_args, **_options: refusal)
    (tmp_path / "x.pcapng").touch()
    with pytest.raises(MeasureError, match=r"could not read x\.pcapng") as caught:
        tshark(tmp_path / "x.pcapng", PORTS, [])
    assert "isn't a capture file" in caught.value.words


def test_missing_tshark_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Without tshark the package to install is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeasureError) as caught:
        tshark(tmp_path / "x.pcapng", PORTS, [])
    assert caught.value.way_out == "apt-get install tshark"
