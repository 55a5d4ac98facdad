"""A box: namespaces of a test's own in which nothing else is, with temporary folders and a home of its own.

What is left in it was left by the test; what is mounted, forbidden or used up in it concerns nobody else. And a copy of this
checkout, for machines of a test's own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
# In the box these are empty; what of the checkout and of Python lies below them is there again.
HIDDEN = [Path(place) for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock") if Path(place).is_dir()]
# Arguments: places to hide, "--", places to keep, "--", the command. The shell collects processes without a parent.
SCRIPT = Path(__file__).with_suffix(".sh").read_text()
NAMESPACES = ["--pid", "--mount", "--ipc", "--net", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]


def box_command(*command: str) -> list[str]:
    """`command` in a box; an ordinary user is root there, with the ids that /etc/subuid gives. Its HOME is /tmp/home."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user", "--map-auto"]
    hidden = [*HIDDEN, *([Path.home()] if Path.home() != Path("/") else [])]
    kept = {TOP, Path(sys.prefix), Path(sys.base_prefix)}
    back = sorted(str(path) for path in kept if any(path.is_relative_to(place) for place in hidden))
    script = ["bash", "-c", SCRIPT, "box", *map(str, hidden), "--", *back, "--"]
    values = ["env", "TMPDIR=/tmp", "HOME=/tmp/home", "XDG_CACHE_HOME=/tmp/home/cache"]
    return ["unshare", *user, *NAMESPACES, *script, *values, *command]


def check_out(target: Path) -> Path:
    """Copy the files that git tracks or would track to `target`, as they are here, and return that."""
    run = ["git", "-C", str(TOP), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(run, capture_output=True, check=True, text=True).stdout.split("\0"):
        if name and (TOP / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, target / name)
    return target
