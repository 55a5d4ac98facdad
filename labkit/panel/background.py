"""The panel's threads, which look and send while somebody is there, and the notebook's interrupts, which end the sending."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from IPython.core.getipython import get_ipython

from ..errors import LabkitError
from ..lab import Lab
from ..machine.link import finish
from .window import Layer

EVERY = 1.0  # seconds from one look to the next, and
SHARE = 0.25  # of a processor, the most that looking and drawing may take
# How long after the last sign of the browser the thread goes on, seconds. The panel gives one every 10 s; browsers let a
# hidden tab's timers run once a minute (Chromium: "intensive throttling").
PATIENCE = 150.0
TIMEOUT = 1.0  # seconds, a request; of the first ones, which are waited for, and from one of these to the next
FIRST_TIMEOUT, PACE = 5.0, 0.05


class Background:
    """`on_rows` is given what came of the requests, `look` is called about once a second, `ended` when that comes to an end."""

    def __init__(
        self, lab: Lab, layer: Layer, *, on_rows: Callable[[list[Any]], object], look: Callable[[], object],
        ended: Callable[[str], object],
    ) -> None:  # fmt: skip
        self.lab, self.layer, self.rate, self.sending = lab, layer, 10.0, False
        self._on_rows, self._look, self._ended = on_rows, look, ended
        self._lock, self._wake, self._closed = threading.Lock(), threading.Event(), False
        self._thread: threading.Thread | None = None
        self._seen, self._problem = 0.0, ""

    @property
    def awake(self) -> bool:
        """True while it looks."""
        return self._thread is not None

    def first(self, count: int) -> None:
        """Send about `count` requests now, and wait for them; no thread is left."""
        layer, each = self.layer, max(1, count // len(self.layer.targets))
        for host, port in layer.targets:
            arguments = (host, port, layer.path, each, 1, FIRST_TIMEOUT, PACE, layer.first_record)
            finish(self.lab.stream("labkit.inside.http_client:requests", *arguments), self._on_rows)

    def beat(self) -> None:
        """Somebody is there: wake up, or stay awake."""
        self._seen = time.monotonic()
        with self._lock:
            if self._thread is None and not self._closed and not self.lab.closed:
                self._thread = threading.Thread(target=self._run, name=f"labkit-panel-{self.lab.name}", daemon=True)
                self._thread.start()

    def change(self, *, rate: float | None = None, sending: bool | None = None) -> None:
        """Send so many requests a second from now on; begin or end to send."""
        self.rate = self.rate if rate is None else rate
        self.sending = self.sending if sending is None else sending
        self._wake.set()

    def close(self) -> None:
        """End the threads, and let none begin; what they do now they still finish."""
        self._closed, self.sending = True, False
        self._wake.set()

    def _why_not(self) -> str:
        """Why the threads must end, "" when they may go on."""
        if self._closed:
            return "This panel is closed: its cell was run again."
        if self.lab.closed:
            return "The lab is closed."
        if self._problem:
            return self._problem
        return "" if time.monotonic() - self._seen < PATIENCE else "Nobody was here, so the panel went to sleep."

    def _run(self) -> None:
        why, sender = "", threading.Thread()
        try:
            while not (why := self._why_not()):
                self._wake.clear()
                if self.sending and not sender.is_alive():
                    sender = threading.Thread(target=self._send, name=f"labkit-send-{self.lab.name}", daemon=True)
                    sender.start()
                began = time.thread_time()
                self._look()
                self._wake.wait(max(EVERY, (time.thread_time() - began) / SHARE))
        except LabkitError as error:  # among them LabClosed
            why = "The lab is closed." if self.lab.closed else str(error)
        finally:
            self.sending, self._problem = False, ""
            with self._lock:
                self._thread = None
            self._ended(why)

    def _send(self) -> None:
        """Send until that is ended, at the rate that is asked for."""
        layer = self.layer
        try:
            while self.sending and not self._why_not():
                rate = self.rate
                arguments = (layer.targets, layer.path, rate, TIMEOUT, layer.first_record)
                stream = self.lab.stream("labkit.inside.http_client:paced_requests", *arguments, timeout=30.0)
                with closing(stream):  # type: ignore[type-var]
                    while self.sending and self.rate == rate and not self._why_not():
                        self._on_rows(next(stream))
        except LabkitError as error:
            self._problem = str(error)


class Interrupts:
    """Calls `function` at every interrupt, until it is closed; outside of IPython it hears nothing.

    Between two messages the kernel has the handler of SIGINT that it saved before the first one (ipykernel's
    Kernel.pre_handler_hook and post_handler_hook), so that is where the one for the time between cells belongs.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function, self._shell = function, get_ipython()
        if self._shell is not None:
            self._shell.events.register("post_run_cell", self._after_cell)
            self._between_cells(self._at_once)

    def close(self) -> None:
        """Hear no more."""
        if self._shell is not None and self._after_cell in self._shell.events.callbacks["post_run_cell"]:
            self._shell.events.unregister("post_run_cell", self._after_cell)
            self._between_cells(signal.SIG_IGN)

    def _between_cells(self, handler: object) -> None:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is not None and hasattr(kernel, "saved_sigint_handler"):
            kernel.saved_sigint_handler = handler

    def _after_cell(self, result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._function()

    def _at_once(self, *_signal: object) -> None:
        """In a thread: whatever the kernel was doing must not meet itself in `function`."""
        threading.Thread(target=self._function, name="labkit-interrupted").start()
