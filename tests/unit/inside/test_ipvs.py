"""What is read of ipvsadm's tables; the texts are ipvsadm 1.31's own."""

from __future__ import annotations

import pytest

from labkit.inside import ipvs

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


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, ...], str]:
    """What ipvsadm prints, by its options."""
    texts = {("-Ln",): TABLE, ("-Ln", "--stats", "--exact"): STATS}
    monkeypatch.setattr(ipvs, "ipvsadm", lambda *options: texts[options])
    return texts


def test_table_has_every_kind_of_service(said: dict[tuple[str, ...], str]) -> None:
    """Protocols, IPv6, marks with and without a family, persistence and each way to a real server are told apart."""
    rows = ipvs.table()
    assert [(row["protocol"], row["address"], row["scheduler"], row["persistent"]) for row in rows] == [
        ("tcp", "1.2.3.4:80", "rr", False), ("udp", "1.2.3.4:80", "wlc", True), ("sctp", "1.2.3.4:80", "wlc", False),
        ("tcp", "[::1]:80", "rr", False), ("fwmark", "mark 7", "rr", True), ("fwmark", "mark 8", "lc", False),
    ]  # fmt: skip
    servers = [(s["server"], s["method"], s["weight"]) for row in rows for s in row["servers"]]
    assert servers == [("127.0.0.1:9", 0, 1), ("127.0.0.1:9", 2, 0), ("[::1]:81", 0, 65535), ("127.0.0.1:9", 3, 1)]


def test_counters_belong_to_their_own_service(said: dict[tuple[str, ...], str]) -> None:
    """A server of two services is counted for each; one that was added between the two looks has counted nothing yet."""
    rows = {(row["service"], row["scheduler"]): row for row in ipvs.counters()}
    tcp, udp, later = rows["1.2.3.4:80", "rr"], rows["1.2.3.4:80", "wlc"], rows["[::1]:80", "rr"]
    assert [tcp[name] for name in ("server", "weight", "active", "inactive")] == ["127.0.0.1:9", 1, 2, 30]
    assert [tcp[name] for name in ipvs.COUNTERS] == [5, 30, 25, 1234, 12345678901]
    assert [udp[name] for name in ipvs.COUNTERS] == [1, 2, 3, 4, 5]
    assert [later[name] for name in ipvs.COUNTERS] == [0] * 5


def test_empty_table_has_no_rows(said: dict[tuple[str, ...], str]) -> None:
    """Only the heading is printed then."""
    said["-Ln",] = said["-Ln", "--stats", "--exact"] = HEAD
    assert ipvs.table() == ipvs.counters() == []
