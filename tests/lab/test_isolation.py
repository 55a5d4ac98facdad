"""What a lab, with root in it, must not be able to do to the machine that it runs on."""

import os
from pathlib import Path

import pytest

from labkit.errors import BadInput, LabkitError
from labkit.lab import Lab
from labkit.machine.view import COPY_SIZE

from .helpers import LabFactory

pytestmark = pytest.mark.lab


def test_devices_of_the_host_cannot_be_made(lab: Lab) -> None:
    """Root in a lab cannot make a block device and read a disk by it."""
    assert lab.run("mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk", check=False).code != 0


def test_console_is_not_the_line_to_the_agent(lab: Lab) -> None:
    """A program that writes to the console, as logging daemons do without a syslog, does not disturb the lab."""
    lab.run("for i in $(seq 50); do echo keepalived > /dev/console; done")
    assert lab.run("echo still here").stdout == "still here\n"


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


def test_link_in_the_home_does_not_lead_out(lab: Lab, tmp_path: Path) -> None:
    """A link that the learner (or whose work is handed in) made in ~ is not followed on the host when a file is written."""
    outside = tmp_path / "outside"
    outside.write_text("the user's own\n")
    lab.run(["ln", "-s", str(outside), "/root/dnsmasq.conf"])
    try:
        lab.write("~/dnsmasq.conf", "port=53\n")
    except BadInput:
        pass
    finally:
        lab.run("rm -f ~/dnsmasq.conf")
    assert outside.read_text() == "the user's own\n"


def test_linked_folder_in_the_home_does_not_lead_out(lab: Lab, tmp_path: Path) -> None:
    """The same for a folder: what is written below it does not land on the host."""
    lab.run(["ln", "-s", str(tmp_path), "/root/backend1"])
    try:
        lab.write("~/backend1/index.html", "<h1>\n")
    except BadInput:
        pass
    finally:
        lab.run("rm -f ~/backend1")
    assert not (tmp_path / "index.html").exists()


def test_link_in_place_of_a_log_does_not_show_a_file_of_the_host(lab: Lab, tmp_path: Path) -> None:
    """A log that the lab has replaced by a link is not followed on the host."""
    secret = tmp_path / "secret"
    secret.write_text("the user's own\n")
    process = lab.start("sleep 1000", name="linked")
    (log,) = lab.run("ls -t /lab/logs | head -1").stdout.split()
    lab.run(["ln", "-sf", str(secret), f"/lab/logs/{log}"])
    assert "the user's own" not in process.log
    process.stop()
