"""The commands about open labs: shell, ps, stop."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..errors import BadInput, LabError


def shell(options: argparse.Namespace) -> int:
    """Open a shell in an open lab, or run a command there; the exit code is the shell's or the command's.

    With a task the lab is one of its own, for work without a notebook, which lives as long as this terminal's shell.
    """
    from . import terminal
    from .callers import describe, open_labs, pick

    if options.task:
        from ..lab import Lab

        if options.lab or options.command is not None:
            raise BadInput("--task opens a lab of its own, and a shell in it.", way_out="leave NAME and -c out")
        with Lab(f"task{options.task}", task=options.task, needs=["ipvs"] if options.task == 3 else []) as own:
            found = describe(own.door.path) if own.door.path else None
            if found is None:
                raise LabError("The lab has no door, so there is no way in.", way_out="`labkit ps` says why")
            leaving = f"ends it; another terminal is `labkit shell {own.name} --record`"
            return terminal.shell(found, record=True, leaving=leaving)
    lab = pick([lab for lab in open_labs() if lab.shell], options.lab)
    if options.command is None:
        return terminal.shell(lab, record=options.record)
    if options.record:
        raise BadInput("What -c runs is not recorded.", way_out=f"type it: labkit shell {lab.name} --record")
    return terminal.command(lab, options.command)


def ps(options: argparse.Namespace) -> int:
    """List the open labs."""
    from .callers import open_labs
    from .listing import as_text, rows

    found = rows(open_labs())
    print(json.dumps(found, indent=2) if options.json else as_text(found))
    return 0


def stop(options: argparse.Namespace) -> int:
    """Close an open lab."""
    from . import callers

    lab = callers.pick(callers.open_labs(), options.lab)
    callers.stop(lab)
    print(f"The lab {lab.name} is closed.")
    return 0


def add_to(commands: Any) -> None:
    """Add these commands to a parser's subparsers."""
    name = "as `labkit ps` lists it: NAME, or NAME:ID where several have that name"
    add = commands.add_parser(
        "shell", help="a shell in an open lab",
        description="A shell in an open lab. `exit` leaves it, and the lab runs on; ^] three times within a second leaves a lab "
        "that does not answer. The exit code is the shell's.",
    )  # fmt: skip
    add.add_argument("lab", nargs="?", metavar="NAME", help=f"{name}; may be left out when one lab is open")
    add.add_argument("-c", dest="command", metavar="COMMAND", help="run this instead, without a terminal and without input")
    record = "write what you type into the script of the lab's task (task1.sh … task4.sh in its home), and show it when you leave"
    add.add_argument("--record", action="store_true", help=record)
    task = "without a notebook: open a lab for this task, its home ./work, and record; the lab ends with this shell"
    add.add_argument("--task", type=int, choices=(1, 2, 3, 4), metavar="N", help=task)
    add.set_defaults(run=shell)
    add = commands.add_parser("ps", help="list the open labs: name, Linux, age, memory")
    add.add_argument("--json", action="store_true", help="as JSON: age in seconds, memory (proportional set size) in bytes")
    add.set_defaults(run=ps)
    add = commands.add_parser("stop", help="close an open lab from outside")
    add.add_argument("lab", metavar="NAME", help=name)
    add.set_defaults(run=stop)
