"""A lab is a machine of its own."""

import os
import pwd
import socket
import time
from pathlib import Path

import pytest

from labkit.lab import Lab

pytestmark = pytest.mark.lab

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
    "programs and labkit cannot be changed by a slip": (
        "for at in /usr/bin /usr/lib /opt/labkit/labkit /opt/site-packages; do touch $at/x 2>/dev/null && echo $at; done; true",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("command", "prints"), FINDS.values(), ids=FINDS)
def test_what_is_typed_with_sudo_or_without(lab: Lab, command: str, prints: str) -> None:
    """The lab is a machine in which the learner is root, alone, with all its ports, and the programs of this one."""
    assert lab.run(command).stdout == prints


def test_home_is_the_labs_home(lab: Lab) -> None:
    """A file made inside is there outside, and the other way, also when it is written again; read() takes any place."""
    lab.run("echo inside > ~/from-inside; echo var > /var/own")
    assert (lab.home / "from-inside").read_text() == "inside\n"
    for text in ("first\n", "second, which is longer\n", "3\n"):
        lab.write("~/again", text)
        assert lab.run("cat ~/again").stdout == text
    assert (lab.read("~/again"), lab.read("/var/own"), lab.read("/none")) == ("3\n", "var\n", None)


def test_hosts_home_folders_are_not_to_be_seen(lab: Lab) -> None:
    """Neither the users' folders nor this project's or the tests' folder is there, nor a variable of the notebook's process."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    for place in {"/home", "/mnt", "/media", "/srv", str(Path(__file__).parent), home} - {"/root"}:
        assert lab.run(["ls", "-d", place], check=False).code != 0, place
    words = lab.run("env").stdout
    assert all(f"{name}=" not in words for name in ("PYTEST_CURRENT_TEST", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD"))


def test_configuration_of_nginx_can_be_edited_in_place(lab: Lab) -> None:
    """/etc/nginx is the lab's own copy, with what the package brings."""
    lab.run("test -f /etc/nginx/mime.types && echo '# mine' >> /etc/nginx/nginx.conf && rm /etc/nginx/sites-enabled/default")
    assert "# mine" not in Path("/etc/nginx/nginx.conf").read_text()


def test_network_and_clock(lab: Lab) -> None:
    """A server on the host's loopback is not to be reached; times in the lab's logs can be compared with the notebook's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert lab.run(f"curl -s -m 5 http://127.0.0.1:{server.getsockname()[1]}", check=False).code == 7
    before = time.time()
    assert before - 2 < float(lab.run("date +%s.%N").stdout) < time.time() + 2
