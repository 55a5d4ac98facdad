"""The live panel in a real Jupyter kernel, without a page: interrupts and restarts end what it does."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from .helpers import eventually, running
from .jupyter import PATIENCE, said

pytestmark = pytest.mark.lab
BEGIN = """from labkit import BackendPool, Lab, panel
lab = Lab("in_a_kernel", home={home!r}); pool = BackendPool(lab); pool.start()
one = panel(lab, pool); one.start()"""
SENT = "print(sum(one.window.answered.values()))"
THREADS = "import threading; print([thread.name for thread in threading.enumerate() if 'labkit' in thread.name])"
FIRST = "print(lab.state[1])"


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


def test_restarted_kernel_leaves_nothing_of_a_panel_that_sends(kernel: tuple[KernelManager, BlockingKernelClient]) -> None:
    """With the kernel its lab ends, so nothing can send; the cells run again in the new one."""
    manager, client = kernel
    first = psutil.Process(int(said(client, FIRST)))
    everything = [first, *first.children(recursive=True)]
    manager.restart_kernel(now=True)
    client.wait_for_ready(timeout=PATIENCE)
    eventually(lambda: not running(everything), "the end of the lab")
    assert said(client, THREADS) == "[]\n"


OPEN = "import gc; print([one.name for one in gc.get_objects() if isinstance(one, Lab) and not one.closed])"


def test_notebook_that_is_run_twice_has_one_lab(kernel: tuple[KernelManager, BlockingKernelClient], tmp_path: Path) -> None:
    """Running the cells again closes the lab of before, whoever still holds it: IPython's Out, a panel, a pool."""
    _, client = kernel
    first = psutil.Process(int(said(client, FIRST)))
    said(client, "kept = lab, pool, one\nlab")
    said(client, BEGIN.format(home=str(tmp_path / "work")))
    assert not running([first])
    assert said(client, OPEN) == "['in_a_kernel']\n"
    assert said(client, "print(Out[max(Out)])") == "<Lab in_a_kernel: closed>\n"
