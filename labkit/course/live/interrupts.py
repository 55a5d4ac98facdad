"""Hears the notebook's interrupts (SIGINT): those of a cell, and those between cells, which Jupyter's kernel ignores."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython


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
