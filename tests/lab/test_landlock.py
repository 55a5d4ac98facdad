"""What a guest under Landlock, or whoever has broken its kernel, cannot reach; and that without Landlock it could."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from labkit.lab import Lab
from labkit.machine import choose, landlock, uml
from labkit.machine.folder import LabFolder
from labkit.machine.uml import LANDLOCK, confined
from labkit.machine.view import READER_MEMORY, reading_command, view_of

from .helpers import LabFactory, eventually

# Root in the guest mounts the machine's files and does this below them, in a folder of the user's.
HOSTFS = "mkdir -p /tmp/m && mount -t hostfs none /tmp/m -o {folder} && cd /tmp/m && "
IN_THE_GUEST = {
    "read": ("cat secret", "the user's own"),
    "list": ("ls", "secret"),
    "make": ("echo x >new && cat new", "x"),
    "change": ("echo x >secret && cat secret", "x"),
    "empty": ("truncate -s 0 secret && stat -c %s secret", "0"),
    "remove": ("rm secret && echo removed", "removed"),
    "rename": ("mv secret away && echo renamed", "renamed"),
    "link": ("ln -s x link && echo linked", "linked"),
    "folder": ("mkdir new && echo made", "made"),
}


@pytest.mark.parametrize("candidate", ["landlock", "bare"])
def test_guests_root_mounts_the_machines_files(own_lab: LabFactory, candidate: str, tmp_path: Path) -> None:
    """Of a folder of the user's, mounted in the guest, nothing can be read or changed; nor can another lab's folder, other
    processes' /proc and what lies in /dev/shm be read. Without Landlock all of it can."""
    lab, got = own_lab(candidate), set()
    for name, (command, says) in IN_THE_GUEST.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "secret").write_text("the user's own\n")
        done = lab.run(HOSTFS.format(folder=folder) + command, check=False)
        got |= {name} if done.stdout == f"{says}\n" else set()
        whole = os.listdir(folder) == ["secret"] and (folder / "secret").read_text() == "the user's own\n"
        assert whole or candidate == "bare", name
        lab.run("umount /tmp/m", check=False)
    assert got == (set() if candidate == "landlock" else set(IN_THE_GUEST))

    other = own_lab(candidate, name="other", home=tmp_path / "other", current=False)
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="labkit-test-") as shared:
        shared.write(b"shared")
        shared.flush()
        looks = {
            str(other.folder.path): "cat view.sh",
            f"/proc/{os.getpid()}": "ls fd",
            "/dev/shm": f"cat {Path(shared.name).name}",
        }
        for folder, command in looks.items():
            done = lab.run(HOSTFS.format(folder=folder) + command, check=False)
            assert bool(done.stdout) is (candidate == "bare"), folder
            lab.run("umount /tmp/m", check=False)


def guests() -> list[psutil.Process]:
    """The processes of this test's that are a guest."""
    return [each for each in psutil.Process().children(recursive=True) if each.name() == "linux.uml"]


def test_guest_of_strangers_work_has_no_privilege_variable_or_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process of it has no capability and can get none, is under the filter, knows no variable of the user's, writes no
    file beyond the limit, and ends when the lab's time is over."""
    monkeypatch.setenv("USERS_SECRET", "users")
    monkeypatch.setattr(choose, "FOR_OTHERS", (LANDLOCK,))
    monkeypatch.setattr(uml, "LIFETIME", 20)
    with Lab("others", home=tmp_path, trusted=False, current=False) as lab:
        assert lab.run("true").code == 0
        seen = 0
        for guest in guests():
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):  # `true` is just ending
                status = dict(line.split(":\t", 1) for line in Path(f"/proc/{guest.pid}/status").read_text().splitlines())
                kept = [status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "NoNewPrivs", "Seccomp")]
                assert kept == [*[16 * "0"] * 3, "1", "2"]
                assert "users" not in Path(f"/proc/{guest.pid}/environ").read_text()
                assert guest.rlimit(psutil.RLIMIT_FSIZE) == (uml.FILE_BLOCKS * 512,) * 2
                seen += 1
        assert seen > 1
        eventually(lambda: not guests(), "the end of the lab's time")


# What somebody who has broken the guest's kernel would run, as the process that is the guest: it prints "reached" if it can.
# FOLDER is one of the user's, VICTIM a process of the user's, GUEST one of another lab's, PORT and PATH where the user listens.
ATTACKS = {
    "read a file": "open(FOLDER + '/secret').read()",
    "list a folder": "os.listdir(FOLDER)",
    "list all of /proc": "os.listdir('/proc')",
    "read an environment": "open(f'/proc/{VICTIM}/environ').read()",
    "read memory": "open(f'/proc/{GUEST}/mem', 'rb')",
    "make a file": "open(FOLDER + '/new', 'w')",
    "change a file": "open(FOLDER + '/secret', 'a').write('x')",
    "empty a file": "os.truncate(FOLDER + '/secret', 0)",
    "see what happens in a folder": "call(c.inotify_add_watch(call(c.inotify_init()), FOLDER.encode(), 0xfff))",
    "change a mode": "os.chmod(FOLDER + '/secret', 0o777)",
    "change a mode of what may be read": "os.fchmod(os.open(READABLE, os.O_RDONLY), 0o777)",
    "change an owner": "os.chown(FOLDER + '/secret', os.getuid(), os.getgid())",
    "change times": "os.utime(FOLDER + '/secret', (1, 1))",
    "change an attribute": "os.setxattr(FOLDER + '/secret', 'user.x', b'x')",
    "remove a file": "os.remove(FOLDER + '/secret')",
    "connect by TCP": "socket.create_connection(('127.0.0.1', PORT))",
    "listen on TCP": "socket.create_server(('127.0.0.1', 0))",
    "send by UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
    "connect to a socket's file": "socket.socket(socket.AF_UNIX).connect(FOLDER + '/socket')",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect(chr(0) + NAME)",
    "ask the network of its interfaces": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "make a ring, which makes sockets": "call(c.syscall(425, 1, ctypes.create_string_buffer(120)))",
    "trace a process": "call(c.ptrace(0x4206, VICTIM, None, None))",
    "trace another lab": "call(c.ptrace(0x4206, GUEST, None, None))",
    "take an open file": "call(c.syscall(438, os.pidfd_open(GUEST), 0, 0))",
    "signal a process": "os.kill(VICTIM, 0)",
    "signal another lab": "os.kill(GUEST, 0)",
    "signal by a handle": "signal.pidfd_send_signal(os.pidfd_open(GUEST), 0)",
    "signal a group": "os.killpg(os.getpgid(VICTIM), 0)",
    "limit a process": "resource.prlimit(GUEST, resource.RLIMIT_CORE, resource.prlimit(GUEST, resource.RLIMIT_CORE))",
    "slow a process down": "os.setpriority(os.PRIO_PROCESS, GUEST, os.getpriority(os.PRIO_PROCESS, GUEST))",
    "move a process": "os.sched_setaffinity(GUEST, os.sched_getaffinity(GUEST))",
    "share memory": "call(c.shmget(0, 4096, 0o1600))",
    "send to a queue": "call(c.msgget(0, 0o1600))",
    "read a key": "call(c.syscall(250, 0, -3, 1))",
}
# Marks on a file, which Landlock leaves to whoever owns it.
MARKS = {"change a mode", "change a mode of what may be read", "change an owner", "change times", "change an attribute"}
PROGRAM = """
import ctypes, os, resource, signal, socket, sys
c = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
FOLDER, VICTIM, GUEST, PORT, NAME, READABLE = sys.argv[1], *map(int, sys.argv[2:5]), *sys.argv[5:7]
for attack in sys.stdin.read().splitlines():
    try:
        exec(attack)
        print("reached")
    except OSError as error:
        print(error)
"""


@dataclass
class User:
    """What a user has here: a folder, a process, a lab of theirs, a listener of each kind."""

    folder: Path
    process: subprocess.Popen[bytes]
    lab: Lab
    tcp: socket.socket
    unix: socket.socket
    abstract: socket.socket

    def run(self, own: LabFolder, *, under: bool, strangers: bool = True) -> dict[str, str]:
        """What comes of each attack, by a process that has what a guest in the folder `own` has, or, not `under` it, all."""
        guest = guests()[0]
        name = str(self.abstract.getsockname()[1:], "ascii")
        words = [self.folder, self.process.pid, guest.pid, self.tcp.getsockname()[1], name, own.path / "readable"]
        command = [sys.executable, "-I", "-S", "-c", PROGRAM, *map(str, words)]
        if under:
            command = confined(command, view_of(own, copy_home=strangers), None, str(own.path))
        attacks = "\n".join(ATTACKS.values())
        done = subprocess.run(command, input=attacks, capture_output=True, text=True, timeout=60, check=True)
        return dict(zip(ATTACKS, done.stdout.splitlines(), strict=True))


@pytest.fixture
def user(own_lab: LabFactory, tmp_path: Path) -> Iterator[User]:
    """A user's things."""
    folder = tmp_path / "users"
    folder.mkdir()
    (folder / "secret").write_text("the user's own\n")
    # Any process may trace this one, where only a parent may otherwise (PR_SET_PTRACER, Yama).
    traceable = "import ctypes, time; ctypes.CDLL(None).prctl(0x59616d61, -1, 0, 0, 0); time.sleep(1000)"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen([sys.executable, "-c", traceable], process_group=0) as process,
    ):  # fmt: skip
        unix.bind(str(folder / "socket"))
        abstract.bind(f"\0labkit-{os.getpid()}")
        unix.listen()
        abstract.listen()
        yield User(folder, process, own_lab("landlock"), tcp, unix, abstract)
        process.kill()


@pytest.fixture
def attacker() -> Iterator[LabFolder]:
    """The folder of the attacker's own lab."""
    folder = LabFolder.create("attacker", None)
    (folder.path / "readable").touch()
    yield folder
    folder.remove()


def test_guest_that_has_broken_out_reaches_nothing(user: User, attacker: LabFolder) -> None:
    """Whoever runs as the process that is the guest of strangers' work is refused every attack, and harms nothing.

    In one's own lab modes, owners and times can be set, as work needs it; nothing else is open.
    """
    found = user.run(attacker, under=True)
    assert [name for name, said in found.items() if said == "reached"] == []
    assert (user.folder / "secret").read_text() == "the user's own\n"
    assert user.lab.run("echo alive").stdout == "alive\n"
    found = user.run(attacker, under=True, strangers=False)
    assert {name for name, said in found.items() if said == "reached"} == MARKS


def test_each_attack_reaches_without_landlock(user: User, attacker: LabFolder) -> None:
    """The same attacks by a process of the user's that is under nothing succeed, so that a refusal means something."""
    found = user.run(attacker, under=False)
    assert {name: said for name, said in found.items() if said != "reached"} == {}


@pytest.mark.parametrize("abi", [landlock.abi(), landlock.SCOPED - 1])
def test_reader_of_a_strangers_file_sees_nothing_else(abi: int, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads an untrusted capture has its input and limits, and no file, network or variable of the user's; by bubblewrap
    too, where Landlock is too old."""
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    port = user.tcp.getsockname()[1]
    script = f"cat; ulimit -v; cat {user.folder}/secret; echo x >{user.folder}/new; echo x >/dev/tcp/127.0.0.1/{port}; env"
    command = reading_command(["bash", "-c", script])
    assert ("bwrap" in command) is (abi < landlock.SCOPED)
    done = subprocess.run(command, input="given\n", capture_output=True, text=True, check=False)
    given, memory, *variables = done.stdout.splitlines()
    assert (given, int(memory)) == ("given", READER_MEMORY // 1024)
    assert {line.partition("=")[0] for line in variables} <= {"PATH", "HOME", "LANG", "PWD", "SHLVL", "_"}
    assert len(done.stderr.splitlines()) >= 3 and sorted(os.listdir(user.folder)) == ["secret", "socket"]
    user.tcp.settimeout(0)
    with pytest.raises(BlockingIOError):
        user.tcp.accept()
