"""A lab is a machine of its own, with root in it, who must not be able to do anything to the machine that it runs on.

Every candidate opens one, and where one cannot, the error says why and nothing is left running.
"""

import contextlib
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from labkit.errors import BadInput, LabkitError, NoLinux
from labkit.lab import Lab
from labkit.machine.choose import candidates
from labkit.machine.packages import way_to_uml
from labkit.machine.temporary import own_folder
from labkit.machine.view import COPY_SIZE

from .helpers import CANDIDATES, LabFactory, running

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
LISTEN = "python3 -c 'import socket; [socket.create_server((\"127.0.0.1\", port)) for port in (53, 80, 8888)]'"
LAZY = "/usr/bin/python3 -c 'import http.server, sys; print(\"_ssl\" in sys.modules); import ssl; print(ssl.SSLContext)'"
# What a learner finds there: a command and all that it prints.
FINDS = {
    "the learner is root": ("id -u", "0\n"),
    "~ is the working folder": ("echo ~; pwd", "/root\n/root\n"),
    "the users are the lab's own": (
        "cut -d: -f1 /etc/passwd | sort", "daemon\ndnsmasq\nnobody\nroot\ntcpdump\nwww-data\n",
    ),
    "no secrets of the host": ("ls /etc/shadow /etc/ssh /etc/machine-id 2>/dev/null; true", ""),
    "nothing of labkit's is in the way": ("ls -A /tmp /run /var/log | grep labkit; true", ""),
    "it resolves with its own dnsmasq": ("grep nameserver /etc/resolv.conf", "nameserver 127.0.0.1\n"),
    "its name": ("hostname; getent hosts lab | cut -d' ' -f1", "lab\n127.0.0.1\n"),
    "loopback is up, and all that there is": ("ip -o link show up | cut -d: -f2; ip route show default", " lo\n"),
    "every port is free": (LISTEN, ""),
    "a program of root's may become nobody": (f"{NOBODY} id -u; {NOBODY} id -g; {NOBODY} id -G", "65534\n" * 3),
    "nobody may not do what root may": (
        f"install -m 600 /dev/null /tmp/roots; {NOBODY} cat /tmp/roots 2>/dev/null || cat /tmp/roots && echo root", "root\n",
    ),
    "sudo runs": ("sudo id -un; echo x | sudo -n -E tee -a /etc/motd; A=1 sudo -- B=2 sh -c 'echo $A$B'", "root\nx\n12\n"),
    "sudo as somebody, and its code": ("sudo -u nobody id -un; sudo false || echo $?", "nobody\n1\n"),
    "its folders are its own": (
        "touch /etc/x /tmp/x /run/x /var/x /var/log/nginx/x /var/lib/misc/x && rm /etc/x /tmp/x /run/x /var/x; stat -c %a /tmp",
        "1777\n",
    ),
    "http.server comes without ssl, which is there for whoever uses it": (
        LAZY,
        "False\n<class 'ssl.SSLContext'>\n",
    ),
    "/etc/nginx is a copy of what the package brings": (
        "test -f /etc/nginx/mime.types && echo '# mine' >> /etc/nginx/nginx.conf && rm /etc/nginx/sites-enabled/default", "",
    ),
    "no device of the host's can be made": ("mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk || echo no", "no\n"),
    "logging to the console does not disturb": ("for i in $(seq 50); do echo keepalived > /dev/console; done", ""),
    "programs and labkit cannot be changed by a slip": (
        "for at in /usr/bin /usr/lib /opt/labkit/labkit /opt/site-packages; do touch $at/x 2>/dev/null && echo $at; done; true",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("command", "prints"), FINDS.values(), ids=FINDS)
def test_what_is_typed_with_sudo_or_without(lab: Lab, command: str, prints: str) -> None:
    """The lab is a machine in which the learner is root, alone, with all its ports, and the programs of this one."""
    assert lab.run(command).stdout == prints
    assert "# mine" not in Path("/etc/nginx/nginx.conf").read_text()


def test_home_is_the_labs_home(lab: Lab) -> None:
    """A file made inside is there outside, and the other way, also when it is written again; read() takes any place,
    and write() one below ~/ alone."""
    lab.run("echo inside > ~/from-inside; echo var > /var/own")
    assert (lab.home / "from-inside").read_text() == "inside\n"
    for text in ("first\n", "second, which is longer\n", "3\n"):
        lab.write("~/again", text)
        assert lab.run("cat ~/again").stdout == text
    assert (lab.read("~/again"), lab.read("/var/own"), lab.read("/none")) == ("3\n", "var\n", None)
    for path in ("/etc/passwd", "page", "~", "~user/x", "../x", "~/../x", "~/a/../../x"):
        with pytest.raises(BadInput, match="not in the lab's home"):
            lab.write(path, "x")


def test_hosts_home_folders_are_not_to_be_seen(lab: Lab) -> None:
    """Neither the users' folders nor this project's or the tests' folder is there, nor a variable of the notebook's process."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    for place in {"/home", "/mnt", "/media", "/srv", str(Path(__file__).parent), home} - {"/root"}:
        assert lab.run(["ls", "-d", place], check=False).code != 0, place
    words = lab.run("env").stdout
    assert all(f"{name}=" not in words for name in ("PYTEST_CURRENT_TEST", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD"))


def test_network_and_clock(lab: Lab) -> None:
    """A server on the host's loopback is not to be reached; times in the lab's logs can be compared with the notebook's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert lab.run(f"curl -s -m 5 http://127.0.0.1:{server.getsockname()[1]}", check=False).code == 7
    before = time.time()
    assert before - 2 < float(lab.run("date +%s.%N").stdout) < time.time() + 2


def test_hosts_processes_are_not_seen(own_lab: LabFactory) -> None:
    """A lab sees its own processes only."""
    lab = own_lab("host")
    assert 0 < len(lab.run("ls /proc | grep -c '^[0-9]'").stdout) < 3
    assert str(os.getpid()) not in lab.run("ls /proc").stdout.split()


def test_work_of_others_is_a_copy_on_a_linux_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not trusted is carried by User-Mode Linux that is kept in, whatever is asked for, and its home stays as it was."""
    monkeypatch.setenv("LABKIT_LINUX", "host")
    (tmp_path / "page").write_text("handed in\n")
    with Lab("others", home=tmp_path, trusted=False, current=False) as lab:
        assert lab.linux == "uml"
        assert lab.run("cd /root && cat page && echo changed > page && touch new && cat page").stdout == "handed in\nchanged\n"
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    assert (tmp_path / "page").read_text() == "handed in\n"


def test_work_that_does_not_fit_is_not_judged_by_half(tmp_path: Path) -> None:
    """A home that is larger than its copy may be is an error, and not a copy with files missing."""
    (tmp_path / "large").write_bytes(b"x" * (COPY_SIZE + 1))
    (tmp_path / "zz-last").write_text("mine\n")
    with pytest.raises(LabkitError), Lab("others", home=tmp_path, trusted=False, current=False) as lab:
        lab.run("cat /root/zz-last")


@pytest.mark.parametrize(("name", "below"), [("dnsmasq.conf", ""), ("backend1", "/index.html")], ids=["file", "folder"])
def test_link_in_the_home_does_not_lead_out(lab: Lab, tmp_path: Path, name: str, below: str) -> None:
    """A link that the learner (or whose work is handed in) made in ~ is not followed on the host when a file is written, nor is
    one to a folder when a file is written below it, nor one in the place of a log when that is read."""
    outside, secret = tmp_path / "outside", tmp_path / "secret"
    outside.mkdir() if below else outside.write_text("the user's own\n")
    lab.run(["ln", "-s", str(outside), f"/root/{name}"])
    with contextlib.suppress(BadInput):
        lab.write(f"~/{name}{below}", "port=53\n")
    lab.run(f"rm -f ~/{name}")
    assert list(outside.iterdir()) == [] if below else outside.read_text() == "the user's own\n"
    secret.write_text("the user's own\n")
    process = lab.start("sleep 1000", name="linked")
    (log,) = lab.run("ls -t /lab/logs | head -1").stdout.split()
    lab.run(["ln", "-sf", str(secret), f"/lab/logs/{log}"])
    assert "the user's own" not in process.log
    process.stop()


def words_of_no_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> NoLinux:
    """The error of a lab that cannot open; nothing of it is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own_folder()  # what is made once and kept, is made now
    before = psutil.Process().children(recursive=True)
    lab = Lab("none", home=tmp_path / "home", **options)  # type: ignore[arg-type]
    with pytest.raises(NoLinux) as caught:
        lab.run("true")
    assert lab.closed
    assert not lab.folder.path.exists()
    assert running([process for process in psutil.Process().children(recursive=True) if process not in before]) == []
    return caught.value


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_candidate_opens(own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the candidates carries a lab here, and says who it is; what a shell would take for more than a name may be one,
    of the lab, in the temporary folder's path and in the home's."""
    place = tmp_path / "a&b;c$d'e(f)ж"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    lab = own_lab(candidate, name="лаба.b-c_d" * 4, home=place / "до м's $x")
    assert lab.run("id -u; pwd").stdout.split() == ["0", "/root"]
    assert lab.linux == CANDIDATES[candidate].name
    assert repr(lab) == f"<Lab {lab.name}: {CANDIDATES[candidate].title}>"
    lab.run("echo да >~/файл; cp ~/файл /lab/logs/copy")
    assert (lab.home / "файл").read_text() == lab.folder.read("logs/copy") == "да\n"


@pytest.mark.parametrize("candidate", ["uml", "landlock"])
def test_user_mode_linux_has_what_the_course_needs(
    own_lab: LabFactory, candidate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a view or not, it has users, dummy interfaces, IPVS and dropped packets by labkit's own probes, and the wrapper of
    ptrace, which is built here, in its memory.

    Every process that is the guest may run on one and the same processor alone, and this one on all of its own.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before, allowed = psutil.Process().children(recursive=True), psutil.Process().cpu_affinity()
    assert own_lab(candidate, needs={"ipvs", "dummy", "drop"}).linux == "uml"
    guest = [each for each in psutil.Process().children(recursive=True) if each not in before and each.name() == "linux.uml"]
    assert guest and len({tuple(each.cpu_affinity() or ()) for each in guest}) == len(guest[0].cpu_affinity() or ()) == 1
    assert psutil.Process().cpu_affinity() == allowed
    (library,) = (tmp_path / "cache" / "labkit").glob("xstate-*.so")
    assert any(f" {library.stat().st_ino} " in Path(f"/proc/{each.pid}/maps").read_text() for each in guest)


def test_without_bubblewrap_there_is_no_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_without: Callable[[str], None]
) -> None:
    """Without bwrap on PATH each of the three candidates says so, with the package to install."""
    monkeypatch.delenv("LABKIT_LINUX", raising=False)
    path_without("bwrap")
    error = words_of_no_linux(tmp_path, monkeypatch)
    assert [line.split(":")[0] for line in error.words.splitlines()] == [linux.title for linux in candidates()]
    assert error.words.count("bwrap") == 3
    assert error.way_out == "apt-get install bubblewrap"


def test_without_user_mode_linux_there_is_no_uml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path_without: Callable[[str], None]
) -> None:
    """Without linux.uml on PATH, and forced to it, both say so, with the package to install; a lab that needs no IPVS opens."""
    path_without("linux.uml")
    with monkeypatch.context() as forced:
        forced.setenv("LABKIT_LINUX", "uml")
        error = words_of_no_linux(tmp_path, forced, needs={"ipvs"})
    assert error.words.count("linux.uml") == 2
    assert error.way_out == way_to_uml()
    monkeypatch.delenv("LABKIT_LINUX", raising=False)
    with Lab("plain", home=tmp_path / "home") as lab:
        assert lab.linux == "host"


def test_linux_that_dies_while_booting_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A linux.uml that ends at once gives its own last words, on both candidates that use it."""
    program = tmp_path / "linux.uml"
    program.write_text("#!/bin/sh\necho 'Kernel panic - not syncing: no luck today' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("labkit.machine.uml.PROGRAM", str(program))
    monkeypatch.setattr("labkit.machine.choose.candidates", lambda: [CANDIDATES["bare"]])
    error = words_of_no_linux(tmp_path, monkeypatch)
    assert "no luck today" in error.words


# Four threads, which share a process and each have a state of their own, signals that calculate, and new pages at each step.
FLOATS = """
import math, signal, threading
def run(seed, sums):
    x, pages = float(seed), []
    for i in range(1, 15000):
        x = math.fmod(x * 1.000001 + math.sin(i * seed) / 3, 10)
        pages.append(str(x) * 20)
    sums[seed] = repr(x), hash(tuple(map(len, pages)))
def rung(*_):
    math.exp(math.pi) / 7
signal.signal(signal.SIGALRM, rung)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
sums = {}
threads = [threading.Thread(target=run, args=(seed, sums)) for seed in range(2, 6)]
for one in threads: one.start()
for one in threads: one.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(sorted(sums.items()))
"""


def test_floating_point_survives_switches_signals_and_page_faults(own_lab: LabFactory) -> None:
    """What programs calculate side by side in User-Mode Linux, with threads and signals, is what this machine calculates."""
    lab = own_lab("uml")
    (lab.home / "floats.py").write_text(FLOATS)
    both = lab.run("python3 floats.py >one & python3 floats.py >two; wait; cat one two").stdout.splitlines()
    here = subprocess.run([sys.executable, "-c", FLOATS], capture_output=True, text=True, check=True).stdout.strip()
    assert both == [here, here]
