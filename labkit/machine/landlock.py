"""Leaves a program the rights that it needs and no others, where no namespace is to be had, and without any privilege.

Landlock (landlock(7)) leaves it the files that are named, and takes all TCP from it, and all signals and abstract sockets to what
it has not started itself; how much of that, the kernel's ABI says. It never lets one program trace another that is not under it.
A seccomp filter takes what Landlock knows nothing of: sockets of every kind, and with them UDP; queues, keys and shared memory
that the user's programs may have in common; their limits and priorities; and from strangers the modes, owners and times of files.

A script: `landlock.py [strangers] RIGHT:PATH… -- COMMAND…`, a right being r (read and run what is there) or w (all). It needs
nothing but Python: landlockpy and py-landlock of PyPI would need the environment's packages in it, know nothing of seccomp, and
are five times as long.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# The system calls of Landlock have these numbers on every machine. Right after right of linux/landlock.h, from 1 on.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
RIGHTS = {"r": EXECUTE | READ_FILE | READ_DIR, "w": -1}
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
# The ABI that scopes signals, of Linux 6.12: with less, what has broken its guest's kernel could still end the user's programs.
SCOPED = 6
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
CAPABILITY_VERSION = 0x20080522  # linux/capability.h

# linux/audit.h and the kernel's tables of system calls: a machine's name as a filter sees it, and its number of socket(2).
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
# linux/filter.h: load a word, go on or skip when it is not equal, or less; return. linux/seccomp.h: the answers.
LOAD, SKIP_UNLESS, SKIP_BELOW, RETURN = 0x20, 0x15, 0x35, 0x06
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
# A call that a filter knows: its number, what some of its arguments must be (by place), and the error, 0 where it is allowed.
Rule = tuple[int, dict[int, int], int]

# Numbers of x86-64, the only machine of linux.uml (arch/x86/entry/syscalls/syscall_64.tbl).
REACHING = {
    "socket": 41, "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68, "msgsnd": 69,
    "msgrcv": 70, "msgctl": 71, "semtimedop": 220, "mq_open": 240, "mq_unlink": 241, "add_key": 248, "request_key": 249,
    "keyctl": 250, "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203,
    "ioprio_set": 251, "sched_setattr": 314, "prlimit64": 302, "syslog": 103, "inotify_add_watch": 254, "fanotify_mark": 301,
    "io_uring_setup": 425, "unshare": 272, "setns": 308, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
}  # fmt: skip
CHANGING = {
    "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "utime": 132, "setxattr": 188, "lsetxattr": 189,
    "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "utimes": 235, "fchownat": 260,
    "futimesat": 261, "fchmodat": 268, "utimensat": 280, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
    "file_setattr": 469,
}  # fmt: skip
# The first number that these tables do not know; those of the x32 ABI are beyond it too.
UNKNOWN = 470

_libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The ABI of the running kernel's Landlock, 0 where there is none, or none that the filter fits (x86-64)."""
    return max(0, _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)) if os.uname().machine == "x86_64" else 0


def why_none() -> tuple[str, str]:
    """Why this kernel's Landlock does not serve, by its answer, and what helps."""
    found = abi()
    if found:
        return f"its ABI is {found}, below {SCOPED}", "Linux 6.12 or later has it"
    code = ctypes.get_errno()
    if code == errno.EOPNOTSUPP:
        return os.strerror(code), "start this machine with landlock among the kernel's lsm= (man landlock)"
    calls = "landlock_create_ruleset, landlock_add_rule and landlock_restrict_self"
    return os.strerror(code), f"Linux 6.12 or later has it, where a container's seccomp profile lets {calls} pass"


def seccomp_filter(machine: str, rules: Iterable[Rule], *, only_known: bool = False) -> bytes:
    """Return a seccomp filter: the first of `rules` that a call meets decides, any other call is allowed.

    It is made of rows of classic BPF (seccomp(2)) over struct seccomp_data: the number of the call at 0, the machine at 4, the
    low words of the arguments from 16. With `only_known`, calls of another machine's kind and of a number from UNKNOWN on are
    refused. Empty for a machine that is not in MACHINES.
    """
    if machine not in MACHINES:
        return b""
    elsewhere = ERRNO | errno.ENOSYS if only_known else ALLOW
    rows = [(LOAD, 0, 0, 4), (SKIP_UNLESS, 1, 0, MACHINES[machine][0]), (RETURN, 0, 0, elsewhere)]
    if only_known:
        rows += [(LOAD, 0, 0, 0), (SKIP_BELOW, 0, 1, UNKNOWN), (RETURN, 0, 0, elsewhere)]
    for number, arguments, error in rules:
        wanted = [(0, number), *((16 + 8 * place, value) for place, value in arguments.items())]
        for left, (offset, value) in zip(range(len(wanted), 0, -1), wanted, strict=True):
            rows += [(LOAD, 0, 0, offset), (SKIP_UNLESS, 0, 2 * left - 1, value)]  # beyond this rule's answer
        rows.append((RETURN, 0, 0, ERRNO | error if error else ALLOW))
    rows.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *row) for row in rows)


def refused(*, strangers: bool) -> list[Rule]:
    """What the filter refuses: REACHING, but for a process's own limits, and for `strangers` CHANGING too."""
    own_limits = (REACHING["prlimit64"], {0: 0}, 0)
    numbers = [*REACHING.values(), *(CHANGING.values() if strangers else ())]
    return [own_limits, *((number, {}, errno.EPERM) for number in numbers)]


def _call(number: int, *arguments: object) -> int:
    """A system call by its number. Raises OSError."""
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}: {os.strerror(ctypes.get_errno())}")
    return result


def confine(rights: Iterable[tuple[str, str]], *, strangers: bool) -> None:
    """Leave this process, and all that it starts, these `rights` (a letter of RIGHTS, a path) and no capability.

    A path that is not there is left out. Raises OSError where the kernel refuses that.
    """
    version = abi()
    handled = (1 << 13 + (version >= 2) + (version >= 3) + (version >= 5)) - 1
    # struct landlock_ruleset_attr: rights to files, TCP (bind and connect), scopes (abstract sockets, signals), by the ABI.
    attributes = struct.pack("=QQQ", handled, 3, 3)[: 8 * (1 + (version >= 4) + (version >= SCOPED))]
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for right, path in rights:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        allowed = RIGHTS[right] & handled & (-1 if os.path.isdir(path) else OF_FILES)
        _call(ADD_RULE, ruleset, 1, struct.pack("=Qi", allowed, place), 0)  # 1: LANDLOCK_RULE_PATH_BENEATH
        os.close(place)
    zero = ctypes.c_ulong(0)
    if _libc.capset(struct.pack("=Ii", CAPABILITY_VERSION, 0), bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    rows = seccomp_filter(os.uname().machine, refused(strangers=strangers), only_known=True)
    text = ctypes.create_string_buffer(rows, len(rows))
    program = struct.pack("@HP", len(rows) // 8, ctypes.addressof(text))
    if _libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), program, zero, zero):
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def confined(command: Sequence[str], rights: Iterable[str], *, strangers: bool) -> list[str]:
    """Return `command` with these rights (`r:PATH`, …) and no others, as a command."""
    python = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    return [*python, *(["strangers"] if strangers else []), *rights, "--", *command]


def main() -> None:
    end = sys.argv.index("--")
    words, command = sys.argv[1:end], sys.argv[end + 1 :]
    try:
        rights = [(word[0], word[2:]) for word in words if word != "strangers"]
        confine(rights, strangers="strangers" in words)
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"Landlock: {error}")


if __name__ == "__main__":
    main()
