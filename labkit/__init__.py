"""Build a load balancer four times, with the real programs, in a private machine.

What a notebook imports; everything else is reached through its module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["errors"],
    submod_attrs={
        "course.button": ["report_form", "terminal_button"],
        "course.check": ["check"],
        "course.live.panel": ["panel"],
        "course.requirements": ["asked"],
        "course.scene": ["topology"],
        "lab": ["Lab"],
        "magics": ["load_ipython_extension"],
        "measure.attempts": ["attempts"],
        "measure.capture": ["Capture"],
        "measure.counters": ["counters", "history", "settled"],
        "measure.decision": ["decide", "spread"],
        "measure.disruption": ["disruption", "per_second"],
        "measure.dns": ["dig", "dns"],
        "measure.failover": ["failover"],
        "measure.load": ["throughput", "wrk"],
        "measure.sockets": ["sockets"],
        "measure.traffic": ["curl", "traffic"],
        "services.dnsmasq": ["Dnsmasq"],
        "services.drop": ["PacketDrop"],
        "services.faults": ["Faults"],
        "services.http_server": ["Backend", "BackendPool"],
        "services.ipvs": ["DummyInterface", "VirtualService"],
        "services.keepalived": ["Keepalived", "health_checked"],
        "services.nginx": ["Nginx"],
        "show": ["plots"],
    },
)
