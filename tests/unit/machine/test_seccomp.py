"""The filters of a lab, on the running kernel and under Landlock, and how IPVS is asked for."""

import ctypes
import errno
import os
import socket
import struct

import pytest

from labkit.machine import bwrap as seccomp
from labkit.machine import landlock

NETLINK = socket.AF_NETLINK
# prctl(2)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def refused_under(rows: bytes, family: int, kind: int, protocol: int) -> int:
    """Return the errno of socket(2) in a process of its own under the filter, 0 where it is allowed."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            buffer = ctypes.create_string_buffer(rows)
            given = ctypes.create_string_buffer(struct.pack("H6xP", len(rows) // 8, ctypes.addressof(buffer)))
            assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, given, 0, 0) == 0
            try:
                socket.socket(family, kind, protocol).close()
                code = 0
            except OSError as error:
                code = error.errno or 254
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "expected"),
    [
        (NETLINK, socket.SOCK_RAW, 16, errno.EPROTONOSUPPORT),
        (NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 16, errno.EPROTONOSUPPORT),
        (NETLINK, socket.SOCK_RAW, 0, 0),  # NETLINK_ROUTE: ip
        (NETLINK, socket.SOCK_RAW, 4, 0),  # NETLINK_SOCK_DIAG: ss
        (socket.AF_INET, socket.SOCK_STREAM, 0, 0),
        (socket.AF_UNIX, socket.SOCK_STREAM, 0, 0),
    ],
)
def test_generic_netlink_alone_is_refused(family: int, kind: int, protocol: int, expected: int) -> None:
    """Under the filter of this machine generic netlink is not supported, and every other socket is as it was."""
    rows = seccomp.no_generic_netlink(os.uname().machine)
    assert rows or os.uname().machine not in seccomp.MACHINES
    assert refused_under(rows, family, kind, protocol) == (expected if rows else 0)


@pytest.mark.parametrize(("machine", "differ"), [("aarch64", 2), ("x86_64", 0)])
def test_machines_differ_in_their_name_and_number_only(machine: str, differ: int) -> None:
    """The filters for arm64 and x86 are the same but for the machine and the number of socket(2)."""

    def split(rows: bytes) -> list[bytes]:
        return [rows[at : at + 8] for at in range(0, len(rows), 8)]

    pairs = zip(split(seccomp.no_generic_netlink(machine)), split(seccomp.no_generic_netlink("x86_64")), strict=True)
    assert sum(one != other for one, other in pairs) == differ


def test_unknown_machine_has_no_filter() -> None:
    """Elsewhere a lab opens without one, and IPVS is refused there as before."""
    assert seccomp.no_generic_netlink("riscv64") == b""


def test_asking_for_ipvs_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the kernel has, asking ends well; also where there is no generic netlink at all."""
    seccomp.load_ipvs()
    monkeypatch.setattr(seccomp, "NETLINK_GENERIC", 31)
    seccomp.load_ipvs()


def answer(rows: bytes, number: int, *arguments: int, machine: str = "x86_64") -> int:
    """The errno that a filter answers to a call, 0 where it allows it: its rows followed one by one, as seccomp(2) does."""
    data = struct.pack("=IIQ6Q", number, landlock.MACHINES[machine][0], 0, *arguments, *[0] * (6 - len(arguments)))
    at, word = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("=HBBI", rows, 8 * at)
        at += 1
        if code == landlock.LOAD:
            (word,) = struct.unpack_from("=I", data, value)
        elif code == landlock.RETURN:
            return value & 0xFFFF if value != landlock.ALLOW else 0
        else:
            at += yes if (word == value if code == landlock.SKIP_UNLESS else word >= value) else no


@pytest.mark.parametrize("strangers", [True, False])
def test_filter_under_landlock_refuses_what_reaches_others(strangers: bool) -> None:
    """Every call of its tables is refused, marks on files only to strangers; a process's own limits and all else are allowed."""
    rows = landlock.seccomp_filter("x86_64", landlock.refused(strangers=strangers), only_known=True)
    assert {answer(rows, number, 1) for number in landlock.REACHING.values()} == {errno.EPERM}
    assert {answer(rows, number) for number in landlock.CHANGING.values()} == {errno.EPERM if strangers else 0}
    assert answer(rows, landlock.REACHING["prlimit64"], 0) == 0
    others = set(range(landlock.UNKNOWN)) - set(landlock.REACHING.values()) - set(landlock.CHANGING.values())
    assert {answer(rows, number) for number in others} == {0}


@pytest.mark.parametrize(("number", "machine"), [(41, "aarch64"), (0x40000000 + 41, "x86_64"), (landlock.UNKNOWN, "x86_64")])
def test_calls_that_the_filter_does_not_know_are_refused(number: int, machine: str) -> None:
    """A call by another table of numbers (of 32 bits, x32) and one that is younger than the filter do not pass it."""
    rows = landlock.seccomp_filter("x86_64", landlock.refused(strangers=False), only_known=True)
    assert answer(rows, number, machine=machine) == errno.ENOSYS
    assert answer(seccomp.no_generic_netlink("x86_64"), number, machine=machine) == 0
