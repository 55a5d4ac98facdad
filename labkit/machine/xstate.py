"""Builds the ptrace wrapper that User-Mode Linux needs on CPUs with a large extended state, once, on such CPUs only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

from ..errors import LabError
from .temporary import own_folder

SOURCE = Path(__file__).with_name("xstate.c")
XSTATE_LIBRARY = "/opt/xstate.so"
COMPILE_TIMEOUT = 120.0
# The CPU flags (proc(5), /proc/cpuinfo) of extensions whose state lies beyond linux.uml's 2,696 bytes.
LARGE_STATE_FLAGS = frozenset({"amx_tile", "apx"})


def needs_wrapper(cpuinfo: str) -> bool:
    """True when the text of /proc/cpuinfo shows a CPU whose extended state is too large for linux.uml 6.1."""
    flags = next((line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return not LARGE_STATE_FLAGS.isdisjoint(flags)


def cache_folder() -> Path:
    """Where built files are kept between labs (XDG Base Directory Specification), or with this process only.

    Without HOME, or with one that cannot be written to, it is the temporary folder of this process.
    """
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: a user without a home
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "labkit"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return own_folder()


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
    part = library.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(part), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_TIMEOUT)
        if done.returncode:
            raise LabError(
                "The wrapper for User-Mode Linux does not compile.", words=done.stderr, way_out="apt-get install libc6-dev"
            )
        part.replace(library)
    except (OSError, subprocess.TimeoutExpired) as error:
        way_out = "free space there, or set XDG_CACHE_HOME to a folder that you can write to"
        raise LabError(
            f"The wrapper for User-Mode Linux cannot be built in {folder}.", words=str(error), way_out=way_out
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return library


def xstate_library() -> Path | None:
    """The built wrapper on CPUs that need it, None on others."""
    if not needs_wrapper(Path("/proc/cpuinfo").read_text()):
        return None
    return build(cache_folder())
