"""What is read of the lab's system, read here: files, sockets, interfaces, IPVS's tables, and which program a process runs."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from labkit.errors import wait_until
from labkit.inside import files, ipvs, judge, processes, sockets
from labkit.inside.files import grown, read
from labkit.inside.judge import lines_of, program, programs
from labkit.inside.sockets import end_listeners, interfaces, listeners, open_ports, row_of, wait_for_listener


def test_files_are_read_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in them, those of /proc that say they are empty too; of a large one the end; what is no file is None."""
    for content in (b"", b"a\nb\n", "ünïcode".encode(), b"\xff\x00"):
        (tmp_path / "x").write_bytes(content)
        assert read(str(tmp_path / "x")) == content.decode(errors="replace")
    assert "Name:" in (read("/proc/self/status") or "")
    assert [read(str(tmp_path / name)) for name in ("none", ".", "a/b")] == [None] * 3
    monkeypatch.setattr(files, "LIMIT", 5)
    (tmp_path / "x").write_text("0123456789")
    assert read(str(tmp_path / "x")) == "56789"


def test_log_grows_by_whole_lines(tmp_path: Path) -> None:
    """Each reading brings the whole lines that were written since; one that was begun anew is read from its beginning."""
    log = tmp_path / "log"
    log.write_text("old\n")
    _, end = grown(str(log), -1)
    for text, wanted, grows in (("new\nha", "new\n", 4), ("lf\n", "half\n", 5)):
        with log.open("a") as file:
            file.write(text)
        assert grown(str(log), end) == (wanted, end + grows)
        end += grows
    log.write_text("a\n")
    assert grown(str(log), 100) == ("a\n", 2)
    assert grown(str(tmp_path / "none"), -1) == ("", 0)


def test_listener_is_a_row_with_its_process() -> None:
    """A listening TCP socket and a bound UDP socket have address, port, pid, program and command; a client's own is not open."""
    server, bound = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client, udp = socket.create_connection(server.getsockname()), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client, bound, udp:
        bound.bind(("127.0.0.1", 0))
        udp.connect(bound.getsockname())
        rows = {(row["protocol"], row["port"]): row for row in listeners() if row["pid"] == os.getpid()}
        ours, closed = {"tcp": server, "udp": bound}, {"tcp": client, "udp": udp}
        for protocol, one in ours.items():
            row = rows[protocol, one.getsockname()[1]]
            assert (row["address"], row["program"]) == ("127.0.0.1", psutil.Process().name())
            assert row["command"] == " ".join(psutil.Process().cmdline())
        assert not {(protocol, one.getsockname()[1]) for protocol, one in closed.items()} & rows.keys()
        found = open_ports()
        assert {one.getsockname()[1] for one in ours.values()} <= found and client.getsockname()[1] not in found


@pytest.mark.parametrize("then", ["listening", "ended"])
def test_waiting_for_a_listener(monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """It ends when it listens, with its process, collected or not, and with the time; a look that is refused is no answer."""
    assert wait_for_listener(os.getpid(), 1, 0.05) == "timeout"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        assert wait_for_listener(process.pid, 1, 30.0) == "ended"
        process.wait()
        assert wait_for_listener(process.pid, 1, 30.0) == "ended"
    with socket.create_server(("127.0.0.1", 0)) as server:
        # While a process is being replaced or ends, the kernel refuses a look at what it holds.
        real, refusals, own = os.listdir, iter([PermissionError(1, "refused")] * 2), f"/proc/{os.getpid()}/fd"

        def look(place: str) -> list[str]:
            for refusal in refusals if place == own else ():
                raise refusal
            if then == "ended":
                monkeypatch.setattr(sockets, "status", lambda _pid: {})
                return []
            return real(place)

        monkeypatch.setattr(os, "listdir", look)
        assert wait_for_listener(os.getpid(), server.getsockname()[1], 30.0) == then


def test_listener_that_is_gone_already_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the end a process may end by itself; the others on the ports are ended all the same."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with subprocess.Popen(["sleep", "60"]) as there:
        rows = [{"protocol": "tcp", "port": 8081, "pid": process.pid} for process in (gone, there)]
        monkeypatch.setattr(sockets, "listeners", lambda: rows)
        end_listeners([8081])
        assert there.poll() is not None


def test_rows_of_interfaces() -> None:
    """Name, kind, whether it is up, IPv4 addresses with their prefix lengths; this system's own lo has no kind."""
    addresses = [("inet", "192.168.100.1", 32), ("inet6", "fe80::1", 64)]
    rows = [{"family": family, "local": local, "prefixlen": length} for family, local, length in addresses]
    link = {"ifname": "dummy1", "flags": ["BROADCAST", "NOARP", "UP"], "linkinfo": {"info_kind": "dummy"}, "addr_info": rows}
    assert row_of(link) == {"name": "dummy1", "kind": "dummy", "up": True, "addresses": ["192.168.100.1/32"]}
    lo = next(row for row in interfaces() if row["name"] == "lo")
    assert (lo["kind"], lo["up"], "127.0.0.1/8" in lo["addresses"]) == ("", True, True)


# ipvsadm 1.31's own words.
HEAD = "IP Virtual Server version 1.2.1 (size=4096)\n"
TABLE = (
    HEAD
    + """\
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  1.2.3.4:80 rr
  -> 127.0.0.1:9                  Masq    1      2          30
UDP  1.2.3.4:80 wlc persistent 100 ops
  -> 127.0.0.1:9                  Tunnel  0      0          0
SCTP 1.2.3.4:80 wlc
TCP  [::1]:80 rr
  -> [::1]:81                     Masq    65535  0          0
FWM  7 rr persistent 360
  -> 127.0.0.1:9                  Route   1      0          0
FWM  8 IPv6 lc
"""
)
STATS = (
    HEAD
    + """\
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  1.2.3.4:80                          5       30       25     1234 12345678901
  -> 127.0.0.1:9                         5       30       25     1234 12345678901
UDP  1.2.3.4:80                          1        2        3        4        5
  -> 127.0.0.1:9                         1        2        3        4        5
"""
)


def test_tables_of_ipvsadm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of service and of way to a server is told apart; a server of two services is counted for each, one that was
    added between the two looks has counted nothing yet; of an empty table only the heading is printed."""
    texts = {("-Ln",): TABLE, ("-Ln", "--stats", "--exact"): STATS}
    monkeypatch.setattr(ipvs, "ipvsadm", lambda *options: texts[options])
    rows = ipvs.table()
    assert [(row["protocol"], row["address"], row["scheduler"], row["persistent"]) for row in rows] == [
        ("tcp", "1.2.3.4:80", "rr", False), ("udp", "1.2.3.4:80", "wlc", True), ("sctp", "1.2.3.4:80", "wlc", False),
        ("tcp", "[::1]:80", "rr", False), ("fwmark", "mark 7", "rr", True), ("fwmark", "mark 8", "lc", False),
    ]  # fmt: skip
    servers = [(s["server"], s["method"], s["weight"]) for row in rows for s in row["servers"]]
    assert servers == [("127.0.0.1:9", 0, 1), ("127.0.0.1:9", 2, 0), ("[::1]:81", 0, 65535), ("127.0.0.1:9", 3, 1)]
    counted = {(row["service"], row["scheduler"]): row for row in ipvs.counters()}
    tcp = counted["1.2.3.4:80", "rr"]
    assert [tcp[name] for name in ("server", "weight", "active", "inactive")] == ["127.0.0.1:9", 1, 2, 30]
    sums = {
        ("1.2.3.4:80", "rr"): [5, 30, 25, 1234, 12345678901],
        ("1.2.3.4:80", "wlc"): [1, 2, 3, 4, 5],
        ("[::1]:80", "rr"): [0] * 5,
    }
    assert {key: [counted[key][name] for name in ipvs.COUNTERS] for key in sums} == sums
    texts.update(dict.fromkeys(texts, HEAD))
    assert ipvs.table() == ipvs.counters() == []


@contextmanager
def started(*command: str | Path, fds: tuple[int, ...] = (), **environment: str) -> Iterator[int]:
    """A process that runs `command`."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE, pass_fds=fds) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_program_of_a_process_is_told_by_the_kernel(tmp_path: Path) -> None:
    """The system's goes by the name of its file, whatever it calls itself; with other code in it by that; a copy by its path."""
    copy, own = tmp_path / "nginx", tmp_path / "evil.so"
    copy.write_bytes(Path("/usr/bin/sleep").read_bytes())
    copy.chmod(0o755)
    own.write_bytes(next(Path("/usr/lib").glob("*/libz.so.1")).read_bytes())
    renamed = ("/usr/bin/bash", "-c", "exec -a nginx /usr/bin/sleep 999")
    for command, values, name in (
        (renamed, {}, "sleep"), (("/usr/bin/sleep", "999"), {"LD_PRELOAD": str(own)}, str(own)), ((copy, "999"), {}, str(copy)),
    ):  # fmt: skip
        with started(*command, **values) as pid:
            wait_until(lambda pid=pid, name=name: program(pid) == name, reason=name, timeout=60)  # type: ignore[misc]
    assert program(pid) == ""  # it is gone


@pytest.mark.parametrize(("address", "seen"), [("127.0.0.1", "127.0.0.1"), ("", "0.0.0.0")])
def test_socket_that_several_programs_share_is_each_ones(address: str, seen: str) -> None:
    """Whoever holds a socket is named, not one of them by chance: here Python, which listens, and a sleep that inherited it."""
    with socket.create_server((address, 0)) as server, started("/usr/bin/sleep", "999", fds=(server.fileno(),)) as other:
        wait_until(lambda: program(other) == "sleep", reason="sleep", timeout=60)
        rows = [row for row in programs() if row["port"] == server.getsockname()[1]]
    assert [(row["protocol"], row["address"]) for row in rows] == [("tcp", seen)] * 2
    assert {row["pid"] for row in rows} == {os.getpid(), other} and "sleep" in {row["program"] for row in rows}


def test_lines_are_read_as_the_process_sees_them(tmp_path: Path) -> None:
    """A folder's files are read by their names, a link too; what is no file, or cannot be read, is left out, not waited for."""
    one, enabled = tmp_path / "available" / "one", tmp_path / "enabled"
    for folder in (one.parent, enabled):
        folder.mkdir()
    one.write_text("listen 80;\n# no\n")
    for name, target in (("absolute", one), ("default", "../available/one"), ("loop", "loop")):
        (enabled / name).symlink_to(target)
    os.mkfifo(enabled / "pipe")
    lines = ["listen 80;", "# no"]
    assert lines_of(str(enabled), os.getpid()) == {f"{enabled}/{name}": lines for name in ("absolute", "default")}
    assert lines_of(str(one), os.getpid()) == {str(one): lines}
    assert lines_of(str(tmp_path / "nothing"), os.getpid()) == {}


def test_folder_is_copied_as_it_is(tmp_path: Path) -> None:
    """Texts, modes, times, empty folders, and links as links, also such that lead nowhere; into a folder that is there."""
    source, to = tmp_path / "source", tmp_path / "to"
    (source / "deep" / "empty").mkdir(parents=True)
    (source / "deep" / "script").write_bytes(b"\x00\xff")
    (source / "deep" / "script").chmod(0o750)
    os.utime(source / "deep" / "script", (1, 2))
    (source / "deep").chmod(0o711)
    (source / "away").symlink_to("/nowhere")
    to.mkdir()
    files.copy_tree(str(source), str(to))
    assert (to / "deep" / "script").read_bytes() == b"\x00\xff" and (to / "deep" / "empty").is_dir()
    for name in ("deep", "deep/script"):
        found, wanted = (to / name).stat(), (source / name).stat()
        assert (found.st_mode, found.st_mtime_ns) == (wanted.st_mode, wanted.st_mtime_ns)
    assert os.readlink(to / "away") == "/nowhere"


@pytest.mark.parametrize("ended", [True, False])
def test_process_that_ends_while_helpers_are_ended(ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a work may end meanwhile: the others are forbidden programs all the same, and nothing else is killed.

    One that lives and cannot be forbidden them is an error.
    """
    with subprocess.Popen(["true" if ended else "cat"], stdin=subprocess.PIPE) as one:
        while ended and processes.status(one.pid):
            pass
        forbidden: list[int] = []

        def forbid(pid: int, *, everywhere: bool) -> None:
            assert everywhere
            forbidden.append(pid)
            if pid == one.pid:
                raise FileNotFoundError

        monkeypatch.setattr(judge, "INNER", str(tmp_path))
        monkeypatch.setattr(judge, "members", lambda *_group: [one.pid, os.getpid()])
        monkeypatch.setattr(judge, "keep_only", lambda *_pids: None)
        monkeypatch.setattr(judge, "forbid_programs", forbid)
        monkeypatch.setattr(psutil, "process_iter", lambda: pytest.fail("all the others are killed"))
        with contextlib.nullcontext() if ended else pytest.raises(FileNotFoundError):
            judge.end_helpers("nginx")
        assert forbidden == ([one.pid, os.getpid()] if ended else [one.pid])
