"""Where a work is judged: a fresh lab with a copy of the work, its scripts run, and the instruments to measure it with.

The evidence that a report carries is plain data: rows of requests, counters and a compressed capture.
"""

from __future__ import annotations

import base64
import re
import shutil
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadInput, CallFailed, MeasureError, MissingProgram
from ..inside import judge, processes, recorder, sockets, typed
from ..inside.processes import OUTPUT_LIMIT
from ..inside.typed import BEGIN, END, ENDS, FIELD
from ..lab import Lab, Result
from ..machine.cell import PREPARATION, cell_command
from ..machine.link import SLACK, P, T, finish
from ..machine.view import BIN, HOME
from .cause import Line, cause, words_for_evidence

SCRIPT_TIMEOUT = 60.0
# For calls that send many requests: a busy machine, User-Mode Linux.
LONG = 300.0
BACKENDS = (8081, 8082)
# The addresses of a socket that a client of 127.0.0.1 reaches.
REACHED = ("127.0.0.1", "0.0.0.0", "::")
# What a work may be at the most: it holds five small texts and four scripts.
MAX_FILES, MAX_BYTES = 1000, 16 * 1024 * 1024
# The scripts that run before a task's own.
EARLIER = {1: (), 2: (), 3: (1,), 4: (1,)}
# Where a right work listens in the end; servers that a script leaves in the background may still be starting.
EXPECTED = {1: BACKENDS, 2: (53,), 3: BACKENDS, 4: (*BACKENDS, 8888)}
# Whose doing is judged: who has the ports of task 1, and the programs of 2 and 4. In task 3 it is the kernel's, and recorders
# take the place of backends that a balancer asks.
JUDGED_PORTS, JUDGED = {1: BACKENDS}, {1: "", 2: "dnsmasq", 3: "", 4: "nginx"}
# How long all of the lab must have been idle before an open port counts as missing, and the longest wait, seconds.
QUIET, SETTLE_TIMEOUT = 2.0, 30.0
NEEDS = {1: (), 2: (), 3: ("ipvs",), 4: ()}
# Whose errors explain most when a task fails.
ABOUT = {1: ("http.server",), 2: ("dnsmasq",), 3: ("dummy1", "ipvsadm"), 4: ("nginx",)}
# Runs a script by sh, which ends when it is told that what it left goes on (machine/bin/typed.bashrc).
SH_SCRIPT = 'exec 9>&1; trap \'printf "\\001end\\003" >&9; read _ </dev/tty\' EXIT; . "./$0"'
# What is said of a script that was saved on Windows, after its name and before it.
FOREIGN_ENDS = "has Windows' line ends, and a shell takes the \\r of each for a part of the last word: `sed -i 's/\\r$//' "
# A server may have forked, or another one just be starting; each round ends those that are seen to hold a port.
ENDINGS = 10
# What a capture may hold, compressed or not, bytes: one of a request has about 5 kB.
CAPTURE, MAX_CAPTURE = "capture", 16 * 1024 * 1024


def request_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the checks' `series`, a row a request: at (s since the first one), ms, status, error, refused (attempts)."""
    return [
        {
            "at": round(row["began"] - rows[0]["began"], 4), "ms": round(1000 * (row["ended"] - row["began"]), 2),
            "status": row["status"], "error": row["error"], "refused": row["refused"],
        }
        for row in rows
    ]  # fmt: skip


def packed(capture: bytes) -> dict[str, Any]:
    """A pcapng file as plain data: its bytes by zlib and base64, and their number."""
    return {"pcapng": base64.b64encode(zlib.compress(capture, 9)).decode(), "bytes": len(capture)}


def copy_work(work: Path, to: Path) -> None:
    """Copy a work, links as links, to be read by all. Raises BadInput when it cannot be copied, or is too large for a work."""
    files = [path for path in work.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    if len(files) > MAX_FILES or size > MAX_BYTES:
        most = f"a work has {MAX_FILES} and {MAX_BYTES:,} at the most"
        raise BadInput(f"{work} holds {len(files)} files with {size:,} bytes; {most}.")

    def special(folder: str, names: list[str]) -> list[str]:  # sockets, pipes and devices
        paths = [Path(folder, name) for name in names]
        return [path.name for path in paths if not (path.is_symlink() or path.is_file() or path.is_dir())]

    try:
        shutil.copytree(work, to, symlinks=True, ignore=special, dirs_exist_ok=True)
        # dnsmasq reads files as nobody, and the modes are those of whoever collected the works.
        for path in (to, *to.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    except (OSError, shutil.Error) as error:
        raise BadInput(f"{work} cannot be copied.", words=str(error), way_out="make its files readable") from error


def shell_of(name: str, lines: Sequence[str]) -> list[str]:
    """Return the command that runs a script of these lines as it was typed: by bash, unless its first line asks for sh.

    Options in the first line are kept.
    """
    words = lines[0][2:].split() if lines and lines[0].startswith("#!") else []
    if words and PurePosixPath(words[0]).name == "env":
        words = words[1:]
    if words and PurePosixPath(words[0]).name in ("sh", "dash"):
        return ["sh", "-m", *words[1:], "-c", SH_SCRIPT, name]
    options = words[1:] if words and PurePosixPath(words[0]).name == "bash" else []
    return ["bash", "--rcfile", f"{BIN}/typed.bashrc", "-i", *options, name]


def lines_of(said: str, script: Sequence[str]) -> list[Line]:
    """Return what a script printed (inside/typed.py) by the lines that were typed, in the order in which they ran.

    A line that ran several times, in a loop, is one. Of a script whose shell announces nothing there is one with the number 0.
    """
    before, *parts = said.partition(ENDS)[0].split(BEGIN)
    found, command = [Line(0, "", None, before)] if before else [], ""
    for part in parts:
        head, _, printed = part.partition(END)
        fields = head.split(FIELD)
        if len(fields) != 3:  # the program of the line before was left running
            if found:
                found[-1] = replace(found[-1], code=None, printed=found[-1].printed + printed, left=True)
            continue
        code, number = (int(field) if re.fullmatch("[0-9]{1,9}", field) else 0 for field in fields[:2])
        if found and found[-1].number and not found[-1].left:
            found[-1] = replace(found[-1], code=code)
        if part is parts[-1] and fields[1:] == ["1", command]:  # what bash announces as it ends (EXIT) is the command before
            break
        command = fields[2]
        if found and found[-1].number == number:
            found[-1] = replace(found[-1], code=None, printed=found[-1].printed + printed)
        else:
            typed = script[number - 1].strip() if 0 < number <= len(script) else command
            found.append(Line(number, typed, None, printed))
    return found


class Bench:
    """A lab in which the work's scripts have run.

    `said` is what their lines printed, by task, and `listeners` who listened then, before anything was ended for a measurement.
    """

    def __init__(self, lab: Lab, task: int) -> None:
        self.lab, self.task = lab, task
        self.said: dict[int, list[Line]] = {}
        self.listeners: list[dict[str, Any]] = []
        self.evidence: dict[str, Any] = {}
        # What the recorders answer: an answer that holds it comes from there.
        self.pages = {port: f"{uuid.uuid4().hex} from port {port}\n" for port in BACKENDS}
        self._made: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` returns, made once for all checks of the task; what it raised is raised again."""
        if name not in self._made:
            try:
                self._made[name] = make()
            except Exception as error:
                self._made[name] = error
        if isinstance(self._made[name], Exception):
            raise self._made[name]
        made: T = self._made[name]
        return made

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of labkit.inside in the lab."""
        return self.lab.call_within(LONG, function, *args, **kwargs)

    def run_scripts(self) -> None:
        """Run the earlier tasks' scripts that this one builds on, then its own; what each starts is waited for."""
        for task in (*EARLIER[self.task], self.task):
            if self.script(f"task{task}.sh") is not None:
                self.said[task] = self.run_script(f"task{task}.sh")
            if not self.call(sockets.settle, list(EXPECTED[task]), QUIET, SETTLE_TIMEOUT):
                late = lines_of(self.call(processes.late_words), [])
                words = "".join(line.printed for line in late)
                self.said.setdefault(task, []).append(Line(0, "", None, words))
        self.listeners = self.call(judge.programs)
        self.call(judge.end_helpers, JUDGED[self.task], list(JUDGED_PORTS.get(self.task, ())))

    def run_script(self, name: str) -> list[Line]:
        """Run a script of the home as it was typed, and return what each line printed, and how it ended when not well."""
        script = (self.script(name) or "").splitlines()
        command = shell_of(name, script)
        if self.lab.linux != "host":
            self.call(processes.prepare_cell, *PREPARATION)
            command = cell_command(command, trusted=self.lab.trusted)
        said: list[str] = []
        stream = self.lab.stream(typed.run, SCRIPT_TIMEOUT + SLACK, command, SCRIPT_TIMEOUT, HOME, OUTPUT_LIMIT)
        how = finish(stream, said.append)
        return lines_of("".join(said), script) + ([Line(0, "", None, f"{name}: {how}\n")] if how else [])

    def script(self, name: str) -> str | None:
        """The text of a script of the home, with its line ends, when it was first asked for; None when there is none.

        It is read in the lab: a link to it may lead to anything, and nothing of the host's is to stand in a hint.
        """
        return self.once(name, lambda: self.lab.read(f"~/{name}"))

    @property
    def not_done(self) -> str:
        """Why there is nothing to judge, "" when there is something."""
        script = self.script(name := f"task{self.task}.sh")
        if script is None:
            return f"not done yet: there is no {name}"
        written = any(line.strip() and not line.lstrip().startswith("#") for line in script.splitlines())
        return "" if written else f"not done yet: {name} holds no command"

    def _explained(self, by: Callable[..., str]) -> str:
        """What `by` says of what the task's script printed; before it that the script was saved on Windows, when it was."""
        name = f"task{self.task}.sh"
        foreign = f"{name} {FOREIGN_ENDS}{name}`; " if "\r\n" in (self.script(name) or "") else ""
        return foreign + by(self.said.get(self.task, []), *ABOUT[self.task])

    @property
    def words(self) -> str:
        """The cause and the end of what the task's script printed, for evidence; "" when it was silent."""
        said = self._explained(words_for_evidence)
        return f"; task{self.task}.sh: {said}" if said else ""

    @property
    def cause(self) -> str:
        """The error of the task's script that explains a failure, for a hint; "" when it met none."""
        said = self._explained(cause)
        return f": {said}" if said else ""

    @property
    def strangers(self) -> str:
        """What tells of other programs that ran beside the one that is judged, and that it has itself started; "" for none."""
        program = JUDGED[self.task]
        names = self.call(judge.strangers, program) if program else []
        return f"beside {program}, whose doing is judged, its process {', '.join(names)} ran" if names else ""

    def instrument(self, *command: str) -> Result:
        """Run a program that measures. Raises MissingProgram when it is not there: that is not the work's fault."""
        done = self.lab.run(list(command), check=False)
        if done.code in (126, 127):
            raise MissingProgram(f"`{command[0]}`, with which this is measured, cannot be run.", words=str(done))
        return done

    def record_backends(self) -> None:
        """Put recorders in the place of whoever listens on the backends' ports. Raises MeasureError."""
        for port in BACKENDS:
            self.record_backend(port)

    def record_backend(self, port: int) -> None:
        """Put a recorder in the place of whoever listens on `port`. Raises MeasureError when somebody always does."""
        for _ in range(ENDINGS):
            self.call(sockets.end_listeners, [port])
            try:
                self.call(recorder.start, port, self.pages[port])
                return
            except CallFailed as error:  # another process that had the port too, or was just starting, has taken it
                said = error.tried
        raise MeasureError(f"Whoever listens on port {port} cannot be ended, so no recorder can take its place.", words=said)
