"""What ends a lab or its user's patience: kill -9 of one process of it at a random moment (the notebook's kernel, the agent,
bubblewrap, linux.uml), and storms of SIGINT, as an impatient user sends them: to the process, and to its group as Jupyter and
terminals do.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import psutil

from labkit.errors import LabClosed, LabkitError, NoLinux
from labkit.lab import Lab, close_all

from .work import new_lab, open_and_close, some_work

# How long a lab opens and works here at the most, about: the moments are spread over it, seconds.
SPAN = {"host": 1.0, "uml": 5.0}
KERNEL = Path("/tmp/kernel")
CELL = f"""
import os, pathlib
from tests.soak.work import new_lab, some_work
pathlib.Path({str(KERNEL)!r}, "begun").touch()
while True:
    lab = new_lab(os.environ["LABKIT_LINUX"])
    some_work(lab)
    lab.close()
"""


def matches(target: str, command: str) -> bool:
    """True for the command line of what is to be killed."""
    if target == "agent":
        return "agent.py" in command and "bwrap" not in command
    return command.startswith(("linux.uml", "/usr/bin/linux.uml") if target == "linux.uml" else target)


def traced(pid: int) -> bool:
    """True for a process that another one traces, as linux.uml does with its guest's."""
    with contextlib.suppress(OSError):
        return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()
    return False


def kill_one(target: str, chance: Random) -> bool:
    """Kill one process of this kind among those that this process has started."""
    pids = []
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            # A process that is traced is one of the guest's programs, and no more than that when it is killed.
            if matches(target, " ".join(each.cmdline())) and not traced(each.pid):
                pids.append(each.pid)
    if not pids:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(pids), signal.SIGKILL)
    return True


def kill_in_lab(linux: str, target: str, chance: Random) -> str:
    """Kill a process under a lab that works: its user gets a labkit error, and closing it leaves nothing."""
    lab = new_lab(linux)
    ended: list[BaseException] = []

    def use() -> None:
        try:
            while True:
                some_work(lab)
        except BaseException as error:
            ended.append(error)

    user = threading.Thread(target=use, name="user", daemon=True)
    user.start()
    time.sleep(chance.uniform(0, SPAN[linux]))
    hit = kill_one(target, chance)
    if hit:
        user.join(30)
    hung = hit and user.is_alive()
    lab.close()
    user.join(60)
    if hung or user.is_alive() or not isinstance(ended[0], LabkitError):
        raise AssertionError(f"after kill -9 of {target} its user {'hung' if hung else f'got {ended}'}") from (ended or [None])[0]
    if hit and not isinstance(ended[0], LabClosed | NoLinux):
        return f"{target} killed: {type(ended[0]).__name__}: {ended[0].tried[:60]}"
    return f"{target} {'killed' if hit else 'not there yet'}"


def kill_kernel(linux: str, chance: Random) -> str:
    """Kill a kernel of Jupyter's in which a cell opens labs, works and closes them."""
    subprocess.run(["rm", "-rf", str(KERNEL)], check=True)
    KERNEL.mkdir()
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(KERNEL / "kernel.json"), "--transport=ipc"]
    command += [f"--ip={KERNEL / 'socket'}", f"--IPKernelApp.exec_lines={CELL}"]
    environment = {**os.environ, "LABKIT_LINUX": linux, "IPYTHONDIR": str(KERNEL), "JUPYTER_RUNTIME_DIR": str(KERNEL)}
    log = KERNEL / "log"
    with log.open("wb") as output:
        kernel = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    deadline = time.monotonic() + 180
    while not (KERNEL / "begun").exists():
        if kernel.poll() is not None or time.monotonic() > deadline:
            kernel.kill()
            kernel.wait(60)
            raise AssertionError(f"the kernel did not come: {log.read_text()}")
        time.sleep(0.005)
    time.sleep(chance.uniform(0, SPAN[linux]))
    alive = kernel.poll() is None
    kernel.kill()
    kernel.wait(60)
    words = log.read_text()
    subprocess.run(["rm", "-rf", str(KERNEL)], check=True)  # what Jupyter's server deletes
    if not alive or "Traceback" in words:
        raise AssertionError(f"the kernel had ended before: {words}")
    return "kernel killed"


def kill(linux: str, chance: Random, number: int) -> str:
    """Each kind in turn, and then the next lab opens."""
    targets = ["kernel", "bwrap", "agent" if linux == "host" else "linux.uml"]
    target = targets[number % len(targets)]
    outcome = kill_kernel(linux, chance) if target == "kernel" else kill_in_lab(linux, target, chance)
    open_and_close(linux)
    return outcome


SECONDS = {"host": 2.0, "uml": 4.0}


class Storm:
    """SIGINT at random moments; each raises KeyboardInterrupt in the main thread while the storm lasts."""

    def __init__(self, chance: Random, *, group: bool, pause: float = 0.15) -> None:
        """`pause` is the longest between two, seconds."""
        self._chance, self._group, self._pause = chance, group, pause
        self._over = threading.Event()
        self.count = 0
        self._before = signal.signal(signal.SIGINT, self._handle)
        self._thread = threading.Thread(target=self._blow, name="storm", daemon=True)

    def _handle(self, *_signal: object) -> None:
        if not self._over.is_set():
            self.count += 1
            raise KeyboardInterrupt

    def _blow(self) -> None:
        send = (lambda: os.killpg(os.getpgrp(), signal.SIGINT)) if self._group else lambda: os.kill(os.getpid(), signal.SIGINT)
        while not self._over.wait(self._chance.uniform(0.001, self._pause)):
            send()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """End, and wait for the last one."""
        self._over.set()
        self._thread.join(10)
        time.sleep(0)
        signal.signal(signal.SIGINT, self._before)


def in_storm(lab: Lab, storm: Storm, until: float) -> None:
    """Work, and begin again after every interrupt; labkit may complain of what was left half done, and no more."""
    while time.monotonic() < until:
        with contextlib.suppress(KeyboardInterrupt, LabkitError):
            while time.monotonic() < until:
                lab.run("pkill -f http.server", check=False)
                some_work(lab)


def storm(linux: str, chance: Random, number: int) -> str:
    """The lab is used in a storm, still works after it, and is closed in the next storm."""
    os.setpgid(0, 0)
    lab = new_lab(linux)
    lab.run("true")
    first = Storm(chance, group=number % 2 == 1)
    try:
        first.start()
        in_storm(lab, first, time.monotonic() + SECONDS[linux])
    except KeyboardInterrupt:
        pass
    first.end()
    assert lab.run("echo alive").stdout == "alive\n", "the lab did not live through the storm"
    second = Storm(chance, group=number % 2 == 1)
    with contextlib.suppress(KeyboardInterrupt):
        second.start()
        lab.close()
    second.end()
    lab.close()
    assert first.count
    return "lived through it"


def storm_while_opening(linux: str, chance: Random, number: int) -> str:
    """A storm from before the lab is there: whether it has got a name or not, it is closed, and nothing is left."""
    os.setpgid(0, 0)
    blow = Storm(chance, group=number % 2 == 1, pause=chance.choice([0.01, 0.05, 0.15]))
    lab = None
    try:
        blow.start()
        lab = new_lab(linux)
        until = time.monotonic() + SECONDS[linux]
        while time.monotonic() < until:  # a dense storm lets no command come to its end
            with contextlib.suppress(KeyboardInterrupt):
                lab.run("true")
                break
    except KeyboardInterrupt:
        pass
    blow.end()
    if lab is None:
        close_all()
        return "interrupted before it had a name"
    assert lab.run("echo alive").stdout == "alive\n"
    lab.close()
    return "opened"


SCENARIOS = {"kill": kill, "storm": storm, "storm while opening": storm_while_opening}
