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
def test_candidate_opens(own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the candidates carries a lab here, and says who it is; what a shell would take for more than a name may be one,
    of the lab, in the temporary folder's path and in the home's."""
    place = tmp_path / "a&b;c$d'e(f)ж"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    lab = own_lab(candidate, name="лаба.b-c_d" * 4, home=place / "до м's $x")
    assert lab.run("id -u; pwd").stdout.split() == ["0", "/root"]
    assert lab.linux == CANDIDATES[candidate].name
    assert repr(lab) == f"<Lab {lab.name}: {CANDIDATES[candidate].title}>"
    lab.run("echo да >~/файл; cp ~/файл /lab/logs/copy")
    assert (lab.home / "файл").read_text() == lab.folder.read("logs/copy") == "да\n"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_user_mode_linux_has_what_the_course_needs(
    own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a view or not, it has users, dummy interfaces, IPVS and dropped packets by labkit's own probes, and the wrapper of
    ptrace, which is built here, in its memory.

    Every process that is the guest may run on one and the same processor alone, and this one on all of its own.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before, allowed = psutil.Process().children(recursive=True), psutil.Process().cpu_affinity()
    assert own_lab(candidate, needs={"ipvs", "dummy", "drop"}).linux == "uml"
    guest = [each for each in psutil.Process().children(recursive=True) if each not in before and each.name() == "linux.uml"]
    assert guest and len({tuple(each.cpu_affinity() or ()) for each in guest}) == len(guest[0].cpu_affinity() or ()) == 1
    assert psutil.Process().cpu_affinity() == allowed
    (library,) = (tmp_path / "cache" / "labkit").glob("xstate-*.so")
    assert any(f" {library.stat().st_ino} " in Path(f"/proc/{each.pid}/maps").read_text() for each in guest)


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
    """Without linux.uml on PATH, and forced to it, both say so, with the package to install; a lab that needs no IPVS opens."""
    path_without("linux.uml")
    with monkeypatch.context() as forced:
        forced.setenv("LABKIT_LINUX", "uml")
        error = words_of_no_linux(tmp_path, forced, needs={"ipvs"})
    assert error.words.count("linux.uml") == 2
    assert error.way_out == way_to_uml()
    monkeypatch.delenv("LABKIT_LINUX", raising=False)
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
