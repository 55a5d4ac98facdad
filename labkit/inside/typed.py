"""Runs a script the way its author typed it: line after line in a terminal, and what stays in the foreground in one of its own.

The shell gets a terminal and job control. A program that keeps the terminal because it serves, records or waits is, for its
author, a program in another terminal, beside which the next line is typed. It is stopped as by ^Z, which gives the shell its
terminal back, and then goes on in the background.
"""

import codecs
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from .processes import CHUNK, DRAIN_PAUSE, KILL_TIMEOUT, Child
from .sockets import links, waiting

# Around what bash announces in the stream of what is printed (machine/bin/typed.bashrc): the code of the command before, the line
# of the one that comes, and its text.
BEGIN, FIELD, END = "\001", "\002", "\003"
# Stands in the stream where a program was left running, or a `wait` or a loop was ended.
LEFT = "\001left\003"
# What a shell says as it ends; it waits until it is told that what it left goes on, which would else end with it.
ENDS = "\001end\003"
# How often a program that keeps the terminal is looked at, seconds: in its first seconds as often as takes a tenth of the time.
LOOK, GLANCE, FRESH, SPARING = 0.08, 0.004, 5.0, 10
# A wait may end a little early.
SLACK = 0.001
# How long nothing may happen in it until it counts as waiting for its author, and how long when it serves or records; the longest
# that the next line waits, seconds.
IDLE, BRIEF, LONGEST = 1.0, 0.005, 15.0
# Programs that repeat themselves until they are interrupted, and the time they are given to show something.
REPEATING, SHOWN = {"top", "htop", "ping", "vmstat"}, 1.0
# Programs that wait and end by themselves.
FINITE = {"sleep", "systemctl"}
# Programs beside which the next line is typed at once, by their command line: a recorder that reads no file (tshark(1)), which
# takes seconds to load on User-Mode Linux, and what follows or repeats (tail(1), watch(1)).
STAYS = {"tshark": r"^(?!.*\0-[a-zA-Z]*[rDGLhv])", "tail": r"\0(-[a-zA-Z]*[fF]|--follow)", "sleep": r"\0inf", "watch": ""}
# Conditions that never change (`while true`, `for ((;;))`), how often one is seen, and for how long, until its loop is ended.
ENDLESS = {"true", ":", "((1))", "[ 1 ]", "[ true ]", "[[ 1 ]]", "[[ true ]]", "[ 1 -eq 1 ]", "[ 1 = 1 ]"}
# `while sleep 1` does not end either.
PACED = re.compile(r"\bwhile +(sleep +[\w.]+)")
ROUNDS, ROUNDS_SECONDS, MOST_LOOPS = 3, 3.0, 1000
# How much of a script is looked through for such loops, characters.
READ = 1_000_000
# Runs a command as the leader of a session whose terminal is the first one that it opens (tty_ioctl(4)). To let the agent's own
# child do that would copy the agent, which takes User-Mode Linux longer than this shell.
IN_TERMINAL = ("/bin/sh", "-c", ': <"$0" && exec "$@"')
# How long a shell may take to have its terminal back, seconds.
GRACE = 2.0
# The names of shells that run scripts here; another program in their place is one that the script became (`exec`).
SHELLS = {"bash", "sh", "dash"}
# The code that a shell gives a program that was stopped (128 + the number of the signal).
STOPPED = 128 + signal.SIGSTOP


def run(argv: list[str], timeout: float, cwd: str, limit: int, cancel_fd: int = -1) -> Generator[str, None, str]:
    """Run a shell with its script, `argv`, as in a terminal; yield what is printed, and return how it ended.

    That is "" for a script that ended well, else a sentence. What it leaves running goes on. `timeout` is seconds; of what is
    printed the first `limit` characters are yielded.
    """
    terminal, decoder = Terminal(argv, cwd), codecs.getincrementaldecoder("utf-8")("replace")
    deadline = time.monotonic() + timeout
    try:
        while True:
            over = terminal.over(cancel_fd)
            while data := terminal.read(terminal.output):
                text = decoder.decode(data)
                if limit > 0:
                    yield text[:limit]
                limit -= len(text)
                if terminal.hears(text):
                    yield LEFT
                if not over or limit <= 0:
                    break  # it, or what it left in the background, may print without end
            if over:
                return terminal.end()
            if time.monotonic() > deadline:
                return f"it did not end within {timeout:g} s and was stopped."
            if terminal.leave():
                yield LEFT
            if limit <= 0:
                time.sleep(DRAIN_PAUSE)  # a flood waits in its full pipe instead of taking the agent's time
    finally:
        terminal.close()


class Foreground:
    """The process group that has the terminal: since when, what was last seen of it, and since when that has not changed."""

    def __init__(self, group: int, since: float) -> None:
        self.group, self.since, self.quiet = group, since, 0.0
        self.seen: object = None


class Process(NamedTuple):
    """What /proc/PID/stat says of a process (proc(5))."""

    name: str
    state: str
    parent: int
    group: int
    session: int


class Terminal(Child):
    """A shell with a terminal of its own and a script."""

    def __init__(self, argv: list[str], cwd: str) -> None:
        """Start it. Raises OSError when it cannot be."""
        self._announces = "--rcfile" in argv
        self._endless = endless(os.path.join(cwd, argv[-1])) if self._announces else set()
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        try:
            command = [*IN_TERMINAL, os.ttyname(self._slave), *argv]
            pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
            pipes |= {"stderr": subprocess.STDOUT, "bufsize": 0, "start_new_session": True}
            process = subprocess.Popen(command, cwd=cwd, **pipes)
        except BaseException:
            os.close(self._master)
            os.close(self._slave)
            raise
        assert process.stdout is not None
        self.output = process.stdout.fileno()
        super().__init__(process, self.output)
        self._now = Foreground(process.pid, time.monotonic())
        self._looked, self._pause = self._now.since, GLANCE
        self._rounds: dict[str, tuple[int, float]] = {}
        self._given_up = self._became = False
        self._tail = ""

    def over(self, cancel_fd: int) -> bool:
        """Wait for output, or until it is time to look again. Return True when the shell has ended or nobody waits for it."""
        seen = self.wait(self._pause, self._master, cancel_fd)
        if self._master in seen:  # what it echoes, which is nothing
            with contextlib.suppress(OSError):
                os.read(self._master, CHUNK)
        return self._given_up or not {self.ended, cancel_fd}.isdisjoint(seen)

    def end(self) -> str:
        """How it ended, "" when well."""
        code = self.process.poll()
        # In a namespace of its own sh cannot give its terminal back to who had it before, and ends with 2 whatever happened.
        if code in (None, 0, STOPPED) or (code == 2 and not self._announces):
            return ""
        assert code is not None
        by = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return f"it {by}."

    def hears(self, text: str) -> bool:
        """Heed what was just printed: let a shell end, and end a loop that never ends. Return True when one was."""
        self._tail = (self._tail + text)[-len(ENDS) - len(text) :]
        if ENDS in self._tail:
            self._tail = ""
            with contextlib.suppress(BlockingIOError):  # who says so a thousand times is told once
                os.write(self._master, b"\n")
        clock, late = time.monotonic(), False
        for part in text.split(BEGIN)[1:]:
            fields = part.partition(END)[0].split(FIELD)
            if len(fields) == 3 and (fields[2] in ENDLESS or tuple(fields[1:]) in self._endless):
                count, since = self._rounds.get(fields[1], (0, clock))
                if len(self._rounds) > MOST_LOOPS:
                    self._rounds.clear()
                self._rounds[fields[1]] = count + 1, since
                if count + 1 >= ROUNDS and clock - since > ROUNDS_SECONDS:
                    late = True
                    self._rounds.pop(fields[1])
        if late:
            send(os.kill, self._shell(processes()), signal.SIGUSR1)
        return late

    def leave(self) -> bool:
        """Leave the program that keeps the terminal, if it is one for another terminal; True when it was left."""
        group, clock, now = os.tcgetpgrp(self._master), time.monotonic(), self._now
        if group != now.group:
            self._now = Foreground(group, clock)
            self._looked, self._pause = clock, GLANCE
            return False
        if clock - self._looked < self._pause - SLACK:  # it has printed something
            return False
        leaves = self._look(group, clock)
        self._looked = time.monotonic()
        fresh = self._looked - now.since < FRESH
        self._pause = min(LOOK, max(GLANCE, SPARING * (self._looked - clock))) if fresh else LOOK
        return leaves

    def _look(self, group: int, clock: float) -> bool:
        """Look at every process; leave the program and return True when it is one for another terminal."""
        now, every = self._now, processes()
        shell = self._shell(every)
        members = {pid: process for pid, process in every.items() if process.group == group}
        if any(map(stays, members)):
            self._stop_and_go_on(group, every)
            return True
        seen = {pid: switches(pid) for pid in members}
        # As long as anything in the lab works, on a busy machine, what waits may wait for that.
        busy = any(process.state in "RD" for pid, process in every.items() if pid != os.getpid())
        if seen != now.seen or busy:
            now.seen, now.quiet = seen, clock
        idle, brief = clock - now.quiet > IDLE, clock - now.quiet > BRIEF - SLACK
        if not members or (shell in members and members[shell].name in SHELLS):
            if not members or not idle:
                return False
            self._now = Foreground(group, clock)
            if self._announces:  # end a `wait` of the shell's for programs that do not end by themselves
                send(os.kill, shell, signal.SIGUSR1)
            self._given_up = not self._announces  # sh cannot be told
            return True
        names, kept = {process.name for process in members.values()}, clock - now.since
        if (brief or kept > SHOWN) and serve(members):  # a daemon first goes into the background
            idle = True
        for_another = not names & FINITE and (idle or (names & REPEATING and kept > SHOWN))
        if for_another or kept > LONGEST:
            self._stop_and_go_on(group, every)
        return bool(for_another or kept > LONGEST)

    def _stop_and_go_on(self, group: int, every: dict[int, Process]) -> None:
        """Stop the program as ^Z does, wait until the shell has its terminal back, and let the program go on.

        One that the script has become is left alone, with its terminal.
        """
        shell = every.get(self._shell(every))
        if shell and shell.group == group and shell.name not in SHELLS:
            self._given_up = self._became = True
            return
        send(os.killpg, group, signal.SIGSTOP)
        deadline = time.monotonic() + GRACE
        while os.tcgetpgrp(self._master) == group and time.monotonic() < deadline:
            time.sleep(0.002)
        send(os.killpg, group, signal.SIGCONT)

    def _shell(self, every: dict[int, Process]) -> int:
        """The pid of the shell, which bubblewrap may have started; 0 as long as there is none."""
        first = self.process.pid
        if first in every and every[first].name != "bwrap":
            return first
        for pid, process in every.items():
            parent = every.get(process.parent)
            inner = process.session == first and process.name != "bwrap"
            if inner and parent and parent.name == "bwrap":
                return pid
        return 0

    def close(self) -> None:
        """End the shell if it still runs, with what has its terminal; what runs in the background goes on."""
        if self._became:  # its terminal stays open: one that closes ends what it belongs to
            self.let_go()
            return
        if self.process.poll() is None:
            group = os.tcgetpgrp(self._master)
            send(os.kill, self._shell(processes()), signal.SIGKILL)
            send(os.killpg, group, signal.SIGKILL)
            send(os.kill, self.process.pid, signal.SIGKILL)
            self.process.wait(KILL_TIMEOUT)
        for number in (self._master, self._slave):
            os.close(number)
        self.let_go()


def endless(script: str) -> set[tuple[str, str]]:
    """The lines of a script, with the commands, of loops that sleep for a condition."""
    found = set()
    with contextlib.suppress(OSError), open(script, errors="replace") as file:
        for number, line in enumerate(file.read(READ).splitlines(), 1):
            found |= {(str(number), condition) for condition in PACED.findall(line)}
    return found


def send(how: Callable[[int, int], None], whom: int, number: int) -> None:
    """Send a signal to a process or group, if it is there; 0 is nobody."""
    with contextlib.suppress(ProcessLookupError):
        if whom:
            how(whom, number)


def processes() -> dict[int, Process]:
    """Every process in the lab."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", errors="replace") as file:
            head, _, rest = file.read().rpartition(")")
            state, *numbers = rest.split()[:4]
            found[int(pid)] = Process(head.partition("(")[2], state, *map(int, numbers))
    return found


def switches(pid: int) -> str:
    """How often a process has given up a processor or lost it; as long as that stays the same, it has done nothing."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", errors="replace") as file:
        return "".join(line for line in file if "ctxt_switches" in line)
    return ""


def stays(pid: int) -> bool:
    """True for a program that goes on until it is interrupted, as its command line says."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", errors="replace") as file:
        command = file.read()
        options = STAYS.get(os.path.basename(command.partition("\0")[0]))
        return options is not None and bool(re.search(options, command, re.DOTALL))
    return False


def serve(pids: Iterable[int]) -> bool:
    """True when one of the processes has a socket that waits for others: TCP listening, a UDP server's, or a recorder's."""
    held = {name for pid in pids for name in links(pid) if name.startswith("socket:")}
    return bool(held) and any(f"socket:[{inode}]" in held for inode in waiting())
