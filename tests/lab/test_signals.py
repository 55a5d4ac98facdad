"""Started where signals are ignored (nohup, a script's `&`, a service manager): what labkit starts begins with the defaults."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
import websocket

from .helpers import CANDIDATES, python
from .jupyter import PATIENCE, TOKEN, jupyterlab, kernel_of, said

pytestmark = pytest.mark.lab
IGNORING = ("env", "--ignore-signal=HUP,INT,QUIT,TERM,PIPE")
IGNORED = "sed -n /SigIgn/p /proc/self/status"
# What sed, which ignores nothing itself, prints.
NONE = "SigIgn:\t" + "0" * 16

# Opens a lab and prints what commands in it ignore, in the foreground, in the background, in a shell at a terminal.
LOOK = f"""
import subprocess, sys
sys.path.insert(0, "tests")
from labkit.lab import Lab
from labkit.machine import choose
from labkit.errors import wait_until
from tests.lab import helpers, terminal
choose.candidates = lambda: [helpers.CANDIDATES[sys.argv[1]]]
with Lab("signals", home=sys.argv[2]) as lab:
    print(lab.run({IGNORED!r}).stdout, end="")
    process = lab.start({IGNORED!r})
    print(wait_until(lambda: process.log, reason="its log", timeout=60), end="")
    with terminal.opened(lab) as shell:
        print(shell.do({IGNORED!r}).strip())
    command = [*terminal.LABKIT, "shell", terminal.address(lab), "-c", {IGNORED!r}]
    print(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout, end="")
"""
CELL = f"import subprocess\nprint(subprocess.run({IGNORED.split()!r}, capture_output=True, text=True).stdout)"


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_labs_and_shells_ignore_no_signal(candidate: str, tmp_path: Path) -> None:
    """Commands of a lab, in the foreground and in the background, its terminals and `labkit shell -c`."""
    top = Path(__file__).resolve().parents[2]
    with python(LOOK, candidate, str(tmp_path / "home"), before=IGNORING, cwd=top) as process:
        assert process.communicate()[0].split("\n") == [NONE, NONE, NONE, NONE, ""]


def test_notebooks_of_a_report_ignore_no_signal(tmp_path: Path) -> None:
    """The kernel in which `labkit report` runs a notebook, and the programs that it starts."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), tmp_path / "1_signals.ipynb")
    script = (
        "import sys\nfrom pathlib import Path\nfrom labkit.author import notebooks\nnotebooks.NOTEBOOKS = Path(sys.argv[1])\n"
        "print(notebooks.report(out=Path(sys.argv[1], 'out'))[0].notebook.cells[0].outputs[0].text)"
    )
    done = subprocess.run([*IGNORING, sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == NONE


def test_terminals_and_kernels_of_jupyterlab_ignore_no_signal(tmp_path: Path) -> None:
    """JupyterLab itself goes on when the terminal in which it was started is closed; what it starts inherits nothing of that."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    with jupyterlab(notebooks, before=IGNORING) as address:
        (server,) = (int(json.loads(file.read_text())["pid"]) for file in tmp_path.glob("*/jpserver-*.json"))
        os.kill(server, signal.SIGHUP)
        terminal = json.loads(ask(address, "terminals", "POST"))["name"]
        socket = websocket.create_connection(f"ws{address[4:]}/terminals/websocket/{terminal}?token={TOKEN}", timeout=PATIENCE)
        socket.send(json.dumps(["stdin", f"{IGNORED}\r"]))
        said_there = ""
        while "SigIgn:" not in said_there:
            said_there += "".join(map(str, json.loads(socket.recv())[1:]))
        socket.close()
        assert NONE in said_there
        ask(address, "kernels", "POST")
        client = kernel_of(notebooks)
        assert said(client, CELL).strip() == NONE
        client.stop_channels()


def ask(address: str, what: str, method: str) -> bytes:
    """What JupyterLab's server answers to a request."""
    request = urllib.request.Request(f"{address}/api/{what}?token={TOKEN}", data=b"", method=method)
    return bytes(urllib.request.urlopen(request, timeout=PATIENCE).read())


def test_steps_of_a_test_run_ignore_no_signal(tmp_path: Path) -> None:
    """What `./lab test` starts, so that `nohup ./lab test` sees what a terminal's does."""
    (tmp_path / "look_at_signals.py").write_text(CELL)
    script = "from tests.run import command; command('a step', 'look_at_signals')"
    run = [*IGNORING, sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(run, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == NONE
