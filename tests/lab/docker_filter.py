"""Runs a command under a seccomp filter like Docker's default: `docker_filter.py [--no-landlock] COMMAND…`, on x86-64.

Refused is what Docker's documentation lists as blocked (https://docs.docker.com/engine/security/seccomp/) for a container
without privileges, with the answers of its profile (moby, profiles/seccomp/default.json): EPERM, and ENOSYS for clone3, so
that the C library falls back to clone, whose flags a filter can see. The filter is classic BPF (seccomp(2), bpf in filter.txt).
With --no-landlock the calls of Landlock are answered as by a kernel that has none, and by a Docker of before it: ENOSYS.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
# Offsets in struct seccomp_data: the number of the call, and the low half of its first argument.
NUMBER, FIRST = 0, 16
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NEW_NAMESPACES = 0x7E020000
# Numbers of x86-64 (linux/arch/x86/entry/syscalls/syscall_64.tbl).
CLONE, PERSONALITY, CLONE3, LANDLOCK = 56, 135, 435, (444, 445, 446)
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
REFUSED = {
    "uselib": 134, "ustat": 136, "sysfs": 139, "pivot_root": 155, "_sysctl": 156, "acct": 163, "settimeofday": 164, "mount": 165,
    "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "iopl": 172, "ioperm": 173, "create_module": 174,
    "init_module": 175, "delete_module": 176, "get_kernel_syms": 177, "query_module": 178, "quotactl": 179, "nfsservctl": 180,
    "lookup_dcookie": 212, "clock_settime": 227, "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239, "kexec_load": 246,
    "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "move_pages": 279, "perf_event_open": 298,
    "open_by_handle_at": 304, "setns": 308, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321,
    "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
}  # fmt: skip


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction, struct sock_filter."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(unknown: tuple[int, ...]) -> bytes:
    """The filter, which does not know the calls `unknown`."""
    steps = [step(LOAD, NUMBER)]
    for number in (CLONE3, *unknown):
        steps += [step(EQUAL, number, 0, 1), step(RETURN, ERRNO | errno.ENOSYS)]
    for number in REFUSED.values():
        steps += [step(EQUAL, number, 0, 1), step(RETURN, ERRNO | errno.EPERM)]
    steps += [step(EQUAL, CLONE, 0, 4), step(LOAD, FIRST), step(ANY_BIT, NEW_NAMESPACES, 0, 1)]
    steps += [step(RETURN, ERRNO | errno.EPERM), step(RETURN, ALLOW)]
    steps += [step(EQUAL, PERSONALITY, 0, 2 + len(PERSONALITIES)), step(LOAD, FIRST)]
    steps += [step(EQUAL, value, len(PERSONALITIES) - place, 0) for place, value in enumerate(PERSONALITIES)]
    return b"".join([*steps, step(RETURN, ERRNO | errno.EPERM), step(RETURN, ALLOW)])


def install(unknown: tuple[int, ...]) -> None:
    """Put this process and all that it starts under the filter."""
    text = program(unknown)
    buffer = ctypes.create_string_buffer(text, len(text))
    fprog = struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(MODE_FILTER), ctypes.c_char_p(fprog), zero, zero):
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


if __name__ == "__main__":
    without = sys.argv[1] == "--no-landlock"
    install(LANDLOCK if without else ())
    os.execvp(sys.argv[1 + without], sys.argv[1 + without :])
