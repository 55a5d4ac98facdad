"""A full disk in the lab and on the host, and no free pids: what is asked is done or refused by a labkit error."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from labkit.errors import LabkitError, wait_until
from labkit.lab import Lab

from .work import new_lab, open_and_close

SMALL = Path("/tmp/small")
CLONE_NEWUSER = 0x10000000
# The first of the ids that a user without processes has, who is given a limit here.
FIRST_ID = 3_000_000
WORDS = ("space", "process", "thread", "temporarily unavailable", "fork", "memory", "processes")


class SmallDisk:
    """A tmpfs of `size` bytes at SMALL for as long as the `with` lasts."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> None:
        SMALL.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={self._size},mode=1777", "small", str(SMALL)]
        subprocess.run(mount, check=True, timeout=60)

    def __exit__(self, *_exc: object) -> None:
        # What has ended a moment ago may still hold it.
        umount = ["umount", str(SMALL)]
        wait_until(
            lambda: not subprocess.run(umount, timeout=60, check=False).returncode, reason=f"the end of {SMALL}", timeout=10.0
        )
        SMALL.rmdir()


def full_disk_in_lab(linux: str, _chance: Random, _number: int) -> str:
    """The home and the lab's /tmp are filled: writing is refused with a reason, the lab goes on, and closes."""
    with SmallDisk(4 << 20):
        os.environ["LABKIT_LINUX"] = linux
        with Lab("soak", home=SMALL / "home") as lab:
            for place in ("~", "/tmp"):
                done = lab.run(f"head -c 600M /dev/zero >{place}/much", check=False, timeout=180)
                assert done.code and "No space left" in done.stderr, f"{place} took 600 MB: {done}"
            assert refusal(lambda: lab.write("~/more", "x" * 9000)), "a full home took a file"
            lab.run("rm /tmp/much ~/much")
            lab.write("~/more", "x" * 9000)
            assert lab.run("wc -c <~/more").stdout == "9000\n"
    return "refused and went on"


def refusal(work: object) -> str:
    """The words of the labkit error that `work` raises, which must name the shortage and a way out; "" for none."""
    try:
        work()  # type: ignore[operator]
    except LabkitError as error:
        assert any(word in str(error) for word in WORDS), f"an error that does not name the shortage: {error!r} {error}"
        assert "Way out:" in str(error), f"an error without a way out: {error}"
        return type(error).__name__
    return ""


def full_disk_on_host(linux: str, chance: Random, number: int) -> str:
    """The temporary folder has room for a part of what a lab needs, or is filled while the lab is open."""
    size = chance.choice([4 << 10, 8 << 10, 16 << 10, 24 << 10, 32 << 10, 40 << 10, 64 << 10, 256 << 10, 4 << 20])
    with SmallDisk(size):
        outcome = child("disk", linux, number, TMPDIR=str(SMALL))
    return f"{size >> 10} KiB: {outcome}"


def child(what: str, linux: str, number: int, **environment: str) -> str:
    """Run one of the functions below in a Python of its own."""
    command = [sys.executable, "-m", "tests.soak.shortages", what, linux, str(number)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=350, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def disk(linux: str, _number: int) -> str:
    """Open, fill what is left, work, close."""
    opened: list[Lab] = []
    said = refusal(lambda: opened.append(new_lab(linux)) or opened[0].run("true"))  # type: ignore[func-returns-value]
    if said:
        for lab in opened:
            lab.close()
        return f"refused: {said}"
    try:
        with open(f"{tempfile.gettempdir()}/filling", "wb", buffering=0) as file:
            while file.write(b"x" * 4096) == 4096:
                pass
    except OSError:
        pass
    assert opened[0].run("echo alive").stdout == "alive\n"
    said = refusal(lambda: [opened[0].start("echo").log for _ in range(3)])
    opened[0].close()
    assert "labkit" not in "".join(name for _, a, b in os.walk(SMALL) for name in b)
    os.unlink(f"{tempfile.gettempdir()}/filling")
    open_and_close(linux)
    return f"filled while open: start {said or 'worked'}"


def no_pids(linux: str, _chance: Random, number: int) -> str:
    """A user of a user namespace of the test's own may have only so many processes more than it has."""
    try:
        return child("pids", linux, number)
    finally:
        shutil.rmtree("/tmp/home/nobody", ignore_errors=True)


def become_nobody() -> None:
    """Be root of a user namespace in which root is a user without processes, so that RLIMIT_NPROC counts (setrlimit(2))."""
    ready, go = os.pipe(), os.pipe()
    parent = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.read(ready[0], 1)
        real = "0 0 4294967295" in " ".join(Path("/proc/self/uid_map").read_text().split())
        rows = f"0 {FIRST_ID} 65536\n" if real else "0 0 1\n1 1 65535\n"
        for file in ("uid_map", "gid_map"):
            Path(f"/proc/{parent}/{file}").write_text(rows)
        os.write(go[1], b"x")
        os._exit(0)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.waitpid(helper, 0)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    for file in (*ready, *go):
        os.close(file)


def threads() -> int:
    """How many threads the processes of this user have."""
    count = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{entry}").st_uid == 0:
                count += len(os.listdir(f"/proc/{entry}/task"))
        except OSError:
            pass
    return count


def pids(linux: str, number: int) -> str:
    """Open a lab with room for 0, 1, 2, … processes more; after each that is refused the next may open."""
    become_nobody()
    home = "/tmp/home/nobody"
    os.mkdir(home)
    os.environ["LABKIT_LINUX"] = linux
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    outcomes = []
    for room in (number % 4, 4 + number % 4, 8 + number % 8, 16 + number % 16, 1000):
        resource.setrlimit(resource.RLIMIT_NPROC, (threads() + room, hard))
        opened: list[Lab] = []

        def use(opened: list[Lab] = opened) -> None:
            opened.append(Lab("soak", home=home, current=False))
            opened[0].run(["sh", "-c", "for i in $(seq 50); do sleep 30 & done; kill $(jobs -p)"], check=False)
            opened[0].run("true")

        said = refusal(use)
        for lab in opened:
            lab.close()
        outcomes.append(f"{room}: {said or 'worked'}")
    assert outcomes[-1].endswith("worked"), outcomes
    return "some rooms refused" if len({outcome.split(": ")[1] for outcome in outcomes}) > 1 else "all worked"


SCENARIOS = {"full disk in the lab": full_disk_in_lab, "full disk on the host": full_disk_on_host, "no free pids": no_pids}

if __name__ == "__main__":
    print({"disk": disk, "pids": pids}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
