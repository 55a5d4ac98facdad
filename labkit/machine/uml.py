"""User-Mode Linux: a Linux kernel that runs as an ordinary process, in a view, under Landlock or alone; what its CPU needs."""

import contextlib
import hashlib
import os
import re
import secrets
import shlex
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from . import landlock
from .bwrap import IdMaps, start_bwrap
from .cell import write_rules
from .folder import LOG, LabFolder
from .packages import way_to_uml
from .temporary import Kept, own_folder
from .view import ETC_FROM_HOST, FOLDER, LABKIT, PATH, View, environment, etc_from_host, machine_arguments, own, system, view_of

SOURCE = Path(__file__).with_name("xstate.c")
XSTATE_LIBRARY = "/opt/xstate.so"
COMPILE_TIMEOUT = 120.0
# The CPU flags (proc(5), /proc/cpuinfo) of extensions whose state lies beyond linux.uml's 2,696 bytes.
LARGE_STATE_FLAGS = frozenset({"amx_tile", "apx"})


def needs_wrapper(cpuinfo: str) -> bool:
    """True when the text of /proc/cpuinfo shows a CPU whose extended state is too large for linux.uml 6.1."""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return not LARGE_STATE_FLAGS.isdisjoint(flags.split())


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
    """Compile the wrapper into `folder`, unless it is there or with its source. Raises LabError without a compiler."""
    name = f"xstate-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    if (made := SOURCE.with_name(name)).exists():  # with a container's image, which has no compiler
        return made
    library = folder / name
    if library.exists():
        return library
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        tried = "This CPU needs a small wrapper for User-Mode Linux, and no C compiler is here."
        raise LabError(tried, way_out="apt-get install gcc libc6-dev")
    part = library.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(part), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT)
        if done.returncode:
            tried, way_out = "The wrapper for User-Mode Linux does not compile.", "apt-get install libc6-dev"
            raise LabError(tried, words=done.stderr, way_out=way_out)
        part.replace(library)
    except (OSError, subprocess.TimeoutExpired) as error:
        tried = f"The wrapper for User-Mode Linux cannot be built in {folder}."
        way_out = "free space there, or set XDG_CACHE_HOME to a folder that you can write to"
        raise LabError(tried, words=str(error), way_out=way_out) from None
    finally:
        part.unlink(missing_ok=True)
    return library


def xstate_library() -> Path | None:
    """The built wrapper, with which a guest is faster; None where it cannot be built and the CPU does not need it."""
    try:
        return build(cache_folder())
    except LabError:
        if needs_wrapper(Path("/proc/cpuinfo").read_text()):
            raise
        return None


PROGRAM, BUBBLEWRAP, LANDLOCK = "linux.uml", "bubblewrap", "Landlock"
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


@dataclass(frozen=True)
class UmlLinux:
    """User-Mode Linux, which bubblewrap or Landlock keeps in, or nothing (`kept_by`).

    With `copy_home`, for the work of others, the guest sees the home read-only and works on a copy in its own memory.
    """

    kept_by: str = BUBBLEWRAP
    copy_home: bool = False
    name = "uml"

    @property
    def title(self) -> str:
        return f"{self.kept_by} + User-Mode Linux" if self.kept_by else "User-Mode Linux alone"

    @property
    def holds_others(self) -> bool:
        """True for one that keeps the work of others in: Landlock only where it scopes signals."""
        scoped = self.kept_by == LANDLOCK and landlock.abi() >= landlock.SCOPED
        return self.kept_by == BUBBLEWRAP or scoped

    def start(self, folder: LabFolder) -> Kept:
        """Boot the lab's own Linux and start its agent in it. Raises LabError when it cannot be started."""
        if not shutil.which(PROGRAM) or not MODULES.is_dir():
            raise LabError(f"User-Mode Linux (`{PROGRAM}`) is not installed.", way_out=way_to_uml())
        view = view_of(folder, copy_home=self.copy_home)
        if self.kept_by == BUBBLEWRAP:
            write_inner_view(folder, view.inside())
            arguments, log = uml_arguments(view, xstate_library()), folder.path / LOG
            return start_bwrap(arguments, IdMaps("single"), log=log, one_processor=True)
        if self.kept_by and not (self.holds_others if self.copy_home else landlock.abi()):
            tried = "Landlock, which would keep User-Mode Linux in, does not serve here."
            words, way_out = landlock.why_none()
            raise LabError(tried, words=words, way_out=way_out)
        if not shutil.which("bwrap"):
            tried = "bubblewrap (`bwrap`) is not installed; the guest makes its view with it."
            raise LabError(tried, way_out="apt-get install bubblewrap")
        if re.search(r'[\s"]', view.folder):  # what stands between the words of a boot line, and around some
            way_out = "set TMPDIR to a folder without spaces and quotes in its name"
            raise LabError(f"A boot line cannot name {view.folder}.", way_out=way_out)
        write_inner_view(folder, view)
        init, library = folder.path / INIT, xstate_library()
        shutil.copy(Path(__file__).with_name(INIT), init)
        memory = f"{memory_folder()}/labkit-{secrets.token_hex(8)}"  # its keeper makes it
        preload = str(library) if library else None
        command = boot_command(str(init), view.folder, preload, memory=memory, limited=self.copy_home)
        if self.kept_by:
            command = confined(command, view, library, memory)
        return Kept(command, log=folder.path / LOG, folder=memory, one_processor=True)


def confined(command: list[str], view: View, library: Path | None, memory: str) -> list[str]:
    """Return `command` with rights to what the outer view (`uml_arguments`) consists of, and without a variable of the user's."""
    read = ["/usr", view.python, view.site, view.labkit, library, "/proc/cpuinfo", "/dev/random"]
    read += [f"/etc/{name}" for name in ETC_FROM_HOST]
    write = ["/dev/null", view.folder, memory]
    (read if view.copy_home else write).append(view.home)
    rights = [*(f"r:{path}" for path in read if path), *(f"w:{path}" for path in write)]
    command = ["env", "-i", f"PATH={PATH}", *command]
    return landlock.confined(command, rights, strangers=view.copy_home)


def write_inner_view(folder: LabFolder, view: View) -> None:
    """Write the guest's bubblewrap command as a shell script that its first process goes on with."""
    command = shlex.join(["bwrap", *machine_arguments(view)])
    (folder.path / "view.sh").write_text(f"exec {command}\n", encoding="utf-8")
    modules = folder.path / "modules/lib/modules"
    if not modules.is_symlink():  # the candidate before this one may have been given the folder
        modules.parent.mkdir(parents=True)
        modules.symlink_to(MODULES)
    modprobe = folder.path / "modprobe"
    modprobe.write_text('#!/bin/sh\nexec /usr/sbin/modprobe -d "${0%/*}/modules" "$@"\n')
    modprobe.chmod(0o755)
    if view.copy_home:
        (folder.path / ".curlrc").touch()  # curl looks on in root's home when it finds none
        write_rules(folder.path)


def boot_command(init: str, folder: str, library: str | None, *, memory: str = "/tmp", limited: bool = False) -> list[str]:
    """The shell command that boots the guest, its serial line on the command's standard input and output.

    Its memory is a file in the folder `memory`. One that is `limited` ends after LIFETIME, whatever runs in it.
    """
    words = f"{PROGRAM} mem={MEMORY_BYTES >> 20}M rootfstype=hostfs rootflags=/ rw con=null con0=null"
    words += f" ssl0=fd:3,fd:4 quiet {QUICK}" + (" security=apparmor" if limited else "")
    places = shlex.join([f"init={init}", f"LABKIT_FOLDER={folder}", f"uml_dir={folder}"])
    variables = f"TMPDIR={shlex.quote(memory)}" + (f" LD_PRELOAD={shlex.quote(library)}" if library else "")
    limits = f"ulimit -f {FILE_BLOCKS}; " if limited else ""
    timeout = f"timeout -s KILL {LIFETIME} " if limited else ""
    start = f"exec 3<&0 4>&1 </dev/null >&2; {limits}{variables} exec {timeout}"
    return ["/bin/sh", "-c", f"{start}{words} {places}"]


def uml_arguments(view: View, library: Path | None) -> list[str]:
    """bubblewrap's arguments for the outer view: what the guest's root file system (hostfs) consists of."""
    args = ["--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--die-with-parent"]
    args += ["--new-session", "--cap-drop", "ALL", *environment(), *system(view)]
    args += ["--tmpfs", "/etc", *etc_from_host(), "--dir", "/sys"]
    args += ["--tmpfs", "/run", "--tmpfs", "/var", "--tmpfs", "/tmp", *own(view)]
    if library:
        args += ["--ro-bind", str(library), XSTATE_LIBRARY]
    # The guest can write where its files can: its /proc is the outer one's, so that one is read-only.
    args += ["--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc", "--"]
    init, preload = f"{LABKIT}/labkit/machine/{INIT}", XSTATE_LIBRARY if library else None
    return [*args, *boot_command(init, FOLDER, preload, limited=view.copy_home)]


def memory_folder() -> str:
    """A folder for the guest's memory: linux.uml maps a file there, executable, which a noexec mount refuses."""
    tried = []
    for folder in ("/dev/shm", tempfile.gettempdir()):
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            tried.append(f"{folder} cannot be written to")
        elif os.statvfs(folder).f_flag & os.ST_NOEXEC:
            tried.append(f"{folder} is mounted noexec")
        elif (free := os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize) < MEMORY_BYTES:
            # A guest whose memory cannot grow ends by SIGBUS; Docker gives 64 MiB.
            tried.append(f"{folder} has {free >> 20} MiB free")
        else:
            return folder
    raise LabError(
        f"No folder for the memory of User-Mode Linux, {MEMORY_BYTES >> 20} MiB.", words="\n".join(tried),
        way_out="set TMPDIR to a folder with that much space, not mounted noexec (in Docker: `--tmpfs /tmp:exec,mode=1777`)",
    )  # fmt: skip
