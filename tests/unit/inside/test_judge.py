"""What a process really runs, and what it holds, told from the kernel's view of it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labkit.errors import wait_until
from labkit.inside.judge import kept, lines_of, program, programs


@contextmanager
def started(*command: str | Path, **environment: str) -> Iterator[int]:
    """A process that runs `command`."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_program_of_the_system_goes_by_its_name() -> None:
    """A process of a program below /usr is called by the name of its file, whatever it calls itself."""
    with started("/usr/bin/bash", "-c", "exec -a nginx /usr/bin/sleep 999") as pid:
        wait_until(lambda: program(pid) == "sleep", reason="sleep", timeout=60)


def test_program_with_other_code_in_it_goes_by_that(tmp_path: Path) -> None:
    """A library of the work's own that is loaded into a program of the system shows."""
    library = next(Path("/usr/lib").glob("*/libz.so.1"))
    own = tmp_path / "evil.so"
    own.write_bytes(library.read_bytes())
    with started("/usr/bin/sleep", "999", LD_PRELOAD=str(own)) as pid:
        wait_until(lambda: program(pid) == str(own), reason="the library", timeout=60)


def test_program_of_another_folder_goes_by_its_path(tmp_path: Path) -> None:
    """A copy is not the system's program, and a process that is gone is nothing."""
    copy = tmp_path / "nginx"
    copy.write_bytes(Path("/usr/bin/sleep").read_bytes())
    copy.chmod(0o755)
    with started(copy, "999") as pid:
        wait_until(lambda: program(pid) == str(copy), reason="the copy", timeout=60)
    assert program(pid) == ""


@pytest.mark.parametrize(
    ("family", "address", "seen"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET, "", "0.0.0.0")],
)  # fmt: skip
def test_socket_that_several_programs_share_is_each_ones(family: int, address: str, seen: str) -> None:
    """Whoever holds a socket is named, not one of them by chance: here Python, which listens, and a sleep that inherited it."""
    with socket.create_server((address, 0), family=family) as server:
        command = ["/usr/bin/sleep", "999"]
        with subprocess.Popen(command, pass_fds=[server.fileno()]) as other:
            try:
                wait_until(lambda: program(other.pid) == "sleep", reason="sleep", timeout=60)
                rows = [row for row in programs() if row["port"] == server.getsockname()[1]]
            finally:
                other.kill()
    assert [(row["protocol"], row["address"]) for row in rows] == [("tcp", seen)] * 2
    assert {row["pid"] for row in rows} == {os.getpid(), other.pid} and "sleep" in {row["program"] for row in rows}


class Server:
    """Answers on each connection `each` requests, then closes it; says so in the last answer when it is to `announce` it."""

    def __init__(self, each: int, announce: bool = False, answer: bytes = b"Content-Length: 2\r\n\r\nok") -> None:
        self.each, self.announce, self.answer, self.connections = each, announce, answer, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                for number in range(1, self.each + 1):
                    text = b""
                    while b"\r\n\r\n" not in text:
                        if not (part := client.recv(65536)):
                            break
                        text += part
                    if not text:
                        break
                    close = b"Connection: close\r\n" if self.announce and number == self.each else b""
                    client.sendall(b"HTTP/1.1 200 OK\r\n" + close + self.answer)


@pytest.mark.parametrize(
    ("each", "announce", "connections"), [(100, False, 1), (3, False, 4), (3, True, 4), (1, False, 10), (1, True, 10)]
)
def test_requests_stay_on_one_connection(each: int, announce: bool, connections: int) -> None:
    """Each request is answered once, on as few connections as the server allows, and each is put down to who accepted it."""
    server = Server(each, announce)
    rows = kept("127.0.0.1", server.port, 10, 10.0, 2)
    server.socket.close()
    assert [(row["status"], row["body"], row["error"]) for row in rows] == [(200, "ok", None)] * 10
    assert {row["worker"] for row in rows} == {os.getpid()}
    assert server.connections == connections
    assert all(row["refused"] >= 0 and row["ended"] >= row["began"] for row in rows)


@pytest.mark.parametrize(
    ("answer", "each", "connections"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 100, 1),
        (b"Connection: close\r\n\r\nok", 1, 4),
        (b"Content-Length: 9\r\n\r\nok", 1, 4),
    ],
    ids=["chunks", "until-the-end", "cut-off"],
)
def test_body_of_any_form_is_read(answer: bytes, each: int, connections: int) -> None:
    """In chunks, up to the end of the connection, or cut off by it: what came is the page, and the next request is answered."""
    server = Server(each, answer=answer)
    rows = kept("127.0.0.1", server.port, 4, 10.0, 2)
    server.socket.close()
    assert [(row["status"], row["body"], row["error"]) for row in rows] == [(200, "ok", None)] * 4
    assert server.connections == connections


def test_nobody_there_is_given_up() -> None:
    """Two requests without an answer are enough, and the reason is in the row."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    assert [row["error"] for row in kept("127.0.0.1", port, 10, 5.0, 2)] == ["refused"] * 2


def test_lines_are_read_as_the_process_sees_them(tmp_path: Path) -> None:
    """A folder's files are read by their names, a link too; what is no file, or cannot be read, is left out, not waited for."""
    (tmp_path / "available").mkdir()
    (tmp_path / "available" / "one").write_text("listen 80;\n# no\n")
    (tmp_path / "enabled").mkdir()
    (tmp_path / "enabled" / "absolute").symlink_to(tmp_path / "available" / "one")
    (tmp_path / "enabled" / "default").symlink_to("../available/one")
    (tmp_path / "enabled" / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "enabled" / "pipe")
    found = lines_of(str(tmp_path / "enabled"), os.getpid())
    assert found == {f"{tmp_path}/enabled/{name}": ["listen 80;", "# no"] for name in ("absolute", "default")}
    assert lines_of(str(tmp_path / "available" / "one"), os.getpid()) == {f"{tmp_path}/available/one": ["listen 80;", "# no"]}
    assert lines_of(str(tmp_path / "nothing"), os.getpid()) == {}
