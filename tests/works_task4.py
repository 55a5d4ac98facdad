"""Works for task 4: the upstream, the switch, the socket, the header."""

# ruff: noqa: E501 (a work a line)
from __future__ import annotations

from works import ACTIVE, ASKED, BACKUP, GIVEN, LISTEN, NGINX, Change, right, wrong

CONF, SCRIPT = "nginx.conf", "task4.sh"
START = "nginx -c ~/nginx.conf\n"
PASS = "proxy_pass http://pool;"
OTHER_HEADERS = {"proxy_set_header": "Host pool", "add_header": "X-Other 1"}
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


def workers(count: int | str, *more: Change) -> tuple[Change, ...]:
    """`count` worker processes, and further changes."""
    return ((CONF, "events {}", f"worker_processes {count};\nevents {{}}"), *more)


ZONE: Change = (CONF, "upstream pool {", "upstream pool {\n        zone pool 64k;")
REUSEPORT: Change = (CONF, LISTEN, LISTEN.replace(";", " reuseport;"))

WRONG = [
    wrong("no-backup", "4.1", (CONF, " backup;", ";")),
    wrong("swapped", "4.1", (CONF, ":808", ":80x"), (CONF, ":80x1", ":8082"), (CONF, ":80x2", ":8081")),
    wrong("active-down", "4.1", (CONF, ACTIVE, ACTIVE.replace(";", " down;"))),
    wrong("weights-instead", "4.1", (CONF, ACTIVE, ACTIVE.replace(";", " weight=10;")), (CONF, " backup;", ";")),
    wrong("great-weight-instead", "4.1", (CONF, ACTIVE, ACTIVE.replace(";", " weight=1000;")), (CONF, " backup;", ";")),
    wrong("only-active", "4.1", (CONF, BACKUP, "")),
    wrong("without-upstream", "4.1", (CONF, "http://pool", "http://127.0.0.1:8081")),
    wrong("backup-on-other-port", "4.1", (CONF, "8082", "8083")),
    wrong("backup-is-nginx-itself", "4.1", (CONF, BACKUP, "server 127.0.0.1:8888 backup;")),
    wrong("mirrored", "4.1", (CONF, PASS, PASS + " mirror /m;"), (CONF, "location / {", "location = /m { proxy_pass http://127.0.0.1:8082; }\n        location / {")),
    wrong("answers-itself", "4.1", (CONF, PASS, "return 200 '<h1>Response from Backend Server 1</h1>';")),
    wrong("static-page", "4.1", (CONF, "events {}", "user root;\nevents {}"), (CONF, PASS, "root /root/backend1;")),
    wrong("not-started", "4.1", (SCRIPT, "nginx -c", "nginx -t -c")),
    wrong("stopped", "4.1", (SCRIPT, START + "nginx -c ~/nginx.conf -s stop\n")),
    wrong("refused-configuration", "4.1", (CONF, "proxy_pass", "proxypass")),
    wrong("python-proxy", "4.1", ("proxy.py", PROXY), (SCRIPT, "python3 ~/proxy.py &\n")),
    wrong("python-called-nginx", "4.1", ("nginx", "#!/usr/bin/env -S python3\n" + PROXY), (SCRIPT, "chmod +x ~/nginx; ~/nginx &\n")),
    wrong("max_fails-default", "4.2", (CONF, " max_fails=7", "")),
    wrong("max_fails-1", "4.2", (CONF, "max_fails=7", "max_fails=1")),
    wrong("max_fails-3", "4.2", (CONF, "max_fails=7", "max_fails=3")),
    wrong("max_fails-6", "4.2", (CONF, "max_fails=7", "max_fails=6")),
    wrong("max_fails-8", "4.2", (CONF, "max_fails=7", "max_fails=8")),
    wrong("max_fails-0", "4.2", (CONF, "max_fails=7", "max_fails=0")),
    wrong("max_fails-77", "4.2", (CONF, "max_fails=7", "max_fails=77")),
    wrong("max_fails-on-backup", "4.2", (CONF, " max_fails=7", ""), (CONF, " backup;", " backup max_fails=7;")),
    wrong("6-and-1s", "4.2", (CONF, "max_fails=7 fail_timeout=30s", "max_fails=6 fail_timeout=1s")),
    wrong("3-and-not-passed-on", "4.2", (CONF, "max_fails=7", "max_fails=3"), (CONF, PASS, PASS + " proxy_next_upstream off;")),
    wrong("3-and-configuration-removed", "4.2", (CONF, "max_fails=7", "max_fails=3"), (SCRIPT, START + "rm ~/nginx.conf\n")),
    wrong("two-workers", "4.2", *workers(2)),
    wrong("four-workers", "4.2", *workers(4)),
    wrong("four-workers-1s", "4.2", *workers(4, (CONF, "fail_timeout=30s", "fail_timeout=1s"))),
    wrong("four-workers-reuseport", "4.2", *workers(4, REUSEPORT)),
    wrong("four-workers-accept_mutex", "4.2", *workers(4, (CONF, "events {}", "events { accept_mutex on; }"))),
    wrong("seven-workers-of-1", "4.2", (CONF, SEVEN_SERVERS)),
    wrong("zone-of-6", "4.2", *workers(4, ZONE, (CONF, "max_fails=7", "max_fails=6"))),
    wrong("error_page-instead", "4.2", (CONF, BACKUP, ""), (CONF, PASS, PASS + ERROR_PAGE), (CONF, "location / {", SECOND)),
    wrong("every-address", "4.3", (CONF, LISTEN, "listen 0.0.0.0:8888;")),
    wrong("port-alone", "4.3", (CONF, LISTEN, "listen 8888;")),
    wrong("every-address-and-one", "4.3", (CONF, LISTEN, f"listen *:8888; {LISTEN}")),
    wrong("extra-port", "4.3", (CONF, LISTEN, f"{LISTEN} listen 127.0.0.1:8080;")),
    wrong("extra-server", "4.3", (CONF, NGINX[:-2] + OTHER_SERVER[2:])),
    wrong("ipv6-too", "4.3", (CONF, LISTEN, f"{LISTEN} listen [::1]:8888;")),
    wrong("second-address", "4.3", (CONF, LISTEN, f"{LISTEN} listen 127.0.0.2:8888;")),
    wrong("other-port", "4.3", (CONF, "8888", "8080")),
    wrong("other-address", "4.3", (CONF, LISTEN, "listen 127.0.0.2:8888;")),
    wrong("only-ipv6", "4.3", (CONF, LISTEN, "listen [::1]:8888;")),
    wrong("second-nginx", "4.3", ("other.conf", "pid /run/other.pid;\nevents {}\nhttp { server { listen 127.0.0.1:9000; return 200; } }\n"), (SCRIPT, START, START + "nginx -c ~/other.conf\n")),
    wrong("only-on-request", "4.4", (CONF, GIVEN, "")),
    wrong("only-on-response", "4.4", (CONF, ASKED, "")),
    wrong("on-neither", "4.4", (CONF, ASKED, ""), (CONF, GIVEN, "")),
    wrong("wrong-value", "4.4", (CONF, "test 123", "test 321")),
    wrong("wrong-value-on-response", "4.4", (CONF, GIVEN, GIVEN.replace("123", "true"))),
    wrong("quoted-space", "4.4", (CONF, ASKED, ASKED.replace("123", '"12 3"'))),
    wrong("header-typo", "4.4", (CONF, ASKED, ASKED.replace("high-load", "highload"))),
    wrong("underscores", "4.4", (CONF, "X-high-load-test", "X_high_load_test")),
    wrong("twice-on-response", "4.4", (CONF, GIVEN, GIVEN + GIVEN)),
    wrong("twice-on-request", "4.4", (CONF, ASKED, ASKED + ASKED)),
    wrong("only-on-errors", "4.4", (CONF, GIVEN, f"error_page 404 /x; location = /x {{ {GIVEN} return 404; }}")),
    wrong("request-header-not-inherited", "4.4", (CONF, ASKED, "proxy_set_header Host pool;"), (CONF, LISTEN, LISTEN + ASKED)),
    wrong("response-header-not-inherited", "4.4", (CONF, GIVEN, "add_header X-Other 1;"), (CONF, LISTEN, LISTEN + GIVEN)),
    wrong("wrong-path", "4.5", (CONF, PASS, "proxy_pass http://pool/backend1/;")),
]  # fmt: skip
RIGHT_ONES = [
    right("one-worker", 4, *workers(1)),
    right("four-workers-zone", 4, *workers(4, ZONE)),
    right("four-workers-zone-1s", 4, *workers(4, ZONE, (CONF, "fail_timeout=30s", "fail_timeout=1s"))),
    right("reuseport-zone", 4, *workers(4, ZONE, REUSEPORT)),
    right("auto-zone-accept_mutex", 4, *workers("auto", ZONE, (CONF, "events {}", "events { accept_mutex on; }"))),
    right("fail_timeout-1s", 4, (CONF, "fail_timeout=30s", "fail_timeout=1s")),
    right("fail_timeout-10s", 4, (CONF, "fail_timeout=30s", "fail_timeout=10s")),
    right("fail_timeout-1h", 4, (CONF, "fail_timeout=30s", "fail_timeout=1h")),
    right("fail_timeout-default", 4, (CONF, " fail_timeout=30s", "")),
    right("not-passed-on", 4, (CONF, PASS, PASS + " proxy_next_upstream off;")),
    right("not-passed-on-1s", 4, (CONF, PASS, PASS + " proxy_next_upstream off;"), (CONF, "fail_timeout=30s", "fail_timeout=1s")),
    right("one-try", 4, (CONF, PASS, PASS + " proxy_next_upstream_tries 1;")),
    right("least_conn", 4, (CONF, "upstream pool {", "upstream pool { least_conn;")),
    right("weighted-active", 4, (CONF, ACTIVE, ACTIVE.replace(";", " weight=5;")), (CONF, " backup;", " backup max_fails=7;")),
    right("other-names", 4, (CONF, "pool", "active_backup"), (CONF, LISTEN, LISTEN + " server_name my-awesome-highload-app.local;")),
    right("included-files", 4, ("pool.conf", ACTIVE + "\n" + BACKUP), (CONF, ACTIVE, "include /root/pool.conf;"), (CONF, BACKUP, "")),
    right("default_server", 4, (CONF, LISTEN, LISTEN.replace(";", " default_server;"))),
    right("headers-of-server", 4, (CONF, ASKED, ""), (CONF, GIVEN, ""), (CONF, LISTEN, LISTEN + ASKED + GIVEN)),
    right("only-on-success", 4, (CONF, " always;", ";")),
    right("header-by-variable", 4, (CONF, "test 123", "test $value"), (CONF, LISTEN, LISTEN + " set $value 123;")),
    right("other-letter-case", 4, (CONF, "X-high-load-test", "X-High-Load-Test")),
    right("keepalive-1.1", 4, (CONF, BACKUP, BACKUP + " keepalive 8;"), (CONF, PASS, PASS + ' proxy_http_version 1.1; proxy_set_header Connection "";')),
    right("user-root", 4, (CONF, "events {}", "user root;\nevents {}")),
    right("other-user", 4, (CONF, "events {}", "pid /tmp/n.pid;\nerror_log /tmp/n.log;\nevents {}"), (CONF, "http {", "http { access_log off; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;"), (SCRIPT, "setpriv --reuid=33 --regid=33 --clear-groups nginx -e /tmp/n.log -c /root/nginx.conf\n")),
    right("no-master", 4, (CONF, "events {}", "master_process off;\ndaemon off;\nevents {}"), (SCRIPT, "nginx -c ~/nginx.conf &\n")),
    right("foreground", 4, (SCRIPT, 'nginx -g "daemon off;" -c ~/nginx.conf &\n')),
    right("started-twice", 4, (SCRIPT, START + START)),
    right("reloaded", 4, (SCRIPT, START + "nginx -c ~/nginx.conf -s reload\n")),
    right("written-by-script", 4, (CONF, None), (SCRIPT, f"cat > /tmp/n.conf <<'END'\n{NGINX}END\nnginx -c /tmp/n.conf\n")),
    right("configuration-removed", 4, (SCRIPT, START + "rm ~/nginx.conf\n")),
    right("index-named", 4, (CONF, PASS, "proxy_pass http://pool/index.html;")),
    right("own-trial", 4, (CONF, "fail_timeout=30s", "fail_timeout=1h"), (SCRIPT, START + TRIAL)),
    right("own-trial-zone", 4, *workers(4, ZONE, (CONF, "fail_timeout=30s", "fail_timeout=1h")), (SCRIPT, START + TRIAL)),
    right("both-were-down", 4, (CONF, ACTIVE, ACTIVE.replace("30s", "1h")), (CONF, " backup;", " backup fail_timeout=1h;"), (SCRIPT, "sleep 2\n" + START + BOTH_DOWN)),
    right("asked-too-early", 4, ("task1.sh", ""), (SCRIPT, START + "curl -s http://127.0.0.1:8888\ncurl -s http://127.0.0.1:8888\n")),
    right("cache-processes", 4, *workers(2, ZONE, (CONF, "http {", "http { proxy_cache_path /tmp/cache keys_zone=c:1m;"))),
]  # fmt: skip
