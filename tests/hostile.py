"""Works that attack whoever judges them, and what must come of each.

In a script, @SECRET@ stands for a file of the teacher's, @PORT@ for a port of the host's loopback where a listener gives
the secret away, @MARK@ for a file name that must not appear on the host.
"""

# ruff: noqa: E501 (a command a line)
from dataclasses import dataclass, field
from pathlib import Path

from works import RIGHT, SERVER1, SERVER2

SERVE = SERVER1 + SERVER2
# What a spy finds becomes a page, so that it stands in the evidence of 1.2: the points of that one requirement are lost.
SPY = "{ %s\n} >/tmp/loot 2>/dev/null\nprintf 'loot:[%%s]' \"$(cat /tmp/loot)\" >~/backend2/index.html\n" + SERVE
NOTHING = "loot:[]"
DRIP = """\
import socketserver, time
class Drip(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
        while True:
            self.request.sendall(b"x")
            time.sleep(1)
socketserver.ThreadingTCPServer.allow_reuse_address = True
import threading
for port in (8081, 8082):
    threading.Thread(target=socketserver.ThreadingTCPServer(("", port), Drip).serve_forever).start()
"""
FLOOD = """\
import socket
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        line.sendto(bytes(60000), ("127.0.0.1", 9))
    except OSError:
        pass
"""
BREAK = "raise SystemExit('from the work')\n"
NOT_SERVER = "import sys\nif 'http.server' not in sys.orig_argv:\n    "
FAKE = '{"points": 100, "of": 100, "verdicts": [{"requirement": "1.3", "verdict": "passed", "points": 4}]}'
FORGE = """\
mknod /tmp/line c 4 64
for line in /tmp/line /dev/ttyS0 /dev/console /dev/tty0 /proc/1/fd/0 /proc/1/fd/1 /proc/1/fd/3; do
    [ -c $line ] && { printf 'LABKIT AGENT READY\\n'; head -c 100000 /dev/urandom; } >$line
done
python3 -c 'import fcntl, os, termios; [fcntl.ioctl(os.open("/dev/tty", 2), termios.TIOCSTI, b"x")]'
"""


# Makes up for an nginx that gives up after one failure: once the active server is dead it fails the other six times.
FAKER = """\
import socket, time
def up():
    with socket.socket() as line:
        return not line.connect_ex(("127.0.0.1", 8081))
while True:
    while not up():
        time.sleep(0.001)
    while up():
        time.sleep(0.001)
    time.sleep(0.05)
    for _ in range(6):
        up()
"""
LATE = """\
until curl -s 127.0.0.1:8081 127.0.0.1:8082 >/dev/null; do sleep 0.2; done
"""
SWAP = """\
import os
evil = open("/usr/bin/true", "rb").read()
for link in ("/lib64", "/lib", "/bin", "/sbin"):
    os.remove(link)
    os.mkdir(link)
    for name in ("ld-linux-x86-64.so.2", "sh", "curl", "ip"):
        open(f"{link}/{name}", "wb").write(evil)
        os.chmod(f"{link}/{name}", 0o755)
"""
LINK = "for one in /cell-etc /run/cell-etc /tmp/cell-etc; do rm -rf $one; ln -s /lab $one; done\n"
PROFILE = "export LD_PRELOAD=/root/evil.so PATH=/root/bin\nalias curl=true ip=true\n"


@dataclass(frozen=True)
class Hostile:
    """A work whose `script` is that of `task`, with `files` besides; it gets from `least` to `most` points, no more.

    `says` stands in a hint of its verdicts.
    """

    name: str
    script: str
    least: int
    most: int
    task: int = 1
    files: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    says: str = ""

    def write(self, folder: Path, words: dict[str, str]) -> Path:
        """Write it into `folder`, the words in their places, and return that."""
        for file, text in {**RIGHT, **self.files, f"task{self.task}.sh": self.script}.items():
            for word, value in words.items():
                text = text.replace(word, value)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        return folder


def spy(name: str, commands: str, *, quick: bool = False) -> Hostile:
    """A work that looks for something by `commands`, which must print nothing."""
    return Hostile(name, SPY % commands, 8, 8, quick=quick)


def harmless(name: str, commands: str, *, quick: bool = False, files: dict[str, str] | None = None) -> Hostile:
    """A work whose attack does nothing, so that the right commands after it earn all of task 1."""
    return Hostile(name, commands + SERVE, 10, 10, quick=quick, files=files or {})


def harmful(name: str, script: str, most: int, *, task: int = 1, quick: bool = False) -> Hostile:
    """A work that harms itself: it gets `most` points or fewer."""
    return Hostile(name, script, 0, most, task=task, quick=quick)


SPIES = [
    spy("read-home-and-keys", "cat @SECRET@ /home/*/.ssh/* /root/.ssh/* /home/*/.bash_history /etc/shadow; ls -d /home/* /mnt/* /media/*", quick=True),
    spy("read-environment", "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -a HOSTILE"),
    spy("see-processes", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -aoE '[p]ytest|[a]gent.py|[j]upyter|[l]inux.uml'"),
    spy("mount-hostfs", "mkdir /tmp/m; mount -t hostfs none /tmp/m -o / && ls /tmp/m; unshare -Urm sh -c 'mount -t hostfs none /tmp/m -o /; ls /tmp/m'", quick=True),
    spy("read-devices", "mknod /tmp/disk b 98 0; for one in /tmp/disk /dev/ubda /dev/mem /dev/kmem /dev/port /proc/kcore; do head -c 100 $one | tr -d '\\0'; done"),
    spy("hosts-loopback", "for host in 127.0.0.1 localhost 10.0.2.2 169.254.169.254 172.17.0.1; do curl -s -m 2 http://$host:@PORT@/; done", quick=True),
    spy("labs-folder", "ls -A /lab; cat /lab/view.sh /lab/linux.log /lab/../lab/etc/passwd"),
    spy("new-namespaces", "unshare -U true && echo user; unshare -m true && echo mount; nsenter -t 1 -m true && echo entered; chroot /proc/1/root ls /lab"),
    spy("kernel-settings", "for one in core_pattern modprobe hotplug panic; do echo /root/x >/proc/sys/kernel/$one && echo $one; done; echo b >/proc/sysrq-trigger && echo sysrq; date -s 2001-01-01 >/dev/null && echo clock"),
    spy("wrappers-on-path", "for one in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /opt/python/bin; do for name in curl dig python3 ip; do cp /bin/true $one/$name && echo $one/$name; done; done"),
    spy("widen-the-limits", "mount -t cgroup2 none /sys; find /sys -name '*.max'; mkdir /tmp/g; mount -t cgroup2 none /tmp/g; ls /tmp/g; echo -1000 >/proc/self/oom_score_adj && echo oom; chrt -f 50 true && echo chrt; nice -n -20 sh -c 'nice' | grep -e -"),
    spy("modules", "rmmod ip_vs && echo gone; insmod /root/x.ko && echo in; cat /proc/kallsyms | grep -v ' 0000000000000000 \\|^0000000000000000' | head -3"),
]  # fmt: skip
HARMLESS = [
    harmless("write-outside", "for one in / /usr /usr/local/bin /opt /opt/labkit /opt/labkit/labkit /opt/handed-in /lab /lab/logs /root/.. ../../../../.. /home /boot /dev /tmp /var/tmp; do echo x >$one/@MARK@; done\ncp /bin/sh @SECRET@; rm -f @SECRET@\n"),
    Hostile("swap-the-loader", SERVE + LATE + f"cat >swap.py <<'END'\n{SWAP}END\npython3 swap.py\n", 10, 10, quick=True),
    Hostile("etc-by-a-link", "echo 0.0.0.0 localhost >/etc/etc/hosts; echo x >/etc/@MARK@; echo /root/evil.so >/etc/etc/ld.so.preload\n" + RIGHT["task3.sh"], 35, 35, task=3, files={"task1.sh": LINK + SERVE}),
    harmless("profile-and-aliases", "", files=dict.fromkeys((".profile", ".bashrc", ".bash_profile", ".shinit"), PROFILE)),
    harmless("programs-in-home", "cp /bin/true ~/curl; cp /bin/true ~/sh; cp /bin/true ~/ip; cp /bin/true ~/python3\n"),
    harmless("abstract-sockets", "python3 -c 'import socket; [socket.socket(socket.AF_UNIX).connect_ex(chr(0) + name) for name in (\"agent\", \"labkit\")]'; grep -c @ /proc/net/unix\n"),
    Hostile("fake-the-attempts", f"cat >faker.py <<'END'\n{FAKER}END\npython3 faker.py &\n" + RIGHT["task4.sh"], 25, 25, task=4, files={"nginx.conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=1")}, quick=True, says="after 1 failure;"),
    Hostile("repair-when-asked", "(while [ -z \"$(pgrep -x dumpcap)\" ]; do sleep 0.1; done; sed -i s/=1/=7/ nginx.conf; nginx -c ~/nginx.conf -s reload) &\n" + RIGHT["task4.sh"], 25, 25, task=4, files={"nginx.conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=1")}, says="after 1 failure;"),
    harmless("kill-everything", "kill -9 -1\n"),
    harmless("kill-the-agent", "for one in $(seq 1 300); do [ $one = $$ ] || kill -9 $one; done\n", quick=True),
    harmless("trace-the-agent", "python3 -c 'import ctypes; c = ctypes.CDLL(None); [c.ptrace(0x4206, pid, 0, 0) for pid in range(1, 300)]'\n"),
    harmless("forge-the-stream", FORGE, quick=True),
    harmless("power-off", "poweroff -f; reboot -f; python3 -c 'import ctypes; c = ctypes.CDLL(None); [c.reboot(word) for word in (0x4321FEDC, 0x1234567, 0xCDEF0123)]'\n"),
    harmless("survive-the-close", "trap '' TERM HUP INT QUIT PIPE\nsetsid nohup sh -c \"trap '' TERM HUP INT; while :; do sleep 1; done\" &\n(setsid sh -c 'kill -STOP $$' &)\n(setsid sh -c 'setsid sleep 9999 &' &)\n"),
    harmless("home-of-curl", "", files={".curlrc": "output = /root/elsewhere\nproxy = http://127.0.0.1:1\n"}, quick=True),
    harmless("python-in-home", 'place=$(python3 -c "import site; print(site.getusersitepackages())"); mkdir -p $place; cp usercustomize.py $place\n', files={**dict.fromkeys(("psutil.py", "execnet.py", "dns/__init__.py", "labkit/__init__.py"), BREAK), "usercustomize.py": NOT_SERVER + BREAK}),
    harmless("own-etc", "rm -rf /etc/*; echo /root/evil.so >/etc/ld.so.preload; cp task2.sh ~/evil.so; rm -f /etc/ld.so.preload\n"),
    harmless("fill-memory", "tail /dev/zero\npython3 -c 'x = [bytearray(1 << 24) for _ in range(9999)]'\n"),
    harmless("endless-output-behind", "yes & yes >&2 & yes $(seq 2000) &\n"),
    harmless("huge-line", "head -c 300000000 /dev/zero | tr '\\0' x >&2\n"),
    Hostile("home-of-dig", RIGHT["task2.sh"], 14, 14, task=2, files={".digrc": "+short +nocmd -p 1\n"}),
    Hostile("unload-ipvs", "rmmod ip_vs_rr ip_vs; modprobe -r ip_vs; echo 1 >/proc/sys/net/ipv4/vs/drop_entry\n" + RIGHT["task3.sh"], 35, 35, task=3),
]  # fmt: skip
HARMFUL = [
    harmful("fork-bomb", "f() { f | f & }; f\nsh -c 'g() { g & g & }; g' &\n", 4),
    harmful("fork-bomb-behind", "sh -c 'f() { f | f & }; f' &\n" + SERVE, 10),
    harmful("thread-bomb", "python3 -c 'import threading, time; [threading.Thread(target=time.sleep, args=(999,)).start() for _ in range(99999)]' &\n" + SERVE, 10),
    harmful("fill-the-disk", "for one in ~ /tmp /run /var /lab /dev/shm /etc /; do cat /dev/zero >$one/full & done\nwait\n" + SERVE, 10, quick=True),
    harmful("many-files", "mkdir ~/many; cd ~/many; seq 100000 | xargs touch; cd ~\n" + SERVE, 10),
    harmful("endless-output", "yes\n", 4),
    harmful("endless-script", "while :; do :; done\n", 4),
    harmful("print-a-verdict", f"echo '{FAKE}'; echo '1.3  ✓ passed  4/4'; echo '{FAKE}' >&2; exit 0\n", 4),
    harmful("links-in-home", "rm -r backend1; ln -s / backend1; ln -sf /etc/passwd backend2/index.html\n" + SERVE, 4),
    harmful("link-to-zeros", "ln -sf /dev/zero backend1/index.html\n" + SERVE, 6),
    harmful("pipes-in-home", "rm backend1/index.html; mkfifo backend1/index.html\n" + SERVE, 6),
    harmful("answers-elsewhere", "ln -sf /lab/../proc/1/environ answers.md; ln -sf @SECRET@ dnsmasq.conf\ndnsmasq -C ~/dnsmasq.conf\n", 0, task=2),
    harmful("network-down", "ip link set lo down; tc qdisc add dev lo root netem loss 100%\n" + SERVE, 4),
    harmful("network-slow", SERVE + "tc qdisc add dev lo root netem delay 2s\n", 10),
    harmful("network-filtered", "ip rule add prio 0 blackhole; ip rule del prio 0 lookup local\n" + SERVE, 4),
    harmful("flood-the-capture", f"cat >flood.py <<'END'\n{FLOOD}END\npython3 flood.py &\n" + RIGHT["task4.sh"], 35, task=4),
    harmful("endless-answer", f"cat >drip.py <<'END'\n{DRIP}END\npython3 drip.py &\n", 4),
]  # fmt: skip
WORKS = [*SPIES, *HARMLESS, *HARMFUL]
