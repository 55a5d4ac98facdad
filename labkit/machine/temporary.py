"""What ends with this process, in whatever way it ends: the temporary folder of its labs, and commands with all they start.

And with which signals such a command begins, and how an interrupt waits for what must not be lost.
"""

import contextlib
import io
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from ..errors import LabError, WaitTimeout

KEEPER = Path(__file__).with_name("keeper.py")
STOP_TIMEOUT = 10.0
# Before a command: it begins with every signal's default disposition, whatever was ignored here (env(1), nohup(1)).
DEFAULT_SIGNALS = ("env", "--default-signal")
_choosing, _making = threading.Lock(), threading.Lock()


def ready(file: int | IO[bytes], timeout: float, event: int = select.POLLIN) -> bool:
    """True when `file` can be read (with POLLOUT: takes PIPE_BUF bytes at once, pipe(7)) or has ended, within `timeout` s."""
    poll = select.poll()
    poll.register(file, event)
    return bool(poll.poll(timeout * 1000))


def start_keeper(
    *arguments: str, stdin: int, stdout: int, stderr: int, pass_fds: tuple[int, ...] = ()
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a keeper (keeper.py) in a session of its own, which no terminal reaches, and give its lifeline. Raises OSError."""
    theirs, lifeline = os.pipe()
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", KEEPER, str(theirs), *arguments], stdin=stdin, stdout=stdout, stderr=stderr,
            pass_fds=(theirs, *pass_fds), bufsize=0, cwd="/", start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(theirs)
    return keeper, lifeline


class Kept:
    """A command under a keeper of its own: `stdin` and `stdout` are the command's, `pid` is the keeper's."""

    def __init__(
        self, command: list[str], *, log: Path, folder: str = "", pass_fds: tuple[int, ...] = (), one_processor: bool = False
    ) -> None:
        """Start it; its stderr goes to `log`, `folder` goes with it. What does not need more keeps to `one_processor`.

        Raises OSError.
        """
        with log.open("ab") as stderr, on_one_processor() if one_processor else contextlib.nullcontext():
            self._keeper, self._lifeline = start_keeper(
                folder, *command, pass_fds=pass_fds, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr.fileno()
            )
        self.pid, self._folder = self._keeper.pid, folder
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        self.stdin: IO[bytes] = io.BufferedWriter(self._keeper.stdin)
        self.stdout: IO[bytes] = self._keeper.stdout

    def close(self) -> None:
        """End it, and close its streams, which nobody reads."""
        self.stop()
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                stream.close()

    def stop(self) -> None:
        """End all that came of the command and wait until it is gone; its streams are left to who reads them."""
        if self._lifeline >= 0:
            with contextlib.suppress(OSError):  # the keeper has ended
                os.write(self._lifeline, b"x")  # what was forked from this process may have the pipe too
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            if self._keeper.returncode is None:
                with open(os.pidfd_open(self.pid), "rb") as end:
                    ready(end, STOP_TIMEOUT)  # Popen.wait looks only every now and then
            self._keeper.wait(0)
            if self._folder:  # somebody has killed its keeper
                shutil.rmtree(self._folder, ignore_errors=True)
        except subprocess.TimeoutExpired as error:
            tried = f"Waited {STOP_TIMEOUT:g} s for the end of the lab's Linux."
            raise WaitTimeout(tried, words=str(error)) from None


@contextlib.contextmanager
def on_one_processor() -> Iterator[None]:
    """What this thread starts meanwhile stays on one processor, that with the fewest such keepers; the thread does not.

    User-Mode Linux has one processor, but each program in it is a process here that only ever runs while the guest's kernel
    waits, and the other way round. Left alone, the scheduler wakes each of the two on another, idle processor, which makes every
    system call and page fault in the guest dear: on one processor a lab opens in a third of the time. Where the system refuses
    that, it is only slower.
    """
    allowed = os.sched_getaffinity(0)
    with _choosing:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {freest(allowed)})
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


def freest(allowed: set[int]) -> int:
    """Return that of the `allowed` processors to which the fewest keepers are bound; any of several."""
    bound: Counter[int] = Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            if bytes(KEEPER.name, "ascii") in Path(f"/proc/{pid}/cmdline").read_bytes():
                bound.update(os.sched_getaffinity(int(pid)))
    return min(allowed, key=lambda number: (bound[number], random.random()))


_folders: dict[str, tuple[Path, subprocess.Popen[bytes]]] = {}


def own_folder() -> Path:
    """Return the folder of this process in the temporary directory, made when it is first needed. Raises LabError."""
    with _making:
        place = tempfile.gettempdir()
        folder, keeper = _folders.get(place, (None, None))
        new = None
        try:
            if folder is None or not folder.is_dir():
                folder, keeper = (new := Path(tempfile.mkdtemp(prefix="labkit-"))), None
            if keeper is None or keeper.poll() is not None:  # somebody has ended it
                null = subprocess.DEVNULL
                keeper, _ = start_keeper(str(folder), stdin=null, stdout=null, stderr=null)  # the pipe is open to our own end
        except OSError as error:
            if new:
                new.rmdir()
            raise no_folder(error) from error
        _folders[place] = folder, keeper
        return folder


def no_folder(error: Exception) -> LabError:
    """The error of a temporary folder that cannot be made or filled."""
    way_out = "free space there (`df`) or end some processes (`ps`), or set TMPDIR to another folder"
    tried = f"A temporary folder in {tempfile.gettempdir()} cannot be made."
    return LabError(tried, words=str(error), way_out=f"{way_out} that you can write to")


def ignore_here_only() -> None:
    """Have what this process starts begin with the default dispositions of the signals that it was told to ignore.

    Under nohup, in a script's background or under a service manager it is told so, and every child would inherit that
    (signal(7)). A handler that does nothing is not inherited. For commands of one's own there is DEFAULT_SIGNALS.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """An interrupt that comes meanwhile takes effect at the end.

    Only the main thread is ever interrupted, so elsewhere nothing changes.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            usual(*came[0])
