"""Looks into a capture with pyshark: the HTTP messages of one TCP connection, as pyshark's own packets.

A table of many is another thing (exchanges.py): pyshark makes an object of every field of every packet.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ..errors import MeasureError
from .exchanges import TIMEOUT, decode_options

END_TIMEOUT = 5.0


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
