"""A lab is a machine of its own."""

from __future__ import annotations

import os
import pwd
import socket
import time
from pathlib import Path

import pytest

from labkit.lab import Lab

pytestmark = pytest.mark.lab


def test_home_is_the_labs_home(lab: Lab) -> None:
    """~ and the working folder are the lab's home; a file made inside is there outside, and the other way."""
    assert lab.run("echo ~; pwd").stdout.split() == ["/root", "/root"]
    lab.run("echo inside > ~/from-inside")
    assert (lab.home / "from-inside").read_text() == "inside\n"
    (lab.home / "from-outside").write_text("outside\n")
    assert lab.run("cat ~/from-outside").stdout == "outside\n"


def test_file_written_outside_again_is_new_inside(lab: Lab) -> None:
    """What is written over a file that the lab has read already is what the lab reads next."""
    for text in ("first\n", "second, which is longer\n", "3\n"):
        lab.write("~/again", text)
        assert lab.run("cat ~/again").stdout == text


def test_hosts_home_folders_are_not_to_be_seen(lab: Lab) -> None:
    """Neither the users' folders nor this project's or the tests' folder is there."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    for place in {"/home", "/mnt", "/media", "/srv", str(Path(__file__).parent), home} - {"/root"}:
        assert lab.run(["ls", "-d", place], check=False).code != 0, place
    assert lab.run("ls -A /tmp /run /var/log").stdout.count("labkit") == 0


def test_users_secrets_are_not_to_be_seen(lab: Lab) -> None:
    """The host's users are not known in the lab, and their passwords and keys are not there."""
    assert lab.run("ls /etc/shadow /etc/ssh /etc/machine-id", check=False).stdout == ""
    names = {line.split(":")[0] for line in lab.run("cat /etc/passwd").stdout.splitlines()}
    assert names == {"root", "daemon", "www-data", "dnsmasq", "tcpdump", "nobody"}


def test_what_is_typed_with_sudo_runs(lab: Lab) -> None:
    """One is root already: sudo's options and variables are understood, its command runs as it is or as the asked user."""
    assert (
        lab.run("sudo id -un; echo x | sudo -n -E tee -a /etc/motd; A=1 sudo -- B=2 sh -c 'echo $A$B'").stdout == "root\nx\n12\n"
    )
    assert lab.run("sudo -u nobody id -un").stdout == "nobody\n"
    assert lab.run("sudo false", check=False).code == 1


def test_configuration_of_nginx_can_be_edited_in_place(lab: Lab) -> None:
    """/etc/nginx is the lab's own copy, with what the package brings."""
    lab.run("test -f /etc/nginx/mime.types && echo '# mine' >> /etc/nginx/nginx.conf && rm /etc/nginx/sites-enabled/default")
    assert "# mine" not in Path("/etc/nginx/nginx.conf").read_text()


def test_environment_is_not_the_callers(lab: Lab) -> None:
    """No variable of the notebook's process is passed on."""
    words = lab.run("env").stdout
    assert all(f"{name}=" not in words for name in ("PYTEST_CURRENT_TEST", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD"))


def test_lab_resolves_with_its_own_dnsmasq(lab: Lab) -> None:
    """resolv.conf names the lab itself, hosts knows localhost, and the host name is lab."""
    assert "nameserver 127.0.0.1" in lab.run("cat /etc/resolv.conf").stdout.splitlines()
    assert lab.run("getent hosts lab").stdout.split()[0] == "127.0.0.1"
    assert lab.run("hostname").stdout == "lab\n"


def test_learner_is_root_and_can_change_user(lab: Lab) -> None:
    """The learner is root; a program of root's may become nobody."""
    assert lab.run("id -u").stdout == "0\n"
    change = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert lab.run(f"{change} id -u; {change} id -g; {change} id -G").stdout.split() == ["65534"] * 3


def test_nobody_may_not_do_what_root_may(lab: Lab) -> None:
    """A file of root's that others must not read is closed to nobody: the change of user is real."""
    lab.run("install -m 600 /dev/null /tmp/roots")
    assert lab.run("setpriv --reuid=65534 --regid=65534 --clear-groups cat /tmp/roots", check=False).code != 0
    assert lab.run("cat /tmp/roots").code == 0


def test_network_is_loopback_only(lab: Lab) -> None:
    """There is no interface but lo (and none that leads out), and lo is up."""
    rows = lab.run("ip -o link show up").stdout.splitlines()
    assert [row.split(": ")[1] for row in rows] == ["lo"]
    assert lab.run("ip route show default").stdout == ""


def test_hosts_services_are_not_reached(lab: Lab) -> None:
    """A server on the host's loopback is not to be reached from the lab."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = lab.run(f"curl -s -m 5 http://127.0.0.1:{port}", check=False)
    assert done.code == 7


@pytest.mark.parametrize("port", [53, 80, 8888])
def test_every_port_is_free(lab: Lab, port: int) -> None:
    """Ports below 1024 too may be listened on."""
    lab.run(["python3", "-c", f"import socket; socket.create_server(('127.0.0.1', {port}))"])


def test_system_is_read_only(lab: Lab) -> None:
    """Programs and labkit itself cannot be changed by a slip."""
    for place in ("/usr/bin", "/usr/lib", "/opt/labkit/labkit", "/opt/site-packages"):
        assert lab.run(f"touch {place}/slip", check=False).code != 0


def test_own_folders_can_be_written(lab: Lab) -> None:
    """/etc, /tmp, /run and /var are the lab's own."""
    lab.run("touch /etc/x /tmp/x /run/x /var/x /var/log/nginx/x /var/lib/misc/x && rm /etc/x /tmp/x /run/x /var/x")
    assert lab.run("stat -c %a /tmp").stdout == "1777\n"


def test_files_are_read_as_in_the_lab(lab: Lab) -> None:
    """read() takes ~ and any place of the lab; a file that is not there is None."""
    lab.write("~/page", "text\n")
    lab.run("echo var > /var/own")
    assert (lab.read("~/page"), lab.read("/var/own"), lab.read("/none")) == ("text\n", "var\n", None)


def test_clock_is_the_hosts(lab: Lab) -> None:
    """Times in the lab's logs and captures can be compared with the notebook's."""
    before = time.time()
    inside = float(lab.run("date +%s.%N").stdout)
    assert before - 2 < inside < time.time() + 2
