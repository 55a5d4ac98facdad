"""Machines with other kernels: a Debian made by debootstrap with this checkout, on a kernel of Debian's in QEMU or as a process.

User-Mode Linux is a kernel too: with a disk of its own it is a machine whose running kernel has IPVS, and much faster than what
QEMU emulates. What is downloaded or made is kept in LABKIT_KERNELS, else in $XDG_CACHE_HOME/labkit-kernels.
"""

import hashlib
import lzma
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from box import TOP, check_out
from fresh.machine import FreshMachine, apt_sources, make_debian, output

from labkit.machine import uml
from labkit.machine.temporary import Kept
from labkit.machine.uml import QUICK

HOUR = 3600.0
# By the name that the tests give a kernel: the release of Debian whose newest kernel it is.
RELEASES = {"6.1": "bookworm", "6.12": "trixie", "newest": "sid"}
# What finds the root file system and mounts it; the rest is loaded by whoever asks, as on any machine.
MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]
# One processor: with two, QEMU before 8.1 can run code that a kernel has just patched, which then panics ("Oops: int3").
QEMU = [
    *("nice", "-n", "5", "qemu-system-x86_64", "-accel", "tcg,tb-size=512", "-M", "q35", "-cpu", "max", "-smp", "1", "-m", "4G"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci"),
]
# no_timer_check: on a busy machine an emulated timer can be late, and the kernel would panic at its start.
QEMU_LINE = "console=ttyS0 panic=-1 quiet mitigations=off nokaslr no_timer_check nowatchdog"
# As in labkit.machine.uml; all that the guest's disk holds fits into its memory.
UML_LINE = f"mem=3G root=/dev/ubda rw rootfstype=ext4 con=null con0=null,fd:3 ssl=null quiet {QUICK}".split()
# The first process in the initial file system.
INIT = Path(__file__).with_name("init.sh").read_text()
# What it becomes: a system without an init of its own, in which the job's run.sh is run. Its arguments: how to mount the modules.
GUEST = Path(__file__).with_name("guest.sh").read_text()


def cache() -> Path:
    """The folder for what is downloaded and made."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("LABKIT_KERNELS") or Path(home, "labkit-kernels"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def made(folder: Path) -> Iterator[Path]:
    """A folder that gets the name `folder` once what is in it is whole."""
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        yield new
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def system() -> Path:
    """The image of a Debian that `./lab setup` has set up for a user, made where the cache has none for today's packages."""
    lines = (TOP / "binder/apt.txt").read_text().splitlines()
    packages = [line.split()[0] for line in lines if line and line[0] != "#" and "# test" not in line]
    needed = "\n".join(packages) + (TOP / "requirements.lock").read_text()
    folder = cache() / f"system-{hashlib.sha256(needed.encode()).hexdigest()[:12]}"
    if not folder.exists():
        with made(folder) as new:
            make_debian(new / "base")
            done = FreshMachine(new / "base", new / "root", root=False).run("./lab setup", timeout=HOUR)
            assert done.returncode == 0, done.stdout[-3000:]
            make_image(new / "root", new / "image", "6G")
            shutil.rmtree(new / "base")
            shutil.rmtree(new / "root")
            for old in cache().glob("system-*"):
                if old != new:
                    shutil.rmtree(old)
    return folder / "image"


def make_image(tree: Path, image: Path, size: str) -> None:
    """Make an ext4 file system with the files of `tree` in it."""
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", str(tree), "-E", "root_owner=0:0", str(image), size], check=True, timeout=HOUR)


@dataclass(frozen=True)
class Emulated:
    """A kernel for QEMU in a folder of the cache: its release, and there vmlinuz, initrd and the image of its modules."""

    release: str
    folder: Path

    def command(self, job: Path) -> list[str]:
        """The command that boots it on a copy of the system, with the tar `job`, and prints what is said there."""
        start = [*QEMU, "-kernel", f"{self.folder}/vmlinuz", "-initrd", f"{self.folder}/initrd", "-append", QEMU_LINE]
        for number, (file, snapshot) in enumerate([(system(), "on"), (job, "off"), (self.folder / "modules", "on")]):
            # Not locked: nobody writes to an image, and User-Mode Linux, which locks it as it starts, may do so just then.
            place = f"file={file},file.locking=off,format=raw,if=none,id=d{number}"
            start += ["-drive", f"{place},snapshot={snapshot},cache=unsafe"]
            start += ["-device", f"virtio-blk-pci,drive=d{number}"]
        return start


class UserMode:
    """Debian's User-Mode Linux as this machine has it. What its guest writes goes to a file beside the job."""

    @property
    def release(self) -> str:
        """The release of the kernel, and what it is."""
        return f"{next(uml.MODULES.iterdir()).name}-uml"

    def command(self, job: Path) -> list[str]:
        """As of Emulated."""
        modules = f"-t hostfs -o {uml.MODULES} modules"
        first = f'"mkdir -p /job && tar -x -f /dev/ubdb -C /job && exec sh /job/guest {modules}"'
        disks = [f"ubd0={job.with_suffix('.written')},{system()}", f"ubd1={job}"]
        line = shlex.join([uml.PROGRAM, *UML_LINE, *disks, "init=/bin/sh", "--", "-c", first])
        library = uml.xstate_library()
        variables = f"TMPDIR={uml.memory_folder()} " + (f"LD_PRELOAD={library} " if library else "")
        return ["sh", "-c", f"exec 3>&1 </dev/null >&2; {variables}exec {line}"]


Kernel = Emulated | UserMode


def kernel(name: str) -> Kernel:
    """The kernel called `name`: User-Mode Linux, or a release's newest, from the cache or from this machine's mirror."""
    if name == "uml":
        return UserMode()
    apt = apt_of(RELEASES[name])

    def depends(package: str) -> list[str]:
        return re.findall(r"^  Depends: (linux-\S+)$", output("apt-cache", *apt, "depends", package), re.MULTILINE)

    (package,) = [needed for needed in depends("linux-image-amd64") if needed.startswith("linux-image-")]
    parts = [needed for needed in depends(package) if needed != "linux-base"]  # Debian 14's kernel comes in several packages
    release, folder = package.removeprefix("linux-image-"), cache() / f"{package}-{hashlib.sha256(INIT.encode()).hexdigest()[:8]}"
    if not folder.exists():
        with made(folder) as new:
            for wanted in (package, *parts, "busybox-static"):
                subprocess.run(["apt-get", *apt, "download", wanted], cwd=new, check=True, timeout=HOUR)
                (file,) = new.glob(f"{wanted}_*.deb")
                subprocess.run(["dpkg-deb", "-x", str(file), str(new / "tree")], check=True, timeout=HOUR)
                file.unlink()
            unpack_kernel(new, release)
    return Emulated(release, folder)


def apt_of(release: str) -> list[str]:
    """Options for apt-get and apt-cache to see the packages of one release of Debian, with lists in a folder of the cache."""
    mirror = next(address for address, name, _ in apt_sources() if "-" not in name)
    folder = cache() / f"apt-{release}"
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"deb [signed-by={keys}] {mirror} {release} main\n")
    places = {
        "Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root",
    }  # fmt: skip
    options = [part for name, value in places.items() for part in ("-o", f"{name}={value}")]
    if not any((folder / "lists").glob("*_Packages*")):
        subprocess.run(["apt-get", *options, "-qq", "update"], check=True, timeout=HOUR)
    return options


def unpack_kernel(folder: Path, release: str) -> None:
    """Make vmlinuz, modules and initrd of the tree of a kernel's packages and of busybox-static's."""
    tree = folder / "tree"
    modules = next(path for path in (tree / "usr/lib/modules", tree / "lib/modules") if path.is_dir())
    subprocess.run(["depmod", "-b", str(modules.parents[1]), release], check=True, timeout=HOUR)
    places = (tree / f"boot/vmlinuz-{release}", modules / release / "vmlinuz")  # up to Debian 13, and after it
    shutil.copy(next(path for path in places if path.exists()), folder / "vmlinuz")
    make_image(modules, folder / "modules", "1500M")
    initial = folder / "initial"
    for name in ("bin", "modules", "proc", "dev", "root"):
        (initial / name).mkdir(parents=True)
    busybox = next(path for path in (tree / "usr/bin/busybox", tree / "bin/busybox") if path.exists())
    shutil.copy(busybox, initial / "bin/busybox")
    (initial / "bin/sh").symlink_to("busybox")
    for number, file in enumerate(modules_for(MODULES, modules / release)):
        data = file.read_bytes()
        data = lzma.decompress(data) if file.suffix == ".xz" else data
        (initial / "modules" / f"{number:02}-{file.name.split('.')[0]}").write_bytes(data)
    (initial / "init").write_text(INIT)
    (initial / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(initial)) for path in sorted(initial.rglob("*"))).encode()
    pack = [str(busybox), "cpio", "-o", "-H", "newc"]
    with (folder / "initrd").open("wb") as target:
        subprocess.run(pack, cwd=initial, input=names, stdout=target, stderr=subprocess.DEVNULL, check=True, timeout=HOUR)
    shutil.rmtree(tree)
    shutil.rmtree(initial)


def modules_for(names: list[str], modules: Path) -> list[Path]:
    """The files of the modules `names` and of all that they need, in an order in which they load; built-in ones have none."""
    rows = dict(line.split(":") for line in (modules / "modules.dep").read_text().splitlines())
    files = {re.sub(r"\.ko.*", "", Path(path).name).replace("-", "_"): path for path in rows}
    needed = [files[name] for name in names if name in files]
    # modules.dep lists what a module needs with the deepest last.
    order = [path for name in needed for path in [*reversed(rows[name].split()), name]]
    return [modules / path for path in dict.fromkeys(order)]


def boot(kernel: Kernel, job: Path, *, timeout: float) -> Iterator[str]:
    """Boot `kernel` on a copy of the system and run the tar `job` in it (its run.sh); yield what is printed, a line at a time."""
    command = ["timeout", f"{timeout:g}", *kernel.command(job)]
    machine = Kept(command, log=job.with_suffix(".log"), one_processor=isinstance(kernel, UserMode))
    try:
        for said in machine.stdout:
            yield said.decode(errors="replace").rstrip()
    finally:
        machine.close()


def make_job(target: Path, script: str, works: dict[str, str]) -> None:
    """Make the tar of a job: GUEST, run.sh, this checkout as it is now in course/, and a work in work/."""
    with tempfile.TemporaryDirectory() as folder:
        check_out(Path(folder, "course"))
        for name, text in works.items():
            file = Path(folder, "work", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        Path(folder, "guest").write_text(GUEST)
        Path(folder, "run.sh").write_text(script)
        subprocess.run(["tar", "-c", "-f", str(target), "-C", folder, "."], check=True, timeout=HOUR)
