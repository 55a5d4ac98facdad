"""labkit works wherever it is started: in odd folders, without a home, in the C locale, read-only, on each Python, and where
signals are ignored (nohup, a script's `&`, a service manager).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
import websocket
from box import TOP, box_command

from .helpers import CANDIDATES, ON_ONE, python
from .jupyter import PATIENCE, TOKEN, jupyterlab, kernel_of
from .jupyter import said as said_in

# Opens a lab in the current folder, writes and reads a file of Russian name and text, and prints what it read.
SCRIPT = f"""{ON_ONE}
from labkit.inside import files
with Lab("наша") as lab:
    lab.write("~/файл", "да\\n")
    assert lab.run("cat файл && echo нет >~/ответ").stdout == "да\\n"
    assert lab.read("~/ответ") == "нет\\n"
    assert lab.call(files.listing, "/root") == ["ответ", "файл"]
    print(ascii(lab.linux), sys.version_info[:2], len(str(lab.home)))
"""
TIMEOUT = 300.0
USER = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "LABKIT_"))}


def said(command: list[str], cwd: Path, **environment: str) -> str:
    """What a command prints, which must end well."""
    done = subprocess.run(
        command, cwd=cwd, env={**PLAIN, **environment}, capture_output=True, encoding="utf-8", timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_folder_of_other_letters_in_the_c_locale(tmp_path: Path, candidate: str) -> None:
    """labkit in a folder with blanks, quotes and letters of other scripts, started there in the C locale, which is POSIX's too,
    opens a lab with a home there, in which names and texts are the same as elsewhere."""
    folder = tmp_path / "мой 'курс' $x"
    shutil.copytree(TOP / "labkit", folder / "labkit")
    found = said([sys.executable, "-c", SCRIPT, candidate], folder, LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert CANDIDATES[candidate].name in found
    assert (folder / "work" / "ответ").read_text(encoding="utf-8") == "нет\n"
    assert (folder / "work" / "файл").read_text(encoding="utf-8") == "да\n"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_no_home_and_no_name(candidate: str) -> None:
    """A user without HOME and without a line in /etc/passwd, as `docker run --user` makes them, has a lab."""
    script = f'cd /tmp/home && "$0" -c "$1" {candidate} && test -d work && ! test -e "~"'
    bare = ("env", "-u", "HOME", "-u", "XDG_CACHE_HOME", f"PYTHONPATH={TOP}")
    said(box_command(*USER, *bare, "sh", "-c", script, sys.executable, SCRIPT), TOP)


def test_read_only_checkout() -> None:
    """From a checkout that nobody can write to, labs open, and `labkit doctor` tries every candidate."""
    script = f"""
        mount --bind "{TOP}" "{TOP}" && mount -o remount,ro,bind "{TOP}" && ! touch "{TOP}/x" 2>/dev/null && cd /tmp/home &&
        "$0" -c "$1" host && "$0" -m labkit doctor"""
    found = said(box_command("env", f"PYTHONPATH={TOP}", "sh", "-c", script, sys.executable, SCRIPT), TOP)
    assert "'host'" in found and "task 4: bubblewrap" in found


def pythons() -> list[str]:
    """Each Python from 3.11 to 3.14 that is installed here, by its own path; the one that runs now is among them."""
    found = {sys.version_info[1]: sys.executable}
    for minor in range(11, 15):
        folders = [*os.environ["PATH"].split(":"), *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin"))]
        program = shutil.which(f"python3.{minor}", path=":".join(folders))
        if program and not subprocess.run([program, "-c", ""], capture_output=True, timeout=60, check=False).returncode:
            found.setdefault(minor, program)
    return list(found.values())


@pytest.mark.parametrize("candidate", ["host", "uml"])
@pytest.mark.parametrize("python", pythons())
def test_each_python_that_is_here(tmp_path: Path, python: str, candidate: str) -> None:
    """labkit's machine and commands work on each Python from 3.11 to 3.14 that is here, outside and in the lab."""
    site = next(path for path in map(Path, sys.path) if (path / "execnet").is_dir())
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("execnet", "lazy_loader", "packaging"):  # what this needs, of pure Python
        shutil.copytree(site / name, packages / name)
    found = said([python, "-c", SCRIPT, candidate], tmp_path, PYTHONPATH=f"{TOP}:{packages}")
    assert f"'{candidate}'" in found


IGNORING = ("env", "--ignore-signal=HUP,INT,QUIT,TERM,PIPE")
IGNORED = "sed -n /SigIgn/p /proc/self/status"
# What sed, which ignores nothing itself, prints.
NONE = "SigIgn:\t" + "0" * 16

# Opens a lab and prints what commands in it ignore, in the foreground, in the background, in a shell at a terminal.
LOOK = f"""{ON_ONE}
import subprocess
sys.path.insert(0, "tests")
from labkit.errors import wait_until
from tests.lab import terminal
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
    with python(LOOK, candidate, str(tmp_path / "home"), before=IGNORING, cwd=TOP) as process:
        assert process.communicate()[0].split("\n") == [NONE, NONE, NONE, NONE, ""]


def test_notebooks_of_a_report_ignore_no_signal(tmp_path: Path) -> None:
    """The kernel in which `labkit report` runs a notebook, and the programs that it starts."""
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), tmp_path / "1_signals.ipynb")
    script = (
        "import sys\nfrom pathlib import Path\nfrom labkit.author import notebooks\nnotebooks.NOTEBOOKS = Path(sys.argv[1])\n"
        "print(notebooks.report(out=Path(sys.argv[1], 'out'))[0].notebook.cells[0].outputs[0].text)"
    )
    assert said([*IGNORING, sys.executable, "-c", script, str(tmp_path)], tmp_path).strip() == NONE


def test_terminals_and_kernels_of_jupyterlab_ignore_no_signal(tmp_path: Path) -> None:
    """JupyterLab itself goes on when the terminal in which it was started is closed; what it starts inherits nothing of that."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    with jupyterlab(notebooks, before=IGNORING) as address:

        def post(what: str) -> bytes:
            request = urllib.request.Request(f"{address}/api/{what}?token={TOKEN}", data=b"", method="POST")
            return bytes(urllib.request.urlopen(request, timeout=PATIENCE).read())

        (server,) = (int(json.loads(file.read_text())["pid"]) for file in tmp_path.glob("*/jpserver-*.json"))
        os.kill(server, signal.SIGHUP)
        terminal = json.loads(post("terminals"))["name"]
        socket = websocket.create_connection(f"ws{address[4:]}/terminals/websocket/{terminal}?token={TOKEN}", timeout=PATIENCE)
        socket.send(json.dumps(["stdin", f"{IGNORED}\r"]))
        said_there = ""
        while "SigIgn:" not in said_there:
            said_there += "".join(map(str, json.loads(socket.recv())[1:]))
        socket.close()
        assert NONE in said_there
        post("kernels")
        client = kernel_of(notebooks)
        assert said_in(client, CELL).strip() == NONE
        client.stop_channels()


def test_steps_of_a_test_run_ignore_no_signal(tmp_path: Path) -> None:
    """What `./lab test` starts, so that `nohup ./lab test` sees what a terminal's does."""
    (tmp_path / "look_at_signals.py").write_text(CELL)
    script = "from tests.run import command; command('a step', 'python', '-m', 'look_at_signals')"
    assert said([*IGNORING, sys.executable, "-c", script], TOP, PYTHONPATH=str(tmp_path)).strip() == NONE
