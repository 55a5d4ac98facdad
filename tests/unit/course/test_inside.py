"""What a process really runs, told from the kernel's view of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labkit.course.checks.inside import program
from labkit.wait import wait_until


@contextmanager
def started(*command: str | Path, **environment: str) -> Iterator[int]:
    """A process that runs `command`."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_program_of_the_system_goes_by_its_name() -> None:
    """A process of a program below /usr is called by the name of its file, whatever it calls itself."""
    with started("/usr/bin/bash", "-c", "exec -a nginx /usr/bin/sleep 999") as pid:
        wait_until(lambda: program(pid) == "sleep", reason="sleep", timeout=60)


def test_program_with_other_code_in_it_goes_by_that(tmp_path: Path) -> None:
    """A library of the work's own that is loaded into a program of the system shows."""
    library = next(Path("/usr/lib").glob("*/libz.so.1"))
    own = tmp_path / "evil.so"
    own.write_bytes(library.read_bytes())
    with started("/usr/bin/sleep", "999", LD_PRELOAD=str(own)) as pid:
        wait_until(lambda: program(pid) == str(own), reason="the library", timeout=60)


def test_program_of_another_folder_goes_by_its_path(tmp_path: Path) -> None:
    """A copy is not the system's program, and a process that is gone is nothing."""
    copy = tmp_path / "nginx"
    copy.write_bytes(Path("/usr/bin/sleep").read_bytes())
    copy.chmod(0o755)
    with started(copy, "999") as pid:
        wait_until(lambda: program(pid) == str(copy), reason="the copy", timeout=60)
    assert program(pid) == ""
