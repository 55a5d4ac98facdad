"""The parts of the benchmark: opening a lab, grading, programs in the foreground."""

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from table import Row, at_most, in_turn

from labkit import BackendPool, DummyInterface, Lab, VirtualService, traffic
from labkit.grading.batch import grade_files
from labkit.homework.submission import as_block, build
from labkit.judge.check import check_work
from labkit.judge.verdict import FAILED
from labkit.machine import choose
from labkit.machine.uml import MEMORY_BYTES, MODULES, PROGRAM, xstate_library

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' works
from hostile_pages import page
from works import right

USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
UNSHARE = ["unshare", *USER, "--net", "--pid", "--fork", "--mount-proc", "python3", "-c", "pass"]
VIP = "http://192.168.100.1/"
# What a lab of task 3 does until its first answer, as the first process of a bare guest.
INIT = f"""\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/m/lib /run/backend1 /run/backend2
ln -s {MODULES} /run/m/lib/modules
modprobe -d /run/m -a ip_vs ip_vs_rr dummy
ip link set lo up
ip link add dummy1 type dummy
ip addr add 192.168.100.1/32 dev dummy1
ip link set dummy1 up
for n in 1 2; do
    echo "<h1>Response from Backend Server $n</h1>" >/run/backend$n/index.html
    python3 -m http.server 808$n -d /run/backend$n >/dev/null 2>&1 &
done
ipvsadm -A -t 192.168.100.1:80 -s rr
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
until curl -s {VIP}; do sleep 0.02; done >/dev/ttyS0 2>/dev/null
sleep 60
"""


def host_lab(home: Path) -> None:
    """Open a lab on the running kernel, run a first command, close it."""
    with Lab("bench", home=home, current=False) as lab:
        lab.run("true")


def uml_lab(home: Path) -> None:
    """Open a lab of task 3 and work until the first answer through IPVS."""
    with Lab("bench", home=home, needs={"ipvs"}, current=False) as lab:
        BackendPool(lab).start()
        DummyInterface(lab).start()
        VirtualService(lab).start()
        assert traffic(lab, VIP, 1)["backend"][0]
        assert lab.linux == "uml"


def bare_uml(folder: Path) -> None:
    """Boot linux.uml with INIT and wait for the first answer on its serial line."""
    init = folder / "init.sh"
    init.write_text(INIT)
    init.chmod(0o755)
    library = xstate_library()
    line = f"mem={MEMORY_BYTES >> 20}M rootfstype=hostfs rootflags=/ rw init={init} uml_dir={folder} quiet"
    line += " con=null con0=null ssl0=fd:3,fd:4"
    command = ["/bin/sh", "-c", f"exec 3<&0 4>&1 </dev/null >/dev/null 2>&1; exec {PROGRAM} {line}"]
    environment = {**os.environ, "TMPDIR": "/dev/shm"} | ({"LD_PRELOAD": str(library)} if library else {})
    # A pid namespace of its own: with its first process everything of the guest goes.
    shield = ["unshare", *USER, "--pid", "--fork", "--kill-child"]
    guest = subprocess.Popen([*shield, *command], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert guest.stdout is not None
    try:
        said = b""
        while b"</h1>" not in said:
            assert select.select([guest.stdout], [], [], 60)[0], f"the bare guest does not answer: {said!r}"
            said += os.read(guest.stdout.fileno(), 4096)
    finally:
        guest.kill()
        guest.wait()


def opening() -> Iterator[Row]:
    """How long it takes to open a lab."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = in_turn(25, lambda: host_lab(folder), lambda: subprocess.run(UNSHARE, check=True), unit=1000)
        yield at_most("Lab on host: open, first command, close", ours, "unshare, python3 -c pass", theirs, "ms", 2)
        ours, theirs = in_turn(5, lambda: uml_lab(folder / "home"), lambda: bare_uml(folder))
        yield at_most("Lab on uml: to the first answer through IPVS, close", ours, "bare linux.uml", theirs, "s", 1.3)


# The aim of the course for two cores.
WORKS, AIM = 20, 60.0


def submissions(folder: Path, count: int) -> list[Path]:
    """`count` reports on a right work, each with an answer of its own, that claim what they deserve."""
    files = []
    for number in range(count):
        work = right("right", 1).write(folder / f"work{number}")
        with (work / "answers.md").open("a") as answers:
            answers.write(f"So say I, learner {number}.\n")
        data = build(work, {"name": f"Learner {number}", "group": "bench"}, {"points": 94, "verdicts": []}, {}, {})
        files.append(folder / f"{number:02}.html")
        files[-1].write_bytes(page(as_block(data)))
    return files


def graded(count: int, jobs: int) -> float:
    """Grade `count` right submissions and return the seconds. Raises RuntimeError when one does not get its 94 points."""
    with tempfile.TemporaryDirectory() as folder:
        files = submissions(Path(folder), count)
        began = time.monotonic()
        grades = grade_files(files, jobs=jobs)
        taken = time.monotonic() - began
    wrong = [f"{grade.file}: {grade.measured}" for grade in grades if grade.measured != 94]
    if wrong:
        raise RuntimeError(f"not graded rightly: {', '.join(wrong)}")
    return taken


def grading(count: int = WORKS, jobs: int = 2) -> Iterator[Row]:
    """How many submissions an hour `labkit grade` re-runs, each with its tasks in fresh labs; the aim is for 20, on two cores."""
    taken, aim = graded(count, jobs), AIM * count / WORKS
    figure = f"{taken:.0f} s, {3600 * count / taken:.0f} an hour"
    what = f"labkit grade, {count} right submissions, --jobs {jobs}, {os.cpu_count()} cores"
    yield Row(what, figure, "time", f"{taken / count:.1f} s each", f"≤ {aim:g} s", taken <= aim)


TYPED = Path(__file__).resolve().parents[1] / "as_typed"
# Works whose lines stay in the foreground, with their tasks; a running kernel may have no IPVS for task 3.
CASES = {
    "t1-two-terminals-bind": 1, "dnsmasq-no-daemon": 2, "t2-k-foreground": 2, "t3-tcpdump-and-tail": 3, "tshark-foreground": 4,
    "t4-daemon-off": 4,
}  # fmt: skip
STAYS = re.compile(r"^(?:.*&& )?(?:sudo )?(?:python3 -m|dnsmasq|tcpdump|tail -f|nginx .*daemon off|tshark)[^&]*$", re.MULTILINE)


def foreground(rounds: int = 5) -> Iterator[Row]:
    """How long a work is judged whose programs stay in the foreground, against the same work with `&`, on each Linux."""
    for name, task in CASES.items():
        for linux in ("host", "uml") if task != 3 else ("uml",):
            with tempfile.TemporaryDirectory() as folder:
                typed, beside = Path(folder, "typed"), Path(folder, "beside")
                for work in (typed, beside):
                    shutil.copytree(TYPED / name, work)
                script = beside / f"task{task}.sh"
                text, count = STAYS.subn(r"\g<0> &", script.read_text())
                assert count, f"{name} leaves nothing in the foreground"
                script.write_text(text)
                os.environ[choose.FORCE] = linux
                try:
                    ours, theirs = in_turn(rounds, partial(judged, typed, task), partial(judged, beside, task))
                finally:
                    os.environ.pop(choose.FORCE)
            yield at_most(f"check --task {task} of {name} on {linux}", ours, "the same with &", theirs, "s", 1.2)


def judged(work: Path, task: int) -> None:
    """Judge a work that is right but for its answer to 2.3. Raises RuntimeError when it is not found so."""
    wrong = [row for row in check_work(work, [task]) if row.verdict == FAILED and row.requirement != "2.3"]
    if wrong:
        raise RuntimeError(f"{work.name}: {wrong[0].requirement}: {wrong[0].evidence}")
