"""A terminal of the tests' own, in which `labkit shell` runs."""

import contextlib
import os
import sys
import termios
from collections.abc import Iterator
from typing import Self

import pexpect

from labkit.lab import Lab

from .helpers import eventually

PATIENCE = 120
LABKIT = [sys.executable, "-P", "-m", "labkit"]


def address(lab: Lab) -> str:
    """The lab's name as `labkit ps` tells it from others of the same name."""
    return f"{lab.name}:{lab.door.id}"


class Terminal(pexpect.spawn):
    """A terminal in which `labkit shell` runs; its prompt is made a word that no echo of what is typed has."""

    def __init__(self, lab: Lab | None, *words: str, **options: object) -> None:
        words = words if lab is None else (address(lab), *words)
        environment = {**os.environ, "TERM": "xterm-256color"}
        super().__init__(
            LABKIT[0], [*LABKIT[1:], "shell", *words],
            encoding="utf-8", timeout=PATIENCE, dimensions=(24, 80), env=environment, **options,
        )  # fmt: skip
        self.delaybeforesend = None

    def ready(self) -> Self:
        """Wait for the shell's prompt and make it one that is easy to see."""
        self.expect_exact(["%%lab cell", "begins with a space is not"])
        self.expect_exact("# ")
        self.sendline(" bind 'set enable-bracketed-paste off'; PS1='PRO''MPT '")
        self.expect_exact("PROMPT ")
        return self

    def do(self, line: str) -> str:
        """Type a line and return what came before the next prompt, without the echo."""
        self.sendline(line)
        self.expect_exact("PROMPT ")
        return self.before.partition("\r\n")[2]

    def cancel(self) -> None:
        """Type Ctrl-C at bash's own prompt until there is another: readline can overlook one.

        Debian 13's bash 5.2.37 alone, without labkit, did so in 2 of 3,000.
        """
        for _ in range(5):
            self.sendcontrol("c")
            if not self.expect_exact(["PROMPT ", pexpect.TIMEOUT], timeout=PATIENCE / 5):
                return
        raise AssertionError("bash stays where it was")

    def modes(self) -> list[object]:
        """The terminal's modes, as termios has them."""
        return termios.tcgetattr(self.child_fd)


def in_front(lab: Lab, command: str) -> None:
    """Wait until this command has its terminal, so that a key reaches it (ps(1): + is the foreground process group)."""

    def there() -> bool:
        rows = [line.split(maxsplit=1) for line in lab.run("ps -eo stat=,args=").stdout.splitlines()]
        return any("+" in state and found == command for state, found in rows)

    eventually(there, f"{command} in the foreground")


@contextlib.contextmanager
def opened(lab: Lab, *words: str) -> Iterator[Terminal]:
    """A shell in the lab, opened with these options, at its prompt; its window is closed afterwards."""
    terminal = Terminal(lab, *words)
    try:
        yield terminal.ready()
    finally:
        terminal.close(force=True)
