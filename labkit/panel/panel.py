"""The live panel: break backends by clicking while requests are sent, and see who answers and what fails."""

from __future__ import annotations

import base64
import math
import signal
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

from ..errors import LabkitError, require
from ..inside import http_client
from ..lab import COMMAND_TIMEOUT, Lab
from ..machine.link import finish
from ..recording import heard_by
from ..services.base import Service
from ..services.faults import Faults
from ..services.http_server import WELL, BackendPool
from ..writing import filled
from .drawing import RATES, Controls, Drawn, Still, Window, draw, layer_of

FIRST = 10  # requests that are sent when the panel is made; seconds that each may take, and from one to the next
FIRST_TIMEOUT, PACE = 5.0, 0.05
TIMEOUT = 1.0  # seconds, a later request; none of them is the last one
ENDLESS = 10**9
EVERY = 1.0  # seconds from one look to the next, and
SHARE = 0.25  # of a processor, the most that looking and drawing may take
# Seconds between two copies of the pictures for the export, while requests are sent.
STILL_EVERY = 10.0
SILENCE = 30.0  # seconds without a beat of the page, after which it is asked to beat (again)
# How long after the last sign of the browser the thread goes on, seconds. The panel gives one every 10 s; browsers let a
# hidden tab's timers run once a minute (Chromium: "intensive throttling").
PATIENCE = 150.0
METHODS = {
    "stopped": "stop", "frozen": "freeze", "unplugged": "unplug", "slow": "slow", "flaky": "flaky",
    WELL: "heal",
}  # fmt: skip


class Panel:
    """A panel on a pool. Shown in a notebook, it is widgets, and beside them a copy for the export, hidden while they live.

    While somebody is there, one thread sends, looks at the backends and draws. A click, or a sign of the page (`beat`), begins
    it; it ends with the panel or the lab, or when nobody gave a sign for PATIENCE.
    """

    current: Panel | None = None

    def __init__(self, lab: Lab, pool: BackendPool, via: Service | None, url: str | None, rate: int) -> None:
        self.lab, self.pool, self.faults = lab, pool, Faults(pool)
        self.layer = layer_of(lab, pool, via, url)
        self.rate, self.sending, self.closed = float(rate), False, False
        self.still = Still()
        self.controls = Controls([server.backend for server in pool], rate, self.still.mark)
        self._thread: threading.Thread | None = None
        self._beginning, self._changing = threading.Lock(), threading.RLock()
        self._wake = threading.Event()
        self._seen: tuple[Any, ...] = ()
        # When somebody gave a sign, and the page did (monotonic seconds).
        self._there = self._beaten = 0.0
        with heard_by(lambda _command: None):
            self.faults.heal_all()
        self._begin_to_count()
        self.layer.counted(self.window.connected)  # what was logged before is not the panel's
        finish(self._requests(COMMAND_TIMEOUT, FIRST, 1, FIRST_TIMEOUT, PACE), self.window.add)
        self._now, self._states = time.time(), self.faults.state
        self.drawn = self._draw(self._states)
        self.controls.say("Click Start, then break something. Nothing is sent before.")
        self._listen()

    def _requests(self, patience: float, *how: Any) -> Any:
        """Send as `how` says: count, at_a_time, timeout, every."""
        how = (self.layer.targets, self.layer.path, *how, self.layer.first_record)
        return self.lab.stream(http_client.requests, patience, *how)

    def _listen(self) -> None:
        """Let the widgets call the panel. ipywidgets keeps them until the kernel ends; they must not keep panel and lab too."""
        controls, panel = self.controls, weakref.ref(self)

        def tell(method: Callable[..., object], *args: object) -> None:
            if found := panel():
                method(found, *args)

        controls.start.on_click(lambda _button: tell(Panel.start))
        controls.stop.on_click(lambda _button: tell(Panel.stop))
        controls.clear.on_click(lambda _button: tell(Panel._clear))
        controls.rate.observe(partial(tell, Panel._rate), "value")
        controls.beat.observe(lambda _change: tell(Panel.beat), "value")
        controls.box.observe(lambda _change: tell(Panel._clicked), "_view_count")
        for name, switch in controls.switches.items():
            switch.observe(partial(tell, Panel._switched, name), "value")
        self.interrupts = Interrupts(self.stop)

    def start(self) -> None:
        self.sending = True
        self._clicked()
        self._buttons()

    def stop(self) -> None:
        """End to send; the picture stays as it is."""
        if self.sending:
            self._now = time.time()
        self.sending = False
        self._wake.set()
        self._buttons()

    def close(self) -> None:
        """End all that the panel does; what its thread does now it still finishes."""
        self.closed, self.sending = True, False
        self._wake.set()
        self.interrupts.close()

    @property
    def awake(self) -> bool:
        """True while its thread looks."""
        return self._thread is not None

    def beat(self) -> None:
        """The page shows the panel: stay awake."""
        self._beaten = time.monotonic()
        self._clicked()

    def _clicked(self) -> None:
        """Somebody is there: wake up, or stay awake. Is the page heard of regularly?"""
        self._there = time.monotonic()
        if self._there - self._beaten > SILENCE:
            # Let the page that shows the panel count, also one that was loaded anew.
            for playing in (False, True):
                self.controls.beat.playing = playing
        self._wake.set()
        with self._beginning:
            if self._thread is None and not self.closed and not self.lab.closed:
                name = f"labkit-panel-{self.lab.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def _rate(self, change: dict[str, Any]) -> None:
        self.rate = change["new"]
        self._wake.set()

    def _clear(self) -> None:
        self._begin_to_count()
        self._clicked()

    def _begin_to_count(self) -> None:
        self.window = Window({one.backend.address: one.backend.name for one in self.pool})
        self._seen = ()

    def _buttons(self) -> None:
        self.controls.start.disabled, self.controls.stop.disabled = self.sending, not self.sending
        self.controls.say("Requests are being sent." if self.sending else "Nothing is sent.")

    def _switched(self, name: str, change: dict[str, Any]) -> None:
        """A switch was clicked: make the fault and show its commands. (It also moves when the panel follows a cell.)"""
        word, commands = change["new"], list[str]()
        with self._changing:
            if self.faults.state.get(name) == word:
                return
            self._clicked()
            self.controls.say(f"{name}: {word} …")
            try:
                with heard_by(commands.append):
                    getattr(self.faults, METHODS[word])(name)
                self._note({name: word})
                self._buttons()
            except LabkitError as error:
                self.controls.say(str(error))
            self.controls.show_commands(commands)

    def _note(self, states: dict[str, str]) -> None:
        """Write into the picture what has changed, by a click or by a cell."""
        for name, word in states.items():
            if self._states.get(name) != word:
                self.window.note(f"{name} {word}")
        self._states |= states

    def _run(self) -> None:
        """Send what is to be sent, and look about once a second, until that has to end."""
        stream: Any = None  # of rows, while requests are sent
        why, rate, due = "", 0.0, 0.0
        try:
            while not (why := self._why_not()):
                if self._wake.is_set():
                    self._wake.clear()
                    due = 0.0
                if stream is not None and (not self.sending or rate != self.rate):
                    stream = stream.close()
                if self.sending and stream is None:
                    rate = self.rate
                    senders = math.ceil(rate * TIMEOUT) + 2  # so many that one is always free
                    stream = self._requests(30.0, ENDLESS, senders, TIMEOUT, senders / rate)
                if stream is not None:
                    # At least one batch a second, an empty one as a sign of life.
                    self.window.add(next(stream))
                if time.monotonic() >= due:
                    began = time.thread_time()
                    self._look()
                    due = time.monotonic() + max(EVERY, (time.thread_time() - began) / SHARE)
                if stream is None:
                    self._wake.wait(due - time.monotonic())
        except LabkitError as error:  # among them LabClosed
            why = "The lab is closed." if self.lab.closed else str(error)
        finally:
            if stream is not None:
                stream.close()
            self.sending = False
            with self._beginning:
                self._thread = None
            self.still.renew(self.drawn, self._now)
            self._buttons()
            self.controls.say(why)

    def _why_not(self) -> str:
        """Return why the thread must end, "" when it may go on."""
        if self.closed:
            return "This panel is closed: its cell was run again."
        if self.lab.closed:
            return "The lab is closed."
        gone = time.monotonic() - self._there >= PATIENCE
        return "Nobody was here, so the panel went to sleep." if gone else ""

    def _look(self) -> None:
        """See how everything is; draw when it has changed."""
        if not self._changing.acquire(blocking=False):
            return  # a fault is being made
        try:
            states = self.faults.state
            self._note(states)
            for name, word in states.items():
                self.controls.switches[name].value = word
        finally:
            self._changing.release()
        if self.sending:
            self._now = time.time()
        seen = (states, self._now, len(self.window.rows), sum(self.window.answered.values()))
        if seen != self._seen:
            self._seen = seen
            self.drawn = self._draw(states)
            if not self.sending or time.monotonic() - self.still.made > STILL_EVERY:
                self.still.renew(self.drawn, self._now)

    def _draw(self, states: dict[str, str]) -> Drawn:
        drawn = draw(self.pool, self.layer, states, self.window, self._now)
        for image, picture in zip(self.controls.images, drawn.pictures, strict=True):
            png = base64.b64encode(picture.quick_png()).decode("ascii")
            image.value = filled("picture.html.j2", alt=picture.alt, png=png)
        group = 'class="jp-RenderedHTMLCommon" role="group" aria-label="Tables" tabindex="0"'
        self.controls.tables.value = f"<div {group}>{drawn.tables}</div>"
        return drawn

    def _ipython_display_(self) -> None:
        self.still.show()
        self.still.renew(self.drawn, self._now)
        display(self.controls.box)


class Interrupts:
    """Calls `function` at every interrupt, until it is closed; outside of IPython it hears nothing.

    Between two messages the kernel has the handler of SIGINT that it saved before the first one (ipykernel's
    Kernel.pre_handler_hook and post_handler_hook), so that is where the one for the time between cells belongs.
    """

    def __init__(self, function: Callable[[], object]) -> None:
        self._function, self._shell = function, get_ipython()
        if self._shell is not None:
            self._shell.events.register("post_run_cell", self._after_cell)
            self._between_cells(self._in_thread)

    def close(self) -> None:
        """Hear no more."""
        events = self._shell and self._shell.events
        if events and self._after_cell in events.callbacks["post_run_cell"]:
            events.unregister("post_run_cell", self._after_cell)
            self._between_cells(signal.SIG_IGN)

    def _in_thread(self, *_signal: object) -> None:
        """Call it apart: whatever the kernel was doing must not meet itself in there."""
        threading.Thread(target=self._function, name="labkit-interrupted").start()

    def _between_cells(self, handler: object) -> None:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is not None and hasattr(kernel, "saved_sigint_handler"):
            kernel.saved_sigint_handler = handler

    def _after_cell(self, result: Any) -> None:
        if isinstance(result.error_in_exec, KeyboardInterrupt):
            self._function()


def panel(
    lab: Lab, pool: BackendPool, via: Service | None = None, *, url: str | None = None, rate: int = 10
) -> Panel:  # fmt: skip
    """Return a live panel on `pool`: faults to click, requests to send, who answers, what fails, and the counters of the layer.

    `via` is what stands before the pool: a Dnsmasq, a VirtualService, an Nginx, or None where each backend is asked in turn.
    `url` is what is asked (by default the assignment's), `rate` how many requests a second at first. All backends are healed,
    and ten requests sent, when it is made; everything else begins with a click. A kernel has one panel: a new one ends the
    old. It ends with the lab, goes to sleep 150 s after its page was closed, and stops sending at an interrupt.
    Raises BadInput, ServiceError, LabClosed.
    """
    low, high = RATES
    tried = f"A panel cannot send {rate} requests a second."
    require(low <= rate <= high, tried, f"{low} to {high}")
    if Panel.current:
        Panel.current.close()
    Panel.current = Panel(lab, pool, via, url, rate)
    return Panel.current
