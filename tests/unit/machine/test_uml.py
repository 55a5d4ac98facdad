"""How User-Mode Linux is started, read from its boot line and bubblewrap's arguments."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from labkit.errors import LabError
from labkit.judge import bench
from labkit.machine import uml
from labkit.machine.folder import LabFolder
from labkit.machine.link import SLACK
from labkit.machine.uml import XSTATE_LIBRARY, boot_command, require_uml, uml_arguments, write_inner_view
from labkit.machine.view import FOLDER, HOME, View


def boot_words(arguments: list[str]) -> list[str]:
    """The boot line's words: what the shell that connects the serial line goes on with."""
    shell, option, script = arguments[-3:]
    assert (shell, option) == ("/bin/sh", "-c")
    return shlex.split(script.rpartition("exec ")[2])


def test_boot_line() -> None:
    """It boots from files, speaks on a serial line only, and is told its first process and its folder."""
    words = boot_words(boot_command("/x/init", "/lab", None))
    assert words[0] == "linux.uml"
    assert {"rootfstype=hostfs", "rw", "init=/x/init", "LABKIT_FOLDER=/lab", "con=null", "con0=null", "ssl0=fd:3,fd:4"} <= set(
        words
    )


def test_slow_right_work_is_not_ended_before_it_is_judged() -> None:
    """A lab for the work of others lives longer than its boot, two scripts, the wait after them and the longest call together."""
    scripts = 2 * (bench.SCRIPT_TIMEOUT + SLACK)
    assert uml.UmlLinux.start_timeout + scripts + bench.SETTLE_TIMEOUT + bench.LONG < uml.LIFETIME


def test_wrapper_is_preloaded_for_linux_uml_only() -> None:
    """LD_PRELOAD stands before linux.uml when there is a wrapper, and nowhere without one."""
    assert "; TMPDIR=/tmp LD_PRELOAD=/opt/x.so exec linux.uml " in boot_command("/x/init", "/lab", "/opt/x.so")[-1]
    assert "LD_PRELOAD" not in boot_command("/x/init", "/lab", None)[-1]


def test_outer_view_drops_all_capabilities(view: View) -> None:
    """The process that is the guest has no capability outside, and is given none."""
    arguments = uml_arguments(view, None)
    place = arguments.index("--cap-drop")
    assert arguments[place + 1] == "ALL"
    assert "--cap-add" not in arguments


def test_outer_proc_is_read_only(view: View) -> None:
    """The guest can write where its files can, so /proc outside is made read-only after it is mounted."""
    arguments = uml_arguments(view, None)
    words = [tuple(arguments[i : i + 2]) for i in range(len(arguments))]
    assert words.index(("--remount-ro", "/proc")) > words.index(("--proc", "/proc"))


def test_outer_view_writes_only_the_labs_own(view: View) -> None:
    """Writable from outside are the lab's folder and home alone."""
    arguments = uml_arguments(view, None)
    bound = [tuple(arguments[i + 1 : i + 3]) for i, word in enumerate(arguments) if word == "--bind"]
    assert bound == [(view.folder, FOLDER), (view.home, HOME)]


def test_outer_namespaces_are_new(view: View) -> None:
    """The guest's own processes end with the first one, and it has no network of the host's."""
    assert {"--unshare-net", "--unshare-pid", "--die-with-parent"} <= set(uml_arguments(view, None))


def test_wrapper_is_bound_where_the_boot_line_says(view: View) -> None:
    """The built wrapper is in the view at the path that is preloaded."""
    arguments = uml_arguments(view, Path("/cache/x.so"))
    place = arguments.index("/cache/x.so")
    assert arguments[place - 1 : place + 2] == ["--ro-bind", "/cache/x.so", XSTATE_LIBRARY]
    assert f"LD_PRELOAD={XSTATE_LIBRARY} " in arguments[-1]


def test_inner_view_is_one_shell_line(folder: LabFolder, view: View) -> None:
    """The guest goes on with bubblewrap, and names with spaces or quotes stay one word."""
    odd = View(**{**vars(view), "home": "/tmp/it's a home"})
    write_inner_view(folder, odd)
    words = shlex.split((folder.path / "view.sh").read_text())
    assert words[:2] == ["exec", "bwrap"]
    assert words[words.index("/tmp/it's a home") + 1] == HOME


@pytest.mark.parametrize("missing", ["program", "modules"])
def test_missing_user_mode_linux_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str) -> None:
    """Without the program, or without its modules, the package to install is told."""
    monkeypatch.setattr(uml.shutil, "which", lambda _program: None if missing == "program" else "/usr/bin/linux.uml")
    monkeypatch.setattr(uml, "MODULES", tmp_path if missing == "program" else tmp_path / "none")
    with pytest.raises(LabError) as caught:
        require_uml()
    assert "linux.uml" in caught.value.tried
    assert caught.value.way_out == "apt-get install user-mode-linux"
