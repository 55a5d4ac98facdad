"""The live panel over a real lab, without a browser: what it counts, and that no thread of it is left."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

from labkit.errors import BadInput
from labkit.lab import Lab
from labkit.panel import panel as module
from labkit.panel.panel import Panel, panel
from labkit.services.daemons import Dnsmasq, Nginx
from labkit.services.http_server import BackendPool
from labkit.services.ipvs import VirtualService

from .helpers import BALANCER, DNSMASQ, LabFactory, eventually
from .jupyter import PATIENCE, said

CELLS = """from labkit import BackendPool, Lab, panel
lab = Lab("headless", home={home!r}); pool = BackendPool(lab); pool.start()
===
panel(lab, pool)
===
import threading
print([thread.name for thread in threading.enumerate() if thread.name.startswith("labkit-panel")])
lab.close()"""


def threads() -> list[str]:
    """The names of the threads that panels have."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("labkit-panel")]


@pytest.fixture
def pool(host_lab: Lab) -> Iterator[BackendPool]:
    """The two backends."""
    with BackendPool(host_lab) as pool:
        yield pool


@pytest.fixture
def make(host_lab: Lab) -> Iterator[Callable[..., Panel]]:
    """Makes panels; nothing of them is left after the test."""
    made: list[Panel] = []

    def one(*args: Any, **options: Any) -> Panel:
        made.append(panel(host_lab, *args, **options))
        return made[-1]

    yield one
    for each in made:
        each.close()
    eventually(lambda: not threads(), "the end of the panels' threads")


def counted(panel: Panel) -> dict[str, tuple[int, int]]:
    """Each backend's answered and failed requests."""
    window = panel.window
    return {row.backend: (row.answered, row.failed) for row in window.table(window.recent(time.time())).itertuples()}


def sends(panel: Panel) -> bool:
    """True when requests come in."""
    before = sum(panel.window.answered.values())
    time.sleep(0.5)
    return sum(panel.window.answered.values()) > before


def test_stopped_backend_fails_in_the_table_and_is_dead_in_the_picture(make: Callable[..., Panel], pool: BackendPool) -> None:
    """At the beginning all backends are well, ten requests were answered, and nothing goes on before somebody is there.

    A switch that is clicked while requests are sent: failures are counted, the command is shown, healing ends them. The number a
    second is changed while requests are sent, and they go on being sent; too many a second, or none, are BadInput.
    """
    for rate in (0, 31):
        with pytest.raises(BadInput, match="requests a second"):
            make(pool, rate=rate)
    pool["backend2"].stop()
    panel = make(pool)
    assert counted(panel) == {"backend1": (5, 0), "backend2": (5, 0)} and threads() == []
    panel.start()
    panel.controls.switches["backend2"].value = "stopped"
    assert "pkill" in panel.controls.commands.value
    eventually(lambda: counted(panel)["backend2"][1] >= 5, "failures of backend2")
    eventually(lambda: "backend2 is dead" in panel.drawn.pictures[0].alt, "the picture of it")
    eventually(lambda: "refused" in panel.controls.tables.value, "the table of it")
    panel.controls.switches["backend2"].value = "well"
    before = counted(panel)["backend2"][0]
    eventually(lambda: counted(panel)["backend2"][0] > before, "answers of backend2")
    assert counted(panel)["backend1"][1] == 0
    panel.controls.rate.value = 25
    before = sum(counted(panel)["backend1"])
    eventually(lambda: panel.rate == 25 and sum(counted(panel)["backend1"]) > before + 20, "more requests")


def test_picture_follows_what_cells_do(make: Callable[..., Panel], pool: BackendPool, capsys: Any) -> None:
    """While somebody is there, a server that is stopped by code is seen, in the picture and at its switch.

    What a click applies is shown in the panel, not printed below the cell that happens to run.
    """
    panel = make(pool)
    panel.beat()
    pool["backend1"].stop()
    eventually(lambda: "backend1 is dead" in panel.drawn.pictures[0].alt, "the picture of it")
    assert panel.controls.switches["backend1"].value == "stopped"
    assert [words for _, words in panel.window.noted(time.time())] == ["backend1 stopped"]
    assert panel.controls.commands.value == ""
    capsys.readouterr()
    panel.controls.switches["backend2"].value = "frozen"
    assert "pkill -STOP" in panel.controls.commands.value and capsys.readouterr().out == ""


def test_second_panel_ends_the_first(make: Callable[..., Panel], pool: BackendPool) -> None:
    """Running the cell again leaves one panel: the old one's thread ends."""
    first = make(pool)
    first.start()
    eventually(lambda: sends(first), "its requests")
    make(pool)
    eventually(lambda: not first.awake and not threads() and not sends(first), "the end of the first")
    assert "run again" in first.controls.said.value


def test_panel_sleeps_when_nobody_is_there(
    make: Callable[..., Panel], pool: BackendPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sign of the browser the thread ends, and the sending; a click begins anew."""
    panel = make(pool)
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    panel.start()
    eventually(lambda: not panel.awake and not threads(), "sleep")
    assert "sleep" in panel.controls.said.value and not panel.sending and not sends(panel)
    monkeypatch.setattr(module, "PATIENCE", 60.0)
    panel.start()
    eventually(lambda: sends(panel), "requests again")


def test_stop_and_an_interrupted_cell_end_the_sending(make: Callable[..., Panel], pool: BackendPool) -> None:
    """After a click on Stop, and after a KeyboardInterrupt in a cell, nothing is sent any more."""
    panel = make(pool)
    interrupted = type("Result", (), {"error_in_exec": KeyboardInterrupt()})()
    for end in (panel.controls.stop.click, lambda: panel.interrupts._after_cell(interrupted)):
        panel.controls.start.click()
        eventually(lambda: sends(panel), "requests")
        end()
        eventually(lambda: not sends(panel), "the end of the sending")
        assert panel.awake and not panel.sending and panel.controls.stop.disabled


def test_panel_ends_with_its_lab(own_lab: LabFactory, linux: str) -> None:
    """A lab that is closed under a panel that sends ends it, and says so."""
    lab = own_lab(linux)
    pool = BackendPool(lab)
    pool.start()
    one = panel(lab, pool)
    one.start()
    eventually(lambda: sends(one), "requests")
    lab.close()
    eventually(lambda: not one.awake and not threads(), "its end")
    assert "The lab is closed" in one.controls.said.value


def test_dns_panel_shows_the_records(make: Callable[..., Panel], host_lab: Lab) -> None:
    """Behind dnsmasq both addresses are taken first in turn, and stay in the answers when one is dead."""
    with BackendPool.at(host_lab, "127.0.0.1:80", "127.0.0.2:80") as pool, Dnsmasq(host_lab, DNSMASQ) as dnsmasq:
        panel = make(pool, dnsmasq)
        panel.beat()
        panel.controls.switches["backend2"].value = "stopped"
        eventually(lambda: "backend2 is dead" in panel.drawn.pictures[0].alt, "the picture of it")
        assert all(f"<td>127.0.0.{n}</td>" in panel.drawn.tables for n in (1, 2))
        panel.close()


def test_nginx_panel_counts_attempts(make: Callable[..., Panel], host_lab: Lab, pool: BackendPool) -> None:
    """Behind nginx backend2 answers when backend1 is stopped; its seven failed attempts are in the table."""
    with Nginx(host_lab, BALANCER) as nginx:
        panel = make(pool, nginx)
        panel.controls.switches["backend1"].value = "stopped"
        panel.start()
        seven = re.compile(r"<td>127.0.0.1:8081</td>\s+<td>\d+</td>\s+<td>7</td>")
        eventually(lambda: seven.search(panel.drawn.tables), "7 failed attempts")
        eventually(lambda: counted(panel)["backend2"][0] > 7, "answers of backend2")
        panel.close()


def test_ipvs_panel_shows_its_table(service: VirtualService, ipvs_lab: Lab, ipvs_pool: BackendPool) -> None:
    """Behind IPVS the kernel's table is shown, with both real servers."""
    one = panel(ipvs_lab, ipvs_pool, service)
    assert all(f"<td>127.0.0.1:{port}</td>" in one.drawn.tables for port in (8081, 8082))
    one.close()


def test_headless_run_leaves_a_picture_and_no_loop(tmp_path: Any) -> None:
    """In a kernel without a page the cell ends at once with the copy for the export, and no thread of a panel runs."""
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS.format(home=str(tmp_path / "work")).split("\n===\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    pages = [output.data.get("text/html", "") for output in notebook.cells[1].outputs if "data" in output]
    assert sum(page.count("data:image/png;base64,") for page in pages) == 2
    assert notebook.cells[2].outputs[0].text == "[]\n"


BEGIN = """from labkit import BackendPool, Lab, panel
lab = Lab("in_a_kernel", home={home!r}); pool = BackendPool(lab); pool.start()
one = panel(lab, pool); one.start()"""
SENT = "print(sum(one.window.answered.values()))"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A kernel in which a panel sends."""
    manager, client = start_new_kernel(cwd=str(tmp_path), startup_timeout=PATIENCE)
    try:
        said(client, BEGIN.format(home=str(tmp_path / "work")))
        before = sent(client)
        eventually(lambda: sent(client) > before + 5, "requests of the panel")
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def sent(client: BlockingKernelClient) -> int:
    """How many requests the panel has sent."""
    return int(said(client, SENT))


def test_interrupt_between_cells_ends_the_sending(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    """The square button of Jupyter stops the panel also while no cell runs; the kernel lives, and Start starts it again."""
    manager, client = kernel
    manager.interrupt_kernel()
    eventually(lambda: said(client, "print(one.sending)") == "False\n", "the end of the sending")
    time.sleep(2)  # what is under way is still counted
    before = sent(client)
    time.sleep(1)
    assert sent(client) == before
    said(client, "one.start()")
    eventually(lambda: sent(client) > before, "requests again")
    said(client, "one.close(); lab.close()")
    manager.interrupt_kernel()
    assert said(client, "print(6 * 7)") == "42\n"
