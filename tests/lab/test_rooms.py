"""A guest that begins anew for the next task of a work is as one that has just booted, whatever the task before has left."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from works import Work, right

from labkit.errors import LabkitError
from labkit.inside import processes
from labkit.inside.judge import machine_is_short
from labkit.judge import check
from labkit.judge.bench import Bench
from labkit.judge.check import check_work
from labkit.judge.verdict import PASSED, Finding
from labkit.lab import Lab
from labkit.machine import choose
from labkit.machine.cell import PREPARATION, cell_command
from labkit.machine.uml import LandlockUmlLinux, UmlLinux
from labkit.machine.view import FOLDER

from .helpers import eventually

pytestmark = pytest.mark.lab

# What a work can see of its cell: processes, files, the network, what is shared between processes; each on a line or more.
# A module stays in the kernel, which loads it by itself when it is first asked for; so that all looks alike, that is at once.
LOOK = """
(: </dev/udp/::1/9) 2>/dev/null; ip link add t type ipip remote 10.1.1.1 local 10.1.1.2; ip link del t
for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline; echo; done | grep -v -e '^$' -e bwrap -e 'bash -c' -e '^tr ' -e grep
find /etc /tmp /run /var /opt /root -xdev -type f -exec md5sum {} + | sort
find /etc /tmp /run /var /opt /root /dev -xdev ! -path '/dev/pts/*' -printf '%p %y %m %l\\n' | sort
df -k --output=target,used /tmp /run /var /root
ip -o addr | sed 's/[a-z_]*_lft.*//'; ip route show table all; tc qdisc; ipvsadm -Ln; nft list ruleset
cat /proc/net/tcp /proc/net/udp /proc/net/ip_vs_conn | grep -v -e local -e Pro; ipcs -m | grep 0x; hostname
"""
# Every setting of the kernel's that a work can write, and its value.
SETTINGS = "find /proc/sys -type f -writable -exec grep -H . {} + 2>/dev/null | sort"
# What it can leave: the last two take all processes and all memory that it may have.
LEAVE = {
    "processes": "setsid sleep 1234567 & (trap '' TERM HUP INT; while :; do sleep 1; done) & tmux new -d 'sleep 7654321'",
    "files": "for d in /etc /tmp /run /var /root /opt /dev; do echo x >$d/left; done; rm -rf /etc/nginx /var/www; chmod 0 /tmp",
    "network": (
        "ip link add dummy1 type dummy; ip addr add 192.168.100.1/32 dev dummy1; ip addr add 10.9.9.9/32 dev lo; "
        "tc qdisc add dev lo root netem delay 300ms; ipvsadm -A -t 10.9.9.9:80 -s rr; "
        "ipvsadm -a -t 10.9.9.9:80 -r 127.0.0.1:8081 -m; ip link add tun9 type ipip remote 10.1.1.1 local 10.9.9.9; "
        "nft 'add table ip t; add chain ip t c { type filter hook input priority 0; policy drop; }'; "
        "python3 -m http.server 8081 >/dev/null 2>&1 &"
    ),
    "settings": (
        "find /proc/sys -type f -writable | while read f; do read v <$f; case $v in 0) v=1;; 1) v=0;; [0-9]*) v=$((v/2));; esac; "
        "echo $v >$f; done 2>/dev/null; true"
    ),
    "shared": "ipcmk -M 4096; ipcmk -Q",
    "full": "dd if=/dev/zero of=/root/full bs=1M; dd if=/dev/zero of=/tmp/full bs=1M",
    "bomb": "(bomb() { bomb | bomb & }; bomb) 2>/dev/null; sleep 0.5",
}

# What the guest's kernel says where the machine gives it no process.
SHORT = "mkdir /tmp/d && mount -t tmpfs none /tmp/d -o dev && mknod /tmp/d/k c 1 11 && echo 'clone failed, errno = 11' >/tmp/d/k"


def in_cell(lab: Lab, command: str) -> str:
    """What a command prints in the lab's cell, which may end badly."""
    lab.call(processes.prepare_cell, *PREPARATION)
    return str(lab.run(cell_command(["bash", "-c", command]), check=False).stdout)


@pytest.mark.parametrize("kind", [UmlLinux, LandlockUmlLinux])
def test_nothing_of_a_task_is_in_the_next_ones_guest(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes, files, the network, the kernel's settings and the lab's own folder are as after a boot, and that was the only
    one."""
    monkeypatch.setattr(choose, "FOR_OTHERS", (kind,))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/task1.sh").write_text("true\n")
    with Lab("others", home=tmp_path / "home", trusted=False, current=False) as lab:
        first, settings = in_cell(lab, LOOK), in_cell(lab, SETTINGS).splitlines()
        assert "/root/task1.sh" in first and "/proc/sys/net/core/somaxconn:4096" in settings
        boot, groups = lab.read("/proc/sys/kernel/random/boot_id"), lab.run("find /sys/cell -type d | sort").stdout
        lab.run(f"echo x >{FOLDER}/captures/left; {SHORT}")
        assert lab.call(machine_is_short)
        for what, command in LEAVE.items():
            in_cell(lab, command)
            if what == "network":
                assert "10.9.9.9:80" in in_cell(lab, "ipvsadm -Ln") and "dummy1" in in_cell(lab, LOOK)
            if what == "settings":
                assert "somaxconn:2048" in in_cell(lab, SETTINGS)
        lab.start("sleep 1000", name="left")
        lab.renew()
        assert lab.read("/proc/sys/kernel/random/boot_id") == boot
        assert in_cell(lab, LOOK) == first
        assert set(settings) <= set(in_cell(lab, SETTINGS).splitlines())  # modules have brought more
        assert not lab.call(machine_is_short)
        assert lab.run("find /sys/cell -type d | sort").stdout == groups
        assert not [*(lab.folder.path / "captures").iterdir(), *(lab.folder.path / "logs").iterdir()]
        assert int(lab.read("/sys/cell/pids.current") or -1) == 0 and "oom_kill 0" in str(lab.read("/sys/cell/memory.events"))
        assert int(lab.read("/sys/cell/memory.peak") or 0) < 64 << 20


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One task of a work after the other, 3 and 4 first; the names of the folders of the labs that were booted."""
    names: list[str] = []
    open_machine = choose.open_machine

    def booted(linux: choose.Linux, folder: choose.LabFolder) -> choose.Opened:
        names.append(folder.path.name.split("-")[0])
        return open_machine(linux, folder)

    monkeypatch.setattr(choose, "open_machine", booted)
    monkeypatch.setattr(check, "AT_ONCE", 1)
    monkeypatch.setattr(check, "LONGEST_FIRST", (3, 4, 1, 2))
    return names


def with_left(what: str) -> Work:
    """A right work that leaves something with task 4 and with task 3."""
    commands = "".join(f"({LEAVE[each]})\n" for each in what.split())
    files = {name: f"{text}{commands}" for name, text in right("right", 1).files().items() if name in ("task3.sh", "task4.sh")}
    return right("leaves", 1, *files.items())


@pytest.mark.parametrize("what", ["processes shared", "bomb"])
def test_work_that_leaves_things_is_judged_as_in_fresh_guests(boots: list[str], what: str, tmp_path: Path) -> None:
    """What comes after it in the one guest has every point."""
    verdicts = check_work(with_left(what).write(tmp_path / "work"), trusted=False)
    assert {row.verdict for row in verdicts if row.task == 1} == {PASSED}, str(verdicts)
    assert {row.verdict for row in verdicts if row.requirement in ("2.1", "2.2")} == {PASSED}, str(verdicts)
    assert boots == ["check3"]


def kill_guest(_bench: Bench) -> None:
    """Kill the guests of this process."""
    for each in psutil.Process().children(recursive=True):
        if each.name() == "linux.uml":
            os.kill(each.pid, signal.SIGKILL)


def agent_is_stopped(bench: Bench) -> None:
    """Have the agent say nothing more."""
    bench.lab.run("kill -STOP $PPID", check=False, timeout=1)


@pytest.mark.parametrize("harm", [kill_guest, agent_is_stopped])
def test_guest_that_ends_in_one_task_costs_the_next_ones_nothing(
    boots: list[str], harm: Callable[[Bench], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one is booted for the next; what was judged in it before stands."""
    judge = check.judge
    monkeypatch.setattr("labkit.lab.SLACK", 1)
    monkeypatch.setattr("labkit.machine.link.CLOSE_TIMEOUT", 2)

    def harmed(bench: Bench) -> dict[str, Finding]:
        found = judge(bench)
        if bench.task == 1:
            with contextlib.suppress(LabkitError, psutil.Error):
                harm(bench)
        return found

    monkeypatch.setattr(check, "judge", harmed)
    verdicts = check_work(right("right", 1).write(tmp_path / "work"), [1, 2], trusted=False)
    assert {row.verdict for row in verdicts if row.requirement in ("1.1", "2.1", "2.2")} == {PASSED}, str(verdicts)
    assert boots == ["check1", "check2"]
    eventually(lambda: not [each for each in psutil.Process().children(True) if each.name() == "linux.uml"], "the guests' end")
