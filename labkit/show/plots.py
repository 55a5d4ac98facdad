"""The plots of the course, one function each; all return a `Picture`. The columns they read are in their docstrings."""

from .counters import counters, schedulers
from .durations import clients, latency
from .failovers import failover, throughput
from .ladder import ladder
from .shares import shares
from .strips import answer_order, attempts, sequence
from .timelines import syns, timeline

__all__ = [
    "answer_order", "attempts", "clients", "counters", "failover", "ladder", "latency", "schedulers", "sequence", "shares",
    "syns", "throughput", "timeline",
]  # fmt: skip
