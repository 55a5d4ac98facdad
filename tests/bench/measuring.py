"""How long measuring takes, against the same commands by hand."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from table import Row, at_least, at_most, in_turn, seconds

from labkit import BackendPool, Capture, Lab, Nginx, attempts, traffic
from labkit.measure.capture import PORTS
from labkit.measure.counters import LOG_FORMAT
from labkit.measure.exchanges import HTTP_FIELDS, decode_options, read_exchanges, tshark
from labkit.measure.packets import patient_capture

CONFIG = f"""\
worker_processes 1;
events {{}}
http {{
    {LOG_FORMAT}
    access_log /var/log/nginx/access.log attempts;
    upstream pool {{
        server 127.0.0.1:8081 max_fails=7 fail_timeout=1s;
        server 127.0.0.1:8082 backup;
    }}
    server {{
        listen 127.0.0.1:8888;
        location / {{
            proxy_pass http://pool;
            proxy_set_header X-high-load-test 123;
            add_header X-high-load-test 123 always;
        }}
    }}
}}
"""
NGINX, BACKEND = "http://127.0.0.1:8888/", "http://127.0.0.1:8081/"
# Task 4's measurement by hand: backend1 off, 20 requests under the eyes of tshark, attempts and exchanges, backend1 on.
BY_HAND = f"""\
pkill -f '[p]ython3 -m http.server 8081 -d'
tshark -q -i lo -f 'tcp port 8888 or tcp port 8081 or tcp port 8082 or udp port 9' -w /tmp/hand.pcapng 2>/dev/null &
until grep -qs mark /tmp/hand.pcapng; do echo mark >/dev/udp/127.0.0.1/9; sleep 0.02; done
for i in $(seq 20); do curl -s -o /dev/null {NGINX}; done
until grep -qs end /tmp/hand.pcapng; do echo end >/dev/udp/127.0.0.1/9; sleep 0.02; done
kill -INT %1; wait %1
tail -n 20 /var/log/nginx/access.log
tshark -n -r /tmp/hand.pcapng -d tcp.port==8888,http -d tcp.port==8081,http -d tcp.port==8082,http -Y 'http' -T fields \\
    -e frame.time_epoch -e tcp.stream -e http.request.line -e http.response.line
tshark -n -r /tmp/hand.pcapng -Y 'tcp.flags.syn == 1 or tcp.flags.reset == 1' -T fields -e tcp.stream -e tcp.dstport
rm /tmp/hand.pcapng
python3 -m http.server 8081 -d ~/backend1 >/dev/null 2>&1 &
until curl -s -o /dev/null {BACKEND}; do sleep 0.02; done
"""


def by_labkit(lab: Lab, pool: BackendPool) -> None:
    """The same with labkit."""
    pool["backend1"].stop()
    done = len(attempts(lab))
    with Capture(lab) as capture:
        traffic(lab, NGINX, 20)
    assert len(attempts(lab, skip=done)) == 20
    assert len(capture.exchanges(fast=True)) >= 40
    assert len(capture.syns()) >= 40
    pool["backend1"].start()


def task4(lab: Lab, pool: BackendPool) -> Row:
    """Task 4's measurement."""

    def by_hand() -> None:
        if pool["backend1"].alive:
            pool["backend1"].stop()  # its place is taken by the script's own, which the script stops too
            lab.run("python3 -m http.server 8081 -d ~/backend1 >/dev/null 2>&1 &")
        lab.run("bash -m hand.sh", timeout=120)

    def with_labkit() -> None:
        if not pool["backend1"].alive:
            lab.run("pkill -f '[p]ython3 -m http.server 8081 -d'", check=False)
            pool["backend1"].start()
        by_labkit(lab, pool)

    (lab.home / "hand.sh").write_text(BY_HAND)
    ours, theirs = in_turn(5, with_labkit, by_hand)
    with_labkit()
    return at_most("task 4's measurement", ours, "shell script in the lab", theirs, "s", 1.2)


def rate_of_wrk(lab: Lab, connections: int) -> float:
    """Requests a second of wrk with so many connections."""
    said = lab.run(f"wrk -t1 -c{connections} -d2s {BACKEND}").stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])


def rate_of_traffic(lab: Lab, at_a_time: int, count: int = 2000) -> float:
    """Requests a second of traffic, all answered."""
    rows = traffic(lab, BACKEND, count, at_a_time=at_a_time)
    assert rows["error"].isna().all()
    return count / (rows["start"] + rows["ms"] / 1e3).max()


def sending(lab: Lab) -> Iterator[Row]:
    """The traffic sender against curl and wrk."""
    curls = f"for i in $(seq 100); do curl -s -o /dev/null {BACKEND}; done"
    curl = [100 / seconds(lambda: lab.run(curls)) for _ in range(5)]
    for at_a_time in (1, 4):
        ours, wrk = [], []
        for _ in range(5):
            ours.append(rate_of_traffic(lab, at_a_time))
            wrk.append(rate_of_wrk(lab, at_a_time))
        if at_a_time == 1:
            yield at_least("traffic, one at a time", ours, "curl in a loop", curl, "requests/s", 5)
        yield at_least(f"traffic, {at_a_time} at a time", ours, f"wrk -c{at_a_time}", wrk, "requests/s", 0.8)


def reading(lab: Lab) -> Iterator[Row]:
    """The table of 5,000 HTTP exchanges: two for each request that goes through nginx."""
    with Capture(lab) as capture:
        traffic(lab, NGINX, 2500)
    tables = {}

    def ours() -> None:
        tables["labkit"] = read_exchanges(capture.file, PORTS)

    def by_pyshark() -> None:
        options = {"display_filter": "http.request or http.response", "decode_as": decode_options(PORTS)}
        with contextlib.closing(patient_capture()(str(capture.file), **options)) as packets:
            tables["pyshark"] = [
                (int(one.tcp.stream), one.http.get("request_method"), one.http.get("response_code")) for one in packets
            ]

    fields = [part for name in HTTP_FIELDS for part in ("-e", name)]
    options = ["-Y", "http.request or http.response", "-T", "fields", *fields]
    times = in_turn(3, ours, lambda: tshark(capture.file, PORTS, options))
    slow = [seconds(by_pyshark)]
    mine = tables["labkit"]
    requests = [(stream, method, None) for stream, method in mine[["stream", "method"]].itertuples(index=False)]
    responses = [(stream, None, str(status)) for stream, status in mine[["stream", "status"]].itertuples(index=False)]
    same = sorted([*requests, *responses], key=str) == sorted(tables["pyshark"], key=str)
    what = f"table of {len(mine):,} HTTP exchanges" + (", same rows" if same else ", ROWS DIFFER")
    yield at_most(what, times[0], "pyshark over the same file", slow, "s", 0.1)
    yield at_most(what, times[0], "bare tshark -T fields", times[1], "s", 1.3)


def rows() -> Iterator[Row]:
    """The lines of this file, on the running kernel."""
    with (
        tempfile.TemporaryDirectory() as home,
        contextlib.redirect_stdout(io.StringIO()),
        Lab("bench", home=Path(home), current=False) as lab,
    ):
        pool = BackendPool(lab)
        pool.start()
        Nginx(lab, CONFIG).start()
        found = [task4(lab, pool), *sending(lab), *reading(lab)]
    yield from found
