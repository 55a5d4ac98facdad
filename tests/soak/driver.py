"""Runs one scenario in a box, round after round, and counts what each leaves: `driver.py SCENARIO LINUX ROUNDS SEED`."""

import contextlib
import faulthandler
import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from typing import Any

from tqdm import tqdm

from labkit.errors import LabkitError
from tests.soak import ends, shortages, work
from tests.soak.census import census, left_after

SCENARIOS = {**work.SCENARIOS, **ends.SCENARIOS, **shortages.SCENARIOS}
# No round may take longer, seconds: a hang shows where it is.
HANG = 400.0


def main(scenario: str, linux: str, rounds: int, seed: int) -> dict[str, Any]:
    """Run the rounds and return the counts; a problem is what was left, or an error that was not labkit's."""
    chance = random.Random(seed)
    one_round = SCENARIOS[scenario]
    faulthandler.dump_traceback_later(HANG, exit=True)
    tqdm(total=1, file=sys.stdout).close()  # keeps a thread for all progress bars
    work.open_and_close(linux)  # what else is made once and kept, is made now
    one_round(linux, random.Random(0), 0)
    before = census()
    outcomes: Counter[str] = Counter()
    problems: list[str] = []
    longest, told = 0.0, 0
    for number in range(rounds):
        faulthandler.dump_traceback_later(HANG, exit=True)
        began = time.monotonic()
        try:
            outcomes[one_round(linux, chance, number)] += 1
        except Exception as error:
            words = traceback.format_exc() if not isinstance(error, LabkitError) else f"{type(error).__name__}: {error}"
            problems.append(f"round {number}: {words}")
        longest = max(longest, time.monotonic() - began)
        left = left_after(before)
        if left:
            problems.append(f"round {number} left {left}")
            before = census()
        print(*problems[told:], sep="\n", end="\n" * (len(problems) > told), file=sys.stderr, flush=True)
        told = len(problems)
        if (number + 1) % 10 == 0:
            print(f"{scenario} on {linux}: {number + 1} of {rounds}, {len(problems)} problems", file=sys.stderr, flush=True)
    faulthandler.dump_traceback_later(HANG, exit=True)
    work.open_and_close(linux)
    counted = {name: sum(part.values()) for name, part in before.items()}
    return {
        "scenario": scenario, "linux": linux, "rounds": rounds, "seed": seed, "outcomes": dict(outcomes), "problems": problems,
        "longest": round(longest, 1), "before": counted, "after": {k: sum(v.values()) for k, v in census().items()},
    }  # fmt: skip


if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # what labkit shows of its work
        counts = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    print(json.dumps(counts), flush=True)
