"""Captures: the command, HTTP messages paired to exchanges with their hops, SYNs and their answers."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.errors import LabkitError, MeasureError
from labkit.machine.folder import LabFolder
from labkit.measure import capture as module
from labkit.measure.capture import HEADER_SEPARATOR, PORTS, SEPARATOR, Capture


def test_command_records_the_ports_and_the_marks() -> None:
    """The filter is one word; the discard port carries the marks; tshark, which would guess, is told what each port is."""
    assert PORTS == {8888: "nginx", 8081: "backend1", 8082: "backend2"}
    assert module.capture_command("tshark", "lo", [8888, 8081], "/lab/x.pcapng") == [
        "tshark", "-q", "-i", "lo", "-f", "tcp port 8888 or tcp port 8081 or udp port 9", "-w", "/lab/x.pcapng",
    ]  # fmt: skip
    assert module.decode_options(PORTS) == {f"tcp.port=={port}": "http" for port in PORTS}


@pytest.fixture
def capture(fake_lab: Any) -> Capture:
    """A capture whose file is there, and empty."""
    capture = Capture(fake_lab)
    capture.file.touch()
    return capture


def no_program(*_args: object, **_options: object) -> None:
    """What subprocess.run does where a program is missing."""
    raise FileNotFoundError("tshark")


def test_what_cannot_be_read_says_why(capture: Capture, monkeypatch: Any) -> None:
    """A file that is no capture has tshark's words; without tshark, or before recording, the way out is told."""
    capture.file.write_text("no capture")
    with pytest.raises(MeasureError, match=r"could not read capture\.pcapng") as caught:
        capture.syns()
    assert "isn't a capture file" in caught.value.words
    for name, value in (("PATH", "/nowhere"), ("subprocess.run", no_program)):
        with monkeypatch.context() as patch, pytest.raises(LabkitError, match="tshark") as missing:
            patch.setattr(f"labkit.measure.capture.{name}", value)
            capture.syns()
        assert missing.value.way_out == "apt-get install tshark"
    capture.file.unlink()
    for read in (capture.exchanges, capture.syns, lambda: capture.packets(0)):
        with pytest.raises(MeasureError, match="nothing yet") as caught:
            read()
        assert "with Capture(lab)" in caught.value.way_out


def test_capture_of_strangers_is_read_apart(capture: Capture, monkeypatch: Any) -> None:
    """Whatever is read of a lab that is not trusted, tshark sees nothing but the file, and pyshark is not begun."""
    seen: list[list[str]] = []
    monkeypatch.setattr(module, "reading_command", lambda command: seen.append(command) or ["true"])
    capture.lab.trusted = False
    assert len(capture.exchanges()) == len(capture.syns()) == 0
    assert [command[:4] for command in seen] == [["tshark", "-n", "-r", "-"]] * 2
    with pytest.raises(MeasureError, match="stranger"):
        capture.packets(0)


def test_recording_is_searched_once(capture: Capture, folder: LabFolder) -> None:
    """While a mark is waited for, only what is new of a large recording is read; a mark that comes in two parts is found."""
    capture.lab.folder = folder
    capture._process = SimpleNamespace(alive=True, command="tshark", log="")  # type: ignore[assignment]
    capture._recording.parent.mkdir()
    capture._recording.write_bytes(bytes(8_000_000))
    marks = count()

    def mark(token: str) -> None:
        with capture._recording.open("ab") as file:
            file.write({3: token[:9], 4: token[9:]}.get(next(marks), "").encode())

    def read_so_far() -> int:  # proc(5)
        return int(Path("/proc/self/io").read_text().split()[1])

    capture.lab.answers["mark"] = mark  # type: ignore[attr-defined]
    before = read_so_far()
    capture._mark()
    assert next(marks) == 5 and read_so_far() - before < 2 * 8_000_000


def found(time: float, stream: int, status: Any = None, port: int = 8081, **headers: str) -> Any:
    """A message as `message` gives it: a request, or with a status its response."""
    ends = ["127.0.0.1:40000", f"127.0.0.1:{port}"][:: 1 if status is None else -1]
    line = {"method": "", "uri": ""} if status else {"method": "GET", "uri": "/"}
    line |= {"source": ends[0], "target": ends[1]}
    return line | {"time": time, "stream": stream, "status": status, "headers": headers}


PROXIED = [found(1.0, 0, port=8888), found(1.25, 1), found(1.5, 1, 200), found(2.0, 0, 200, 8888)]
FIRST, PROXY, THROUGH = "client → backend1", "client → nginx", "nginx → backend1"
# Messages, and the exchanges that they are: stream, status, milliseconds, hop. What is asked within an exchange with nginx is
# nginx's.
PAIRS: dict[str, tuple[list[Any], list[Any]]] = {
    "streams that overlap": (
        [found(1.0, 0), found(1.5, 1, port=8082), found(2.0, 1, 404, 8082, Server="x"), found(3.0, 0, 200)],
        [(0, 200, 2000.0, FIRST), (1, 404, 500.0, "client → backend2")],
    ),
    "pipelined": (
        [found(1.0, 0), found(2.0, 0), found(3.0, 0, 200), found(5.0, 0, 404)],
        [(0, 200, 2000.0, FIRST), (0, 404, 3000.0, FIRST)],
    ),
    "never answered, by a port without a name": ([found(1.0, 0, port=9000)], [(0, None, None, "client → 127.0.0.1:9000")]),
    "whose request was not captured": ([found(1.0, 0, 200), found(2.0, 1, 200)], []),
    "after it is the client's own": (
        [*PROXIED, found(2.5, 2), found(3.0, 2, 200)],
        [(0, 200, 1000.0, PROXY), (1, 200, 250.0, THROUGH), (2, 200, 500.0, FIRST)],
    ),
    "a failed attempt too": (
        [*PROXIED[:2], found(1.5, 2, port=8082), found(1.75, 2, 200), PROXIED[3]],
        [(0, 200, 1000.0, PROXY), (1, None, None, THROUGH), (2, 200, 250.0, "nginx → backend2")],
    ),
    "the capture ends before nginx answers": (PROXIED[:3], [(0, None, None, PROXY), (1, 200, 250.0, THROUGH)]),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "rows"), PAIRS.values(), ids=PAIRS)
def test_response_is_the_first_open_requests(seen: list[Any], rows: list[Any]) -> None:
    """A request without a response stays alone; a response without a request is left out; headers and ends are its own."""
    table = module.pair(seen)
    module.name_hops(table, PORTS)
    assert [(row["stream"], row["status"], row["ms"], row["hop"]) for row in table] == rows
    for row in table:
        headers = {"Server": "x"} if row["status"] == 404 and row["stream"] else {}
        assert (row["response_headers"], row["client"]) == (headers, "127.0.0.1:40000")


def printed(*rows: list[str]) -> Any:
    """What stands for subprocess.run: a tshark that prints these fields."""
    words = "".join(SEPARATOR.join(row) + "\n" for row in rows)
    return lambda *_args, **_options: SimpleNamespace(returncode=0, stdout=words)


def test_headers_are_split_at_the_first_colon(capture: Capture, monkeypatch: Any) -> None:
    """Names and values are without spaces around; two values of a name are both seen; a line without a colon is none."""
    for lines, headers in (
        (["Host: a", "X-a:123", "Empty:"], {"Host": "a", "X-a": "123", "Empty": ""}),
        (["X-a: 123", "A: b", "x-A: 123"], {"X-a": "123, 123", "A": "b"}),
        (["Location: http://x:80/", "no colon"], {"Location": "http://x:80/"}),
    ):
        joined = HEADER_SEPARATOR.join(rf"{line}\r\n" for line in lines)
        row = ["1.5", "0", "127.0.0.1", "40000", "127.0.0.1", "8888", "GET", "/", "", joined, ""]
        monkeypatch.setattr(module.subprocess, "run", printed(row))
        (one,) = capture.exchanges().itertuples()
        assert one.request_headers == headers
        assert (one.client, one.server) == ("127.0.0.1:40000", "127.0.0.1:8888")
        assert (one.method, one.uri) == ("GET", "/")


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("True", "False")])
def test_syns_have_their_answers(capture: Capture, monkeypatch: Any, yes: str, no: str) -> None:
    """A SYN is accepted by SYN+ACK, refused by RST, else unanswered; a reset after it was accepted changes nothing.

    What flags are called is another thing in newer versions of tshark.
    """
    packets = [
        ("0", yes, no, no), ("0", yes, yes, no), ("0", no, yes, yes), ("1", yes, no, no), ("1", no, yes, yes),
        ("2", yes, no, no), ("2", yes, no, no), ("2", yes, no, no), ("3", no, no, yes),
    ]  # fmt: skip
    place = ["127.0.0.1", "40000", "127.0.0.1", "8081"]
    rows = [[f"{n}.5", stream, *place, *flags] for n, (stream, *flags) in enumerate(packets)]
    monkeypatch.setattr(module.subprocess, "run", printed(*rows))
    table = capture.syns()
    assert table[["time", "target", "answer", "packets"]].to_numpy().tolist() == [
        [0.0, "127.0.0.1:8081", "accepted", 1], [3.0, "127.0.0.1:8081", "refused", 1], [5.0, "127.0.0.1:8081", "none", 3],
    ]  # fmt: skip
