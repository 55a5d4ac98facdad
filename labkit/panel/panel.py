"""The live panel: break backends by clicking while requests are sent, and see who answers and what fails."""

from __future__ import annotations

import base64
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from IPython.display import display

from ..errors import BadInput, LabkitError
from ..html import filled
from ..lab import Lab
from ..recording import heard_by
from ..services.base import Service
from ..services.faults import Faults
from ..services.http_server import WELL, BackendPool
from .background import Background, Interrupts
from .controls import RATES, Controls
from .drawing import Drawn, Still, draw
from .window import Window, layer_of, read

FIRST = 10  # requests that are sent when the panel is made
STILL_EVERY = 10.0  # seconds between two copies of the pictures for the export, while requests are sent
SILENCE = 30.0  # seconds without a beat of the page, after which it is asked to beat (again)
METHODS = {"stopped": "stop", "frozen": "freeze", "unplugged": "unplug", "slow": "slow", "flaky": "flaky", WELL: "heal"}


class Panel:
    """A panel on a pool. Shown in a notebook, it is widgets, and beside them a copy for the export, hidden while they live."""

    current: Panel | None = None

    def __init__(self, lab: Lab, pool: BackendPool, via: Service | None, url: str | None, rate: int) -> None:
        self.lab, self.pool, self.faults, self.layer = lab, pool, Faults(pool), layer_of(lab, pool, via, url)
        self.window = Window({server.backend.address: name for name, server in pool.servers.items()})
        self.background = Background(lab, self.layer, on_rows=self.window.add, look=self._look, ended=self._asleep)
        self.still = Still()
        self.controls = Controls([server.backend for server in pool], rate, self.still.mark)
        self.background.rate = rate
        self._changing, self._drawing = threading.RLock(), threading.RLock()
        self._seen: tuple[Any, ...] = ()
        self._now, self._beaten = time.time(), 0.0
        self._begin()
        self._listen()

    def _begin(self) -> None:
        """All backends well, a few requests, and the first picture."""
        with heard_by(lambda _command: None):
            self.faults.heal_all()
        read(self.layer, self.window.connected)  # what was logged before is not the panel's
        self.background.first(FIRST)
        self._now = time.time()
        self._states = self.faults.state
        self.drawn = self._draw(self._states)
        self.controls.say("Click Start, then break something. Nothing is sent before.")

    def _listen(self) -> None:
        """Let the widgets call the panel. ipywidgets keeps them until the kernel ends; they must not keep panel and lab too."""
        controls, panel = self.controls, weakref.ref(self)

        def tell(method: Callable[..., object], *args: object) -> None:
            if found := panel():
                method(found, *args)

        controls.start.on_click(lambda _button: tell(Panel.start))
        controls.stop.on_click(lambda _button: tell(Panel.stop))
        controls.clear.on_click(lambda _button: tell(Panel._clear))
        controls.rate.observe(lambda change: tell(Panel._rate, change["new"]), "value")
        controls.beat.observe(lambda _change: tell(Panel._beat), "value")
        controls.box.observe(lambda _change: tell(Panel._clicked), "_view_count")
        for name, switch in controls.switches.items():
            switch.observe(lambda change, name=name: tell(Panel._switched, name, change["new"]), "value")
        self.interrupts = Interrupts(self.stop)

    def _rate(self, rate: float) -> None:
        self.background.change(rate=rate)

    def _beat(self) -> None:
        self._beaten = time.monotonic()
        self.background.beat()

    def _clicked(self) -> None:
        """Somebody is there. Is the page heard of regularly?"""
        if time.monotonic() - self._beaten > SILENCE:
            self.controls.listen_to_the_page()
        self.background.beat()

    def start(self) -> None:
        """Begin to send."""
        self.background.change(sending=True)
        self._clicked()
        self._buttons()

    def stop(self) -> None:
        """End to send; the picture stays as it is."""
        if self.background.sending:
            self._now = time.time()
        self.background.change(sending=False)
        self._buttons()

    def close(self) -> None:
        """End all that the panel does."""
        self.background.close()
        self.interrupts.close()

    def _buttons(self) -> None:
        sending = self.background.sending
        self.controls.start.disabled, self.controls.stop.disabled = sending, not sending
        self.controls.say("Requests are being sent." if sending else "Nothing is sent.")

    def _clear(self) -> None:
        self.window.clear()
        self._seen = ()
        self._clicked()

    def _switched(self, name: str, word: str) -> None:
        """A switch was clicked: make the fault and show its commands. (It also moves when the panel follows a cell.)"""
        commands: list[str] = []
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
        """What has changed, by a click or by a cell, is written into the picture."""
        for name, word in states.items():
            if self._states.get(name) != word:
                self.window.note(f"{name} {word}")
        self._states |= states

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
        if self.background.sending:
            self._now = time.time()
        seen = (states, self._now, len(self.window.rows), sum(self.window.answered.values()))
        if seen != self._seen:
            self._seen = seen
            self.drawn = self._draw(states)
            if not self.background.sending or time.monotonic() - self.still.made > STILL_EVERY:
                self.still.renew(self.drawn, self._now)

    def _draw(self, states: dict[str, str]) -> Drawn:
        seen = self.window.seen(self._now)
        with self._drawing:
            drawn = draw(self.pool, self.layer, states, seen, read(self.layer, seen.connected))
            for image, picture in zip(self.controls.images, drawn.pictures, strict=True):
                png = base64.b64encode(picture.quick_png()).decode("ascii")
                image.value = filled("picture.html.j2", alt=picture.alt, png=png)
            self.controls.tables.value = (
                f'<div class="jp-RenderedHTMLCommon" role="group" aria-label="Tables" tabindex="0">{drawn.tables}</div>'
            )
        return drawn

    def _asleep(self, why: str) -> None:
        """The thread has ended."""
        self.still.renew(self.drawn, self._now)
        self._buttons()
        self.controls.say(why)

    def _ipython_display_(self) -> None:
        self.still.show()
        self.still.renew(self.drawn, self._now)
        display(self.controls.box)


def panel(lab: Lab, pool: BackendPool, via: Service | None = None, *, url: str | None = None, rate: int = 10) -> Panel:
    """A live panel on `pool`: faults to click, requests to send, who answers, what fails, and the counters of the layer.

    `via` is what stands before the pool: a Dnsmasq, a VirtualService, an Nginx, or None where each backend is asked in turn.
    `url` is what is asked (by default the assignment's), `rate` how many requests a second at first. All backends are healed,
    and ten requests sent, when it is made; everything else begins with a click. A kernel has one panel: a new one ends the
    old. It ends with the lab, goes to sleep 150 s after its page was closed, and stops sending at an interrupt.
    Raises BadInput, ServiceError, LabClosed.
    """
    low, high = RATES
    if not low <= rate <= high:
        raise BadInput(f"A panel cannot send {rate} requests a second.", way_out=f"{low} to {high}")
    if Panel.current:
        Panel.current.close()
    Panel.current = Panel(lab, pool, via, url, rate)
    return Panel.current
