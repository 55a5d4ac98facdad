"""How many learners fit: labs with IPVS opened at once in containers as the hub starts them, the time of each, and its memory.

By hand, beside nothing else: `PYTHONPATH=tests LABKIT_ENGINE=FOLDER python -m tests.image.sizing 12` on an engine in which
`./lab test --image` has built the image. Prints one JSON object and rows for binder/hub/README.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from .engine import IMAGE, Engine

# As jupyterhub_config.py starts a learner's container.
OPTIONS = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "512", "--memory", "2g", "--cpus", "2"]
OPTIONS += ["--tmpfs", "/tmp:exec,mode=1777", "--network", "none"]
# A kernel as a notebook's, which opens a lab when it is told to, does what notebook 3 does first, and stays.
KERNEL = """
import sys, time
from pathlib import Path
from jupyter_client.manager import KernelManager
from labkit.author.notebooks import Kernels
manager = KernelManager(kernel_name="python3", kernel_spec_manager=Kernels())
manager.start_kernel()
client = manager.blocking_client()
client.start_channels()
client.wait_for_ready(timeout=300)
def run(code):
    reply = client.execute(code, reply=True, timeout=300)
    assert reply["content"]["status"] == "ok", reply["content"]
run("from labkit import BackendPool, DummyInterface, Lab, VirtualService, check, history, plots, report_form, traffic")
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
run('lab = Lab("3_ipvs", task=3, needs={"ipvs"}); lab.run("true")')
print(time.monotonic() - began, flush=True)
run("pool = BackendPool(lab); pool.start()")
sys.stdin.readline()
"""


def processes(engine: Engine, container: str) -> list[Path]:
    """The processes of a container, as folders of /proc."""
    rows = engine.docker("top", container, "-eo", "pid").stdout.split()[1:]
    return [Path("/proc", pid) for pid in rows]


def memory(engine: Engine, container: str) -> Counter[str]:
    """Proportional set size in MiB, shared pages divided among those who share them, by what a process is for."""
    found: Counter[str] = Counter()
    for folder in processes(engine, container):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        size = int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
        if "ipykernel_launcher" in command:
            found["kernel"] += size
        elif "labkit.author.notebooks" in command and KERNEL[:20] not in command:
            found["server"] += size
        elif KERNEL[:20] not in command:
            found["lab"] += size
    return found


def used(engine: Engine, container: str) -> float:
    """What the container's control group counts, MiB, with files that can be dropped again."""
    words = engine.docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container).stdout.split()[0]
    for unit, size in (("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1 / 1024)):
        if words.endswith(unit):
            return float(words.removesuffix(unit)) * size
    raise AssertionError(words)


def main() -> None:
    """Start as many containers as the command line says, open a lab in all of them at once, and measure."""
    count = int(sys.argv[1])
    engine = Engine(Path(os.environ["LABKIT_ENGINE"]))
    names = [f"sizing-{number}" for number in range(count)]
    kernels: list[subprocess.Popen[str]] = []
    try:
        for name in names:
            engine.docker("run", "-d", "--name", name, *OPTIONS, IMAGE)
        for name in names:
            command = ["docker", "exec", "-i", name, "python3", "-c", KERNEL]
            pipe = subprocess.PIPE
            kernels.append(
                subprocess.Popen(command, env={**os.environ, "DOCKER_HOST": engine.host}, stdin=pipe, stdout=pipe, text=True)
            )
            assert kernels[-1].stdout and kernels[-1].stdout.readline() == "ready\n"
        time.sleep(10)
        idle = [memory(engine, name) for name in names]
        for kernel in kernels:
            assert kernel.stdin
            kernel.stdin.write("\n")
            kernel.stdin.flush()
        seconds = sorted(float(kernel.stdout.readline()) for kernel in kernels if kernel.stdout)
        time.sleep(10)
        full = [memory(engine, name) for name in names]
        middle = {part: round(statistics.median(one[part] for one in full)) for part in ("server", "kernel", "lab")}
        print(json.dumps({
            "containers": count, "opened in, s": {"fastest": round(seconds[0], 2), "median": round(statistics.median(seconds), 2),
            "p95": round(seconds[max(0, -(-95 * count // 100) - 1)], 2)}, "MiB each, with a lab": middle,
            "MiB each, without": round(statistics.median(sum(one.values()) for one in idle)),
            "MiB in the control group": round(statistics.median(used(engine, name) for name in names)),
            "load": os.getloadavg(), "processors": os.cpu_count(),
        }))  # fmt: skip
    finally:
        for kernel in kernels:
            kernel.kill()
        for name in names:
            engine.docker("rm", "-f", name, check=False)


if __name__ == "__main__":
    main()
