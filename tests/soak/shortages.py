"""A full disk in the lab and on the host, no free pids, and a clock that is set back while a lab opens and works.

What is asked is done or refused by a labkit error. The notebook's clock is set by a preloaded library, the guest's by date.
"""

import ctypes
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import psutil

from labkit.errors import LabkitError, wait_until
from labkit.lab import Lab
from labkit.measure.traffic import traffic
from labkit.services.http_server import BackendPool

from .work import new_lab, open_and_close

SMALL = Path("/tmp/small")
LIBRARY, OFFSET, DAY = Path("/tmp/clock.so"), Path("/tmp/clock.offset"), 86_400
CLONE_NEWUSER = 0x10000000
# The first of the ids that a user without processes has, who is given a limit here.
FIRST_ID = 3_000_000
WORDS = ("space", "process", "thread", "temporarily unavailable", "fork", "memory", "processes")


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """A tmpfs of `size` bytes at SMALL for as long as the `with` lasts."""
    SMALL.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "small", str(SMALL)]
    subprocess.run(mount, check=True, timeout=60)
    try:
        yield
    finally:
        # What has ended a moment ago may still hold it.
        umount = partial(subprocess.run, ["umount", str(SMALL)], timeout=60, check=False)
        wait_until(lambda: not umount().returncode, reason=f"the end of {SMALL}", timeout=10.0)
        SMALL.rmdir()


def full_disk_in_lab(linux: str, _chance: Random, _number: int) -> str:
    """The home and the lab's /tmp are filled: writing is refused with a reason, the lab goes on, and closes."""
    with small_disk(4 << 20):
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
    with small_disk(size):
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


def pids(linux: str, number: int) -> str:
    """Open a lab with room for 0, 1, 2, … processes more; after each that is refused the next may open."""
    become_nobody()
    home = "/tmp/home/nobody"
    os.mkdir(home)
    os.environ["LABKIT_LINUX"] = linux
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    outcomes = []
    for room in (number % 4, 4 + number % 4, 8 + number % 8, 16 + number % 16, 1000):
        every = [each.info for each in psutil.process_iter(["num_threads", "uids"])]
        threads = sum(each["num_threads"] for each in every if each["uids"].real == 0)
        resource.setrlimit(resource.RLIMIT_NPROC, (threads + room, hard))
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


def set_clock(offset: int) -> None:
    """Set the clock of every process that has the library to `offset` seconds from now."""
    with OFFSET.open("r+b" if OFFSET.exists() else "wb") as file:
        file.write(struct.pack("l", offset))


def clock(linux: str, chance: Random, _number: int) -> str:
    """Run the function below with the library before it."""
    source = str(Path(__file__).with_name("clock.c"))
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(LIBRARY), source, "-ldl"], check=True, timeout=120)
    set_clock(0)
    said = child("yesterday", linux, chance.randrange(1500), LD_PRELOAD=str(LIBRARY), LABKIT_TEST_CLOCK=str(OFFSET))
    LIBRARY.unlink()
    OFFSET.unlink()
    return said


def yesterday(linux: str, moment: int) -> str:
    """Open and work; `moment` milliseconds after the beginning, and again in the middle, it is yesterday."""
    before = time.time()
    threading.Timer(moment / 1000, set_clock, [-DAY]).start()
    with new_lab(linux) as lab, BackendPool(lab):
        while time.time() > before:
            time.sleep(0.05)
        threading.Timer(0.5, set_clock, [-2 * DAY]).start()
        if linux == "uml":
            lab.start("sleep 0.5; date -s '-1 day'")
        assert len(traffic(lab, "http://127.0.0.1:8081", 8, every=0.25)) == 8
        assert lab.run("sleep 1; echo alive").stdout == "alive\n"
        wait_until(lambda: time.time() < before - 1.5 * DAY, reason="the day before yesterday", timeout=60)
        if linux == "uml":
            assert int(lab.run("date +%s").stdout) < before - DAY / 2, "the guest's clock was not set"
    return "worked on, two days earlier"


SCENARIOS = {
    "full disk in the lab": full_disk_in_lab, "full disk on the host": full_disk_on_host, "no free pids": no_pids,
    "clock set back": clock,
}  # fmt: skip

if __name__ == "__main__":
    print({"disk": disk, "pids": pids, "yesterday": yesterday}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
