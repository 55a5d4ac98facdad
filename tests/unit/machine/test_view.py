"""What keeps a lab in, read from argument lists: what it sees and may write of the host. That labs work so, lab/ shows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.judge import bench
from labkit.machine import cell, uml
from labkit.machine.bwrap import SHARED_KERNEL, host_arguments
from labkit.machine.cell import CAPABILITIES, ETC, PREPARATION, SHARED, cell_command
from labkit.machine.choose import READY_TIMEOUT
from labkit.machine.folder import LabFolder
from labkit.machine.link import SLACK
from labkit.machine.packages import way_to_uml
from labkit.machine.uml import UmlLinux, uml_arguments
from labkit.machine.view import BIN, ETC_FROM_HOST, FOLDER, HOME, LABKIT, PYTHON, SITE, View, machine_arguments

CELL = cell_command(["sh", "task1.sh"])
# Both views of a home that is the learner's: directly over the running kernel, and outside a Linux of the lab's own.
VIEWS: list[Callable[[View], list[str]]] = [machine_arguments, lambda view: uml_arguments(view, None)]


def binds(arguments: list[str], *options: str) -> set[tuple[str, str]]:
    """The pairs of source and target after each of these options."""
    return {(arguments[i + 1], arguments[i + 2]) for i, word in enumerate(arguments) if word in options}


def place(arguments: list[str], *words: str) -> int:
    """Where these words stand next to each other."""
    (found,) = [i for i in range(len(arguments)) if tuple(arguments[i : i + len(words)]) == words]
    return found


@pytest.mark.parametrize("arguments", VIEWS)
def test_host_is_read_in_few_places_and_written_in_the_labs_own(view: View, arguments: Callable[[View], list[str]]) -> None:
    """Of the user's home labkit, packages and Python are read; of /etc what programs need; the lab's own is written.

    Nothing else is bound, and a home that is to be copied is only read.
    """
    etc = {(f"/etc/{name}", f"/etc/{name}") for name in ETC_FROM_HOST}
    own = {(view.folder, FOLDER)} | ({(f"{view.folder}/etc", "/etc")} if arguments is machine_arguments else set())
    read = {("/usr", "/usr"), (view.python, PYTHON), (view.site, SITE), (view.labkit, f"{LABKIT}/labkit")}
    found = arguments(view)
    assert binds(found, "--bind") == own | {(view.home, HOME)}
    assert binds(found, "--ro-bind") == read | {(f"{view.labkit}/machine/bin", BIN)}
    assert binds(found, "--ro-bind-try") - {("/run/labkit-cpuinfo", "/proc/cpuinfo")} == etc
    assert binds(arguments(replace(view, copy_home=True)), "--bind") == own
    assert {"--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--die-with-parent"} <= set(found)
    assert not {"passwd", "shadow", "group", "hosts", "ssh", "machine-id", "subuid"} & {*ETC_FROM_HOST}


def test_guests_own_process_has_no_rights_outside(view: View) -> None:
    """The process that is the guest has no capability; it can write where its files can, so /proc is made read-only."""
    arguments = uml_arguments(view, None)
    assert arguments[arguments.index("--cap-drop") + 1] == "ALL" and "--cap-add" not in arguments
    assert place(arguments, "--remount-ro", "/proc") > place(arguments, "--proc", "/proc")


def test_shared_settings_of_the_running_kernel_are_read_only(folder: LabFolder) -> None:
    """On the running kernel its global settings are bound read-only, after /proc is mounted, before the command."""
    arguments = host_arguments(folder)
    for path in SHARED_KERNEL:
        assert arguments.index("--") > place(arguments, "--ro-bind-try", path, path) > place(arguments, "--proc", "/proc")


@pytest.mark.parametrize("python", [None, "/home/ann/python"])
def test_python_below_usr_is_not_moved(view: View, python: str | None) -> None:
    """A system's own Python is started as it is; another is at /opt/python, where its libraries are looked for too."""
    found = machine_arguments(replace(view, interpreter="/usr/bin/python3.11", python=python))
    assert (PYTHON in found) == (f"{PYTHON}/lib" in found) == (python is not None)
    agent = f"{LABKIT}/labkit/machine/agent.py"
    assert found[found.index("--") + 1 :] == ["/usr/bin/python3.11", "-I", "-S", agent, SITE, LABKIT]


def test_cell_writes_only_what_no_instrument_reads() -> None:
    """Home, /tmp, /run, /var and a copy of /etc, which lies where no cell can make a link of it; no folder of the agent's.

    The hundreds of links in /etc/alternatives are the agent's own, read-only.
    """
    kernel = ("/proc/sys/net", "/proc/sys/net")
    assert binds(CELL, "--bind") == {(ETC, "/etc"), kernel, *((place, place) for place in SHARED)}
    assert not {"/", FOLDER, LABKIT, SITE} & {part for part in CELL if part.startswith("/")}
    assert ETC in PREPARATION and not any(Path(ETC).is_relative_to(place) for place in SHARED)
    assert ("/etc/alternatives", "/etc/alternatives") in binds(CELL, "--ro-bind-try")


def test_cell_has_few_capabilities() -> None:
    """None that mounts, makes devices, traces, loads modules, opens files by handle or sets the clock; processes of its own."""
    kept = [CELL[i + 1] for i, part in enumerate(CELL) if part == "--cap-add"]
    assert kept == [f"CAP_{name}" for name in CAPABILITIES] and CELL.index("--cap-drop") < CELL.index("--cap-add")
    forbidden = {"SYS_ADMIN", "MKNOD", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "SYS_TIME", "SYS_BOOT", "BPF"}
    assert not forbidden & set(CAPABILITIES) and "--unshare-pid" in CELL


def test_slow_right_work_is_not_ended_before_it_is_judged() -> None:
    """A lab for the work of others lives longer than its boot, two scripts, the wait after them and the longest call together."""
    scripts = 2 * (bench.SCRIPT_TIMEOUT + SLACK)
    assert READY_TIMEOUT + scripts + bench.SETTLE_TIMEOUT + bench.LONG < uml.LIFETIME


def test_missing_modules_of_user_mode_linux_are_named_with_their_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program without its modules is as good as none."""
    monkeypatch.setattr(uml.shutil, "which", lambda _program: "/usr/bin/linux.uml")
    monkeypatch.setattr(uml, "MODULES", tmp_path / "none")
    with pytest.raises(LabError, match=r"linux\.uml") as caught:
        UmlLinux().start(LabFolder(tmp_path, tmp_path))
    assert caught.value.way_out == way_to_uml()


@pytest.fixture(autouse=True)
def _compiled_anew() -> Iterator[None]:
    cell.rules.cache_clear()
    yield
    cell.rules.cache_clear()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("", "No such file"),
        ("#!/bin/sh\necho 'AppArmor parser error' >&2; exit 1\n", "AppArmor parser error"),
        ("#!/bin/sh\nkill -9 $$\n", "SIGKILL"),
    ],
)
def test_rules_that_cannot_be_compiled_are_this_machines_fault(
    program: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the parser is not there, refuses the rules or is killed, no lab for the work of others opens, with its words."""
    if program:
        (tmp_path / "apparmor_parser").write_text(program)
        (tmp_path / "apparmor_parser").chmod(0o755)
    monkeypatch.setattr(cell, "PATH", f"{tmp_path}")
    with pytest.raises(LabError) as caught:
        cell.rules()
    assert words in caught.value.words and "apt-get install apparmor" in caught.value.way_out
