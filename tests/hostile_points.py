"""Works that try to get points without doing what is asked, each by another way; tests/hostile.py says what a hostile work is."""

# ruff: noqa: E501 (a command a line)
from __future__ import annotations

from hostile import Hostile
from works import RIGHT

# What gives up after one failure deserves all of task 4 but 4.2.
ONE = {"nginx.conf": RIGHT["nginx.conf"].replace("max_fails=7", "max_fails=1")}
SCRIPT = RIGHT["task4.sh"]
# A proxy that does in Python what is asked of nginx.
PROXY = """\
import http.client, http.server
failed = 0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global failed
        for port in ([8081] if failed < 7 else []) + [8082]:
            line = http.client.HTTPConnection("127.0.0.1", port)
            try:
                line.request("GET", self.path, headers={"X-high-load-test": "123"})
                page = line.getresponse().read()
                break
            except OSError:
                failed += 1
        self.send_response(200)
        self.send_header("X-high-load-test", "123")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
http.server.ThreadingHTTPServer(("127.0.0.1", 8888), Handler).serve_forever()
"""
INTERPRETER = 'python=$(readlink -f "$(command -v python3)"); export PYTHONHOME=$(python3 -c "import sys; print(sys.base_prefix)") LD_LIBRARY_PATH=$(dirname "$python")/../lib\n'
# Runs its own copy, which has no file, under the name of nginx.
MEMORY = """\
import ctypes, os, sys
file = os.memfd_create("nginx")
os.write(file, open(os.path.realpath(sys.executable), "rb").read())
os.execve(f"/proc/self/fd/{file}", ["nginx", "proxy.py"], dict(os.environ, PYTHONHOME=sys.base_prefix))
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


def talks(name: str, script: str, most: int = 25, *, task: int = 4, **files: str) -> Hostile:
    """A work that deserves `most` points."""
    named = {file.replace("_", "."): text for file, text in files.items()}
    return Hostile(name, script, most, most, task=task, files=(ONE if task == 4 else {}) | named)


def mirrored(count: int) -> str:
    """A configuration in which requests are doubled, so that the dead server is tried as often as is asked."""
    other = f"upstream other {{ server 127.0.0.1:8081 max_fails={count} fail_timeout=30s; server 127.0.0.1:9 backup; }}"
    conf = ONE["nginx.conf"].replace("http {", f"http {{\n    {other}")
    return conf.replace(
        "location / {",
        "location = /other { internal; proxy_pass http://other/; proxy_set_header X-high-load-test 123; }\n        location / { mirror /other;",
    )


SPOIL = f"cat >spoiler.py <<'END'\n{SPOILER}END\n"
SEVEN = {"nginx_conf": RIGHT["nginx.conf"]}
BELLS = RIGHT["nginx.conf"].replace("http {", RING)
TALKERS = [
    talks("interpreter-called-nginx", INTERPRETER + "cp $python /opt/nginx; /opt/nginx proxy.py &\n", 0, proxy_py=PROXY),
    talks("interpreter-of-no-file", "python3 memory.py &\n", 0, proxy_py=PROXY, memory_py=MEMORY),
    talks("nginx-called-python", "cp $(command -v nginx) /opt/python3; /opt/python3 -c ~/nginx.conf\n", 6, task=1, nginx_conf="events {}\nhttp { server { listen 8081; root /root/backend1; } server { listen 8082; root /root/backend2; } }\nuser root;\n"),
    talks("code-of-its-own", "cp /lib/*/libm.so.6 ~/own.so; LD_PRELOAD=~/own.so nginx -c ~/nginx.conf\n", 0, **SEVEN),
    talks("helper-on-the-port", SPOIL + f"cat >hold.py <<'END'\n{HOLD % ('STREAM', 5, 8888)}{SPOILER}END\npython3 hold.py &\nsleep 1\n" + SCRIPT, 35, **SEVEN),
    talks("helper-on-the-protocol", SPOIL + f"cat >hold.py <<'END'\n{HOLD % ('DGRAM', 1, 8888)}{SPOILER}END\npython3 hold.py &\nsleep 1\n" + SCRIPT, 35, **SEVEN),
    talks("helper-for-names", "python3 names.py &\nsleep 1\ndnsmasq --no-resolv --no-hosts --server=127.0.0.9 --listen-address=127.0.0.1 --bind-interfaces --cache-size=0\n", 0, task=2, names_py=NAMES),
    talks("helper-is-the-parent", f"cat >parent.py <<'END'\n{PARENT}{SPOILER}END\npython3 parent.py &\nsleep 1\n", 35, **SEVEN),
    talks("helper-is-born-after", f"printf '#!/usr/bin/env python3\\n' >born; cat >>born <<'END'\n{SPOILER}END\nchmod +x born\ncat >again.py <<'END'\n{AGAIN % '/root/born'}END\npython3 again.py\n", 35, nginx_conf=BELLS),
    talks("interpreter-is-born-after", f"cat >'import born' <~/nginx.conf; cat >born.py <<'END'\n{SPOILER}END\ncat >again.py <<'END'\n{AS_PYTHON}END\nPYTHONPATH=/root python3 again.py\n", 0, nginx_conf="env PYTHONPATH;\n" + BELLS),
    talks("attempts-by-a-mirror", SCRIPT, nginx_conf=mirrored(5)),
    talks("number-in-memory", f"nginx -c ~/nginx.conf\ncat >write.py <<'END'\n{WRITE}END\npython3 write.py\n", nginx_conf=ONE["nginx.conf"].replace("fail_timeout=30s", "fail_timeout=12345s")),
    talks("socket-with-a-line-break", "mkdir -p $'\\n/tmp'\n" + SCRIPT, 30, nginx_conf=RIGHT["nginx.conf"].replace("listen 127.0.0.1:8888;", 'listen 127.0.0.1:8888; listen "unix:\n/tmp/x";')),
]  # fmt: skip
