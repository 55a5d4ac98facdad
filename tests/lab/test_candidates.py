"""Every candidate opens, and where one cannot, the error says why and nothing is left running."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from labkit.errors import NoLinux
from labkit.lab import Lab
from labkit.machine.choose import candidates
from labkit.machine.packages import way_to_uml
from labkit.machine.temporary import own_folder

from .helpers import CANDIDATES, LabFactory, running

pytestmark = pytest.mark.lab


def words_of_no_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> NoLinux:
    """The error of a lab that cannot open; nothing of it is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own_folder()  # what is made once and kept, is made now
    before = psutil.Process().children(recursive=True)
    lab = Lab("none", home=tmp_path / "home", **options)  # type: ignore[arg-type]
    with pytest.raises(NoLinux) as caught:
        lab.run("true")
    assert lab.closed
    assert not lab.folder.path.exists()
    assert running([process for process in psutil.Process().children(recursive=True) if process not in before]) == []
    return caught.value


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_candidate_opens(own_lab: LabFactory, candidate: str) -> None:
    """Each of the candidates carries a lab here, and says who it is."""
    lab = own_lab(candidate)
    assert lab.run("id -u; pwd").stdout.split() == ["0", "/root"]
    assert lab.linux == CANDIDATES[candidate].name
    assert repr(lab) == f"<Lab own: {CANDIDATES[candidate].title}>"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_user_mode_linux_has_what_the_course_needs(own_lab: LabFactory, candidate: str) -> None:
    """User-Mode Linux, in a view or not, has users, dummy interfaces, IPVS and dropped packets by labkit's own probes."""
    assert own_lab(candidate, needs={"ipvs", "dummy", "drop"}).linux == "uml"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_user_mode_linux_is_kept_on_one_processor(own_lab: LabFactory, candidate: str) -> None:
    """Every process that is the guest may run on one and the same processor alone, and this one on all of its own."""
    before, allowed = psutil.Process().children(recursive=True), psutil.Process().cpu_affinity()
    own_lab(candidate)
    guest = [each for each in psutil.Process().children(recursive=True) if each not in before and each.name() == "linux.uml"]
    assert guest and len({tuple(each.cpu_affinity() or ()) for each in guest}) == len(guest[0].cpu_affinity() or ()) == 1
    assert psutil.Process().cpu_affinity() == allowed


def test_without_bubblewrap_there_is_no_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_without: Callable[[str], None]
) -> None:
    """Without bwrap on PATH each of the three candidates says so, with the package to install."""
    monkeypatch.delenv("LABKIT_LINUX", raising=False)
    path_without("bwrap")
    error = words_of_no_linux(tmp_path, monkeypatch)
    assert [line.split(":")[0] for line in error.words.splitlines()] == [linux.title for linux in candidates()]
    assert error.words.count("bwrap") == 3
    assert error.way_out == "apt-get install bubblewrap"


def test_without_user_mode_linux_there_is_no_uml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_without: Callable[[str], None]
) -> None:
    """Without linux.uml on PATH, and forced to it, both say so, with the package to install."""
    monkeypatch.setenv("LABKIT_LINUX", "uml")
    path_without("linux.uml")
    error = words_of_no_linux(tmp_path, monkeypatch, needs={"ipvs"})
    assert error.words.count("linux.uml") == 2
    assert error.way_out == way_to_uml()


def test_without_user_mode_linux_the_running_kernel_still_carries_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_without: Callable[[str], None]
) -> None:
    """A lab that needs no IPVS opens without linux.uml."""
    monkeypatch.delenv("LABKIT_LINUX", raising=False)
    path_without("linux.uml")
    with Lab("plain", home=tmp_path / "home") as lab:
        assert lab.linux == "host"


def test_linux_that_dies_while_booting_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A linux.uml that ends at once gives its own last words, on both candidates that use it."""
    program = tmp_path / "linux.uml"
    program.write_text("#!/bin/sh\necho 'Kernel panic - not syncing: no luck today' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("labkit.machine.uml.PROGRAM", str(program))
    monkeypatch.setattr("labkit.machine.choose.candidates", lambda: [CANDIDATES["bare"]])
    error = words_of_no_linux(tmp_path, monkeypatch)
    assert "no luck today" in error.words


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_folder_may_have_any_name_that_a_boot_line_can_carry(
    own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell would take for more than a name is one in the temporary folder's path, and in the home's."""
    place = tmp_path / "a&b;c$d'e(f)ж"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    lab = own_lab(candidate, home=place / "home")
    lab.run("echo here >~/file; cp ~/file /lab/logs")
    assert (lab.home / "file").read_text() == lab.folder.read("logs/file") == "here\n"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_xstate_wrapper_is_built_and_preloaded(
    own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User-Mode Linux runs with the wrapper in its memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = psutil.Process().children(recursive=True)
    own_lab(candidate)
    (library,) = (tmp_path / "cache" / "labkit").glob("xstate-*.so")
    inode = f" {library.stat().st_ino} "
    maps = [Path(f"/proc/{p.pid}/maps").read_text() for p in psutil.Process().children(recursive=True) if p not in before]
    assert any(inode in text for text in maps)


# Four threads, which share a process and each have a state of their own, signals that calculate, and new pages at each step.
FLOATS = """
import math, signal, threading
def run(seed, sums):
    x, pages = float(seed), []
    for i in range(1, 15000):
        x = math.fmod(x * 1.000001 + math.sin(i * seed) / 3, 10)
        pages.append(str(x) * 20)
    sums[seed] = repr(x), hash(tuple(map(len, pages)))
def rung(*_):
    math.exp(math.pi) / 7
signal.signal(signal.SIGALRM, rung)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
sums = {}
threads = [threading.Thread(target=run, args=(seed, sums)) for seed in range(2, 6)]
for one in threads: one.start()
for one in threads: one.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(sorted(sums.items()))
"""


def test_floating_point_survives_switches_signals_and_page_faults(own_lab: LabFactory) -> None:
    """What programs calculate side by side in User-Mode Linux, with threads and signals, is what this machine calculates."""
    lab = own_lab("uml")
    (lab.home / "floats.py").write_text(FLOATS)
    both = lab.run("python3 floats.py >one & python3 floats.py >two; wait; cat one two").stdout.splitlines()
    here = subprocess.run([sys.executable, "-c", FLOATS], capture_output=True, text=True, check=True).stdout.strip()
    assert both == [here, here]
