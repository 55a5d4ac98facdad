"""The other candidates: User-Mode Linux, a Linux kernel that runs as an ordinary process, inside a view or alone.

In the guest the same view is made by the guest's own bubblewrap, so a lab looks the same on both Linuxes.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from ..errors import LabError
from .bwrap import Sandbox
from .folder import LabFolder
from .host import LOG
from .ids import IdMaps
from .view import FOLDER, LABKIT, View, environment, etc_from_host, machine_arguments, own, system, view_of
from .xstate import XSTATE_LIBRARY, xstate_library

PROGRAM = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
MEMORY_BYTES = 512 << 20
INIT = "uml_init.sh"
# What the kernel would do at boot for nobody (kernel-parameters.txt): it tries its RAID algorithms for file systems that no
# lab has (0.8 s), makes 256 pseudo-terminals of the old kind (0.2 s), and measures the length of a busy-wait of its drivers
# (0.1 s; the value is a usual one). Without these a kernel that took 1.2 s to boot takes 0.1 s.
QUICK = "initcall_blacklist=raid6_select_algo,calibrate_xor_blocks pty.legacy_count=0 lpj=17453056"
# How long a lab for the work of others may live, seconds: more than all that a slow right task may take (two scripts, the
# wait for what they start, a long measurement), though each usually takes a hundredth of it. And how large a file it may
# write, blocks of 512 bytes (ulimit -f): its memory is a file too.
LIFETIME, FILE_BLOCKS = 600, 1536 * 2048


class UmlLinux:
    """bubblewrap and User-Mode Linux."""

    name = "uml"
    title = "bubblewrap + User-Mode Linux"
    start_timeout = 60.0

    def __init__(self, *, copy_home: bool = False) -> None:
        """With `copy_home` the guest sees the home read-only and works on a copy in its own memory."""
        self.copy_home = copy_home

    def start(self, folder: LabFolder) -> Sandbox:
        """Boot the lab's own Linux and start its agent in it. Raises LabError when it cannot be started."""
        require_uml()
        view = view_of(folder, copy_home=self.copy_home)
        write_inner_view(folder, view.inside())
        if self.copy_home:
            (folder.path / ".curlrc").touch()  # curl looks on in root's home when it finds none
        return Sandbox(uml_arguments(view, xstate_library()), IdMaps("single"), log=folder.path / LOG, one_processor=True)


def require_uml() -> None:
    """Raise LabError when User-Mode Linux is not installed."""
    if not shutil.which(PROGRAM) or not MODULES.is_dir():
        raise LabError(f"User-Mode Linux (`{PROGRAM}`) is not installed.", way_out="apt-get install user-mode-linux")


def write_inner_view(folder: LabFolder, view: View) -> None:
    """Write the guest's bubblewrap command as a shell script that its first process goes on with."""
    command = shlex.join(["bwrap", *machine_arguments(view)])
    (folder.path / "view.sh").write_text(f"exec {command}\n", encoding="utf-8")


def boot_command(init: str, folder: str, library: str | None, *, limited: bool = False) -> list[str]:
    """The shell command that boots the guest, its serial line on the command's standard input and output.

    One that is `limited` ends after LIFETIME, whatever runs in it.
    """
    words = [PROGRAM, f"mem={MEMORY_BYTES >> 20}M", "rootfstype=hostfs", "rootflags=/", "rw", f"init={init}"]
    words += [f"LABKIT_FOLDER={folder}", f"uml_dir={folder}", "con=null", "con0=null", "ssl0=fd:3,fd:4", "quiet", *QUICK.split()]
    line = shlex.join(words)
    preload = f"LD_PRELOAD={shlex.quote(library)} " if library else ""
    limits, timeout = (f"ulimit -f {FILE_BLOCKS}; ", f"timeout -s KILL {LIFETIME} ") if limited else ("", "")
    return ["/bin/sh", "-c", f"exec 3<&0 4>&1 </dev/null >&2; {limits}{preload}exec {timeout}{line}"]


def uml_arguments(view: View, library: Path | None) -> list[str]:
    """bubblewrap's arguments for the outer view: what the guest's root file system (hostfs) consists of."""
    args = ["--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--die-with-parent", "--new-session"]
    args += ["--cap-drop", "ALL", *environment(), *system(view), "--tmpfs", "/etc", *etc_from_host()]
    for path in ("/sys", "/run", "/var", "/tmp"):
        args += ["--dir" if path == "/sys" else "--tmpfs", path]
    args += own(view)
    if library:
        args += ["--ro-bind", str(library), XSTATE_LIBRARY]
    # The guest can write where its files can: its /proc is the outer one's, so that one is read-only.
    args += ["--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc", "--setenv", "TMPDIR", "/tmp", "--"]
    preload = XSTATE_LIBRARY if library else None
    return [*args, *boot_command(f"{LABKIT}/labkit/machine/{INIT}", FOLDER, preload, limited=view.copy_home)]
