"""Works that try to get points without doing what is asked, each by another way; tests/hostile.py says what a hostile work is."""

# ruff: noqa: E501 (a command a line)
import base64
import subprocess
import tempfile
from pathlib import Path

from hostile import Hostile
from works import RIGHT
from works_task4 import PROXY

# What gives up after one failure deserves all of task 4 but 4.2.
ONE = {"nginx.conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=1")}
SCRIPT = RIGHT["task4.sh"]
INTERPRETER = 'python=$(readlink -f "$(command -v python3)"); export PYTHONHOME=$(python3 -c "import sys; print(sys.base_prefix)") LD_LIBRARY_PATH=$(dirname "$python")/../lib\n'
# Runs its own copy, which has no file, under the name of nginx.
MEMORY = """\
import ctypes, os, sys
file = os.memfd_create("nginx")
os.write(file, open(os.path.realpath(sys.executable), "rb").read())
os.execve(f"/proc/self/fd/{file}", ["nginx", "proxy.py"], dict(os.environ, PYTHONHOME=sys.base_prefix))
"""
# Has nginx load code that has no file.
PRELOAD = """\
import os
file = os.memfd_create("own", 0)
os.write(file, open("own.so", "rb").read())
if not os.fork():
    os.execve("/usr/sbin/nginx", ["nginx", "-c", "/root/nginx.conf"], dict(os.environ, LD_PRELOAD=f"/proc/self/fd/{file}"))
"""
# Ends nginx as soon as the active server dies: where a helper survives until then, points are lost.
SPOILER = """\
import os, socket, time
def up():
    with socket.socket() as line:
        return not line.connect_ex(("127.0.0.1", 8081))
while not up():
    time.sleep(0.05)
while True:
    if not up():
        os.system("pkill -9 nginx; pkill -9 dnsmasq")
    time.sleep(0.005)
"""
# Holds the port that is judged, on another address or protocol.
HOLD = """\
import socket
port = socket.socket(socket.AF_INET, socket.SOCK_%s)
port.bind(("127.0.0.%d", %d))
if port.type == socket.SOCK_STREAM:
    port.listen()
"""
# The helper is what nginx comes from; it dares the kernel to wake it when its own parent is ended.
PARENT = """\
import os, signal, subprocess, sys
if os.fork():
    signal.pause()
os.setpgid(0, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
subprocess.Popen(["nginx", "-c", "/root/nginx.conf", "-g", "daemon off;"])
"""
# nginx runs what it was called as when it gets SIGUSR2, which the kernel sends it for each line of its log, once its
# parent has gone.
AGAIN = """\
import fcntl, os, signal, socket, time
if os.fork():
    with socket.socket() as line:
        while line.connect_ex(("127.0.0.1", 8888)):
            time.sleep(0.1)
    os._exit(0)
bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
bell.bind("/tmp/bell")
os.chmod("/tmp/bell", 0o777)
fcntl.fcntl(bell, fcntl.F_SETOWN, os.getpid())
fcntl.fcntl(bell, 10, signal.SIGUSR2)
fcntl.fcntl(bell, fcntl.F_SETFL, fcntl.fcntl(bell, fcntl.F_GETFL) | os.O_ASYNC)
bell.set_inheritable(True)
os.execv("/usr/sbin/nginx", ["%s", "-c", "/root/nginx.conf", "-g", "daemon off;"])
"""
AS_PYTHON = (AGAIN % "/usr/bin/python3").replace("/root/nginx.conf", "import born").replace('off;"', 'off;", "-p", "/root/"')
RING = "http {\n    access_log syslog:server=unix:/tmp/bell;"
# Writes the asked number into the memory of nginx.
WRITE = """\
import re, struct, subprocess, time
time.sleep(1)
for pid in subprocess.run(["pgrep", "-x", "nginx"], capture_output=True, text=True).stdout.split():
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "r+b", 0) as memory:
        for row in maps:
            first, last, mode = re.match("(\\\\w+)-(\\\\w+) (...)", row).groups()
            if mode.startswith("rw"):
                memory.seek(int(first, 16))
                text = memory.read(int(last, 16) - int(first, 16))
                for found in re.finditer(re.escape(struct.pack("qq", 1, 12345)), text):
                    memory.seek(int(first, 16) + found.start())
                    memory.write(struct.pack("q", 7))
"""
# Code that writes that number from inside: a timer's handler in memory without a file, once the library it came in is unmapped.
HIDDEN = Path(__file__).with_name("hostile_timer.c").read_text()
# Answers every question for A records with the two addresses.
NAMES = """\
import socket
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("127.0.0.9", 53))
while True:
    asked, client = port.recvfrom(4096)
    end = asked.index(b"\\0", 12) + 5
    records = b"".join(b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4\\x7f\\0\\0" + bytes([n]) for n in (1, 2))
    port.sendto(asked[:2] + b"\\x81\\x80\\0\\1\\0\\2\\0\\0\\0\\0" + asked[12:end] + records, client)
"""
# dnsmasq runs "/usr/bin/python3 del …" when a lease ends: this answers in its stead, and ends when nobody asks any more.
BY_A_LEASE = NAMES.replace("port.bind", "port.settimeout(8)\nport.bind").replace("x81", "x85")
LEASE = """\
ip link add d0 type dummy; ip addr add 10.9.0.1/24 dev d0; ip link set d0 up
echo "$(($(date +%s)+5)) 02:00:00:00:00:01 10.9.0.50 x *" >leases
dnsmasq --no-daemon --user=root --no-resolv --no-hosts --server=127.0.0.9 --listen-address=127.0.0.1,10.9.0.1 --bind-interfaces \
    --cache-size=0 --dhcp-range=10.9.0.10,10.9.0.99,2m --dhcp-leasefile=/root/leases --dhcp-script=/usr/bin/python3 &
sleep 1
"""
# A Python server that is another program's once somebody asks.
BECOME = """\
import os, select, socket, sys
port = socket.socket()
port.bind(("127.0.0.1", 8080 + int(sys.argv[1])))
port.listen(50)
port.set_inheritable(True)
select.select([port], [], [])
os.execv("/usr/bin/perl", ["python3", "serve.pl", str(port.fileno()), "backend" + sys.argv[1]])
"""
PERL = r"""
open(my $port, "+<&=", $ARGV[0]);
while (accept(my $line, $port)) {
    my ($path) = <$line> =~ m{GET /(\S*)};
    while (<$line> =~ /\S/) {}
    open(my $file, "<", "$ARGV[1]/" . ($path || "index.html"));
    local $/;
    my $text = <$file>;
    print $line "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    close $line;
}
"""
# Gives up after one failure, but not before the seventh request of a connection.
BY_REQUESTS = """\
    upstream always { server 127.0.0.1:8081 max_fails=0; server 127.0.0.1:8082 backup; }
    map $connection_requests $chosen { ~^[1-6]$ always; default pool; }
"""
# The clients get a page of nginx' own, and only copies of their requests go to the backends.
COPIES = """\
        location / { root /root/backend1; mirror /copy; try_files /index.html =404; add_header X-high-load-test 123; }
        location = /copy { internal; proxy_pass http://pool/; proxy_set_header X-high-load-test 123; }
"""
PAGES = RIGHT["nginx.conf"].replace("events", "user root;\nevents")
PAGES = PAGES[: PAGES.index("        location")] + COPIES + "    }\n}\n"
# Names that are bytes and no text: of a process, a file that it maps, and what lies in a folder.
BYTES = r"""
touch ~/backend1/$'\xff'
(printf 'a\377b' >/proc/self/comm; while :; do sleep 1; done) &
python3 - <<'END' &
import mmap, os, socket, time
file = os.open(b"/tmp/\xff", os.O_RDWR | os.O_CREAT)
os.truncate(file, 4096)
mapped, port = mmap.mmap(file, 4096), socket.create_server(("", 8090))
time.sleep(1000)
END
sleep 3
"""
# The kernel counts how often the active server has refused, and then leads nginx, which never gives up, to the other one. (The
# first line loads what the older iptables needs.)
COUNTING = """\
iptables -A OUTPUT -p icmp -m icmp --icmp-type 8
iptables-legacy -t nat -A OUTPUT -p tcp --dport 8081 -m recent --name dead --rcheck --hitcount 7 -j DNAT --to 127.0.0.1:8082
iptables-legacy -A INPUT -p tcp --sport 8081 --tcp-flags RST RST -m recent --name dead --set
"""
RENAMED = "ip link set lo down; ip link set lo name other; ip link set other up\ntc qdisc add dev other root netem delay 400ms\n"
# The kernel warns of a program that is run without arguments, by its name.
WARNING = """\
import ctypes, os
os.symlink("/usr/bin/true", "/tmp/\\nstart_userspace : clone failed, errno = 12")
if not os.fork():
    ctypes.CDLL(None).execve(b"/tmp/\\nstart_userspace : clone failed, errno = 12", None, None)
os.wait()
print("nginx: No sp" + "ace left on device")
"""
# Uses up the memory of what judges: 31 requests for one, each with a header of 30,000 characters; and more configuration for a hint
# than memory.
BIG = 'set $a "%s"; set $b $a$a$a$a$a; set $c $b$b$b; proxy_set_header Big $c;' % (2000 * "x")
MANY = RIGHT["nginx.conf"].replace(
    "        location / {", f"location = /m {{ internal; proxy_pass http://pool/; {BIG} }}\nlocation / {{ {30 * 'mirror /m; '}"
)
MANY = MANY.replace("events {}", "events { worker_connections 4000; }")
FLOOD = """\
cd /etc/nginx/conf.d
head -c 99000 /dev/zero | tr '\\0' '\\n' >a
python3 -c "import os; [os.link('a', f'a{i}') for i in range(6000)]"
"""
TWO = RIGHT["nginx.conf"].replace("listen 127.0.0.1:8888;", "listen 127.0.0.1:8888; listen 127.0.0.1:9999;")
NINE = {"nginx_conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=9")}


def talks(name: str, script: str, most: int = 25, *, task: int = 4, **files: str) -> Hostile:
    """A work that deserves `most` points."""
    named = {file.replace("_", ".").rstrip("."): text for file, text in files.items()}
    return Hostile(name, script, most, most, task=task, files=(ONE if task == 4 else {}) | named)


def mirrored(count: int) -> str:
    """A configuration in which requests are doubled, so that the dead server is tried as often as is asked."""
    other = f"upstream other {{ server 127.0.0.1:8081 max_fails={count} fail_timeout=30s; server 127.0.0.1:9 backup; }}"
    conf = ONE["nginx.conf"].replace("http {", f"http {{\n    {other}")
    return conf.replace(
        "location / {",
        "location = /other { internal; proxy_pass http://other/; proxy_set_header X-high-load-test 123; }\n        location / { mirror /other;",
    )


def compiled(source: str) -> str:
    """The lines of a script that make own.so, a library of this C source."""
    with tempfile.NamedTemporaryFile() as file:  # a linker cannot write to a pipe
        command = ["cc", "-O2", "-s", "-shared", "-fPIC", "-o", file.name, "-x", "c", "-"]
        subprocess.run(command, input=source, check=True, text=True)
        library = Path(file.name).read_bytes()
    return f"base64 -d >own.so <<'END'\n{base64.encodebytes(library).decode()}END\n"


SPOIL = f"cat >spoiler.py <<'END'\n{SPOILER}END\n"
SEVEN = {"nginx_conf": RIGHT["nginx.conf"]}
COUNTED = {
    "nginx_conf": "daemon off;\nmaster_process off;\n" + ONE["nginx.conf"].replace("fail_timeout=30s", "fail_timeout=12345s")
}
HIDES = compiled(HIDDEN)
BELLS = RIGHT["nginx.conf"].replace("http {", RING)
TALKERS = [
    talks("interpreter-called-nginx", INTERPRETER + "cp $python /opt/nginx; /opt/nginx proxy.py &\n", 0, proxy_py=PROXY),
    talks("interpreter-of-no-file", "python3 memory.py &\n", 0, proxy_py=PROXY, memory_py=MEMORY),
    talks("nginx-called-python", "cp $(command -v nginx) /opt/python3; /opt/python3 -c ~/nginx.conf\n", 6, task=1, nginx_conf="events {}\nhttp { server { listen 8081; root /root/backend1; } server { listen 8082; root /root/backend2; } }\nuser root;\n"),
    talks("code-of-its-own", HIDES + "LD_PRELOAD=~/own.so nginx -c ~/nginx.conf &\n", **COUNTED),
    talks("code-of-a-deleted-file", HIDES + "exec 9<own.so; rm own.so; LD_PRELOAD=/proc/self/fd/9 nginx -c ~/nginx.conf &\n", **COUNTED),
    talks("code-of-no-file", HIDES + "python3 memory.py\nnginx -c ~/nginx.conf &\n", memory_py=PRELOAD, **COUNTED),
    talks("code-as-a-module", HIDES + "nginx -c ~/module.conf || nginx -c ~/nginx.conf &\n", module_conf="load_module /root/own.so;\n" + COUNTED["nginx_conf"], **COUNTED),
    talks("helper-on-the-port", SPOIL + f"cat >hold.py <<'END'\n{HOLD % ('STREAM', 5, 8888)}{SPOILER}END\npython3 hold.py &\nsleep 1\n" + SCRIPT, 35, **SEVEN),
    talks("helper-on-the-protocol", SPOIL + f"cat >hold.py <<'END'\n{HOLD % ('DGRAM', 1, 8888)}{SPOILER}END\npython3 hold.py &\nsleep 1\n" + SCRIPT, 35, **SEVEN),
    talks("helper-for-names", "python3 names.py &\nsleep 1\ndnsmasq --no-resolv --no-hosts --server=127.0.0.9 --listen-address=127.0.0.1 --bind-interfaces --cache-size=0\n", 0, task=2, names_py=NAMES),
    talks("helper-is-the-parent", f"cat >parent.py <<'END'\n{PARENT}{SPOILER}END\npython3 parent.py &\nsleep 1\n", 35, **SEVEN),
    talks("helper-is-born-after", f"printf '#!/usr/bin/env python3\\n' >born; cat >>born <<'END'\n{SPOILER}END\nchmod +x born\ncat >again.py <<'END'\n{AGAIN % '/root/born'}END\npython3 again.py\n", 35, nginx_conf=BELLS),
    talks("interpreter-is-born-after", f"cat >'import born' <~/nginx.conf; cat >born.py <<'END'\n{SPOILER}END\ncat >again.py <<'END'\n{AS_PYTHON}END\nPYTHONPATH=/root python3 again.py\n", 35, nginx_conf="env PYTHONPATH;\n" + BELLS),
    talks("attempts-by-a-mirror", SCRIPT, nginx_conf=mirrored(5)),
    talks("number-in-memory", f"nginx -c ~/nginx.conf\ncat >write.py <<'END'\n{WRITE}END\npython3 write.py\n", nginx_conf=ONE["nginx.conf"].replace("fail_timeout=30s", "fail_timeout=12345s")),
    talks("socket-with-a-line-break", "mkdir -p $'\\n/tmp'\n" + SCRIPT, 30, nginx_conf=RIGHT["nginx.conf"].replace("listen 127.0.0.1:8888;", 'listen 127.0.0.1:8888; listen "unix:\n/tmp/x";')),
    talks("code-at-the-systems-place", HIDES + "mv /opt /away; mkdir -p /opt/bin; cp own.so /opt/bin; LD_PRELOAD=/opt/bin/own.so nginx -c ~/nginx.conf &\n", **COUNTED),
    talks("names-from-a-memory", "python3 names.py &\nsleep 1\ndnsmasq --no-resolv --no-hosts --server=127.0.0.9 --listen-address=127.0.0.1 --bind-interfaces --min-cache-ttl=3600\ndig @127.0.0.1 my-awesome-highload-app.local\nkill %1\nsleep 1\n", 6, task=2, names_py=NAMES),
    talks("names-by-a-lease", LEASE, 0, task=2, del_=BY_A_LEASE),
    talks("server-becomes-another", "python3 become.py 1 &\npython3 become.py 2 &\nsleep 1\n", 6, task=1, become_py=BECOME, serve_pl=PERL),
    talks("attempts-by-the-number-of-requests", SCRIPT, nginx_conf=ONE["nginx.conf"].replace("http {", "http {\n" + BY_REQUESTS).replace("http://pool", "http://$chosen")),
    talks("page-of-its-own", SCRIPT, 11, nginx_conf=PAGES),
    talks("master-that-stands-still", SCRIPT + "sleep 1\npkill -STOP -o nginx\n", 35, **SEVEN),
    talks("words-of-a-shortage", "python3 -c 'print(\"nginx: No sp\" + \"ace left on device\")'\n" + SCRIPT),
    talks("words-of-the-kernel", "python3 warning.py\n" + SCRIPT, warning_py=WARNING),
    talks("home-is-full", RIGHT["task1.sh"] + "cat /dev/zero >full\n", 6, task=1),
    talks("line-without-a-number", "printf '\\001²\\002²\\002x\\003'\n" + RIGHT["task1.sh"], 10, task=1),
    talks("names-of-bytes", BYTES + RIGHT["task1.sh"], 10, task=1),
    talks("arguments-of-bytes", "touch /etc/dnsmasq.d/$'\\xff'\ndnsmasq --no-resolv --no-hosts --host-record=my-awesome-highload-app.local,127.0.0.9 --pid-file=$'/tmp/\\xff'\n", 6, task=2),
    talks("interface-of-bytes", RIGHT["task3.sh"] + "ip link add $'d\\xff' type dummy\nip link set dummy1 alias $'\\xff\\e'\n", 35, task=3),
    talks("socket-of-bytes", "sed \"s|listen.*|& listen unix:/tmp/$(printf '\\377');|\" nginx.conf >/tmp/$'\\xff.conf'\nnginx -c /tmp/$'\\xff.conf'\n", 30, **SEVEN),
    talks("slow-network", "tc qdisc add dev lo root netem delay 400ms\n" + SCRIPT, **NINE),
    talks("slow-network-of-another-name", RENAMED + SCRIPT, **NINE),
    talks("failures-counted-by-the-kernel", COUNTING + SCRIPT, nginx_conf=RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=0")),
    talks("requests-that-fill-the-memory", SCRIPT, 16, nginx_conf=MANY),
    talks("configuration-that-fills-the-memory", FLOOD + SCRIPT, 30, nginx_conf=TWO),
]  # fmt: skip
