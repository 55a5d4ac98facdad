"""The notebook's end of the byte stream to the agent: calls of labkit functions inside the lab, by execnet.

execnet carries plain data only (None, bool, int, float, str, bytes, list, tuple, dict) and runs nothing on this side.
"""

import contextlib
import itertools
import os
import queue
import select
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from execnet.gateway import Gateway
from execnet.gateway_base import Channel, DumpError, Popen2IO, dumps, get_execmodel
from execnet.xspec import XSpec

from ..errors import BadInput, CallFailed, LabClosed, LabError, WaitTimeout, shortage
from .agent import READY
from .temporary import ready

# A serial line of User-Mode Linux loses bytes when more than its buffer (N_TTY_BUF_SIZE, 4,096) is sent in one go: 4,000
# arrive, 8,000 do not (measured). So one message is under way at a time, and arguments that take more bytes than this travel
# in a file of the lab's folder, on every Linux alike.
MAX_BYTES = 3_500
# The most that one message from the lab may claim to hold, so that a broken stream cannot take the memory here.
MAX_ANSWER = 64 * 1024 * 1024
CLOSE_TIMEOUT = 10.0
# How often the wait for a Linux that begins looks whether anybody still wants it, seconds.
LOOK_EVERY = 0.05
WRITE_TIMEOUT = 30.0
# How long the lab may take to begin with a call that itself may take any time, seconds.
TAKEN_TIMEOUT = 75.0
SILENT_LAB = "close the lab and open it again (run its cell again)"
SILENT = "it said nothing, as when processes or memory are short: look at `ulimit -u`, `free`, `df /dev/shm`"
# How long a command in a lab may take unless it is said, and how much longer than its command an answer may take: the serial
# line of User-Mode Linux, a busy machine. Seconds.
COMMAND_TIMEOUT, SLACK = 60.0, 15.0
P = ParamSpec("P")
T = TypeVar("T")
SERVE = "from labkit.machine.agent import serve_calls\nserve_calls(channel)"


class BoundedIO(Popen2IO):
    """execnet's stream with a limit on the size of a message."""

    def read(self, numbytes: int) -> bytes:
        """Read exactly `numbytes`; a larger claim than MAX_ANSWER ends the stream."""
        if not 0 <= numbytes <= MAX_ANSWER:
            raise EOFError(f"a message of {numbytes} bytes is not one of the agent's")
        return super().read(numbytes)

    def write(self, data: bytes) -> None:
        """Write a message, which is small, once the pipe takes it. Raises TimeoutError when the lab does not read."""
        if not ready(self.outfile, WRITE_TIMEOUT, select.POLLOUT):
            raise TimeoutError(f"waited {WRITE_TIMEOUT:g} s")
        super().write(data)


def finish(stream: Generator[Any, None, T], on_item: Callable[[Any], object] = lambda item: None) -> T:
    """Run an iterator of `Link.stream` to its end, giving its items to `on_item`, and return its result."""
    try:
        while True:
            on_item(next(stream))
    except StopIteration as stop:
        return stop.value
    finally:
        stream.close()


def await_ready(stdout: IO[bytes], timeout: float, log: Callable[[], str], given_up: Callable[[], bool] = lambda: False) -> None:
    """Read `stdout` until the agent says that it is ready. Raises LabError with the log's words otherwise."""
    deadline, line, what = time.monotonic() + timeout, b"", ""
    while not line.endswith(READY):
        left = deadline - time.monotonic()
        come = left > 0 and ready(stdout, min(left, LOOK_EVERY))
        if given_up():
            raise LabClosed("The lab was closed while its Linux began.")
        if come and (byte := stdout.read(1)):  # one at a time: what follows the line belongs to execnet
            line += byte
        elif come or left <= 0:
            what = "ended before its agent was ready" if come else f"was not ready within {timeout:g} s"
            words = log() or line.decode(errors="replace")
            way_out = shortage(words) or ("" if words.strip() else SILENT)
            raise LabError(f"The lab's Linux {what}.", words=words, way_out=way_out)


class Link:
    """Calls into the lab over one pair of pipes, and a folder for large arguments."""

    def __init__(
        self, stdin: IO[bytes], stdout: IO[bytes], *, timeout: float, log: Callable[[], str], folder: Path, seen_as: str,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Wait at most `timeout` seconds for the agent. Raises LabError, for which `log()` gives the words of its Linux.

        Large arguments are written to `folder`, which the lab sees as `seen_as`. The waiting ends, with LabClosed, when
        `given_up()` is true.
        """
        await_ready(stdout, timeout, log, given_up)
        self._log, self._seen_as = log, seen_as
        self._streams, self._sending = (stdin, stdout), threading.Lock()
        self._numbers, self._sent, self._taken = itertools.count(1), 0, 0
        io = BoundedIO(stdin, stdout, get_execmodel("thread"))
        self._gateway = Gateway(io, XSpec("popen//id=lab"))  # type: ignore[arg-type]
        try:
            self._control = self._gateway.remote_exec(SERVE)
        except OSError as error:  # the agent has ended at once
            words = log() or str(error)
            tried = "The lab's Linux ended as its agent began."
            raise LabError(tried, words=words, way_out=shortage(words) or SILENT) from None
        # A handle, and not the name: what the lab puts in the folder's place must not lead out of it.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def stream(
        self, function: Callable[P, Any], timeout: float | None, /, *args: P.args, **kwargs: P.kwargs
    ) -> Generator[Any, None, Any]:
        """Call a function in the lab, where it goes by its module and name, yield its items and return its result.

        `timeout` is seconds from one message to the next, None for any time. Closing the iterator cancels the call.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        try:
            data = dumps((args, kwargs))
        except DumpError as error:
            tried = "Only plain data can be sent into the lab."
            way_out = "str (without lone surrogates), bytes, int, float, list, dict, …"
            raise BadInput(tried, words=str(error), way_out=way_out) from None
        try:
            channel = self._gateway.newchannel()
        except OSError as error:
            raise self._closed() from error
        try:
            self._send(channel, name, data, TAKEN_TIMEOUT if timeout is None else timeout)
            while True:
                with self._hearing(f"for an answer of {name} from the lab", timeout):
                    kind, value = channel.receive(timeout)
                if kind == "item":
                    yield value
                elif kind == "result":
                    return value
                else:
                    kind, said, words = value
                    tried = f"{name} failed in the lab: {kind}: {said}"
                    raise CallFailed(tried, kind=kind, words=words, way_out=shortage(said))
        finally:
            with contextlib.suppress(OSError):  # the lab has ended, or does not read
                channel.close()

    def _send(self, channel: Channel, name: str, data: bytes, timeout: float) -> None:
        """Send a call once the lab has taken the one before, also of a caller that did not wait for that, and see it taken too.

        Raises WaitTimeout when the lab does not take them in time.
        """
        what, deadline = f"to call {name}: the lab does not take calls", time.monotonic() + timeout
        with self._hearing(what, timeout):
            if not self._sending.acquire(timeout=timeout):
                raise Channel.TimeoutError
        try:
            self._await_taken(what, timeout, deadline)
            self._post(channel, name, data)
            self._await_taken(what, timeout, deadline)
        finally:
            self._sending.release()

    def _await_taken(self, what: str, timeout: float, deadline: float) -> None:
        while self._taken < self._sent:
            with self._hearing(what, timeout):
                self._taken = self._control.receive(max(0.0, deadline - time.monotonic()))

    @contextlib.contextmanager
    def _hearing(self, what: str, timeout: float | None) -> Iterator[None]:
        """Say of a message that does not come within `timeout` seconds, or is none of the agent's, what was waited for."""
        try:
            yield
        except Channel.TimeoutError:
            raise WaitTimeout(f"Waited {timeout:g} s {what}.", way_out=SILENT_LAB) from None
        except (EOFError, queue.Empty) as error:
            raise self._closed() from error
        except (Channel.RemoteError, ValueError, TypeError) as error:
            tried = "The lab's agent answered with something that is not its own."
            raise LabError(tried, words=str(error)) from None

    def close(self) -> None:
        """Close the streams, once the machine behind them has ended.

        First the thread that reads them has to see their end: a stream closed under it could be another's the next moment.
        """
        self._gateway.join(CLOSE_TIMEOUT)
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.close()
        self._sending.acquire(timeout=CLOSE_TIMEOUT)  # nobody writes arguments any more
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _post(self, channel: Channel, name: str, data: bytes) -> None:
        number = next(self._numbers)
        arguments: bytes | str = data
        if len(name.encode()) + len(data) > MAX_BYTES:
            self._write(str(number), data)
            arguments = f"{self._seen_as}/{number}"
        try:
            self._control.send((number, channel, name, arguments))
            self._sent = number
        except OSError as error:
            if not isinstance(error.__cause__, TimeoutError):
                raise self._closed() from error
            tried = f"The lab does not read what is sent to it: {error.__cause__}."
            raise WaitTimeout(tried, way_out=SILENT_LAB) from None

    def _write(self, name: str, data: bytes) -> None:
        """Write a file of the lab's folder, which the agent reads and deletes. Raises LabError."""
        try:
            new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with open(os.open(name, new, 0o600, dir_fd=self._folder), "wb") as file:
                file.write(data)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._folder)
            tried = f"{len(data)} bytes of arguments cannot be written for the lab."
            raise LabError(tried, words=str(error), way_out=shortage(str(error))) from None

    def _closed(self) -> LabClosed:
        way_out = "open the lab again (run its cell again)"
        return LabClosed("The lab's Linux has ended.", words=self._log(), way_out=way_out)
