"""Captures: the command, HTTP messages paired to exchanges with their hops, SYNs and their answers."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.errors import MeasureError
from labkit.machine.folder import LabFolder
from labkit.measure import exchanges as module
from labkit.measure.capture import PORTS, Capture, capture_command
from labkit.measure.exchanges import HEADER_SEPARATOR, SEPARATOR, decode_options, messages, name_hops, pair, read_syns, tshark


def test_command_records_the_ports_and_the_marks() -> None:
    """The filter is one word; the discard port carries the marks; tshark, which would guess, is told what each port is."""
    assert PORTS == {8888: "nginx", 8081: "backend1", 8082: "backend2"}
    assert capture_command("tshark", "lo", [8888, 8081], "/lab/x.pcapng") == [
        "tshark", "-q", "-i", "lo", "-f", "tcp port 8888 or tcp port 8081 or udp port 9", "-w", "/lab/x.pcapng",
    ]  # fmt: skip
    assert decode_options(PORTS) == {"tcp.port==8888": "http", "tcp.port==8081": "http", "tcp.port==8082": "http"}


@pytest.mark.parametrize("read", [Capture.exchanges, Capture.syns, lambda capture: capture.packets(0)])
def test_capture_that_recorded_nothing_says_so(fake_lab: Any, read: Any) -> None:
    """Reading before recording is an error that shows how to record."""
    with pytest.raises(MeasureError, match="nothing yet") as caught:
        read(Capture(fake_lab))
    assert "with Capture(lab)" in caught.value.way_out


@pytest.mark.parametrize("read", [Capture.exchanges, Capture.syns])
def test_capture_of_strangers_is_read_apart(fake_lab: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read of a lab that is not trusted, tshark sees nothing but the file."""
    seen: list[str] = []
    monkeypatch.setattr(module, "reading_command", lambda command: seen.extend(command) or ["true"])
    fake_lab.trusted = False
    capture = Capture(fake_lab)
    capture.file.touch()
    read(capture)
    assert seen[:4] == ["tshark", "-n", "-r", "-"] and not any(capture.file.name in word for word in seen)
    with pytest.raises(MeasureError, match="stranger"):
        capture.packets(0)


def test_recording_is_searched_once(fake_lab: Any, folder: LabFolder) -> None:
    """While a mark is waited for, only what is new of a large recording is read; a mark that comes in two parts is found."""
    fake_lab.folder = folder
    (folder.path / "captures").mkdir()
    capture = Capture(fake_lab)
    capture._process = SimpleNamespace(alive=True, command="tshark", log="")  # type: ignore[assignment]
    capture._recording.write_bytes(bytes(8_000_000))
    marks = count()

    def mark(token: str) -> None:
        parts = {3: token[:9], 4: token[9:]}
        with capture._recording.open("ab") as file:
            file.write(parts.get(next(marks), "").encode())

    def read_so_far() -> int:  # proc(5)
        return int(Path("/proc/self/io").read_text().split()[1])

    fake_lab.answers["mark"] = mark
    before = read_so_far()
    capture._mark()
    assert next(marks) == 5
    assert read_so_far() - before < 2 * 8_000_000


def found(time: float, stream: int, status: int | None = None, port: int = 8081, **headers: str) -> dict[str, Any]:
    """A message as `message` gives it: a request, or with a status its response."""
    client, server = "127.0.0.1:40000", f"127.0.0.1:{port}"
    ends = (client, server) if status is None else (server, client)
    return {
        "time": time, "stream": stream, "source": ends[0], "target": ends[1], "method": "" if status else "GET",
        "uri": "" if status else "/", "status": status, "headers": headers,
    }  # fmt: skip


# Messages, and the exchanges that they are: stream, status, milliseconds.
PAIRS: dict[str, tuple[list[dict[str, Any]], list[tuple[int, int | None, float | None]]]] = {
    "streams that overlap": (
        [found(1.0, 0), found(1.5, 1, port=8082), found(2.0, 1, 404, 8082, Server="x"), found(3.0, 0, 200)],
        [(0, 200, 2000.0), (1, 404, 500.0)],
    ),
    "pipelined": ([found(1.0, 0), found(2.0, 0), found(3.0, 0, 200), found(5.0, 0, 404)], [(0, 200, 2000.0), (0, 404, 3000.0)]),
    "never answered": ([found(1.0, 0)], [(0, None, None)]),
    "whose request was not captured": ([found(1.0, 0, 200), found(2.0, 1, 200)], []),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("seen", "rows"), PAIRS.values(), ids=PAIRS)
def test_response_belongs_to_the_first_open_request_on_its_stream(
    seen: list[dict[str, Any]], rows: list[tuple[int, int | None, float | None]]
) -> None:
    """A request without a response stays alone; a response without a request is left out; headers and ends are its own."""
    found = pair(seen)
    assert [(row["stream"], row["status"], row["ms"]) for row in found] == rows
    assert all(row["response_headers"] == ({"Server": "x"} if row["status"] == 404 and row["stream"] else {}) for row in found)
    assert all((row["client"], row["server"][:13]) == ("127.0.0.1:40000", "127.0.0.1:808") for row in found)


PROXIED = [found(1.0, 0, port=8888), found(1.1, 1), found(1.2, 1, 200), found(1.3, 0, 200, 8888)]
# Messages, and the names of their hops: what is asked within an exchange with nginx is nginx's.
HOPS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "before or after it is the client's own": (
        [*PROXIED, found(2.0, 2, port=8082), found(2.1, 2, 200, 8082)],
        ["client → nginx", "nginx → backend1", "client → backend2"],
    ),
    "a failed attempt too": (
        [PROXIED[0], PROXIED[1], found(1.2, 2, port=8082), found(1.3, 2, 200), found(1.4, 0, 200, 8888)],
        ["client → nginx", "nginx → backend1", "nginx → backend2"],
    ),
    "the capture ends before nginx answers": (PROXIED[:3], ["client → nginx", "nginx → backend1"]),
    "a port without a name": ([found(1.0, 0, port=9000)], ["client → 127.0.0.1:9000"]),
}


@pytest.mark.parametrize(("seen", "names"), HOPS.values(), ids=HOPS)
def test_what_nginx_asks_is_nginxs(seen: list[dict[str, Any]], names: list[str]) -> None:
    """An exchange with a backend within one with nginx is nginx's, and every other one the client's."""
    rows = pair(seen)
    name_hops(rows, PORTS)
    assert [row["hop"] for row in rows] == names


def test_headers_are_split_at_the_first_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and values are without spaces around; two values of a name are both seen; a line without a colon is none."""
    for lines, headers in (
        (["Host: a", "X-high-load-test:123", "Empty:"], {"Host": "a", "X-high-load-test": "123", "Empty": ""}),
        (["X-high-load-test: 123", "A: b", "x-HIGH-load-test: 123"], {"X-high-load-test": "123, 123", "A": "b"}),
        (["Location: http://x:80/"], {"Location": "http://x:80/"}), ([""], {}), (["no colon"], {}),
    ):  # fmt: skip
        joined = HEADER_SEPARATOR.join(rf"{line}\r\n" for line in lines)
        words = SEPARATOR.join(["1.5", "0", "127.0.0.1", "40000", "127.0.0.1", "8888", "GET", "/", "", joined, ""])
        monkeypatch.setattr(module, "tshark", lambda *_args, words=words, **_options: words + "\n")
        (row,) = messages("file", PORTS)  # type: ignore[arg-type]
        assert row["headers"] == headers
        assert (row["source"], row["target"], row["method"], row["status"]) == ("127.0.0.1:40000", "127.0.0.1:8888", "GET", None)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("True", "False")])
def test_syns_are_accepted_refused_or_unanswered(monkeypatch: pytest.MonkeyPatch, yes: str, no: str) -> None:
    """A SYN is accepted by SYN+ACK, refused by RST, else unanswered; a reset after it was accepted changes nothing."""
    packets = [
        ("0", yes, no, no), ("0", yes, yes, no), ("0", no, yes, yes), ("1", yes, no, no), ("1", no, yes, yes),
        ("2", yes, no, no), ("2", yes, no, no), ("2", yes, no, no), ("3", no, no, yes),
    ]  # fmt: skip
    rows = ([f"{n}.5", stream, "127.0.0.1", "40000", "127.0.0.1", "8081", *flags] for n, (stream, *flags) in enumerate(packets))
    text = "".join(SEPARATOR.join(row) + "\n" for row in rows)
    monkeypatch.setattr(module, "tshark", lambda *_args, **_options: text)
    table = read_syns("file", PORTS)  # type: ignore[arg-type]
    assert table["answer"].tolist() == ["accepted", "refused", "none"] and table["packets"].tolist() == [1, 1, 3]
    assert table["time"].tolist() == [0.0, 3.0, 5.0] and set(table["target"]) == {"127.0.0.1:8081"}


def test_tsharks_refusal_is_an_error_with_its_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is no capture is a MeasureError; without tshark the package to install is told."""
    refusal = SimpleNamespace(returncode=2, stderr="tshark: The file isn't a capture file\n", stdout="")
    with monkeypatch.context() as patch:
        patch.setattr(module.subprocess, "run", lambda *_args, **_options: refusal)
        (tmp_path / "x.pcapng").touch()
        with pytest.raises(MeasureError, match=r"could not read x\.pcapng") as caught:
            tshark(tmp_path / "x.pcapng", PORTS, [])
    assert "isn't a capture file" in caught.value.words
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeasureError) as caught:
        tshark(tmp_path / "x.pcapng", PORTS, [])
    assert caught.value.way_out == "apt-get install tshark"
