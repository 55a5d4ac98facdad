"""The clock is set back by a day while a lab opens and works: the notebook's by a preloaded library, the guest's by date."""

import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

from labkit.measure.traffic import traffic
from labkit.services.http_server import BackendPool

from .work import new_lab

LIBRARY, OFFSET = Path("/tmp/clock.so"), Path("/tmp/clock.offset")
DAY = 86_400
# What takes this long by its own limits and pauses may take so much longer on a busy machine, and not a day, seconds.
LIMIT = 240.0


def set_clock(offset: int) -> None:
    """Set the clock of every process that has the library to `offset` seconds from now."""
    with OFFSET.open("r+b" if OFFSET.exists() else "wb") as file:
        file.write(struct.pack("l", offset))


def clock(linux: str, chance: Random, _number: int) -> str:
    """Run the child below with the library before it."""
    if not LIBRARY.exists():
        source = str(Path(__file__).with_suffix(".c"))
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(LIBRARY), source, "-ldl"], check=True, timeout=120)
    set_clock(0)
    environment = {**os.environ, "LD_PRELOAD": str(LIBRARY), "LABKIT_TEST_CLOCK": str(OFFSET)}
    command = [sys.executable, "-m", "tests.soak.clock", linux, str(chance.uniform(0, 1.5))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    LIBRARY.unlink()
    OFFSET.unlink()
    return done.stdout.splitlines()[-1]


def child(linux: str, moment: float) -> str:
    """Open and work; `moment` seconds after the beginning, and again in the middle, it is yesterday."""
    before = time.time()
    threading.Timer(moment, set_clock, [-DAY]).start()
    with new_lab(linux) as lab, BackendPool(lab):
        while time.time() > before:
            time.sleep(0.05)
        threading.Timer(0.5, set_clock, [-2 * DAY]).start()
        if linux == "uml":
            lab.start("sleep 0.5; date -s '-1 day'")
        rows = traffic(lab, "http://127.0.0.1:8081", 8, every=0.25)
        assert len(rows) == 8
        assert lab.run("sleep 1; echo alive").stdout == "alive\n"
        lab.wait_until(lambda: time.time() < before - 1.5 * DAY, reason="the day before yesterday", timeout=60)
        if linux == "uml":
            assert int(lab.run("date +%s").stdout) < before - DAY / 2, "the guest's clock was not set"
    return "worked on, two days earlier"


SCENARIOS = {"clock set back": clock}

if __name__ == "__main__":
    print(child(sys.argv[1], float(sys.argv[2])))
