"""The temporary folder of a process, and what ends with the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labkit.errors import wait_until

SCRIPT = """
import os, subprocess, sys
import psutil
from labkit.machine import temporary
print(temporary.own_folder())
for process in psutil.process_iter(["cmdline"]):
    if sys.argv[1:] == ["killed"] and str(temporary.own_folder()) in (process.info["cmdline"] or ()):
        process.kill()
        psutil.wait_procs([process])
for number in range(60):
    temporary.ended(10**9 + number)
one = subprocess.Popen(temporary.announced(["sleep", "1000"]), process_group=0)
other = subprocess.Popen(temporary.announced(["sleep", "1000"]), process_group=0)
other.kill()
other.wait()
temporary.ended(other.pid)
print(one.pid, flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.mark.parametrize("janitor", ["alive", "killed"])
def test_folder_and_announced_groups_end_with_the_process(janitor: str) -> None:
    """What was announced and not taken back is ended, the folder deleted; taking back what was never announced costs nothing.

    Also when the shell that does it has been ended meanwhile, as by a tidy administrator: then there is another one.
    """
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, janitor], input="", capture_output=True, text=True, timeout=60, check=True
    )
    folder, pid = child.stdout.split()
    wait_until(lambda: not Path(folder).exists(), reason="the end of the process's folder", timeout=60)
    wait_until(lambda: not Path("/proc", pid).exists(), reason="the end of the announced group", timeout=60)
