"""Storms of SIGINT, as an impatient user sends them: to the process, and to its group as Jupyter and terminals do."""

import contextlib
import os
import signal
import threading
import time
from random import Random

from labkit.errors import LabkitError
from labkit.lab import Lab, close_all

from .work import new_lab, some_work

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


SCENARIOS = {"storm": storm, "storm while opening": storm_while_opening}
