"""Real labs for the tests, on both Linuxes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import NoLinux
from labkit.lab import Lab
from labkit.machine import choose
from labkit.machine.choose import PROBES
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import DummyInterface, VirtualService

from .helpers import CANDIDATES, LabFactory, eventually, opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs labs, and what is skipped on a kernel without IPVS, so that the runs on other kernels find all of it."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("lab")
        if isinstance(item, pytest.Function) and "ipvs_lab" in item.fixturenames and item.callspec.params["linux"] == "host":
            item.add_marker("ipvs_on_host")


@pytest.fixture(scope="session", params=["host", "uml"])
def linux(request: pytest.FixtureRequest) -> str:
    """The Linux that a test runs on."""
    return str(request.param)


@pytest.fixture(scope="module")
def lab(linux: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for all tests of a file; each test leaves it as it found it."""
    with opened(linux, tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture(scope="module")
def host_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab on the running kernel for all tests of a file to which the kernel does not matter."""
    with opened("host", tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture(scope="module")
def ipvs_lab(linux: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with IPVS; skipped on a running kernel of which labkit's own probe says that it has none, and for nothing else."""
    try:
        with opened(linux, tmp_path_factory.mktemp("home"), needs={"ipvs"}) as lab:
            yield lab
    except NoLinux as error:
        if linux != "host" or not any(f": {PROBES[need][0]}: " in error.words for need in ("dummy", "ipvs")):
            raise
        pytest.skip(f"the probe says: {' '.join(error.words.split())}")


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[LabFactory]:
    """Opens labs for one test on a candidate (host, uml, landlock, bare): `own_lab("uml", home=…)`; all are closed after it."""
    labs: list[Lab] = []
    with pytest.MonkeyPatch.context() as patch:

        def make(candidate: str, *, wait: bool = True, **options: Any) -> Lab:
            patch.setattr(choose, "candidates", lambda: [CANDIDATES[candidate]])
            labs.append(Lab(options.pop("name", "own"), home=options.pop("home", tmp_path / "home"), **options))
            if wait:
                assert labs[-1].linux
            return labs[-1]

        yield make
        for lab in labs:
            lab.close()


@pytest.fixture(autouse=True)
def current_lab_is_restored() -> Iterator[None]:
    """What a test leaves in Lab.current is not the next one's."""
    before = Lab.current
    yield
    Lab.current = before


@pytest.fixture
def path_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make PATH one folder that has every program of before but this one."""

    def hide(program: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for place in os.environ["PATH"].split(":"):
            for name in os.listdir(place) if os.path.isdir(place) else ():
                if name != program and not (folder / name).is_symlink():
                    (folder / name).symlink_to(Path(place, name))
        monkeypatch.setenv("PATH", str(folder))

    return hide


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium."""
    from .jupyter import chromium  # which takes a moment to import

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pool(lab: Lab) -> Iterator[BackendPool]:
    """The two backends."""
    with BackendPool(lab) as pool:
        yield pool


@pytest.fixture(scope="module")
def ipvs_pool(ipvs_lab: Lab) -> Iterator[BackendPool]:
    """The two backends."""
    with BackendPool(ipvs_lab) as pool:
        yield pool


@pytest.fixture
def ipvs_bare(ipvs_lab: Lab) -> Iterator[Lab]:
    """The lab without a virtual service or dummy interface, before and after the test."""
    yield ipvs_lab
    ipvs_lab.run("ipvsadm -C; ip link del dummy1", check=False)


@pytest.fixture
def service(ipvs_bare: Lab, ipvs_pool: BackendPool) -> VirtualService:
    """The assignment's virtual service over its dummy interface, with both backends up."""
    DummyInterface(ipvs_bare).start()
    service = VirtualService(ipvs_bare)
    service.start()
    return service


@pytest.fixture
def no_daemon_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test leaves its lab without dnsmasq and nginx."""
    lab = request.getfixturevalue("lab" if "lab" in request.fixturenames else "host_lab")
    yield
    lab.run("pkill -9 -x 'dnsmasq|nginx'; rm -f ~/*.conf", check=False)
    eventually(lambda: lab.run("pgrep -x 'dnsmasq|nginx'", check=False).code, "the end of both")
