"""A lab is a machine of its own, with root in it, who must not be able to do anything to the machine that it runs on."""

import contextlib
import os
import pwd
import socket
import time
from pathlib import Path

import pytest

from labkit.errors import BadInput, LabkitError
from labkit.lab import Lab
from labkit.machine.view import COPY_SIZE

from .helpers import LabFactory

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
