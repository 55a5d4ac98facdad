"""Works for task 1: pages and servers."""

# ruff: noqa: E501 (a work a line)
from works import FOR_EVER, PAGE1, PAGE2, SERVER1, SERVER2, right, wrong

ONE, TWO = "backend1/index.html", "backend2/index.html"

# Serves ~/backend1 and ~/backend2 as a file server does, in JavaScript; `process.title` changes what ps shows.
NODE = """\
const http = require('http'), fs = require('fs');
for (const [port, name] of [[8081, 'backend1'], [8082, 'backend2']])
  http.createServer((ask, answer) => fs.readFile('/root/' + name + (ask.url === '/' ? '/index.html' : ask.url),
    (error, text) => { answer.statusCode = error ? 404 : 200; answer.end(text); })).listen(port, '127.0.0.1');
"""
NGINX_FILES = """\
events {}
http {
    server { listen 127.0.0.1:8081; root /root/backend1; }
    server { listen 127.0.0.1:8082; root /root/backend2; }
}
"""
# Answers whatever is asked with a page of its own memory.
FIXED = """\
import http.server, threading
PAGES = {8081: open("/root/backend1/index.html").read(), 8082: open("/root/backend2/index.html").read()}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PAGES[self.server.server_port].encode())
for port in PAGES:
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Handler).serve_forever).start()
"""
# A file server for both ports; the line marked PAGE lets it answer "/" with another page.
ONE_PROCESS = """\
import functools, http.server, threading
class Handler(http.server.SimpleHTTPRequestHandler):
    pass  # PAGE
for port, name in ((8081, "backend1"), (8082, "backend2")):
    handler = functools.partial(Handler, directory="/root/" + name)
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), handler).serve_forever).start()
"""
OTHER_PAGE = """\
    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>It works</h1>")
"""
WRITTEN_BY_SCRIPT = """\
mkdir -p ~/backend1 ~/backend2
echo '<h1>Response from Backend Server 1</h1>' > ~/backend1/index.html
echo '<h2>*** Response from Backend Server 2 ***</h2>' > ~/backend2/index.html
"""
# A server of one's own, in the folder and on the port that it is given.
OWN = """\
import http.server, os, socketserver, sys
os.chdir(sys.argv[1])
socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("", int(sys.argv[2])), http.server.SimpleHTTPRequestHandler) as server:
    server.serve_forever()
"""
BASH = """\
#!/usr/bin/env bash
set -euo pipefail
declare -A port=([backend1]=8081 [backend2]=8082)
for name in "${!port[@]}"; do
    pushd ~/"$name" >/dev/null
    python3 -m http.server "${port[$name]}" &>/dev/null & disown
    popd >/dev/null
done
"""

WRONG = [
    wrong("folder-name-typo", "1.1", (ONE, None), ("backend_1/index.html", PAGE1), ("task1.sh", "~/backend1", "~/backend_1")),
    wrong("folder-elsewhere", "1.1", (TWO, None), ("web/backend2/index.html", PAGE2), ("task1.sh", "~/backend2", "~/web/backend2")),
    wrong("no-folder-and-served-all-the-same", "1.1", (ONE, None), ("task1.sh", SERVER1, "rmdir ~/backend1\npython3 -m http.server 8081 &\n")),
    wrong("folder-of-the-system", "1.1", (ONE, None), ("task1.sh", SERVER1, "rmdir ~/backend1; ln -s /usr/share ~/backend1\n" + SERVER1)),
    wrong("page-is-a-folder", "1.1", (ONE, None), (f"{ONE}/index.html", PAGE1)),
    wrong("index-htm", "1.1", (ONE, None), ("backend1/index.htm", PAGE1)),
    wrong("no-page", "1.1", (TWO, None)),
    wrong("wrong-tag", "1.2", (TWO, "h2>", "h1>")),
    wrong("pages-swapped", "1.2", (ONE, PAGE2), (TWO, PAGE1)),
    wrong("no-tag", "1.2", (ONE, "Response from Backend Server 1\n")),
    wrong("unclosed-tag", "1.2", (ONE, "</h1>", "<h1>")),
    wrong("typo-in-page", "1.2", (ONE, "Backend", "backend")),
    wrong("no-stars", "1.2", (TWO, "*** ", "")),
    wrong("same-page-twice", "1.2", (TWO, PAGE1)),
    wrong("upper-case-tag", "1.2", (ONE, "h1>", "H1>")),
    wrong("page-in-a-document", "1.2", (ONE, f"<!doctype html><html><body>{PAGE1}</body></html>\n")),
    wrong("page-in-single-quotes", "1.2", (ONE, f"'{PAGE1.strip()}'\n")),
    wrong("page-in-curly-quotes", "1.2", (ONE, f"\u201c{PAGE1.strip()}\u201d\n")),
    wrong("page-with-one-quote", "1.2", (TWO, f'"{PAGE2.strip()}\n')),
    wrong("page-in-two-quotes", "1.2", (ONE, f'""{PAGE1.strip()}""\n')),
    wrong("space-inside-quotes", "1.2", (ONE, f'" {PAGE1.strip()} "\n')),
    wrong("byte-order-mark", "1.2", (ONE, f"\ufeff{PAGE1}")),
    wrong("two-spaces", "1.2", (ONE, "Response from", "Response  from")),
    wrong("page-twice-in-a-file", "1.2", (ONE, PAGE1 + PAGE1)),
    wrong("both-on-one-folder", "1.3", ("task1.sh", "~/backend2", "~/backend1")),
    wrong("folders-swapped", "1.3", ("task1.sh", "python3 -m http.server 8082 -d ~/backend1 &\npython3 -m http.server 8081 -d ~/backend2 &\n")),
    wrong("served-from-home", "1.3", ("task1.sh", "python3 -m http.server 8081 &\npython3 -m http.server 8082 &\nsleep 1\n")),
    wrong("other-port", "1.3", ("task1.sh", "8082", "8083")),
    wrong("one-server", "1.3", ("task1.sh", SERVER2, "")),
    wrong("server-killed", "1.3", ("task1.sh", SERVER2, SERVER2 + "sleep 1; kill $!; wait $!\n")),
    wrong("other-address", "1.3", ("task1.sh", "8081", "8081 --bind 127.0.0.2")),
    wrong("copied-folder", "1.3", ("task1.sh", SERVER1, "cp -r ~/backend1 /tmp/one; python3 -m http.server 8081 -d /tmp/one &\n")),
    wrong("node", "1.3", ("server.js", NODE), ("task1.sh", "node ~/server.js &\nsleep 2\n")),
    wrong("node-called-python3", "1.3", ("server.js", NODE + "process.title = 'python3';\n"), ("task1.sh", "node ~/server.js &\nsleep 2\n")),
    wrong("nginx-as-backends", "1.3", ("files.conf", NGINX_FILES.replace("events", "user root;\nevents")), ("task1.sh", "nginx -c ~/files.conf\n")),
    wrong("fixed-answers", "1.3", ("fixed.py", FIXED), ("task1.sh", "python3 ~/fixed.py &\nsleep 1\n")),
    wrong("misspelt-command", "1.3", ("task1.sh", "http.server 8082", "http.sever 8082")),
    wrong("other-page-for-root", "1.4", ("one.py", ONE_PROCESS.replace("    pass  # PAGE\n", OTHER_PAGE)), ("task1.sh", "python3 ~/one.py &\n")),
]  # fmt: skip
RIGHT_ONES = [
    right("pages-in-quotes", 1, (ONE, f'"{PAGE1.strip()}"\n'), (TWO, f'"{PAGE2.strip()}"')),
    right("one-page-in-quotes", 1, (TWO, f'"{PAGE2.strip()}"\n')),
    right("quotes-by-echo", 1, (ONE, None), ("task1.sh", f"mkdir -p ~/backend1; echo '\"{PAGE1.strip()}\"' > ~/backend1/index.html\n" + SERVER1 + SERVER2)),
    right("white-space-around", 1, (ONE, f"\r\n  {PAGE1}\r\n"), (TWO, f"{PAGE2}\n\n")),
    right("cd-first", 1, ("task1.sh", "cd ~/backend1 && python3 -m http.server 8081 &\ncd ~/backend2 && python3 -m http.server 8082 &\n")),
    right("with-sleep", 1, ("task1.sh", SERVER2, SERVER2 + "sleep 1\n")),
    right("nohup", 1, ("task1.sh", "python3", "nohup python3")),
    right("setsid-directory", 1, ("task1.sh", "setsid python3 -m http.server 8081 --directory ~/backend1 &\nsetsid python3 -m http.server --directory /root/backend2 8082 &\n")),
    right("loopback-only", 1, ("task1.sh", "-m http.server", "-m http.server --bind 127.0.0.1")),
    right("log-files", 1, ("task1.sh", " &\n", " > /tmp/log.txt 2>&1 &\n")),
    right("one-python-for-both", 1, ("one.py", ONE_PROCESS), ("task1.sh", "python3 ~/one.py &\n")),
    right("pages-by-script", 1, (ONE, None), (TWO, None), ("task1.sh", WRITTEN_BY_SCRIPT + SERVER1 + SERVER2)),
    right("no-last-newline", 1, (ONE, PAGE1.strip()), (TWO, PAGE2.strip())),
    right("notes-beside-the-page", 1, ("backend1/notes.txt", "to do\n")),
    right("log-beside-the-page", 1, ("task1.sh", "cd ~/backend1 && nohup python3 -m http.server 8081 >nohup.out 2>&1 &\ncd ~/backend2 && nohup python3 -m http.server 8082 >server.log 2>&1 &\n")),
    right("own-socketserver", 1, ("serve.py", OWN), ("task1.sh", "python3 ~/serve.py ~/backend1 8081 &\npython3 ~/serve.py ~/backend2 8082 &\n")),
    right("python-by-heredoc", 1, ("task1.sh", "".join(f"python3 - ~/backend{n} 808{n} <<'END' &\n{OWN}END\n" for n in (1, 2)))),
    right("bash", 1, ("task1.sh", BASH)),
    right("sudo", 1, ("task1.sh", "python3", "sudo python3")),
    right("for-ever", 1, ("task1.sh", FOR_EVER)),
    right("ended-and-started-again", 1, ("task1.sh", SERVER1 + SERVER2 + "sleep 2\npkill -f http.server\nsleep 1\n" + SERVER1 + SERVER2)),
    right("ipv6-too", 1, ("task1.sh", "-m http.server", "-m http.server --bind ::")),
    right("shown-with-curl", 1, ("task1.sh", SERVER2, SERVER2 + "sleep 2\ncurl http://localhost:8081\ncurl http://localhost:8082\n")),
]  # fmt: skip
