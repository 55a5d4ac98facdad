"""The notebook's end of the byte stream to the agent: calls of labkit functions inside the lab, by execnet.

execnet carries plain data only (None, bool, int, float, str, bytes, list, tuple, dict) and runs nothing on this side.
"""

from __future__ import annotations

import contextlib
import queue
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

from execnet.gateway import Gateway
from execnet.gateway_base import Channel, DumpError, Popen2IO, get_execmodel
from execnet.xspec import XSpec

from ..errors import BadInput, CallFailed, LabClosed, LabError, WaitTimeout
from .agent import READY

# A serial line of User-Mode Linux loses bytes when more than its buffer (N_TTY_BUF_SIZE, 4,096) is sent in one go: 4,000
# arrive, 8,000 do not (measured). So one message is under way at a time, and it is small; files go through the folder.
MAX_MESSAGE = 3_500
# The most that one message from the lab may claim to hold, so that a broken stream cannot take the memory here.
MAX_ANSWER = 64 * 1024 * 1024
CLOSE_TIMEOUT = 10.0
SERVE = "from labkit.machine.agent import serve_calls\nserve_calls(channel)"


class BoundedIO(Popen2IO):
    """execnet's stream with a limit on the size of a message."""

    def read(self, numbytes: int) -> bytes:
        """Read exactly `numbytes`; a larger claim than MAX_ANSWER ends the stream."""
        if not 0 <= numbytes <= MAX_ANSWER:
            raise EOFError(f"a message of {numbytes} bytes is not one of the agent's")
        return super().read(numbytes)


def await_ready(stdout: IO[bytes], timeout: float, log: Callable[[], str]) -> None:
    """Read `stdout` until the agent says that it is ready. Raises LabError with the log's words otherwise."""
    deadline = time.monotonic() + timeout
    line = b""
    while not line.endswith(READY):
        left = deadline - time.monotonic()
        ready = select.select([stdout], [], [], left)[0] if left > 0 else []
        # One byte at a time: what follows the line belongs to execnet.
        byte = stdout.read(1) if ready else b""
        if not byte:
            what = "ended before its agent was ready" if ready else f"was not ready within {timeout:g} s"
            raise LabError(f"The lab's Linux {what}.", words=log() or line.decode(errors="replace"))
        line += byte


class Link:
    """Calls into the lab over one pair of pipes."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], *, timeout: float, log: Callable[[], str]) -> None:
        """Wait at most `timeout` seconds for the agent; `log()` gives the words of its Linux for errors."""
        await_ready(stdout, timeout, log)
        self._log = log
        self._streams, self._sending = (stdin, stdout), threading.Lock()
        io = BoundedIO(stdin, stdout, get_execmodel("thread"))
        self._gateway = Gateway(io, XSpec("popen//id=lab"))  # type: ignore[arg-type]
        self._control = self._gateway.remote_exec(SERVE)

    def stream(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Iterator[Any]:
        """Call the function `name` ("module:function"), yield its items and return its result.

        `timeout` is seconds from one message to the next, None for any time. Closing the iterator cancels the call.
        """
        try:
            channel = self._gateway.newchannel()
        except OSError as error:
            raise self._closed() from error
        try:
            with self._sending:
                self._send((channel, name, args, kwargs))
                self._receive(channel, name, timeout)  # ("taken", None)
            while True:
                kind, value = self._receive(channel, name, timeout)
                if kind == "item":
                    yield value
                elif kind == "result":
                    return value
                else:
                    raise CallFailed(f"{name} failed in the lab: {value[0]}: {value[1]}", kind=value[0], words=value[2])
        finally:
            channel.close()

    def close(self) -> None:
        """Close the streams, once the machine behind them has ended.

        First the thread that reads them has to see their end: a stream closed under it could be another's the next moment.
        """
        self._gateway.join(CLOSE_TIMEOUT)
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.close()

    def _send(self, message: tuple[Any, ...]) -> None:
        size = len(repr(message[2:]))
        if size > MAX_MESSAGE:
            raise BadInput(f"{size} bytes are too much for one call into the lab.", way_out="write them to a file in its home")
        try:
            self._control.send(message)
        except DumpError as error:
            raise BadInput(
                "Only plain data can be sent into the lab.", words=str(error), way_out="str, int, float, list, dict, …"
            ) from None
        except OSError as error:
            raise self._closed() from error

    def _receive(self, channel: Channel, name: str, timeout: float | None) -> tuple[str, Any]:
        try:
            kind, value = channel.receive(timeout)
        except channel.TimeoutError:
            raise WaitTimeout(f"Waited {timeout:g} s for an answer of {name} from the lab.") from None
        except (EOFError, queue.Empty) as error:
            raise self._closed() from error
        except (channel.RemoteError, ValueError, TypeError) as error:
            raise LabError("The lab's agent answered with something that is not its own.", words=str(error)) from None
        return kind, value

    def _closed(self) -> LabClosed:
        return LabClosed("The lab's Linux has ended.", words=self._log(), way_out="open the lab again (run its cell again)")
