"""Which files a lab sees, read from bubblewrap's argument list."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.machine.folder import LabFolder
from labkit.machine.host import SHARED_KERNEL, host_arguments
from labkit.machine.view import (  # fmt: skip
    ETC_FROM_HOST,
    FOLDER,
    HOME,
    LABKIT,
    PYTHON,
    SITE,
    View,
    agent_command,
    environment,
    machine_arguments,
    view_of,
)

BINDS = ("--bind", "--ro-bind", "--ro-bind-try")


def binds(arguments: list[str]) -> Iterator[tuple[str, str, str]]:
    """Every bind in its order: option, source, target."""
    end = arguments.index("--")
    for place, word in enumerate(arguments[:end]):
        if word in BINDS:
            yield word, arguments[place + 1], arguments[place + 2]


def target(arguments: list[str], wanted: str) -> tuple[str, str]:
    """How and from where `wanted` comes into the view."""
    (found,) = [(option, source) for option, source, place in binds(arguments) if place == wanted]
    return found


def place(arguments: list[str], *words: str) -> int:
    """Where these words stand next to each other."""
    (found,) = [i for i in range(len(arguments)) if tuple(arguments[i : i + len(words)]) == words]
    return found


def test_of_the_users_home_only_what_the_lab_needs_is_bound(view: View) -> None:
    """Below the user's home only labkit, the packages and Python are read, and only the lab's home is written."""
    mine = {(option, source) for option, source, _ in binds(machine_arguments(view)) if source.startswith("/home")}
    assert mine == {
        ("--ro-bind", view.python),
        ("--ro-bind", view.site),
        ("--ro-bind", view.labkit),
        ("--ro-bind", f"{view.labkit}/machine/bin"),
        ("--bind", view.home),
    }


def test_only_the_labs_own_is_writable(view: View) -> None:
    """Writable are the lab's folder, its /etc and its home; everything else of the host is read-only."""
    writable = {(source, place) for option, source, place in binds(machine_arguments(view)) if option == "--bind"}
    assert writable == {(view.folder, FOLDER), (f"{view.folder}/etc", "/etc"), (view.home, HOME)}


def test_home_is_at_root(view: View) -> None:
    """The learner's home is the home of root, and a command starts in it."""
    arguments = machine_arguments(view)
    assert target(arguments, "/root") == ("--bind", view.home)
    assert arguments[arguments.index("--chdir") + 1] == "/root"


def test_no_folder_of_other_people_is_bound(view: View) -> None:
    """Neither / nor /home, /root, /tmp, /var, /run, /mnt, /dev or /sys of the host comes into the view."""
    sources = {source for _, source, _ in binds(machine_arguments(view))}
    assert sources.isdisjoint({"/", "/home", "/root", "/tmp", "/var", "/run", "/mnt", "/media", "/srv", "/dev", "/sys", "/proc"})


@pytest.mark.parametrize("name", ["passwd", "shadow", "group", "hosts", "resolv.conf", "ssh", "machine-id", "hostname", "subuid"])
def test_etc_has_nothing_of_the_hosts_users_or_network(view: View, name: str) -> None:
    """What names users, keys or networks is not taken from the host's /etc."""
    assert name not in {entry.partition("/")[0] for entry in ETC_FROM_HOST}
    assert all(source != f"/etc/{name}" for _, source, _ in binds(machine_arguments(view)))


def test_python_below_usr_is_not_moved(view: View) -> None:
    """A system's own Python is there with /usr and is started as it is."""
    system = replace(view, interpreter="/usr/bin/python3.11", python=None)
    assert all(place != PYTHON for _, _, place in binds(machine_arguments(system)))
    assert agent_command(system)[0] == "/usr/bin/python3.11"


def test_python_elsewhere_is_moved(view: View) -> None:
    """Another Python's prefix is at /opt/python, where its libraries are looked for too."""
    arguments = machine_arguments(view)
    assert target(arguments, PYTHON) == ("--ro-bind", view.python)
    assert arguments[arguments.index("--") + 1 :][:3] == ["env", f"LD_LIBRARY_PATH={PYTHON}/lib", view.interpreter]


def test_agent_imports_from_the_view_only(view: View) -> None:
    """The agent is started isolated, and is told the two folders to import from."""
    command = agent_command(view)
    assert command[-5:] == ["-I", "-S", f"{LABKIT}/labkit/machine/agent.py", SITE, LABKIT]


def test_parts_come_after_what_they_lie_in(view: View) -> None:
    """A mount hides what lies below it, so /etc, /tmp and /usr come before what is put into them."""
    arguments = machine_arguments(view)
    outer = place(arguments, "--bind", f"{view.folder}/etc", "/etc")
    assert all(place(arguments, "--ro-bind-try", f"/etc/{name}", f"/etc/{name}") > outer for name in ETC_FROM_HOST)
    assert place(arguments, "--tmpfs", "/run") < place(arguments, "--symlink", "/run", "/var/run")
    assert place(arguments, "--tmpfs", "/var") < place(arguments, "--dir", "/var/lib/nginx")


def test_a_folder_below_tmp_is_not_hidden_by_the_labs_own_tmp(view: View) -> None:
    """The lab's folder and home are bound after /tmp is emptied."""
    arguments = machine_arguments(view)
    assert place(arguments, "--bind", view.folder, FOLDER) > place(arguments, "--tmpfs", "/tmp")
    assert place(arguments, "--bind", view.home, HOME) > place(arguments, "--tmpfs", "/tmp")


def test_shared_settings_of_the_running_kernel_are_read_only(folder: LabFolder) -> None:
    """On the running kernel its global settings are bound read-only, after /proc is mounted."""
    arguments = host_arguments(folder)
    for path in SHARED_KERNEL:
        assert place(arguments, "--ro-bind-try", path, path) > place(arguments, "--proc", "/proc")
    assert arguments.index("--") > place(arguments, "--ro-bind-try", SHARED_KERNEL[-1], SHARED_KERNEL[-1])


def test_environment_is_emptied_first() -> None:
    """Nothing of the caller's environment is passed on; HOME and PATH are the lab's."""
    words = environment()
    assert words[0] == "--clearenv"
    values = dict(zip(words[2::3], words[3::3], strict=True))
    assert values["HOME"] == HOME
    assert values["PATH"].split(":")[-1] == f"{PYTHON}/bin"


def test_inside_view_names_only_places_of_the_view(view: View) -> None:
    """A bubblewrap that itself runs in the view finds everything where the first one put it."""
    inner = view.inside()
    assert (inner.python, inner.site, inner.labkit, inner.folder, inner.home) == (PYTHON, SITE, f"{LABKIT}/labkit", FOLDER, HOME)
    assert inner.inside() == inner
    assert replace(view, python=None).inside().python is None


def test_view_of_this_python_is_complete(folder: LabFolder) -> None:
    """Every source that must be there is there, and the interpreter is the one that runs now."""
    found = view_of(folder)
    for path in filter(None, (found.python, found.site, found.labkit, found.folder, found.home)):
        assert Path(path).is_dir()
    here = found.interpreter.replace(PYTHON, found.python or PYTHON, 1)
    assert os.path.realpath(here) == os.path.realpath(sys.executable)
    assert Path(found.site, "execnet").is_dir()


def test_every_namespace_is_new(view: View) -> None:
    """Network, processes, host name and IPC are the lab's own, and the lab ends with its parent."""
    arguments = machine_arguments(view)
    for option in ("--unshare-net", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--die-with-parent"):
        assert option in arguments[: arguments.index("--")]
