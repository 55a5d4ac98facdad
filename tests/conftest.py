"""For all tests: with `-n`, the tests of a file stay on one worker, because they share their labs, and long files begin first."""

import os
from typing import Any

import pytest

# `./lab test --fresh`, `--kernels` and `--image` make a whole Debian; only they do.
ASKED = {
    "fresh": "fresh", "trixie": "fresh", "sid": "fresh", "kernels": "kernels", "smoke": "kernels", "image": "image",
}.get(os.environ.get("LABKIT_TESTS", ""))  # fmt: skip
collect_ignore = [folder for folder in ("fresh", "kernels", "image") if folder != ASKED]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Schedule by file where the command line says nothing else."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


# Files whose tests take long, so that none of them is begun last and alone.
LONG = (
    "test_soak", "test_hostile", "test_jupyterlab", "test_report_page", "test_release", "test_works",
    "test_lab_script", "test_refused", "test_lifecycle", "test_farm",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first, in the order of LONG."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
