"""Chooses the Linux of a lab by trying: the fastest candidate that can do what the notebook needs."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LabClosed, LabError, LabkitError, NoLinux, require, shortage
from ..inside import processes
from . import landlock
from .bwrap import ID_PROGRAMS, WITHOUT, HostLinux, first_free, load_ipvs, own_ranges, user_name, way_out
from .folder import CALLS, LOG, LabFolder
from .link import Link, finish
from .packages import UML, way_to_uml
from .temporary import Kept
from .uml import BUBBLEWRAP, LANDLOCK, PROGRAM, UmlLinux
from .view import FOLDER, PATH

# The schedulers of IPVS that the notebooks and the works of learners use; wlc is what ipvsadm takes by itself.
SCHEDULERS = ("rr", "wrr", "lc", "sh", "wlc")
# What a notebook can need, and the commands that show that a Linux has it. Each leaves nothing behind.
PROBES: dict[str, tuple[str, str]] = {
    "users": ("programs can change their user", "setpriv --reuid=65534 --regid=65534 --clear-groups true"),
    "dummy": ("dummy interfaces", "ip link add lk-probe type dummy && ip link del lk-probe"),
    "ipvs": (
        "IPVS with round robin",
        "ipvsadm -A -t 127.0.0.1:9 -s rr && ipvsadm -a -t 127.0.0.1:9 -r 127.0.0.1:8 -m && ipvsadm -D -t 127.0.0.1:9",
    ),
    "schedulers": (
        f"the schedulers {', '.join(SCHEDULERS)}",
        f"for s in {' '.join(SCHEDULERS)}; do "
        "if said=$(ipvsadm -A -t 127.0.0.1:9 -s $s 2>&1); then ipvsadm -D -t 127.0.0.1:9; "
        'else missing="$missing $s"; words=$said; fi; done; '
        '[ -z "$missing" ] || { echo "$words:$missing"; false; }',
    ),
    "drop": (
        "dropping packets (nftables or netem)",
        "nft add table ip lk-probe && nft delete table ip lk-probe || "
        "{ tc qdisc add dev lo root netem loss 0% && tc qdisc del dev lo root; }",
    ),
    "capture": (
        "captures (dumpcap)",
        # It ends with the first packet; the loop sends them until then, in one shell: a program's start can take a second.
        f"cd {FOLDER}/captures; bash -c 'timeout -s KILL 50 dumpcap -q -i lo -f udp\\ port\\ 9 -c 1 -w probe.pcapng & "
        "while kill -0 $!; do echo >/dev/udp/127.0.0.1/9; sleep 0.2; done 2>/dev/null; wait $!'; "
        "code=$?; rm -f probe.pcapng; exit $code",
    ),
}
IMPLIED = {"ipvs": ("dummy", "schedulers")}
# What a lab goes without where no Linux has it: most of a notebook still runs, and ipvsadm says what it misses.
WISHED = {"schedulers"}
# The kernel's modules for a need.
MODULES = {
    "dummy": ("dummy",), "ipvs": ("ip_vs", "ip_vs_rr"), "schedulers": tuple(f"ip_vs_{name}" for name in SCHEDULERS),
    "drop": ("nf_tables",),
}  # fmt: skip
# What the running kernel has loaded (sysfs(5)).
LOADED = Path("/sys/module")
TIMEOUT = 10.0


def remedy(need: str, linux: str) -> str:
    """What helps where the Linux called `linux` lacks `need`, by how this machine is."""
    to_uml = "leave it to User-Mode Linux" + ("" if shutil.which(PROGRAM) else f": {way_to_uml()}")
    if need == "capture":
        must = "tshark's dumpcap must be there, and every user must be allowed to run it"
        return f"{must}: sudo chmod 755 /usr/bin/dumpcap"
    if linux != "host":
        return f"sudo apt-get install --reinstall {UML}"
    if need == "users":
        commands = [] if all(map(shutil.which, ID_PROGRAMS)) else ["sudo apt-get install uidmap"]
        if os.geteuid() and None in own_ranges():
            line = f"{user_name() or os.geteuid()}:{first_free()}:65536"
            commands.append(f"echo {line} | sudo tee -a /etc/subuid /etc/subgid")
        return " && ".join(commands) or f"the lab needs 65,536 user ids (man subuid), or {to_uml}"
    missing = [module for module in MODULES[need] if not (LOADED / module).exists()]
    loadable = missing and all(map(can_load, missing))
    return f"sudo modprobe -a {' '.join(missing)}" if loadable else to_uml


def can_load(module: str) -> bool:
    """True when the running kernel has this module (modprobe(8))."""
    try:
        command = ["modprobe", "--dry-run", "--quiet", module]
        done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def all_needs(needs: Iterable[str]) -> list[str]:
    """`needs` with what they imply, in the order of PROBES. Raises BadInput for an unknown one."""
    wanted = {"users", *needs}
    unknown = sorted(wanted - PROBES.keys())
    way_out = f"known needs: {', '.join(PROBES)}"
    require(not unknown, f"A lab cannot need {', '.join(unknown)}.", way_out)
    wanted.update(implied for need in needs for implied in IMPLIED.get(need, ()))
    return [need for need in PROBES if need in wanted]


FORCE = "LABKIT_LINUX"
PROBE_TIMEOUT = 60.0
# How long a Linux may take until its agent is ready, seconds: on a busy or emulated machine a hundred times as long as usual.
READY_TIMEOUT = 60.0


Linux = HostLinux | UmlLinux


@dataclass(frozen=True)
class Opened:
    """A lab's Linux that is up: its candidate, its machine and the link to its agent."""

    linux: Linux
    machine: Kept
    link: Link

    def stop(self) -> None:
        """End everything in it."""
        self.machine.stop()
        self.link.close()


@dataclass(frozen=True)
class Check:
    """What came of trying a need: where it did not work, the program's words and what helps."""

    need: str
    worked: bool
    words: str = ""
    remedy: str = ""

    @property
    def what(self) -> str:
        return PROBES[self.need][0]


@dataclass
class Attempt:
    """What came of trying one candidate."""

    linux: Linux
    checks: list[Check] = field(default_factory=list)
    words: str = ""
    way_out: str = ""
    seconds: float = 0.0

    @property
    def works(self) -> bool:
        """True when it opened and every check passed."""
        return not self.words and all(check.worked for check in self.checks)

    def __str__(self) -> str:
        failed = [check for check in self.checks if not check.worked]
        said = "; ".join(f"{check.what}: {check.words} ({check.remedy})" for check in failed)
        return f"{self.linux.title}: {self.words or said or 'works'}"


# What keeps a Linux of its own in, so that it can reach nothing of this machine: for the work of others.
FOR_OTHERS = (BUBBLEWRAP, LANDLOCK)


def candidates() -> list[Linux]:
    """All candidates, fastest first; the environment variable LABKIT_LINUX=host|uml leaves only those of that name.

    User-Mode Linux alone is one only where the kernel has no Landlock.
    """
    every: list[Linux] = [HostLinux(), UmlLinux(), UmlLinux(LANDLOCK if landlock.abi() else "")]
    forced = os.environ.get(FORCE, "")
    chosen = [linux for linux in every if forced in ("", linux.name)]
    way_out = f"{FORCE}=host, {FORCE}=uml, or leave it unset"
    require(chosen, f"{FORCE}={forced} names no Linux.", way_out)
    return chosen


def open_machine(linux: Linux, folder: LabFolder) -> Opened:
    """Start `linux` and connect to its agent. Raises LabError, with nothing left running."""
    machine = linux.start(folder)
    try:
        link = Link(
            machine.stdin, machine.stdout, timeout=READY_TIMEOUT, log=lambda: folder.read(LOG),
            folder=folder.path / CALLS, seen_as=f"{FOLDER}/{CALLS}", given_up=folder.given_up.is_set,
        )  # fmt: skip
    except BaseException:
        machine.close()
        raise
    return Opened(linux, machine, link)


def probe(link: Link, need: str, linux: str) -> Check:
    """Try `need` in an open machine, whose Linux is called `linux`."""
    command, output = PROBES[need][1], list[tuple[str, str]]()
    shell = ["/bin/sh", "-c", command]
    code = finish(link.stream(processes.run, PROBE_TIMEOUT + 5, shell, PROBE_TIMEOUT), output.append)
    if code == 0:
        return Check(need, True)
    words = "".join(text for _, text in output).strip() or f"`{command}` ended with code {code}"
    return Check(need, False, words, shortage(words) or remedy(need, linux))


def attempt(linux: Linux, folder: LabFolder, needs: Collection[str], *, stop_early: bool) -> tuple[Attempt, Opened | None]:
    """Try one candidate; return what came of it, and the open machine when all worked (else it is stopped again)."""
    result, began, opened = Attempt(linux), time.monotonic(), None
    try:
        if linux.name == "host" and "ipvs" in needs:
            load_ipvs()
        opened = open_machine(linux, folder)
        for need in needs:
            result.checks.append(probe(opened.link, need, linux.name))
            if folder.given_up.is_set() or (stop_early and not result.checks[-1].worked):
                break
    except LabkitError as error:
        result.words, result.way_out = error.words or error.tried, error.way_out
    except (OSError, RuntimeError) as error:  # RuntimeError: no thread is to be had
        result.words, result.way_out = str(error), way_out(str(error))
    except BaseException:
        if opened:
            opened.stop()
        raise
    result.seconds = time.monotonic() - began
    if opened and (folder.given_up.is_set() or not result.works):
        with contextlib.suppress(OSError, LabError):
            opened.stop()
        opened = None
    return result, opened


def choose(needs: Iterable[str], folder: LabFolder, *, trusted: bool = True) -> Opened:
    """Open the first candidate that can do what is needed. Raises NoLinux with what each one said, LabClosed when it is given up.

    Where what runs in the lab is not `trusted`, only those of FOR_OTHERS will do.
    """
    wanted, attempts = all_needs(needs), []
    in_turn = candidates() if trusted else [UmlLinux(kept_by, copy_home=True) for kept_by in FOR_OTHERS]
    queue = [(linux, wanted) for linux in in_turn]
    for linux, asked in queue:
        # On a Linux of its own the lab's root may change its user anyway, and its kernel is known to have these.
        tried = [need for need in asked if need not in ("users", "dummy", "schedulers") or linux.name == "host"]
        result, opened = attempt(linux, folder, tried, stop_early=True)
        if opened:
            return opened
        if folder.given_up.is_set():
            raise LabClosed("The lab was closed while it opened.")
        attempts.append(result)
        if any(check.need in WISHED and not check.worked for check in result.checks):
            queue.append((linux, [need for need in asked if need not in WISHED]))  # where no other has it
    ways = [result.way_out or shortage(str(result)) for result in attempts]
    ways = sorted(filter(None, ways), key=WITHOUT.__eq__)  # it last
    ways += ["`./lab doctor` shows every candidate and the one command that would help"]
    needed, words = ", ".join(wanted), "\n".join(map(str, attempts))
    raise NoLinux(f"No Linux for a lab that needs {needed}.", words=words, way_out=ways[0])


def try_all() -> list[Attempt]:
    """Try every candidate with every need, one after another, and say what worked."""
    attempts = []
    for linux in candidates():
        folder = LabFolder.create("doctor", None)
        try:
            result, opened = attempt(linux, folder, PROBES, stop_early=False)
            if opened:
                opened.stop()
            attempts.append(result)
        except LabError as error:
            attempts.append(Attempt(linux, words=str(error)))
        finally:
            folder.remove()
    return attempts
