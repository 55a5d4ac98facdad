"""What a notebook can need of its Linux, and the commands that show that a Linux has it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..errors import BadInput
from .ids import first_free, own_ranges, user_name
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
        # It ends with the first packet; the loop sends them until then.
        f"cd {FOLDER}/captures; timeout -s KILL 15 dumpcap -q -i lo -f 'udp port 9' -c 1 -w probe.pcapng & "
        "while kill -0 $!; do bash -c 'echo >/dev/udp/127.0.0.1/9'; sleep 0.1; done 2>/dev/null; "
        "wait $!; code=$?; rm -f probe.pcapng; exit $code",
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
    to_uml = "leave it to User-Mode Linux" + ("" if shutil.which("linux.uml") else ": sudo apt-get install user-mode-linux")
    if need == "capture":
        return "tshark's dumpcap must be there, and every user must be allowed to run it: sudo chmod 755 /usr/bin/dumpcap"
    if linux != "host":
        return "sudo apt-get install --reinstall user-mode-linux"
    if need == "users":
        commands = [] if shutil.which("newuidmap") and shutil.which("newgidmap") else ["sudo apt-get install uidmap"]
        if os.geteuid() and None in own_ranges():
            line = f"{user_name() or os.geteuid()}:{first_free()}:65536"
            commands.append(f"echo {line} | sudo tee -a /etc/subuid /etc/subgid")
        return " && ".join(commands) or f"the lab needs 65,536 user ids (man subuid), or {to_uml}"
    missing = [module for module in MODULES[need] if not (LOADED / module).exists()]
    return f"sudo modprobe -a {' '.join(missing)}" if missing and all(map(can_load, missing)) else to_uml


def can_load(module: str) -> bool:
    """True when the running kernel has this module (modprobe(8))."""
    try:
        command = ["modprobe", "--dry-run", "--quiet", module]
        return not subprocess.run(command, env={"PATH": PATH}, capture_output=True, timeout=TIMEOUT, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


def all_needs(needs: Iterable[str]) -> list[str]:
    """`needs` with what they imply, in the order of PROBES. Raises BadInput for an unknown one."""
    wanted = {"users", *needs}
    unknown = wanted - PROBES.keys()
    if unknown:
        raise BadInput(f"A lab cannot need {', '.join(sorted(unknown))}.", way_out=f"known needs: {', '.join(PROBES)}")
    wanted.update(implied for need in needs for implied in IMPLIED.get(need, ()))
    return [need for need in PROBES if need in wanted]
