"""The cause of a failure: of all that a script printed, the first error that explains it, before what follows from it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import tail

# How much is said of a command, of an error, and of the end of what was printed, characters.
COMMAND, ERROR, END = 80, 300, 300
# How much of what one command printed is read, characters; it may be megabytes.
READ = 200_000


@dataclass(frozen=True)
class Line:
    """A line of a script that was run, as typed, and what became of it.

    `number` is its place in the script, 0 when `printed` is a transcript of which no lines are known. `code` is None when it is
    not known. `printed` has standard output and errors in their order. `left` is True for a program in the foreground that was
    left running, as in another terminal.
    """

    number: int
    command: str
    code: int | None
    printed: str
    left: bool = False


# What programs say of a fault. Each pattern was taken from what the program really prints (tests/unit/judge/test_cause.py).
ERRORS = re.compile(
    r"""
      :\ (command\ )?not\ found$                                      # bash, sh, env
    | \[(emerg|crit)\]  |  ^nginx:\ \[(error|alert)\]
    | ^dnsmasq:\ .*\b(failed|bad|cannot|unknown|illegal|junk|error|missing|inappropriate|duplicate|recompile)\b
    | ^Job\ for\ \S+\ (failed|canceled)  |  ^Failed\ to\ \w+  |  \bUnit\ \S+\ (could\ )?not\ (be\ )?found  |  ^ERROR:\S+:
    | ^Unknown\ command\ verb
    | :\ unrecognized\ service$  |  ^System\ has\ not\ been\ booted
    | \bpython[\d.]*:\ (No\ module\ named|can't\ open\ file|Error\ while)
    | ^RTNETLINK\ answers:  |  ^Error:\   |  ^Cannot\ find\ device  |  ^Device\ "[^"]*"\ does\ not\ exist
    | ^Memory\ allocation\ problem  |  ^Service\ (not\ defined|already\ exists)  |  ^(No\ such|Destination\ already)
    | ^Zero\ port\ specified  |  ^Can't\ initialize\ ipvs  |  engine\ not\ found$
    | ^(illegal|unexpected)\   |  ^modprobe:\ (FATAL|ERROR)
    | Address\ already\ in\ use  |  Cannot\ assign\ requested\ address  |  Permission\ denied  |  Operation\ not\ permitted
    | No\ such\ (file\ or\ directory|device)  |  (Is|Not)\ a\ directory  |  Read-only\ file\ system  |  Protocol\ not\ available
    | no\ device\ named  |  \bsyntax\ error\b  |  unexpected\ EOF  |  \bhere-document\ .*\bend-of-file
    | :\ (invalid|unrecognized|unknown|illegal)\ (option|argument)
    | :\ cannot\ (create|open)\   |  :\ can't\ (cd|open)\   |  Directory\ nonexistent         # dash
    | \berror:\   |  ^sudo:\   |  ^E:\ \S  |  \bambiguous\ redirect  |  ^File\ exists
    """,
    re.VERBOSE | re.IGNORECASE,
)  # fmt: skip
# What fails because something else failed before it, or does no harm: the talk of clients, and of what ends or removes things.
FOLLOWS = re.compile(
    r"""
      ^curl:\ \(  |  ^\*\   |  ^;;\   |  ^wget:  |  connection\ (timed\ out|refused)  |  Couldn't\ connect
    | \b(kill|pkill|killall|fuser|lsof|ps|ls|grep|find|rm|umount|userdel):\   |  No\ such\ process
    | \[error\]\ \d+\#\d+:\ \*\d+\                                    # a request that nginx could not pass on
    | could\ not\ open\ error\ log\ file  |  ^dnsmasq:\ failed\ to\ access\   # without it they go on
    """,
    re.VERBOSE | re.IGNORECASE,
)  # fmt: skip
# What is seldom the reason: what was to be made is there, a package could not be fetched, a module is part of the kernel.
MILD = re.compile(r"File exists|already exists|^E: |^W: |^modprobe: |^grep: |\bsysctl: |\bapt(-get)?: ")
TRACEBACK = "Traceback (most recent call last):"
# nginx's words have the time and the process before them where its log is its standard error.
NGINX_LOG = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[\w+\]) \d+#\d+: (?!\*\d)")
SHELL_PLACE = re.compile(r"^\S*(?:sh|bash|-c): (?:line )?\d+: |^\S+\.sh: (?:line )?\d+: ")
STEERING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0e-\x1f\x7f]")
# What curl prints of its progress.
PROGRESS = re.compile(r"--:--:--|^ *% Total .*Xferd|^ *Dload +Upload")
# What cannot be seen in what is shown (copied from a web page or a messenger, it makes one word of two).
NO_BREAK = "(no-break space)"
OF_A_SERVICE = re.compile(r"^Job for \S+ failed")
OF_A_PROGRAM = re.compile(r"\[emerg\]|^(?:\S+ )*dnsmasq(?:\[\d+\])?: ")


@dataclass(frozen=True)
class Fault:
    """One error: the line of the script, and the words."""

    line: Line
    words: str

    def __str__(self) -> str:
        first, _, more = self.line.command.strip().partition("\n")
        command = first[:COMMAND] + (" …" if more or len(first) > COMMAND else "")
        where = f"line {self.line.number}, `{command}`"
        if self.line.code == 0 and "&" not in first:
            # The line itself went well: what was printed meanwhile is of something that runs in the background.
            where = f"while {where}, ran"
        said = f"{where}: {self.words}" if self.line.number else self.words
        return said.replace("\xa0", NO_BREAK)


def readable(text: str) -> list[str]:
    """Return the lines of what was printed, without blank ones, without what steers a terminal, and without curl's progress."""
    rows = (NGINX_LOG.sub(r"nginx: \1 ", STEERING.sub("", row).rstrip()) for row in text.splitlines())
    return [row for row in rows if row.strip() and not PROGRESS.search(row)]


def errors_in(line: Line) -> Iterator[Fault]:
    """Yield every error in what a line printed; of a Python traceback its last line."""
    rows = iter(readable(line.printed[:READ]))
    for row in rows:
        words = row
        if row.startswith(TRACEBACK):
            words = next((after for after in rows if not after.startswith(" ")), row)
        elif FOLLOWS.search(row) or not ERRORS.search(row):
            continue
        words = (SHELL_PLACE.sub("", words) if line.number else words).strip()
        yield Fault(line, words[:ERROR])


def cause(lines: Sequence[Line], *about: str) -> str:
    """Return the first error that explains a failure, with its line, "" when nothing that was printed does.

    An error that concerns one of `about` (a program, a port) explains most; the first error of all is named before it.
    """
    faults = [fault for line in lines for fault in errors_in(line)]
    # The last line on which each command went well: what it met before was mended.
    well = {line.command.strip(): at for at, line in enumerate(lines) if line.number and line.code == 0}
    standing = [one for one in faults if well.get(one.line.command.strip(), -1) <= lines.index(one.line)] or faults
    strong = [fault for fault in standing if not MILD.search(fault.words)] or standing
    if not strong:
        return ""
    first = strong[0]
    subject = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, about))})(?!\w)")
    named = [fault for fault in strong if about and subject.search(f"{fault.line.command}\n{fault.words}")]
    chosen = [*named, first][0]
    said = str(chosen)
    if OF_A_SERVICE.search(chosen.words):  # the program's own words stand in the journal, or beside systemd's
        own = next((fault.words for fault in faults if OF_A_PROGRAM.search(fault.words)), "")
        said += f" {own}" if own else ""
    return said if chosen.line is first.line else f"{first}; then {said}"


def words_for_evidence(lines: Sequence[Line], *about: str) -> str:
    """Return the cause, then the end of what was printed; "" when nothing was."""
    found = cause(lines, *about)
    printed = "\n".join(line.printed[-READ:] for line in lines)
    end = " / ".join(tail("\n".join(readable(printed)), 4).splitlines())[-END:]
    if not found or not end:
        return found or end
    return found if SHELL_PLACE.sub("", end) in found else f"{found}; the end of what it printed: {end}"
