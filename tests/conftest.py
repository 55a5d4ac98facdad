"""For all tests: with `-n`, the tests of a file stay on one worker, because they share their labs."""

from __future__ import annotations

import os
from typing import Any

import pytest

# `./lab test --fresh` makes a whole Debian; only it does.
collect_ignore = [] if os.environ.get("LABKIT_TESTS") == "fresh" else ["fresh"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Schedule by file where the command line says nothing else."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)
