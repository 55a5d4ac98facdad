"""Who listens in the lab."""

from __future__ import annotations

import pandas as pd

from ..lab import Lab
from ..services.base import listeners

COLUMNS = ["protocol", "address", "port", "program", "pid", "command"]


def sockets(lab: Lab) -> pd.DataFrame:
    """Every listening TCP socket and bound UDP socket in the lab: protocol, address, port, program, pid, command."""
    return pd.DataFrame(listeners(lab), columns=COLUMNS)
