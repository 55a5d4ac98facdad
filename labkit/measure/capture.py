"""A capture in the lab: tshark records while traffic is sent; pyshark looks into one TCP connection of it.

A table of many is another thing (exchanges.py): pyshark makes an object of every field of every packet.
"""

import contextlib
import re
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import pandas as pd

from ..errors import BadInput, MeasureError, WaitTimeout, wait_until
from ..inside import files, processes
from ..inside.files import DISCARD
from ..lab import Lab, Process
from ..machine.temporary import own_folder
from ..machine.view import FOLDER
from .exchanges import TIMEOUT, decode_options, read_exchanges, read_syns

# tshark hands capturing to dumpcap and writes the same file. On User-Mode Linux loading tshark's dissectors takes five
# seconds, so there dumpcap is started without it.
PROGRAMS = {"host": "tshark", "uml": "dumpcap"}
# nginx and the two backends of the assignment.
PORTS = {8888: "nginx", 8081: "backend1", 8082: "backend2"}
# dumpcap passes packets on within 0.75 s (measured); on a busy machine without a fast processor tshark alone starts in 30 s.
MARK_TIMEOUT = 60.0
# How long tshark may take to end, seconds.
END_TIMEOUT = 5.0
# On User-Mode Linux each mark takes time from the program that is waited for, seconds.
MARK_EVERY = 0.1


def capture_command(program: str, interface: str, ports: Iterable[int], file: str) -> list[str]:
    """Return the command that records TCP on `ports`, and the marks, into `file` (pcap-filter(7))."""
    tcp = " or ".join(f"tcp port {port}" for port in ports)
    return [program, "-q", "-i", interface, "-f", f"{tcp} or udp port {DISCARD}", "-w", file]


class Capture:
    """Records the lab's TCP packets between `with` and its end; `ports` maps each port to the name of who listens there.

    Every packet of what happens inside the `with` is in the file: at both ends a mark is sent and waited for.
    Afterwards `exchanges()`, `syns()` and `packets()` read it, also when the lab is closed.
    """

    def __init__(self, lab: Lab, ports: dict[int, str] | None = None, *, interface: str = "lo") -> None:
        self.lab, self.ports, self.interface = lab, ports or PORTS, interface
        if not re.fullmatch(r"[\w.][\w.-]{0,14}", interface):
            raise BadInput(f"{interface!r} is no name of an interface.", way_out="lo")
        self._folder = tempfile.TemporaryDirectory(prefix="capture-", dir=own_folder())
        self.file = Path(self._folder.name) / "capture.pcapng"
        self._name = f"captures/{uuid.uuid4().hex[:8]}.pcapng"
        self._process: Process | None = None
        self._looked = 0  # so much of the recording has been searched for marks

    @property
    def _recording(self) -> Path:
        return self.lab.folder.path / self._name

    def _mark(self) -> None:
        """Send marks until one is in the file. Raises MeasureError when capturing does not work."""
        token = f"labkit-{uuid.uuid4().hex}"
        process = self._process
        assert process is not None
        came = b""

        def seen() -> bool:
            nonlocal came
            if not process.alive:
                way_out = "is the interface there? `%lab ip link`"
                raise MeasureError(f"`{process.command}` ended.", words=process.log, way_out=way_out)
            self.lab.call(files.mark, token)
            if self._recording.exists():
                with self._recording.open("rb") as file:
                    file.seek(self._looked)
                    new = file.read()
                self._looked += len(new)
                came = came[-len(token) :] + new
            return token.encode() in came

        try:
            wait_until(seen, reason="a packet to appear in the capture", timeout=MARK_TIMEOUT, interval=MARK_EVERY)
        except WaitTimeout as error:
            raise MeasureError(f"`{process.command}` records nothing.", words=process.log) from error

    def __enter__(self) -> Self:
        """Start recording; it records when this returns. Raises MeasureError."""
        command = capture_command(PROGRAMS[self.lab.linux], self.interface, self.ports, f"{FOLDER}/{self._name}")
        self._process = self.lab.start(command, name="capture")
        try:
            self._mark()
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop recording once all packets are in the file."""
        process = self._process
        if process is None or self.lab.closed:
            return
        try:
            self._mark()
            self.lab.call(processes.send_signal, process.pid, int(signal.SIGINT))
            self.lab.wait_until(lambda: not process.alive, reason="the end of the capture")
        finally:
            process.stop()
            if self._recording.exists():
                shutil.move(self._recording, self.file)

    def _finished(self) -> Path:
        if not self.file.exists():
            way_out = "use it as `with Capture(lab) as capture: …` first"
            raise MeasureError("This capture has recorded nothing yet.", way_out=way_out)
        return self.file

    def exchanges(self) -> pd.DataFrame:
        """Return the HTTP exchanges, as `measure.exchanges.read_exchanges` describes them."""
        return read_exchanges(self._finished(), self.ports, apart=not self.lab.trusted)

    def syns(self) -> pd.DataFrame:
        """Return the TCP connection attempts, as `measure.exchanges.read_syns` describes them."""
        return read_syns(self._finished(), self.ports, apart=not self.lab.trusted)

    def packets(self, stream: int) -> list[Any]:
        """Return the HTTP messages of one TCP stream as pyshark's packets: `packet.http`, `packet.tcp`, … Raises MeasureError.

        Not of a lab that is not trusted: pyshark's tshark would see more than the file.
        """
        file = self._finished()
        if not self.lab.trusted:
            raise MeasureError("A stranger's capture is not looked into with pyshark.", way_out="read it with `exchanges()`")
        return read_packets(file, self.ports, stream)


def patient_capture() -> Any:
    """Return pyshark's FileCapture, but one that lets tshark end by itself.

    pyshark kills tshark as soon as its output is read; when tshark has just ended, that takes its exit code away from
    asyncio, which then reports 255, and pyshark believes in a crash.
    """
    import asyncio

    import pyshark

    class PatientCapture(pyshark.FileCapture):
        async def _cleanup_subprocess(self, process: Any) -> None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), END_TIMEOUT)
            await super()._cleanup_subprocess(process)

    return PatientCapture


def read_packets(file: Path, ports: Iterable[int], stream: int) -> list[Any]:
    """Return the packets of a TCP stream that complete an HTTP message. Raises MeasureError.

    pyshark works in a thread with an event loop of its own, because a notebook's already runs.
    """
    import asyncio  # not for everybody: with it come 0.05 s of the import of labkit

    done: Future[list[Any]] = Future()

    def work() -> None:
        try:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            options = {"display_filter": f"http and tcp.stream == {int(stream)}", "decode_as": decode_options(ports)}
            with contextlib.closing(loop), contextlib.closing(patient_capture()(str(file), eventloop=loop, **options)) as capture:
                done.set_result(list(capture))
        except BaseException as error:
            if not done.done():
                done.set_exception(error)

    threading.Thread(target=work, name="labkit-pyshark", daemon=True).start()
    try:
        return done.result(TIMEOUT)
    except TimeoutError:
        raise MeasureError(f"pyshark did not read the capture within {TIMEOUT:g} s.", way_out="capture less") from None
    except Exception as error:
        raise MeasureError("pyshark could not read the capture.", words=str(error)) from error
