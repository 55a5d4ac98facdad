"""Build a load balancer four times, with the real programs, in a private machine.

What a notebook imports; everything else is reached through its module.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["errors"],
    submod_attrs={
        "compare.decision": ["decide", "spread"],
        "compare.failover": ["disruption", "failover", "per_second"],
        "compare.load": ["throughput", "wrk"],
        "homework.form": ["report_form", "terminal_button"],
        "judge.check": ["asked", "check"],
        "lab": ["Lab"],
        "magics": ["load_ipython_extension"],
        "measure.capture": ["Capture"],
        "measure.counters": ["attempts", "counters", "history", "settled", "sockets"],
        "measure.dns": ["dig", "dns"],
        "measure.traffic": ["curl", "traffic"],
        "panel.drawing": ["topology"],
        "panel.panel": ["panel"],
        "services.daemons": ["Dnsmasq", "Nginx"],
        "services.faults": ["Faults", "PacketDrop"],
        "services.http_server": ["Backend", "BackendPool"],
        "services.ipvs": ["DummyInterface", "VirtualService"],
        "services.keepalived": ["Keepalived", "health_checked"],
        "show": ["plots"],
    },
)
