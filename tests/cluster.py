"""A Dask scheduler and workers for the tests: real processes on loopback, each worker with one thread and a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.errors import wait_until
from labkit.machine.temporary import DEFAULT_SIGNALS

# Long enough for a busy machine.
PATIENCE = 60.0
LOOPBACK = ["--host", "127.0.0.1", "--no-dashboard"]


class Cluster:
    """`address` is the scheduler's; `workers` are the processes, the home of each is `homes` at the same place."""

    def __init__(self, folder: Path, ttl: str = "1 minute", protocol: str = "tcp") -> None:
        self.folder, self.workers, self.homes = folder, list[subprocess.Popen[bytes]](), list[Path]()
        said = folder / "scheduler.json"
        # A worker that has not been heard of for so long is given up; Dask looks after as long again.
        env = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": ttl}
        self.scheduler = self._start(
            folder / "scheduler", env, "scheduler", "--port", "0", "--scheduler-file", str(said), "--protocol", protocol
        )
        try:
            wait_until(lambda: said.is_file() and said.read_text().endswith("}"), reason="the scheduler", timeout=PATIENCE)
        except BaseException:
            self.close()
            raise
        self.address: str = json.loads(said.read_text())["address"]

    def _start(self, home: Path, env: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
        home.mkdir()
        env = {**os.environ, "HOME": str(home), "TMPDIR": str(home), **env}
        with (home / "log").open("wb") as log:
            return subprocess.Popen(
                [*DEFAULT_SIGNALS, sys.executable, "-m", "dask", *command, *LOOPBACK], cwd=home, env=env, stdout=log, stderr=log
            )

    def start_worker(self, threads: int = 1) -> None:
        """Start one more worker, without a nanny: what is killed stays away."""
        home = self.folder / f"worker{len(self.workers)}"
        command = ["worker", self.address, "--nthreads", str(threads), "--no-nanny", "--local-directory", str(home)]
        self.workers.append(self._start(home, {}, *command))
        self.homes.append(home)

    def close(self) -> None:
        """End all of it, also what is frozen or was killed."""
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait(PATIENCE)

    @property
    def killed(self) -> list[int]:
        """The numbers of the workers that were killed by a signal that cannot be caught."""
        return [number for number, worker in enumerate(self.workers) if worker.poll() == -signal.SIGKILL]


@contextmanager
def cluster(folder: Path, workers: int, ttl: str = "1 minute", protocol: str = "tcp") -> Iterator[Cluster]:
    """A scheduler that knows its workers, in a folder that is made for it. A log in each home says what its process said."""
    folder.mkdir()
    made = Cluster(folder, ttl, protocol)
    try:
        for _ in range(workers):
            made.start_worker()
        logs = [home / "log" for home in made.homes]
        wait_until(lambda: all(b"Registered to" in log.read_bytes() for log in logs), reason="the workers", timeout=PATIENCE)
        yield made
    finally:
        made.close()
