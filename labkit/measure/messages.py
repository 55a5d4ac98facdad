"""Reads the HTTP messages of a capture with pyshark, in a thread with an event loop of its own (Jupyter's already runs)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ..errors import MeasureError

TIMEOUT = 300.0
END_TIMEOUT = 5.0


def decode_options(ports: Iterable[int]) -> dict[str, str]:
    """What each port is to be decoded as: tshark guesses by port, and an ephemeral one can be another protocol's."""
    return {f"tcp.port=={port}": "http" for port in ports}


def patient_capture() -> Any:
    """pyshark's FileCapture that lets tshark end by itself.

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


def pyshark_messages(file: Path, ports: Iterable[int]) -> list[dict[str, Any]]:
    """Every HTTP message of the capture, by pyshark, in a thread with an event loop of its own (Jupyter's already runs)."""

    import asyncio  # not for everybody: with it come 0.05 s of the import of labkit

    def read() -> list[dict[str, Any]]:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        capture = patient_capture()(
            str(file), display_filter="http.request or http.response", decode_as=decode_options(ports), eventloop=loop
        )
        try:
            return [pyshark_message(packet) for packet in capture]
        finally:
            capture.close()
            loop.close()

    done: Future[list[dict[str, Any]]] = Future()

    def work() -> None:
        try:
            done.set_result(read())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=work, name="labkit-pyshark", daemon=True).start()
    try:
        return done.result(TIMEOUT)
    except TimeoutError:
        way_out = "capture less, or read it with fast=True"
        raise MeasureError(f"pyshark did not read the capture within {TIMEOUT:g} s.", way_out=way_out) from None
    except Exception as error:
        raise MeasureError("pyshark could not read the capture.", words=str(error)) from error


def pyshark_message(packet: Any) -> dict[str, Any]:
    """One packet of pyshark as `message` gives it."""
    layer = packet.http
    row = {
        "frame.time_epoch": packet.sniff_timestamp, "tcp.stream": packet.tcp.stream, "ip.src": packet.ip.src,
        "tcp.srcport": packet.tcp.srcport, "ip.dst": packet.ip.dst, "tcp.dstport": packet.tcp.dstport,
        "http.request.method": layer.get("request_method") or "", "http.request.uri": layer.get("request_uri") or "",
        "http.response.code": layer.get("response_code") or "",
    }  # fmt: skip
    lines = layer.get_field("request_line") or layer.get_field("response_line")
    texts = [field.get_default_value() for field in lines.all_fields] if lines is not None else []
    return message(row, [str(text).replace("\\xd\\xa", "").replace("\\r\\n", "") for text in texts])


def message(row: Mapping[str, str], lines: list[str]) -> dict[str, Any]:
    """One HTTP message: when, between whom, its request line or status, and its headers.

    Several values of one name are joined by ", " (RFC 9110, 5.3), under the name as it was written first.
    """
    values: dict[str, tuple[str, list[str]]] = {}
    for name, colon, value in (line.partition(":") for line in lines):
        if colon:
            values.setdefault(name.strip().lower(), (name.strip(), []))[1].append(value.strip())
    headers = {name: ", ".join(each) for name, each in values.values()}
    return {
        "time": float(row["frame.time_epoch"]), "stream": int(row["tcp.stream"]),
        "source": f"{row['ip.src']}:{row['tcp.srcport']}", "target": f"{row['ip.dst']}:{row['tcp.dstport']}",
        "method": row["http.request.method"], "uri": row["http.request.uri"],
        "status": int(row["http.response.code"]) if row["http.response.code"] else None, "headers": headers,
    }  # fmt: skip
