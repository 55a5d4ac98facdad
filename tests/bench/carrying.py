"""What open labs cost in memory, and how many at once do all their tasks right."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from measuring import CONFIG, NGINX
from table import Row

from labkit import BackendPool, Dnsmasq, DummyInterface, Lab, Nginx, VirtualService, attempts, dns, settled, traffic
from labkit.door.callers import family
from labkit.door.callers import memory as memory_of

RECORDS = "no-resolv\nno-hosts\n" + "".join(f"host-record=my-awesome-highload-app.local,127.0.0.{n}\n" for n in (1, 2))
VIP = "http://192.168.100.1/"
MIB = 2**20
# The services of task 4 without any lab, in a network of their own; the last line says that they answer.
BARE = """\
ip link set lo up
for n in 1 2; do python3 -m http.server 808$n -d "$2" >/dev/null 2>&1 & done
nginx -c "$1" -e /dev/null -g "pid $2/nginx.pid;"
until curl -s http://127.0.0.1:8888/ http://127.0.0.1:8082/ >/dev/null; do sleep 0.05; done
echo ready
sleep 60
"""


def mib(processes: list[psutil.Process]) -> float:
    """The proportional set size of processes, MiB."""
    return (memory_of(processes) or float("nan")) / MIB


def bare(folder: Path) -> float:
    """The memory of the services of task 4 without a lab, MiB."""
    config = folder / "nginx.conf"
    config.write_text("user root;\n" + CONFIG.replace("/var/log/nginx/access.log", str(folder / "access.log")))
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    shield = ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["sh", "-c", BARE, "bare", str(config), str(folder)]
    services = subprocess.Popen([*shield, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert services.stdout is not None and services.stdout.readline() == "ready\n"
        names = {"python3", "nginx"}
        return mib([one for one in family(services.pid) if one.name() in names])
    finally:
        services.kill()
        services.wait()


def memory(linux: str, aim: float) -> Row:
    """One open lab with the services of task 4, against the services alone."""
    own = {child.pid for child in psutil.Process().children()}
    needs = {"ipvs"} if linux == "uml" else set()
    with tempfile.TemporaryDirectory() as name, Lab("bench", home=Path(name) / "home", needs=needs, current=False) as lab:
        BackendPool(lab).start()
        Nginx(lab, CONFIG).start()
        assert len(traffic(lab, NGINX, 5)) == 5
        started = [child.pid for child in psutil.Process().children() if child.pid not in own]
        ours = mib([process for pid in started for process in family(pid)])
        alone = bare(Path(name))
        assert lab.linux == linux
    more = ours - alone
    texts = f"{ours:.0f} MiB", f"the bare services: {alone:.0f} MiB"
    return Row(f"memory of one open lab on {linux} (PSS)", *texts, f"{more:.0f} MiB more", f"≤ {aim:.0f} MB more", more <= aim)


def do_all(lab: Lab) -> None:
    """Do every task in one lab; raises AssertionError when one is not right. IPVS only where it was asked for."""
    pool = BackendPool(lab)
    pool.start()
    assert [list(traffic(lab, f"http://127.0.0.1:808{n}/", 2)["backend"]) for n in (1, 2)] == [
        [f"backend{n}"] * 2 for n in (1, 2)
    ]
    Dnsmasq(lab, RECORDS).start()
    assert {answers[0] for answers in dns(lab, count=2)["answers"]} == {"127.0.0.1", "127.0.0.2"}
    if lab.linux == "uml":
        DummyInterface(lab).start()
        VirtualService(lab).start()
        traffic(lab, VIP, 10, timeout=30)
        assert list(settled(lab, 10, timeout=60)["conns"]) == [5, 5]
    Nginx(lab, CONFIG.replace("fail_timeout=1s", "fail_timeout=60s")).start()
    assert set(traffic(lab, NGINX, 5, timeout=30)["backend"]) == {"backend1"}
    pool["backend1"].stop()
    assert set(traffic(lab, NGINX, 20, timeout=30)["backend"]) == {"backend2"}
    assert sum(upstreams.count("127.0.0.1:8081") for upstreams in attempts(lab, skip=5)["upstreams"]) == 7


def at_once(linux: str, count: int, tasks: str) -> Row:
    """Open so many labs, and do all tasks in each while all the others are open."""
    needs = {"ipvs"} if linux == "uml" else set()
    problems = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        labs = [Lab(f"b{n}", home=Path(name) / str(n), needs=needs, current=False) for n in range(count)]
        for lab in labs:
            stack.callback(lab.close)
        assert {lab.linux for lab in labs} == {linux}

        def judge(lab: Lab) -> None:
            try:
                do_all(lab)
            except Exception as error:  # counted
                problems.append(f"{type(error).__name__}: {error}".splitlines()[0])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(judge, labs))
    well = count - len(problems)
    against = f"tasks {tasks} in each" + (f"; first problem: {problems[0]}" if problems else "")
    return Row(f"labs at once on {linux}", f"{count} open, {well} right", against, str(well), f"≥ {count}", well >= count)


def rows() -> Iterator[Row]:
    """The lines of this file."""
    for make in (
        lambda: memory("host", 40), lambda: memory("uml", 120), lambda: at_once("host", 100, "1, 2, 4"),
        lambda: at_once("uml", 12, "1 to 4"),
    ):  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            row = make()
        yield row
