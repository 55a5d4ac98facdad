"""The engine, with the image that it has built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .engine import Engine

# A folder in which the engine's images and containers stay for the next run; without, they are made anew.
KEPT = "LABKIT_ENGINE"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that has built the image."""
    for program, package in (("dockerd", "docker.io"), ("debootstrap", "debootstrap")):
        if not shutil.which(program):
            pytest.fail(f"{program} is not installed: apt-get install {package}")
    if os.geteuid() != 0:
        pytest.fail("an engine is started by root: sudo ./lab test --image")
    engine = Engine(Path(os.environ.get(KEPT) or tmp_path_factory.mktemp("engine")))
    try:
        engine.build()
        yield engine
    finally:
        engine.close()
