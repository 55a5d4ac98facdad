"""How long it takes to open a lab."""

import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from table import Row, at_most, in_turn

from labkit import BackendPool, DummyInterface, Lab, VirtualService, traffic
from labkit.machine.uml import MEMORY_BYTES, MODULES, PROGRAM, xstate_library

USER = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
UNSHARE = ["unshare", *USER, "--net", "--pid", "--fork", "--mount-proc", "python3", "-c", "pass"]
VIP = "http://192.168.100.1/"
# What a lab of task 3 does until its first answer, as the first process of a bare guest.
INIT = f"""\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/m/lib /run/backend1 /run/backend2
ln -s {MODULES} /run/m/lib/modules
modprobe -d /run/m -a ip_vs ip_vs_rr dummy
ip link set lo up
ip link add dummy1 type dummy
ip addr add 192.168.100.1/32 dev dummy1
ip link set dummy1 up
for n in 1 2; do
    echo "<h1>Response from Backend Server $n</h1>" >/run/backend$n/index.html
    python3 -m http.server 808$n -d /run/backend$n >/dev/null 2>&1 &
done
ipvsadm -A -t 192.168.100.1:80 -s rr
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m
ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m
until curl -s {VIP}; do sleep 0.02; done >/dev/ttyS0 2>/dev/null
sleep 60
"""


def host_lab(home: Path) -> None:
    """Open a lab on the running kernel, run a first command, close it."""
    with Lab("bench", home=home, current=False) as lab:
        lab.run("true")


def uml_lab(home: Path) -> None:
    """Open a lab of task 3 and work until the first answer through IPVS."""
    with Lab("bench", home=home, needs={"ipvs"}, current=False) as lab:
        BackendPool(lab).start()
        DummyInterface(lab).start()
        VirtualService(lab).start()
        assert traffic(lab, VIP, 1)["backend"][0]
        assert lab.linux == "uml"


def bare_uml(folder: Path) -> None:
    """Boot linux.uml with INIT and wait for the first answer on its serial line."""
    init = folder / "init.sh"
    init.write_text(INIT)
    init.chmod(0o755)
    library = xstate_library()
    line = f"mem={MEMORY_BYTES >> 20}M rootfstype=hostfs rootflags=/ rw init={init} uml_dir={folder} quiet"
    line += " con=null con0=null ssl0=fd:3,fd:4"
    command = ["/bin/sh", "-c", f"exec 3<&0 4>&1 </dev/null >/dev/null 2>&1; exec {PROGRAM} {line}"]
    environment = {**os.environ, "TMPDIR": "/dev/shm"} | ({"LD_PRELOAD": str(library)} if library else {})
    # A pid namespace of its own: with its first process everything of the guest goes.
    shield = ["unshare", *USER, "--pid", "--fork", "--kill-child"]
    guest = subprocess.Popen([*shield, *command], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert guest.stdout is not None
    try:
        said = b""
        while b"</h1>" not in said:
            assert select.select([guest.stdout], [], [], 60)[0], f"the bare guest does not answer: {said!r}"
            said += os.read(guest.stdout.fileno(), 4096)
    finally:
        guest.kill()
        guest.wait()


def rows() -> Iterator[Row]:
    """The lines of this file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = in_turn(25, lambda: host_lab(folder), lambda: subprocess.run(UNSHARE, check=True), unit=1000)
        yield at_most("Lab on host: open, first command, close", ours, "unshare, python3 -c pass", theirs, "ms", 2)
        ours, theirs = in_turn(5, lambda: uml_lab(folder / "home"), lambda: bare_uml(folder))
        yield at_most("Lab on uml: to the first answer through IPVS, close", ours, "bare linux.uml", theirs, "s", 1.3)
