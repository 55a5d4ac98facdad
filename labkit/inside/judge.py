"""What the checks run inside the lab: requests with the time of each, what a process really runs, nginx's processes."""

import contextlib
import errno
import http.client
import os
import random
import re
import signal
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import psutil

from . import recorder
from .http_client import Connection, ask, connect, error_name, fetch, refused_attempts
from .processes import INNER, KEPT, forbid_programs, hear, keep_only, members, send_signal, status
from .sockets import bound, clear_queues, holders, links, rows_of

# Where the lab's programs lie, read-only in it, so that nothing there is the work's own; Python may lie below /usr.
SYSTEM = ("/usr/", "/opt/bin/", *(["/opt/python/"] if os.path.isdir("/opt/python") else []))
# What changes packets on their way, by the kernel's module, and what takes that away (see `clear_queues` too).
ON_THE_WAY = {"nf_tables": "nft flush ruleset", "ip_vs": "ipvsadm -C"}
# How long a daemon may take to hand its sockets on, and a small program to run, seconds.
HANDOVER = 5.0
# How long a server may take to accept a connection before its worker is not known, seconds.
ACCEPTED = 5.0
# How long a series may take: a server that answers slowly, each time just in time, must not hold up the judge, seconds.
LONGEST = 60.0
# How often the rest of a work is ended: what a process starts while it is ended is only seen next time.
ROUNDS = 20
# What is read of a file of a configuration and of all its files, bytes (each file counts for so many more), and how many links
# one may be behind.
CONFIG_BYTES, ALL_BYTES, EACH, LINKS = 100_000, 200_000, 500, 10


def series(host: str, port: int, count: int, timeout: float, give_up: int) -> list[dict[str, Any]]:
    """`count` fetches one after another, fewer when `give_up` in a row got no answer.

    A row is that of fetch with `refused` (TCP connection attempts that failed in the lab meanwhile), `began` and `ended`
    (monotonic seconds).
    """
    return measured(lambda: fetch(host, port, "/", timeout), count, give_up)


def kept(
    host: str, port: int, count: int, timeout: float, give_up: int, back: tuple[int, int, str] | None = None
) -> list[dict[str, Any]]:
    """As `series`, on one connection that is kept, so that one worker gets every request; `worker` is the pid that has it.

    Where the server closes the connection another is made, which another worker may get; `worker` tells them apart. We close it
    twice, nobody knows when: what counts a connection's requests counts no failures.

    With `back` (a number, port, page) the recorder on that port, which is stopped, runs for one request more after so many
    requests; the row of that is the one in which `back` is True.
    """
    closed, asked = {random.randint(1, 4), random.randint(5, 9)}, iter(range(count + 1))
    with contextlib.closing(Kept(host, port, timeout, server_of)) as client:

        def ask() -> dict[str, Any]:
            if next(asked) in closed:
                client.close()
            return client.ask() | {"back": False}

        if back is None:
            return measured(ask, count, give_up)
        before, at, page = back
        rows = measured(ask, before, give_up)
        recorder.start(at, page)
        rows += [row | {"back": True} for row in measured(ask, 1, give_up)]
        recorder.stop(at)
        return rows + measured(ask, count - before, give_up)


def crowd(host: str, port: int, count: int, timeout: float, seconds: float) -> None:
    """Send `count` requests as `kept` does, fewer in `seconds`, none after an error."""
    deadline = time.monotonic() + seconds
    with contextlib.closing(Kept(host, port, timeout, lambda _connection: None)) as client:
        while count and time.monotonic() < deadline and not client.ask()["error"]:
            count -= 1


class Kept:
    """A client whose requests go over one connection as long as the server keeps it; `who` says who has accepted a new one."""

    def __init__(self, host: str, port: int, timeout: float, who: Callable[[socket.socket], int | None]) -> None:
        self._host, self._port, self._timeout, self._who = host, port, timeout, who
        self._connection: Connection | None = None
        self._worker: int | None = None

    def ask(self) -> dict[str, Any]:
        """GET / and return fetch's row, with the `worker`."""
        row: dict[str, Any] = {"status": None, "headers": [], "body": "", "error": None}
        deadline = time.monotonic() + self._timeout
        while True:
            fresh = self._connection is None
            try:
                if self._connection is None:
                    self._connection, _ = connect(self._host, self._port, deadline)
                    self._worker = self._who(self._connection)
                found, _, keeps = ask(self._connection, f"{self._host}:{self._port}", "/", deadline, keep=True)
                if not keeps:
                    self.close()
                return row | found | {"worker": self._worker}
            except (OSError, http.client.HTTPException) as problem:
                self.close()
                if fresh or isinstance(problem, TimeoutError):  # else it was closed while it was idle
                    return row | {"error": error_name(problem), "worker": self._worker}

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection:
            self._connection.close()
        self._connection = None


def measured(ask: Callable[[], dict[str, Any]], count: int, give_up: int) -> list[dict[str, Any]]:
    """`count` rows of `ask` with what was refused meanwhile and the times.

    Fewer when `give_up` in a row have an error, or when it takes longer than LONGEST.
    """
    rows: list[dict[str, Any]] = []
    before, silent, deadline = refused_attempts(), 0, time.monotonic() + LONGEST
    while len(rows) < count and silent < give_up and time.monotonic() < deadline:
        began = time.monotonic()
        row = ask()
        now = refused_attempts()
        rows.append(row | {"refused": now - before, "began": began, "ended": time.monotonic()})
        before, silent = now, silent + 1 if row["error"] else 0
    return rows


def server_of(client: socket.socket) -> int | None:
    """The process that has accepted this connection of ours, None when nobody has in ACCEPTED seconds."""
    host, port = client.getsockname()[:2]
    ours = f"{struct.unpack('=I', socket.inet_aton(host))[0]:08X}:{port:04X}"
    deadline = time.monotonic() + ACCEPTED
    while time.monotonic() < deadline:
        for row in (*rows_of("tcp"), *rows_of("tcp6")):  # a server may listen on [::] for both
            # Before it is accepted a connection has no inode.
            accepted = row[2].endswith(ours) and row[9] != "0"
            if accepted and (found := holders().get(f"socket:[{row[9]}]")):
                return found[0]
        time.sleep(0.002)
    return None


def programs() -> list[dict[str, Any]]:
    """Every listening TCP socket and every bound UDP socket: protocol, address, port, program, pid; a row for each program.

    `program` is the file that runs: a process can call itself anything. A socket that several processes share has a row for each
    program among them. A daemon that is just going into the background passes its sockets on to a child, so nobody may seem to
    hold them; only after a while is `program` then "" and `pid` None.
    """
    deadline = time.monotonic() + HANDOVER
    while True:
        rows, held = [], holders()
        for row in bound():
            names: dict[str, int | None] = {}
            for pid in held.get(row["inode"], ()):
                if name := program(pid):
                    names.setdefault(name, pid)
            names = names or {"": None}
            rows += [row | {"program": name, "pid": names[name]} for name in names]
        if all(row["program"] for row in rows) or time.monotonic() > deadline:
            return sorted(rows, key=itemgetter("protocol", "port", "address", "program"))
        time.sleep(0.05)


def holding(ports: Iterable[int]) -> set[int]:
    """The processes that hold a socket that listens on one of these TCP ports."""
    ours = {row["inode"] for row in bound() if row["protocol"] == "tcp" and row["port"] in ports}
    return {pid for inode, pids in holders().items() if inode in ours for pid in pids}


def program(pid: int | None) -> str:
    """The name of the program file that a process runs, with its folder when that is not the system's; "" when it is gone.

    A program of the system into which other code is loaded (LD_PRELOAD, a module of nginx) goes by the name of that, and so does
    one in whose place another program runs, as its loader or by the loader.
    """
    try:
        file = os.readlink(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/maps", errors="surrogateescape") as maps:
            rows = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    except OSError:
        return ""
    code = [row[5] for row in rows if len(row) == 6 and "x" in row[1] and row[5].startswith("/")]
    for name in (file, *code):
        if not name.startswith(SYSTEM) or (name != file and ".so" not in name):
            return name
    return os.path.basename(file)


def end_helpers(program_name: str, ports: Iterable[int] = ()) -> None:
    """End every process of the work but those that run `program_name`, or listen on one of the TCP `ports`.

    What is measured is their doing: something left in the background could else watch for a check and act the part that the
    program does not play. What such a program comes from (tmux, whose terminal it would lose) stands still instead, and what it
    has set up in the kernel, which could also act a part, or only slow the checks, is gone. From now on nothing can be run or
    loaded anew; where it goes by `ports`, nothing that the work could write. On a Linux without a cell every process of the lab
    is the work's but the agent and what that comes from. Raises OSError.
    """
    own = psutil.Process()
    ours = {process.pid for process in (own, *own.parents())} | {1}
    judged = holding(set(ports))
    judged |= {pid for pid in psutil.pids() if program_name and program(pid) == program_name}
    hear(judged)
    above = {parent.pid for pid in judged for parent in parents(pid)} - judged - ours
    if os.path.isdir(INNER):
        work = set(members())
        first = {pid for pid in work if is_first(pid)}
        keep_only(work & (judged | first), work & above - first)
        for pid in work & judged:  # one that was stopped could not be told anything
            send_signal(pid, signal.SIGCONT)
        loaded = ""
        with contextlib.suppress(OSError), open("/proc/modules") as file:
            loaded = file.read()
        for module, command in ON_THE_WAY.items():
            if judged and module in loaded:
                subprocess.run(command.split(), capture_output=True, timeout=HANDOVER)
        if judged and "sch_" in loaded:
            clear_queues()
        for pid in members(KEPT):
            try:
                forbid_programs(pid, everywhere=not ports)
            except OSError as error:
                # One that has ended meanwhile runs nothing, nor does one that is just ending: that has no mounts (EINVAL).
                if error.errno not in (errno.ENOENT, errno.EINVAL) and status(pid):
                    raise
        return
    for pid in above:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    for _ in range(ROUNDS):  # one may have been started by another meanwhile
        rest = [each for each in psutil.process_iter() if each.pid not in ours | above | judged]
        found = [each for each in rest if (name := program(each.pid)) and name != program_name]
        if not found:
            return
        for each in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(found, timeout=1)


def strangers(program_name: str) -> list[str]:
    """The programs that what was kept of the work runs and whose names do not begin so; none on a Linux without a cell."""
    with contextlib.suppress(OSError):
        names = {program(pid) for pid in members(KEPT) if not is_first(pid)} - {""}
        return sorted(name for name in names if not name.startswith(program_name))
    return []


def is_first(pid: int) -> bool:
    """True for bubblewrap where it is a cell's first process or comes before it, and not what a work has started by that name."""
    inside = status(pid).get("NSpid", "").split()
    return program(pid) == "bwrap" and (len(inside) == 1 or inside[-1:] == ["1"])


def machine_is_short() -> bool:
    """True when the kernel of this guest says that the machine it runs on gave it no process or memory; no work can say that.

    Those are errors; the kernel's warnings name files and programs of a work.
    """
    done = subprocess.run(["dmesg", "-S", "-l", "err"], capture_output=True, timeout=HANDOVER)
    return bool(re.search(rb"(clone|mmap) failed, errno|stub-parent reports error", done.stdout))


def parents(pid: int) -> list[psutil.Process]:
    """What a process comes from; nothing when it is gone."""
    try:
        found: list[psutil.Process] = psutil.Process(pid).parents()
    except psutil.Error:
        return []
    return found


def unix_sockets(name: str) -> list[str]:
    """The files of the listening unix sockets that processes of `name` hold."""
    with open("/proc/net/unix", errors="surrogateescape") as file:
        rows = [line.split(maxsplit=7) for line in list(file)[1:]]
    # include/linux/net.h: __SO_ACCEPTCON
    # A name may hold line breaks: what comes behind one is no row, and none may be left before it.
    files = {}
    for row in rows:
        whole = len(row) > 6 and row[6].isdigit() and re.fullmatch("[0-9A-F]{8}", row[3])
        if whole and int(row[3], 16) & 0x10000:
            files[f"socket:[{row[6]}]"] = "".join(row[7:]).strip()
    held = {target for pid in psutil.pids() if program(pid) == name for target in links(pid)}
    return sorted({files[target] for target in held & files.keys()})


def nginx_processes(port: int) -> dict[str, list[int]]:
    """The pids of the `masters` of the nginx on TCP `port` (one without master too) and of its accepting `workers`."""
    found: dict[str, list[int]] = {"masters": [], "workers": []}
    every = psutil.process_iter(["cmdline", "ppid"])
    titles = {process.pid: process.info for process in every if program(process.pid) == "nginx"}
    for pid in holding([port]) & titles.keys():
        parent = titles[pid]["ppid"]
        found["masters"].append(parent if parent in titles else pid)
    found["masters"] = sorted(set(found["masters"]))
    for pid, info in titles.items():
        title = " ".join(info["cmdline"] or ())
        works = "worker process" in title and "shutting down" not in title
        if works and info["ppid"] in found["masters"]:
            found["workers"].append(pid)
    return found


def lines_of(folder_or_file: str, pid: int) -> dict[str, list[str]]:
    """The lines of a file, or of the files of a folder, as process `pid` sees them, by their names there; for hints only."""
    root = f"/proc/{pid}/root"
    try:
        listed = sorted(os.listdir(seen_at(root, folder_or_file)))
        names = [f"{folder_or_file}/{name}" for name in listed]
    except OSError:
        names = [folder_or_file]
    found, left = {}, ALL_BYTES
    for name in names:
        left -= EACH
        if left <= 0:
            break
        with contextlib.suppress(OSError):
            descriptor = os.open(seen_at(root, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    text = file.read(min(CONFIG_BYTES, left))
                    left -= len(text)
                    found[name] = text.decode(errors="replace").splitlines()
    return found


def seen_at(root: str, path: str) -> str:
    """Where `path` of the process whose root folder is `root` lies for us; a link in it leads to where it leads there."""
    for _ in range(LINKS):
        if not os.path.islink(root + path):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(root + path)))
    return root + path


def commands(name: str) -> list[tuple[int, list[str]]]:
    """The pids and arguments of the processes that run the program `name`."""
    every = psutil.process_iter(["cmdline"])
    return [(one.pid, one.info["cmdline"] or []) for one in every if program(one.pid) == name]
