"""Many labs: nothing is left of any, nothing hangs, and the next one opens. `./lab test --soak` makes the long run of it."""

import json
import os
import random
import subprocess
import sys

import pytest
from box import TOP, box_command

pytestmark = pytest.mark.lab

LONG = os.environ.get("LABKIT_TESTS") == "soak"
# Rounds of the long run and of the short one, on the running kernel and on User-Mode Linux.
ROUNDS = {
    "work": {"host": (300, 3), "uml": (40, 1)},
    "kill": {"host": (200, 3), "uml": (40, 0)},
    "storm": {"host": (30, 2), "uml": (10, 0)},
    "storm while opening": {"host": (30, 3), "uml": (6, 0)},
    "full disk in the lab": {"host": (20, 1), "uml": (4, 0)},
    "full disk on the host": {"host": (30, 2), "uml": (6, 0)},
    "no free pids": {"host": (30, 1), "uml": (6, 0)},
    "clock set back": {"host": (5, 1), "uml": (4, 0)},
}
# A round may take so long on a busy machine, seconds.
A_ROUND = 180.0
CASES = [(name, linux, counts[not LONG]) for name, each in ROUNDS.items() for linux, counts in each.items()]


@pytest.mark.parametrize(("scenario", "linux", "rounds"), [case for case in CASES if case[2]])
def test_nothing_is_left(scenario: str, linux: str, rounds: int) -> None:
    """After every round no process, namespace, mount, interface, socket, file, descriptor or thread is there beyond the state
    before, every error is one of labkit's, and another lab opens."""
    seed = int(os.environ.get("LABKIT_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"\n{scenario} on {linux}: {rounds} rounds, LABKIT_SEED={seed}", flush=True)
    driver = [sys.executable, "-X", "faulthandler", "-m", "tests.soak.driver", scenario, linux, str(rounds), str(seed)]
    limited = [
        "timeout",
        "-s",
        "KILL",
        f"{300 + rounds * A_ROUND:g}",
        *box_command(*driver),
    ]  # with the box ends everything in it
    found = json.loads(subprocess.run(limited, stdout=subprocess.PIPE, text=True, cwd=TOP, check=False).stdout)
    assert found["problems"] == [], f"LABKIT_SEED={seed}"
    print(f"{sum(found['outcomes'].values())} of {rounds} left nothing; longest {found['longest']} s; {found['outcomes']}")
    print(f"before {found['before']}\nafter  {found['after']}", flush=True)
    assert sum(found["outcomes"].values()) == rounds
