"""What a notebook can need of its Linux, and the commands that show that a Linux has it."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import BadInput
from .view import FOLDER

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
REMEDY = {
    "users": "apt-get install uidmap, and a line for your user in /etc/subuid and /etc/subgid (man subuid)",
    "dummy": "as the host's administrator: modprobe dummy (or leave it to User-Mode Linux)",
    "ipvs": "as the host's administrator: modprobe -a ip_vs ip_vs_rr (or leave it to User-Mode Linux)",
    "schedulers": f"as the host's administrator: modprobe -a {' '.join(f'ip_vs_{name}' for name in SCHEDULERS)} "
    "(or leave it to User-Mode Linux)",
    "drop": "as the host's administrator: modprobe nf_tables (or leave it to User-Mode Linux)",
}


def all_needs(needs: Iterable[str]) -> list[str]:
    """`needs` with what they imply, in the order of PROBES. Raises BadInput for an unknown one."""
    wanted = {"users", *needs}
    unknown = wanted - PROBES.keys()
    if unknown:
        raise BadInput(f"A lab cannot need {', '.join(sorted(unknown))}.", way_out=f"known needs: {', '.join(PROBES)}")
    wanted.update(implied for need in needs for implied in IMPLIED.get(need, ()))
    return [need for need in PROBES if need in wanted]
