"""What ends with a process: its folder, and what runs under a keeper; a guest's one processor; interrupts held back."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from labkit.errors import wait_until
from labkit.machine import temporary
from labkit.machine.temporary import Kept, freest, held_back, on_one_processor, own_folder, ready

# What a command may leave: a child that ignores signals, in a session of its own, whose parent has ended.
LEAVES = "setsid sh -c 'trap \"\" TERM HUP INT; sleep 1000 & echo on; exec sleep 1001' & exec sleep 1002"
SCRIPT = f"""
import os, sys
import psutil
from pathlib import Path
from labkit.machine.temporary import Kept, own_folder
folder = own_folder()
if sys.argv[1:] == ["killed"]:
    keeper, = psutil.Process().children()
    keeper.kill()
    keeper.wait()
kept = Kept(["sh", "-c", {LEAVES!r}], log=own_folder() / "log")
kept.stdout.readline()
print(folder, *(process.pid for process in psutil.Process().children(recursive=True)), flush=True)
sys.stdin.read()
os._exit(0)
"""


def alive(pid: int) -> bool:
    """True for a process that is there, and not only waits to be collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it may go at any moment
        return False


@pytest.mark.parametrize("folders_keeper", ["alive", "killed"])
def test_folder_and_commands_end_with_the_process(folders_keeper: str) -> None:
    """All that a command has left is ended, and the folder deleted, also when the folder's keeper had been ended meanwhile."""
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, folders_keeper], input="", capture_output=True, text=True, timeout=60, check=True
    )
    folder, *pids = child.stdout.split()
    assert len(pids) >= 5
    wait_until(lambda: not Path(folder).exists(), reason="the end of the process's folder", timeout=60)
    wait_until(lambda: not any(map(psutil.pid_exists, map(int, pids))), reason="the end of all processes", timeout=60)


@pytest.mark.parametrize("end", ["stop", "by itself"])
def test_stopped_command_leaves_nothing(tmp_path: Path, end: str) -> None:
    """Nothing that came of it is left once `stop` has returned; also when it has ended by itself, and a second time."""
    before = psutil.Process().num_fds()
    kept = Kept(["sh", "-c", LEAVES], log=tmp_path / "log")
    assert kept.stdout.readline() == b"on\n"
    family = [one.pid for one in psutil.Process(kept.pid).children(recursive=True)]
    assert len(family) >= 3
    if end == "by itself":
        os.kill(psutil.Process(kept.pid).children()[0].pid, signal.SIGTERM)
        wait_until(lambda: not any(map(alive, family)), reason="the end of what it left", timeout=60)
    kept.close()
    kept.close()
    assert not any(map(psutil.pid_exists, [kept.pid, *family]))
    assert psutil.Process().num_fds() == before


def test_words_of_a_command(tmp_path: Path) -> None:
    """One that cannot be started says so in the log, and its streams end; whatever is ignored here, it has every default."""
    kept = Kept(["/nowhere"], log=tmp_path / "log")
    assert kept.stdout.read() == b""
    kept.close()
    assert (tmp_path / "log").read_text().startswith("/nowhere: ")
    kept = Kept(["sed", "-n", "/SigIgn/p", "/proc/self/status"], log=tmp_path / "log")
    assert kept.stdout.read() == b"SigIgn:\t0000000000000000\n"
    kept.close()


def test_keeper_on_one_processor_keeps_all_there(tmp_path: Path) -> None:
    """A command and what it starts have one processor, that of their keeper; this thread has all of its own again."""
    allowed = os.sched_getaffinity(0)
    script = "import os; print(os.sched_getaffinity(0)); print(os.sched_getaffinity(os.getppid()))"
    kept = Kept(["sh", "-c", f'python3 -c "{script}"; true'], log=tmp_path / "log", one_processor=True)
    own, its_parents = (eval(line) for line in kept.stdout.read().splitlines())
    kept.close()
    assert len(own) == 1 and own == its_parents and own <= allowed
    assert os.sched_getaffinity(0) == allowed


def test_processors_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be started leaves this thread all of its own; where it may not choose, the program is started all the same."""
    allowed = os.sched_getaffinity(0)
    with pytest.raises(FileNotFoundError), on_one_processor():
        subprocess.run(["/nowhere"], check=True)
    assert os.sched_getaffinity(0) == allowed

    def refuse(*_args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with on_one_processor():
        assert subprocess.run(["true"], check=True).returncode == 0


def test_freest_processor_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The allowed one to which the fewest keepers are bound, any of several; nothing else that is bound counts."""
    allowed = os.sched_getaffinity(0)
    number = max(allowed)
    kept = Kept(["sh", "-c", "sleep 1000 & sleep 1001 & echo on; wait"], log=tmp_path / "log")
    other = subprocess.Popen(["sleep", "1000"])
    try:
        assert kept.stdout.readline() == b"on\n"
        pids = [kept.pid, other.pid, *(one.pid for one in psutil.Process(kept.pid).children(recursive=True))]
        monkeypatch.setattr(os, "listdir", lambda _folder: [*map(str, pids), "self", "999999999"])
        assert {freest(allowed) for _ in range(200)} == allowed
        for pid in pids:
            os.sched_setaffinity(pid, {number})
        assert {freest({number, 900, 901}) for _ in range(200)} == {900, 901}
        monkeypatch.setattr(temporary, "KEEPER", Path("other.py"))
        assert number in {freest({number, 900, 901}) for _ in range(200)}
    finally:
        other.kill()
        other.wait()
        kept.close()


def test_folder_is_made_once_and_again_when_it_is_gone() -> None:
    """A folder that somebody has deleted is made anew."""
    folder = own_folder()
    assert folder == own_folder() and folder.is_dir()
    folder.rename(folder.with_name(f"{folder.name}-gone"))
    try:
        assert own_folder() != folder and own_folder().is_dir()
    finally:
        folder.with_name(f"{folder.name}-gone").rename(folder)


def test_pipe_is_readable_at_its_end() -> None:
    """What has ended is readable, what says nothing is not."""
    reading, writing = os.pipe()
    assert not ready(reading, 0)
    os.close(writing)
    assert ready(reading, 10)
    os.close(reading)


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_interrupt_comes_after_what_it_would_have_broken(error: type[Exception] | None) -> None:
    """What is begun is finished, or fails; then KeyboardInterrupt is raised, once, and the handler is the usual one again."""
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        if error:
            raise error
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_and_ignored_interrupts_are_left_alone() -> None:
    """Only the main thread is interrupted; and who ignores interrupts goes on doing so."""
    seen = []

    def look() -> None:
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        look()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [before, signal.SIG_IGN]
