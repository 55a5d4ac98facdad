"""Builds the ptrace wrapper that User-Mode Linux needs on CPUs with a large extended state, once, on such CPUs only."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from ..errors import LabError

SOURCE = Path(__file__).with_name("xstate.c")
XSTATE_LIBRARY = "/opt/xstate.so"
# The CPU flags (proc(5), /proc/cpuinfo) of extensions whose state lies beyond linux.uml's 2,696 bytes.
LARGE_STATE_FLAGS = frozenset({"amx_tile", "apx"})


def needs_wrapper(cpuinfo: str) -> bool:
    """True when the text of /proc/cpuinfo shows a CPU whose extended state is too large for linux.uml 6.1."""
    flags = next((line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return not LARGE_STATE_FLAGS.isdisjoint(flags)


def cache_folder() -> Path:
    """Where built files are kept between labs (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "labkit"


def build(folder: Path) -> Path:
    """Compile the wrapper into `folder`, unless it is there, and return it. Raises LabError without a compiler."""
    library = folder / f"xstate-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise LabError(
            "This CPU needs a small wrapper for User-Mode Linux, and no C compiler is here.",
            way_out="apt-get install gcc libc6-dev",
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = library.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", str(part), str(SOURCE)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(
            "The wrapper for User-Mode Linux does not compile.", words=done.stderr, way_out="apt-get install libc6-dev"
        )
    part.replace(library)
    return library


def xstate_library() -> Path | None:
    """The built wrapper on CPUs that need it, None on others."""
    if not needs_wrapper(Path("/proc/cpuinfo").read_text()):
        return None
    return build(cache_folder())
