"""Build a load balancer four times, with the real programs, in a private machine.

Here is what a notebook imports; everything else is reached through its module. Read lab.py first, then services, measure, show.

The words, each for one thing:

    lab              an isolated machine of its own, open from `Lab(…)` to `close()`; ~ is its home
    Linux            whose network stack a lab uses: `host` (the running kernel's) or `uml` (User-Mode Linux)
    kernel           Jupyter's, in which a notebook runs; never the lab's Linux
    backend          one web server of the pool, a folder with one page; IPVS calls it a real server, nginx an upstream's server
    balancer         what stands before the pool: dnsmasq, an IPVS virtual service, an nginx with an upstream
    service          what labkit starts in a lab and stops, a balancer or not; a daemon goes into the background by itself
    fault            what a backend suffers until it is healed: stopped, frozen, unplugged, slow, flaky
    task             one of the assignment's four; a requirement is a numbered sentence of it, with points
    work             a folder of native files that solve tasks; it is judged in fresh labs, by what it does
    check            a function that judges one requirement, and returns a finding
    verdict          passed, failed, could not run, or by hand: a finding with its points
    evidence         what a check has measured, in words beside its verdict, as data and a capture beside all of them
    submission       the one HTML file to hand in: works, verdicts, notebooks, evidence
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["errors"],
    submod_attrs={
        "compare": ["decide", "disruption", "failover", "per_second", "spread", "throughput", "wrk"],
        "homework.form": ["report_form", "terminal_button"],
        "judge.check": ["asked", "check"],
        "lab": ["Lab"],
        "magics": ["load_ipython_extension"],
        "measure.capture": ["Capture"],
        "measure.counters": ["attempts", "counters", "history", "settled", "sockets"],
        "measure.traffic": ["curl", "dig", "dns", "traffic"],
        "panel.drawing": ["topology"],
        "panel.panel": ["panel"],
        "services.daemons": ["Dnsmasq", "Nginx"],
        "services.faults": ["Faults", "PacketDrop"],
        "services.http_server": ["Backend", "BackendPool"],
        "services.ipvs": ["DummyInterface", "Keepalived", "VirtualService", "health_checked"],
        "show": ["plots"],
    },
)  # fmt: skip
