"""The cell's command line: what the work's commands share with the agent, and what they do not."""

from __future__ import annotations

from pathlib import Path

from labkit.machine.view import CAPABILITIES, ENTER, ETC, FOLDER, HOME, LABKIT, SHARED, SITE, cell_command

COMMAND = cell_command(["sh", "task1.sh"])


def binds(command: list[str], option: str) -> list[tuple[str, str]]:
    """The pairs of folders after each `option`."""
    return [(command[i + 1], command[i + 2]) for i, part in enumerate(command) if part == option]


def test_cell_writes_only_what_no_instrument_reads() -> None:
    """Home, /tmp, /run, /var and a copy of /etc are writable; the agent's root folder, /usr and its own folders are not there."""
    kernel = ("/proc/sys/net", "/proc/sys/net")
    assert sorted(binds(COMMAND, "--bind")) == sorted([(ETC, "/etc"), kernel, *((place, place) for place in SHARED)])
    assert ("/usr", "/usr") in binds(COMMAND, "--ro-bind")
    assert not {"/", FOLDER, LABKIT, SITE} & {part for part in COMMAND if part.startswith("/")}


def test_copy_of_etc_lies_where_the_cell_cannot_reach() -> None:
    """A folder that the cell could write might be a link to anything when the next command enters it."""
    assert f"cp -a $copied {ETC}" in ENTER
    assert not any(Path(ETC).is_relative_to(place) for place in SHARED)


def test_what_is_not_copied_of_etc_cannot_be_written() -> None:
    """The hundreds of links in /etc/alternatives are the agent's own, read-only."""
    assert ("/etc/alternatives", "/etc/alternatives") in [
        (COMMAND[i + 1], COMMAND[i + 2]) for i, part in enumerate(COMMAND) if part == "--ro-bind-try"
    ]
    assert f"mkdir -p {ETC}/alternatives" in ENTER


def test_cell_has_few_capabilities() -> None:
    """None that mounts, makes devices, traces, loads modules, opens files by handle or sets the clock."""
    kept = [COMMAND[i + 1] for i, part in enumerate(COMMAND) if part == "--cap-add"]
    assert kept == [f"CAP_{name}" for name in CAPABILITIES] and COMMAND.index("--cap-drop") < COMMAND.index("--cap-add")
    assert not {"SYS_ADMIN", "MKNOD", "SYS_PTRACE", "SYS_MODULE", "DAC_READ_SEARCH", "SYS_TIME", "SYS_BOOT", "BPF"} & set(
        CAPABILITIES
    )


def test_command_comes_last_and_begins_at_home() -> None:
    """The work's command is run in ~, in a process namespace of its own."""
    assert COMMAND[-5:] == ["--chdir", HOME, "--", "sh", "task1.sh"] and "--unshare-pid" in COMMAND
