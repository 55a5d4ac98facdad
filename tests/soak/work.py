"""Open, work, close."""

import os
from pathlib import Path
from random import Random

from labkit.lab import Lab
from labkit.measure.traffic import traffic
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService

from .census import LAB_HOME

HOME = Path(LAB_HOME)


def new_lab(linux: str, **options: object) -> Lab:
    """A lab on this Linux; its home is part of the box before the first round."""
    os.environ["LABKIT_LINUX"] = linux
    return Lab("soak", home=HOME, **options)  # type: ignore[arg-type]


def open_and_close(linux: str) -> None:
    """A lab opens, answers and closes."""
    with new_lab(linux) as lab:
        assert lab.run("echo alive").stdout == "alive\n"


def some_work(lab: Lab) -> None:
    """Commands, services, requests and files, as a notebook has them."""
    lab.run("ip addr; ls /")
    lab.start("sleep 1000")
    lab.write("~/note", "mine\n")
    with BackendPool(lab) as pool:
        if lab.linux == "uml":
            DummyInterface(lab).start()
            VirtualService(lab).start()
            lab.run("curl -s http://192.168.100.1")
        assert len(traffic(lab, "http://127.0.0.1:8081", 4)) == 4
        assert pool["backend1"].alive
    assert lab.read("~/note") == "mine\n"


def work(linux: str, _chance: Random, number: int) -> str:
    """Open, work, close; every other round leaves processes and connections behind for the close."""
    needs = {"ipvs"} if linux == "uml" else set()
    with new_lab(linux, needs=needs) as lab:
        some_work(lab)
        if number % 2:
            BackendPool(lab).start()
            lab.start("while true; do curl -s http://127.0.0.1:8081 >/dev/null; done")
    return "worked"


SCENARIOS = {"work": work}
