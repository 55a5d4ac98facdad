"""How the Linux of a lab is chosen, with candidates that only say what a test lets them say."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from labkit.errors import BadInput, LabError, NoLinux
from labkit.machine import choose as choosing
from labkit.machine import choose as needs
from labkit.machine.bwrap import HostLinux
from labkit.machine.choose import (
    FORCE,
    IMPLIED,
    MODULES,
    PROBES,
    Attempt,
    Check,
    all_needs,
    attempt,
    candidates,
    choose,
    probe,
    remedy,
)
from labkit.machine.folder import LabFolder
from labkit.machine.uml import BUBBLEWRAP, LANDLOCK, UmlLinux


class Fake:
    """A candidate, its machine and its link in one: fails to start, or lacks some needs."""

    name, title = "host", "fake"

    def __init__(
        self, title: str, *, refuses: Exception | None = None, lacks: str = "", at_probe: Exception | None = None
    ) -> None:
        self.title, self.refuses, self.lacks, self.at_probe = title, refuses, lacks, at_probe
        self.running = False
        self.tried: list[str] = []

    def start(self, _folder: LabFolder) -> Self:
        if self.refuses:
            raise self.refuses
        self.running = True
        return self

    def stop(self) -> None:
        self.running = False

    def close(self) -> None:
        """The link's streams, of which a fake has none."""

    def stream(self, _function: object, _limit: float, argv: list[str], _timeout: float) -> Iterator[tuple[str, str]]:
        if self.at_probe:
            raise self.at_probe
        need = next(need for need, (_, command) in PROBES.items() if command == argv[2])
        self.tried.append(need)
        if need == self.lacks:
            yield "stderr", "Error: Unknown device type.\n"
        return int(need == self.lacks)


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make these the candidates."""

    def use(*fakes: Fake) -> None:
        monkeypatch.setattr(choosing, "candidates", lambda: list(fakes))
        monkeypatch.setattr(choosing, "open_machine", lambda linux, folder: choosing.Opened(linux, linux.start(folder), linux))

    return use


def test_needs_have_an_order_what_they_imply_and_a_remedy() -> None:
    """Every lab must let programs change their user; ipvs brings dummy; the order is that of the probes; whatever can be missing
    has a way out on either Linux; a need that nobody knows is refused, and the known ones are named."""
    assert all_needs(()) == ["users"]
    assert all_needs(["ipvs"]) == ["users", "dummy", "ipvs", "schedulers"]
    assert all_needs(reversed(PROBES)) == list(PROBES)
    assert all(remedy(need, linux) for need in PROBES for linux in ("host", "uml"))
    assert {implied for group in IMPLIED.values() for implied in group} <= PROBES.keys()
    for unknown in ({"nonsense"}, {"ipvs", "IPVS"}, ["", "users"], "ipvs"):
        with pytest.raises(BadInput) as caught:
            all_needs(unknown)
        assert all(need in caught.value.way_out for need in PROBES)


@pytest.mark.parametrize(
    ("forced", "abi", "kept_by"),
    [
        ("", 7, ["", BUBBLEWRAP, LANDLOCK]), ("", 1, ["", BUBBLEWRAP, LANDLOCK]), ("", 0, ["", BUBBLEWRAP, ""]),
        ("host", 7, [""]), ("uml", 7, [BUBBLEWRAP, LANDLOCK]),
    ],
)  # fmt: skip
def test_candidates_come_fastest_first(monkeypatch: pytest.MonkeyPatch, forced: str, abi: int, kept_by: list[str]) -> None:
    """The running kernel, User-Mode Linux in a view, under Landlock, else alone; LABKIT_LINUX takes or refuses one."""
    monkeypatch.setattr("labkit.machine.landlock.abi", lambda: abi)
    monkeypatch.setenv(FORCE, forced)
    assert [getattr(linux, "kept_by", "") for linux in candidates()] == kept_by
    for unknown in ("HOST", "docker", " host", "host,uml"):
        monkeypatch.setenv(FORCE, unknown)
        with pytest.raises(BadInput, match="names no Linux") as caught:
            candidates()
        assert "LABKIT_LINUX=host" in caught.value.way_out and "LABKIT_LINUX=uml" in caught.value.way_out


def test_first_that_can_do_it_is_taken(offer: Any, folder: LabFolder) -> None:
    """A candidate that lacks something is stopped again, and the next one is tried; later ones are not."""
    first, second, third = Fake("a", lacks="dummy"), Fake("b"), Fake("c")
    offer(first, second, third)
    assert choose(["ipvs"], folder).linux is second
    assert (first.running, second.running, third.running) == (False, True, False)
    assert (first.tried, second.tried, third.tried) == (["users", "dummy"], ["users", "dummy", "ipvs", "schedulers"], [])


def test_kernel_without_a_scheduler_is_taken_when_no_other_has_it(offer: Any, folder: LabFolder) -> None:
    """A Linux that lacks a scheduler gives way to one that has all; where there is none, it is taken as it is."""
    lacking, whole = Fake("a", lacks="schedulers"), Fake("b")
    offer(lacking, whole)
    assert choose(["ipvs"], folder).linux is whole
    offer(lacking, Fake("b", lacks="dummy"))
    assert choose(["ipvs"], folder).linux is lacking
    assert lacking.running and lacking.tried[-3:] == ["users", "dummy", "ipvs"]


def test_probe_says_which_schedulers_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an ipvsadm that has rr, wrr and sh alone, as WSL 2 on arm64, the missing ones are named; nothing else fails."""
    program = tmp_path / "ipvsadm"
    program.write_text("#!/bin/sh\ncase $* in *' lc' | *' wlc') echo 'Scheduler not found' >&2; exit 254 ;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = subprocess.run(["sh", "-c", PROBES["schedulers"][1]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (1, "Scheduler not found: lc wlc\n")
    assert subprocess.run(["sh", "-c", PROBES["ipvs"][1]], check=False).returncode == 0


@pytest.mark.parametrize(("needs", "name", "asked"), [(["ipvs"], "host", 1), (["dummy"], "host", 0), (["ipvs"], "uml", 0)])
def test_running_kernel_is_asked_for_ipvs_by_a_lab_that_needs_it(
    offer: Any, folder: LabFolder, monkeypatch: pytest.MonkeyPatch, needs: list[str], name: str, asked: int
) -> None:
    """No other lab makes the running kernel load a module."""
    calls: list[int] = []
    monkeypatch.setattr(choosing, "load_ipvs", lambda: calls.append(1))
    fake = Fake("a")
    fake.name = name
    offer(fake)
    choose(needs, folder)
    assert len(calls) == asked
    assert ("users" in fake.tried) == (name == "host")  # the root of a kernel of its own may change its user


def test_none_that_can_do_it_is_an_error_with_what_each_said(offer: Any, folder: LabFolder) -> None:
    """NoLinux quotes every candidate, offers the first way out, and leaves none running."""
    fakes = [
        Fake("a", refuses=LabError("not here", words="No permissions", way_out="ask your administrator")),
        Fake("b", lacks="dummy"),
        Fake("c", refuses=FileNotFoundError(2, "No such file", "linux.uml")),
    ]
    offer(*fakes)
    with pytest.raises(NoLinux) as caught:
        choose(["dummy"], folder)
    lines = caught.value.words.splitlines()
    assert lines[0] == "a: No permissions"
    assert lines[1].startswith("b: dummy interfaces: Error: Unknown device type.")
    assert remedy("dummy", "host") in lines[1]
    assert lines[2].startswith("c: ") and "linux.uml" in lines[2]
    assert caught.value.way_out == "ask your administrator"
    assert not any(fake.running for fake in fakes)


@pytest.mark.parametrize("problem", [LabError("gone"), OSError("gone"), RuntimeError("gone"), KeyboardInterrupt()])
def test_machine_is_stopped_whatever_goes_wrong_while_probing(offer: Any, folder: LabFolder, problem: BaseException) -> None:
    """A machine whose probing fails in any way is not left running."""
    fake = Fake("a", at_probe=problem)  # type: ignore[arg-type]
    offer(fake)
    with pytest.raises((NoLinux, type(problem))):
        choose([], folder)
    assert fake.running is False


def test_probe_without_words_tells_the_code(folder: LabFolder) -> None:
    """A probe that says nothing is reported with its command, its code and the remedy."""

    class Silent(Fake):
        def stream(self, *_args: Any) -> Iterator[tuple[str, str]]:
            yield from ()
            return 3

    check = probe(Silent("a"), "dummy", "host")  # type: ignore[arg-type]
    assert (check.what, check.worked, check.remedy) == ("dummy interfaces", False, remedy("dummy", "host"))
    assert "ended with code 3" in check.words


@pytest.mark.parametrize("need", MODULES)
def test_modprobe_is_advised_only_for_a_module_that_is_there_and_not_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, need: str
) -> None:
    """A kernel without the module, or with the module loaded, is not helped by modprobe; User-Mode Linux is named then."""
    loaded = tmp_path / "module"
    monkeypatch.setattr(needs, "LOADED", loaded)
    for there in (True, False):
        monkeypatch.setattr(needs, "can_load", lambda _module, there=there: there)
        assert ("sudo modprobe -a " in remedy(need, "host")) is there
    for module in MODULES[need]:
        (loaded / module).mkdir(parents=True)
    monkeypatch.setattr(needs, "can_load", lambda _module: True)
    assert "leave it to User-Mode Linux" in remedy(need, "host")


@pytest.mark.parametrize(
    ("made", "sentence", "works"),
    [
        (Attempt(HostLinux()), "bubblewrap + the running kernel: works", True),
        (Attempt(UmlLinux(), words="not installed"), "bubblewrap + User-Mode Linux: not installed", False),
        (
            Attempt(UmlLinux(""), [Check("users", True), Check("dummy", False, "n", "do x")]),
            "User-Mode Linux alone: dummy interfaces: n (do x)", False,
        ),
    ],
)  # fmt: skip
def test_attempt_is_a_sentence(made: Attempt, sentence: str, works: bool) -> None:
    """An attempt says the candidate's title and what it lacked, or that it works."""
    assert (str(made), made.works) == (sentence, works)


def test_full_attempt_tries_every_need(offer: Any, folder: LabFolder) -> None:
    """The doctor's attempt goes on after a need that fails, and stops the machine."""
    fake = Fake("a", lacks="users")
    offer(fake)
    result, opened = attempt(fake, folder, PROBES, stop_early=False)  # type: ignore[arg-type]
    assert opened is None and not fake.running
    assert fake.tried == list(PROBES)
    assert [check.worked for check in result.checks] == [need != "users" for need in PROBES]
