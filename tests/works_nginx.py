"""What the works for task 4 are made from: other configurations, scripts and servers."""

from works import ACTIVE, ASKED, BACKUP, GIVEN, LISTEN, NGINX, Change

CONF, SCRIPT = "nginx.conf", "task4.sh"
START = "nginx -c ~/nginx.conf\n"
PASS = "proxy_pass http://pool;"
# A balancer with nginx's behaviour as a client sees it, in Python.
PROXY = """\
import http.client, http.server
failures = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global failures
        for port in [8081] * (failures < 7) + [8082]:
            try:
                ask = http.client.HTTPConnection("127.0.0.1", port)
                ask.request("GET", self.path, headers={"X-high-load-test": "123"})
                page = ask.getresponse().read()
                break
            except OSError:
                failures += 1
        self.send_response(200)
        self.send_header("X-high-load-test", "123")
        self.end_headers()
        self.wfile.write(page)
http.server.ThreadingHTTPServer(("127.0.0.1", 8888), Handler).serve_forever()
"""
ERROR_PAGE = "error_page 502 504 = @second; proxy_intercept_errors on;"
SECOND = f"location @second {{ proxy_pass http://127.0.0.1:8082; {ASKED} {GIVEN} }}\n        location / {{"
OTHER_SERVER = "}\n    server { listen 127.0.0.1:9000; return 200 ok; }\n}\n"
# What a learner does to see the switch: backend1 is ended, asked for, and started again; nginx remembers its failures.
TRIAL = """\
pkill -f 'http.server 8081'
for i in 1 2 3 4 5 6 7 8 9; do curl -s -i http://127.0.0.1:8888 | tail -1; done
python3 -m http.server 8081 -d ~/backend1 &
"""
# Both are down for a moment, and nginx, which then knows no live server, says 502 until fail_timeout is over.
BOTH_DOWN = """\
pkill -f http.server
for i in 1 2 3 4 5 6 7 8 9; do curl -s http://127.0.0.1:8888; done
python3 -m http.server 8081 -d ~/backend1 &
python3 -m http.server 8082 -d ~/backend2 &
"""
SEVEN_SERVERS = f"worker_processes 7;\n{NGINX}".replace("max_fails=7", "max_fails=1")

# As Debian's package wants it: the server in a file of its own, included by /etc/nginx/nginx.conf.
SITE = f"upstream pool {{ zone pool 64k; {ACTIVE} {BACKUP} }}\nserver {{ {LISTEN} location / {{ {PASS} {ASKED} {GIVEN} }} }}\n"
HEADER_BACKENDS = "".join(
    f"""\
python3 -c '
import http.server, os
os.chdir("/root/backend{n}")
class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("X-high-load-test", "123")
        super().end_headers()
http.server.HTTPServer(("", 808{n}), Handler).serve_forever()' &
"""
    for n in (1, 2)
)


def workers(count: int | str, *more: Change) -> tuple[Change, ...]:
    """`count` worker processes, and further changes."""
    return ((CONF, "events {}", f"worker_processes {count};\nevents {{}}"), *more)


ZONE: Change = (CONF, "upstream pool {", "upstream pool {\n        zone pool 64k;")
REUSEPORT: Change = (CONF, LISTEN, LISTEN.replace(";", " reuseport;"))
# nginx closes every connection after its answer.
NOT_KEPT: Change = (CONF, "http {", "http { keepalive_timeout 0;")
