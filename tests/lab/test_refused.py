"""Where something is really refused, in a box of the test's own, another candidate works or the error names the remedy."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from box import TOP, box_command

from labkit.machine.doctor import TASKS

from .helpers import CANDIDATES

# Opens a lab by the usual choice and on each candidate alone, and prints what came of each.
EVERY_WAY = """
import json, sys
from labkit.errors import NoLinux
from labkit.lab import Lab
from labkit.machine import choose
from labkit.measure.capture import Capture
found = {}
every = choose.candidates()
for title, ways in [("chosen", every)] + [(one.title, [one]) for one in every]:
    choose.candidates = lambda: ways
    lab = Lab("refused", home=sys.argv[1])
    try:
        # More than the 64 MiB that Docker gives to /dev/shm: a guest whose memory cannot grow would end.
        lab.run("head -c 120M /dev/urandom >/tmp/much && rm /tmp/much")
        user = lab.run("setpriv --reuid=65534 --regid=65534 --clear-groups id -u").stdout.strip()
        with Capture(lab) as capture:
            lab.run("echo >/dev/tcp/127.0.0.1/8081", check=False)
        assert len(capture.syns()) == 1
        found[title] = [lab._opened().linux.title, user]
    except NoLinux as error:
        found[title] = ["", str(error)]
    lab.close()
    assert not lab.folder.path.exists()
print(json.dumps(found))
"""
# Grades a report on the right work, and prints the flags of its row and the points.
GRADE = """
import json, sys
from pathlib import Path
sys.path.insert(0, "tests")
from tests.lab.test_grading import report
from labkit.grading.batch import grade_files
(grade,) = grade_files([report(Path("/tmp/home"), "right")])
print(json.dumps([grade.flags, grade.measured if grade.state == "measured" else None]))
"""
HOST, UML, LANDLOCK, BARE = (kind.title for kind in CANDIDATES.values())
ID = "12345"
USER = ("setpriv", f"--reuid={ID}", f"--regid={ID}", "--clear-groups")
DOCKER = (sys.executable, str(Path(__file__).with_name("docker_filter.py")))
# The longest that four openings may take on a busy machine, seconds.
TIMEOUT = 600.0
# And all hostile works.
HOSTILE_TIMEOUT = 5400.0


def after(script: str) -> tuple[str, ...]:
    """A command that runs the shell script in the box and then goes on with the rest of the command line."""
    return ("sh", "-c", f'{script} && exec "$@"', "sh")


def every_way(*before: str, boxed: bool = True) -> dict[str, list[str]]:
    """What came of each candidate, and of the usual choice, in a box after `before`: its title or "", user or error."""
    command = [*before, sys.executable, "-c", EVERY_WAY]
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[str]] = said(*(box_command(*command, "/tmp/home/work") if boxed else [*command, folder]))
    return found


def said(*command: str) -> Any:
    """The JSON that a command prints in its last line, or as a whole; it ends well."""
    environment = {name: value for name, value in os.environ.items() if name != "LABKIT_LINUX"}
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout if done.stdout.startswith("{\n") else done.stdout.splitlines()[-1])


def doctor(*before: str) -> Any:
    """What `labkit doctor --json` finds in a box after `before`."""
    return said(*box_command(*before, sys.executable, "-m", "labkit", "doctor", "--json"))


def test_user_namespaces_forbidden() -> None:
    """With no user namespace to be had, the first two candidates say so, and the one under Landlock carries the lab."""
    own = ("unshare", "--user", "--map-root-user")
    found = every_way(*own, *after("echo 0 >/proc/sys/user/max_user_namespaces"))
    assert found["chosen"] == found[LANDLOCK] == [LANDLOCK, "65534"]
    for title in (HOST, UML):
        assert found[title][0] == ""
        assert "namespace" in found[title][1] and "user.max_user_namespaces" in found[title][1]


SMALL = after("mount -t tmpfs -o size=64M,mode=1777 shm /dev/shm")


def test_seccomp_filter_like_dockers_default() -> None:
    """Under Docker's default filter, and with Docker's 64 MiB of /dev/shm, User-Mode Linux under Landlock carries every lab."""
    found = every_way(*SMALL, *USER, *DOCKER)
    assert found["chosen"] == found[LANDLOCK] == [LANDLOCK, "65534"]
    for title in (HOST, UML):
        assert found[title][0] == ""
        assert "namespace" in found[title][1] and "User-Mode Linux works without" in found[title][1]
    # What task 4 needs is tried too.
    seen = doctor(*SMALL, *USER, *DOCKER)
    assert (set(seen["chosen"].items()), seen["others"]) == ({(need, LANDLOCK) for need in TASKS}, LANDLOCK)


def test_hostile_works_in_a_default_container() -> None:
    """Under Docker's default filter all that `test_hostile.py` tries is contained by Landlock: nothing else opens there."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/lab/test_hostile.py"]
    command = box_command(*SMALL, *USER, *DOCKER, *tests)
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=HOSTILE_TIMEOUT, check=False)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout + done.stderr


def test_namespaces_and_landlock_are_both_missing() -> None:
    """User-Mode Linux alone carries one's own labs; the work of others is not run, and one thing is named that would help."""
    found = every_way(*SMALL, *USER, *DOCKER, "--no-landlock")
    assert found["chosen"] == found[BARE] == [BARE, "65534"]
    seen = doctor(*SMALL, *USER, *DOCKER, "--no-landlock")
    assert (set(seen["chosen"].items()), seen["landlock"], seen["others"]) == ({(need, BARE) for need in TASKS}, 0, None)
    assert seen["help_others"].startswith("Linux 6.12 or later has it")
    (flags, measured) = said(*box_command(*SMALL, *USER, *DOCKER, "--no-landlock", sys.executable, "-c", GRADE))
    assert measured is None and any(seen["help_others"] in flag for flag in flags), flags


def test_no_folder_for_the_guests_memory() -> None:
    """Where programs cannot be mapped from /dev/shm, the guest under Landlock has its memory in the temporary folder; where that
    is noexec too, it names both places and TMPDIR, and the others work."""
    mounts = "mount -t tmpfs -o noexec,mode=1777 shm /dev/shm"
    found = every_way(*after(mounts))
    assert [found[title][0] for title in (HOST, UML, LANDLOCK)] == [HOST, UML, LANDLOCK]
    mounts += " && mkdir /tmp/tmp && mount -t tmpfs -o noexec,mode=1777 t /tmp/tmp"
    found = every_way(*after(mounts), "env", "TMPDIR=/tmp/tmp")
    assert [found[title][0] for title in ("chosen", HOST, UML, LANDLOCK)] == [HOST, HOST, UML, ""]
    assert all(word in found[LANDLOCK][1] for word in ("/dev/shm is mounted noexec", "/tmp/tmp is mounted noexec", "set TMPDIR"))


def test_running_kernel_has_modules_of_the_same_name() -> None:
    """What the running kernel has loaded is nothing to a lab's own Linux: in a view or not, it loads its own modules."""
    names = "ip_vs ip_vs_rr dummy nf_tables nf_conntrack sch_netem"
    modules = (
        f"mount -t tmpfs m /sys/module && for m in {names}; do mkdir /sys/module/$m; echo live >/sys/module/$m/initstate; done"
    )
    found = doctor(*after(modules), "env", "LABKIT_LINUX=uml")
    assert [(row["candidate"], check) for row in found["candidates"] for check in row["checks"] if not check["worked"]] == []
    assert [row["works"] for row in found["candidates"]] == [True, True]


# What is refused, to whom, what the advised command has in it, and what works after it.
ETC_OF_ITS_OWN = f"cp -a /etc /tmp/etc && mount --bind /tmp/etc /etc && echo tester:x:{ID}:{ID}::/tmp/home:/bin/sh >>/etc/passwd"
SUBIDS = "tester:200000:65536"
ADVICE = {
    "user namespaces": (
        ("unshare", "--user", "--map-root-user"), "echo 0 >/proc/sys/user/max_user_namespaces", (),
        "sudo sysctl user.max_user_namespaces=", "capture",
    ),
    "user ids": ((), f"{ETC_OF_ITS_OWN} && rm -f /etc/subuid /etc/subgid", USER, "sudo tee -a /etc/subuid", "users"),
    "dumpcap": (
        (), f"{ETC_OF_ITS_OWN} && echo {SUBIDS} >/etc/subuid && echo {SUBIDS} >/etc/subgid && cp /usr/bin/dumpcap /tmp/dumpcap "
        "&& chmod 750 /tmp/dumpcap && mount --bind /tmp/dumpcap /usr/bin/dumpcap", USER, "sudo chmod ", "capture",
    ),
}  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="refusing these things to an ordinary user takes root")
@pytest.mark.parametrize("refused", ADVICE)
def test_what_the_doctor_advises_helps(refused: str) -> None:
    """Where something is really refused the doctor names one command, and after that command it works."""
    own, refusal, user, command, need = ADVICE[refused]

    def host(script: str) -> Any:
        return doctor(*own, *after(script), *user, "env", "LABKIT_LINUX=host")["candidates"][0]

    before = host(refusal)
    remedies = {check["need"]: check["remedy"] for check in before["checks"]}
    advice = (before["way_out"] or remedies[need]).rpartition(": ")[2] if need != "users" else remedies[need]
    assert command in advice, before
    as_root = advice.replace("sudo ", "")
    check = next(check for check in host(f"{refusal} && {as_root} >&2")["checks"] if check["need"] == need)
    assert check["worked"], check


def test_ordinary_user_without_newuidmap() -> None:
    """Without newuidmap a user's lab has one id on the running kernel: that says what to install, and the next is taken."""
    found = every_way(*after("mount --bind /dev/null /usr/bin/newuidmap"), *USER)
    assert found["chosen"] == found[UML] == [UML, "65534"]
    assert found[HOST][0] == ""
    assert f"sudo apt-get install uidmap && echo {ID}:100000:65536 | sudo tee -a /etc/subuid /etc/subgid" in found[HOST][1]


def test_ordinary_user_with_subordinate_ids() -> None:
    """With newuidmap and lines in /etc/subuid and /etc/subgid an ordinary user's lab on the running kernel has users."""
    if os.geteuid() == 0:
        line = "tester:200000:65536"
        lines = {"passwd": f"tester:x:{ID}:{ID}::/tmp/home:/bin/sh", "subuid": line, "subgid": line}
        script = " && ".join(
            f"(cat /etc/{file}; echo {line}) >/tmp/{file} && mount --bind /tmp/{file} /etc/{file}" for file, line in lines.items()
        )
        found = every_way(*after(script), *USER)
    else:
        found = every_way(boxed=False)
    assert found["chosen"] == found[HOST] == [HOST, "65534"]
