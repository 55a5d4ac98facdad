"""Works for task 4: the upstream, the switch, the socket, the header."""

# ruff: noqa: E501 (a work a line)
from works import ACTIVE, ASKED, BACKUP, FOR_EVER, GIVEN, LISTEN, NGINX, Change, right, wrong

CONF, SCRIPT = "nginx.conf", "task4.sh"
START = "nginx -c ~/nginx.conf\n"
PASS = "proxy_pass http://pool;"
# A balancer with nginx's behaviour as a client sees it, in Python.
PROXY = """\
import http.client, http.server
failures = 0
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
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
        self.send_header("Content-Length", str(len(page)))
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
    wrong("split_clients", "4.1", (CONF, "http {", 'http { split_clients "$request_id" $up { 90% 127.0.0.1:8081; * 127.0.0.1:8082; }'), (CONF, "http://pool", "http://$up")),
    wrong("cached", "4.1", (CONF, "http {", "http { proxy_cache_path /tmp/c keys_zone=c:1m; proxy_cache_valid 1h;"), (CONF, PASS, PASS + " proxy_cache c;")),
    wrong("redirected", "4.1", (CONF, PASS, "return 302 http://127.0.0.1:8081/;")),
    wrong("ip_hash", "4.1", (CONF, "upstream pool {", "upstream pool { ip_hash;")),
    wrong("7-on-both-and-no-backup", "4.1", (CONF, " backup;", " max_fails=7;")),
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
    wrong("active-twice", "4.2", (CONF, ACTIVE, ACTIVE + ACTIVE)),
    wrong("7-tries-instead", "4.2", (CONF, " max_fails=7", ""), (CONF, PASS, PASS + " proxy_next_upstream_tries 7;")),
    wrong("seven-workers-of-1", "4.2", (CONF, SEVEN_SERVERS)),
    wrong("four-workers-6", "4.2", *workers(4, (CONF, "max_fails=7", "max_fails=6"))),
    wrong("four-workers-8", "4.2", *workers(4, (CONF, "max_fails=7", "max_fails=8"))),
    wrong("auto-max_fails-1", "4.2", *workers("auto", (CONF, "max_fails=7", "max_fails=1"))),
    wrong("two-workers-14", "4.2", *workers(2, (CONF, "max_fails=7", "max_fails=14"))),
    wrong("seven-workers-of-1-not-kept", "4.2", (CONF, SEVEN_SERVERS), NOT_KEPT),
    wrong("four-workers-0", "4.2", *workers(4, (CONF, "max_fails=7", "max_fails=0"))),
    wrong("auto-default", "4.2", *workers("auto", (CONF, " max_fails=7 fail_timeout=30s", ""))),
    wrong("zone-of-28", "4.2", *workers(4, ZONE, (CONF, "max_fails=7", "max_fails=28"))),
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
    wrong("ipv6-for-both", "4.3", (CONF, LISTEN, "listen [::]:8888 ipv6only=off;")),
    wrong("socket-file-too", "4.3", (CONF, LISTEN, f"{LISTEN} listen unix:/tmp/nginx.sock;")),
    wrong("all-but-others-denied", "4.3", (CONF, LISTEN, "listen 8888; allow 127.0.0.1; deny all;")),
    wrong("default-site-left", "4.3", ("site", SITE), (SCRIPT, "cp ~/site /etc/nginx/conf.d/lb.conf\nnginx\n")),
    wrong("default-site-and-own", "4.3", ("site", SITE), (SCRIPT, "cp ~/site /etc/nginx/sites-available/lb\nln -s ../sites-available/lb /etc/nginx/sites-enabled/lb\nnginx\n")),
    wrong("default-site-removed-too-late", "4.3", ("site", SITE), (SCRIPT, "cp ~/site /etc/nginx/conf.d/lb.conf\nnginx\nrm /etc/nginx/sites-enabled/default\n")),
    wrong("status-page", "4.3", ("more.conf", "server { listen 127.0.0.1:8089; return 200; }\n"), (CONF, "    server {\n", "    include /root/more.conf;\n    server {\n")),
    wrong("second-nginx", "4.3", ("other.conf", "pid /run/other.pid;\nevents {}\nhttp { server { listen 127.0.0.1:9000; return 200; } }\n"), (SCRIPT, START, START + "nginx -c ~/other.conf\n")),
    wrong("on-neither", "4.4", (CONF, ASKED, ""), (CONF, GIVEN, "")),
    wrong("wrong-value", "4.4", (CONF, "test 123", "test 321")),
    wrong("wrong-value-on-response", "4.4", (CONF, GIVEN, GIVEN.replace("123", "true"))),
    wrong("quoted-space", "4.4", (CONF, ASKED, ASKED.replace("123", '"12 3"'))),
    wrong("underscores", "4.4", (CONF, "X-high-load-test", "X_high_load_test")),
    wrong("twice-on-response", "4.4", (CONF, GIVEN, GIVEN + GIVEN)),
    wrong("twice-on-request", "4.4", (CONF, ASKED, ASKED + ASKED)),
    wrong("space-after-value", "4.4", (CONF, "test 123", 'test "123 "')),
    wrong("colon-in-name", "4.4", (CONF, GIVEN, GIVEN.replace("test", "test:"))),
    wrong("only-from-the-active", "4.4", (CONF, "http {", 'http { map $upstream_addr $value { 127.0.0.1:8081 123; default ""; }'), (CONF, GIVEN, GIVEN.replace("123", "$value"))),
    wrong("only-for-the-root", "4.4", (CONF, GIVEN, ""), (CONF, ASKED, ""), (CONF, "location / {", f"location = / {{ {PASS} {ASKED} }}\n        location / {{")),
    wrong("typo-in-the-only-one", "4.4", (CONF, GIVEN, ""), (CONF, ASKED, ASKED.replace("high-load", "highload"))),
    wrong("only-set-by-the-backends", "4.4", (CONF, GIVEN, ""), (CONF, ASKED, ""), ("task1.sh", HEADER_BACKENDS)),
    wrong("passed-on-and-not-given", "4.4", (CONF, GIVEN, ""), (CONF, ASKED, ASKED.replace("123", "$http_x_high_load_test"))),
    wrong("not-inherited-on-the-only-hop", "4.4", (CONF, GIVEN, ""), (CONF, ASKED, "proxy_set_header Host pool;"), (CONF, LISTEN, LISTEN + ASKED)),
    wrong("only-on-errors-and-not-asked", "4.4", (CONF, ASKED, ""), (CONF, GIVEN, f"error_page 404 /x; location = /x {{ {GIVEN} return 404; }}")),
    wrong("request-from-time-to-time", "4.4", (CONF, GIVEN, ""), (CONF, "http {", 'http { split_clients "$request_id" $value { 50% 123; * ""; }'), (CONF, ASKED, ASKED.replace("123", "$value"))),
    wrong("response-from-time-to-time", "4.4", (CONF, ASKED, ""), (CONF, "http {", 'http { split_clients "$request_id" $value { 50% 123; * ""; }'), (CONF, GIVEN, GIVEN.replace("123", "$value"))),
    wrong("wrong-value-on-request-right-on-response", "4.4", (CONF, ASKED, ASKED.replace("123", "1234"))),
    wrong("twice-on-response-only", "4.4", (CONF, ASKED, ""), (CONF, GIVEN, GIVEN + GIVEN)),
    wrong("two-values-on-request", "4.4", (CONF, ASKED, ASKED.replace("123", '"123, 123"'))),
    wrong("wrong-path", "4.5", (CONF, PASS, "proxy_pass http://pool/backend1/;")),
]  # fmt: skip
RIGHT_ONES = [
    right("only-the-root-is-passed-on", 4, (CONF, "location / {", "location = / {")),
    right("two-workers", 4, *workers(2)),
    right("four-workers", 4, *workers(4)),
    right("four-workers-1s", 4, *workers(4, (CONF, "fail_timeout=30s", "fail_timeout=1s"))),
    right("four-workers-reuseport", 4, *workers(4, REUSEPORT)),
    right("four-workers-accept_mutex", 4, *workers(4, (CONF, "events {}", "events { accept_mutex on; }"))),
    right("only-on-request", 4, (CONF, GIVEN, "")),
    right("only-on-response", 4, (CONF, ASKED, "")),
    right("header-typo", 4, (CONF, ASKED, ASKED.replace("high-load", "highload"))),
    right("set-by-the-backends", 4, (CONF, GIVEN, ""), ("task1.sh", HEADER_BACKENDS)),
    right("passed-on-from-the-client", 4, (CONF, ASKED, ASKED.replace("123", "$http_x_high_load_test"))),
    right("only-on-errors", 4, (CONF, GIVEN, f"error_page 404 /x; location = /x {{ {GIVEN} return 404; }}")),
    right("request-header-not-inherited", 4, (CONF, ASKED, "proxy_set_header Host pool;"), (CONF, LISTEN, LISTEN + ASKED)),
    right("response-header-not-inherited", 4, (CONF, GIVEN, "add_header X-Other 1;"), (CONF, LISTEN, LISTEN + GIVEN)),
    right("auto-workers", 4, *workers("auto")),
    right("eight-workers", 4, *workers(8)),
    right("auto-workers-1s", 4, *workers("auto", (CONF, "fail_timeout=30s", "fail_timeout=1s"))),
    right("eight-workers-connections-not-kept", 4, *workers(8, NOT_KEPT)),
    right("four-workers-not-kept-reuseport", 4, *workers(4, NOT_KEPT, REUSEPORT)),
    right("four-workers-zone-not-kept", 4, *workers(4, ZONE, NOT_KEPT)),
    right("one-worker-not-kept", 4, NOT_KEPT),
    right("three-requests-a-connection", 4, *workers(4, (CONF, "http {", "http { keepalive_requests 3;"))),
    right("four-workers-not-passed-on", 4, *workers(4, (CONF, PASS, PASS + " proxy_next_upstream off;"))),
    right("four-workers-own-trial", 4, *workers(4, (CONF, "fail_timeout=30s", "fail_timeout=1h")), (SCRIPT, START + TRIAL)),
    right("default-site-removed", 4, ("site", SITE), (SCRIPT, "cp ~/site /etc/nginx/conf.d/lb.conf\nrm /etc/nginx/sites-enabled/default\nnginx\n")),
    right("default-site-removed-and-reloaded", 4, ("site", SITE.replace("zone pool 64k; ", "")), (SCRIPT, "cp ~/site /etc/nginx/conf.d/lb.conf\nnginx\nsleep 1\nrm /etc/nginx/sites-enabled/default\nnginx -s reload\n")),
    right("request-of-the-server-block", 4, (CONF, ASKED, ""), (CONF, GIVEN, ""), (CONF, LISTEN, LISTEN + ASKED)),
    right("response-without-always", 4, (CONF, ASKED, ""), (CONF, " always;", ";")),
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
    right("sites-enabled", 4, ("site", SITE), (SCRIPT, "cp ~/site /etc/nginx/sites-available/lb\nsudo ln -s /etc/nginx/sites-available/lb /etc/nginx/sites-enabled/\nsudo rm /etc/nginx/sites-enabled/default\nnginx -t && nginx\n")),
    right("etc-nginx.conf", 4, (SCRIPT, "cp ~/nginx.conf /etc/nginx/nginx.conf\nnginx\n")),
    right("relative-prefix", 4, ("conf/pool.inc", ACTIVE + BACKUP), (CONF, ACTIVE, "include conf/pool.inc;"), (CONF, BACKUP, ""), (SCRIPT, "cd ~\nnginx -p $PWD -c nginx.conf\n")),
    right("pool-by-variable", 4, (CONF, PASS, "set $up pool; proxy_pass http://$up;")),
    right("two-names", 4, (CONF, "    server {\n", f"    server {{ {LISTEN} server_name other.local; return 404; }}\n    server {{\n"), (CONF, LISTEN + "\n", LISTEN.replace(";", " default_server;\n"))),
    right("backup-first", 4, (CONF, ACTIVE, "first"), (CONF, BACKUP, ACTIVE), (CONF, "first", BACKUP)),
    right("backend1-left-off", 4, (CONF, "30s", "1h"), (SCRIPT, START + TRIAL.rpartition("python3")[0])),
    right("backends-for-ever", 4, ("task1.sh", FOR_EVER)),
    right("stopped-and-started", 4, (SCRIPT, START + "sleep 1\nnginx -c ~/nginx.conf -s stop\nsleep 1\n" + START)),
    right("edited-and-reloaded", 4, (CONF, "max_fails=7", "max_fails=3"), (SCRIPT, START + "sed -i s/max_fails=3/max_fails=7/ ~/nginx.conf\nnginx -c ~/nginx.conf -s reload\n")),
    right("bash", 4, (SCRIPT, "#!/bin/bash\nset -euo pipefail\nif [[ -f ~/nginx.conf ]]; then nginx -c ~/nginx.conf; fi\nfor i in {1..9}; do curl -s http://127.0.0.1:8888; done\n")),
    right("index-named", 4, (CONF, PASS, "proxy_pass http://pool/index.html;")),
    right("own-trial", 4, (CONF, "fail_timeout=30s", "fail_timeout=1h"), (SCRIPT, START + TRIAL)),
    right("own-trial-zone", 4, *workers(4, ZONE, (CONF, "fail_timeout=30s", "fail_timeout=1h")), (SCRIPT, START + TRIAL)),
    right("both-were-down", 4, (CONF, ACTIVE, ACTIVE.replace("30s", "1h")), (CONF, " backup;", " backup fail_timeout=1h;"), (SCRIPT, "sleep 2\n" + START + BOTH_DOWN)),
    right("asked-too-early", 4, ("task1.sh", ""), (SCRIPT, START + "curl -s http://127.0.0.1:8888\ncurl -s http://127.0.0.1:8888\n")),
    right("cache-processes", 4, *workers(2, ZONE, (CONF, "http {", "http { proxy_cache_path /tmp/cache keys_zone=c:1m;"))),
]  # fmt: skip
