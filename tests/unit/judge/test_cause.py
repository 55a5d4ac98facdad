"""The cause of a failure, found in what the real programs printed."""

# ruff: noqa: E501 (what programs print is as long as it is)
import pytest

from labkit.judge.cause import Line, cause, words_for_evidence

REFUSED = """\
  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current
                                 Dload  Upload   Total   Spent    Left  Speed
  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0
curl: (7) Failed to connect to 127.0.0.1 port 8888 after 0 ms: Couldn't connect to server
"""
VERBOSE_CURL = """\
*   Trying 127.0.0.1:8888...
* connect to 127.0.0.1 port 8888 failed: Connection refused
* Failed to connect to 127.0.0.1 port 8888 after 0 ms: Couldn't connect to server
* Closing connection 0
"""
NO_DNS = """\
;; communications error to 127.0.0.1#53: connection refused

; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> @127.0.0.1 a.local
;; no servers could be reached
"""
TAKEN = """\
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/usr/lib/python3.11/socketserver.py", line 472, in server_bind
    self.socket.bind(self.server_address)
OSError: [Errno 98] Address already in use
"""
NODE = """\
node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module '/root/server.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)
"""
JOB = """\
Job for nginx.service failed because the control process exited with error code.
See "systemctl status nginx.service" and "journalctl -xeu nginx.service" for details.
"""
STATUS = """\
● nginx.service - A high performance web server and a reverse proxy server
     Active: failed (Result: exit-code)
Nov 26 21:00:01 lab nginx[45]: nginx: [emerg] unknown directive "proxypass" in /etc/nginx/conf.d/lb.conf:8
"""
NO_IPVS = """\
modprobe: FATAL: Module ip_vs not found in directory /lib/modules/6.18.44
Can't initialize ipvs: Protocol not available
Are you sure that IP Virtual Server is built in the kernel or as module?
"""
STILL_TAKEN = """\
2026/11/26 21:26:07 [emerg] 49#49: bind() to 127.0.0.1:8081 failed (98: Address already in use)
2026/11/26 21:26:07 [emerg] 49#49: bind() to 127.0.0.1:8081 failed (98: Address already in use)
2026/11/26 21:26:07 [emerg] 49#49: still could not bind()
"""
APT = "W: Unable to read /etc/apt/sources.list - RealFileExists (2: No such file or directory)\nE: Could not open lock file /var/lib/dpkg/lock-frontend - open (2: No such file or directory)\n"

# Command, code and what it printed; then what the cause must be.
SINGLE = [
    ("ngnix -c ~/nginx.conf", 127, "task4.sh: line 1: ngnix: command not found\n", "ngnix: command not found"),
    ("ngnix", 127, "task4.sh: 1: ngnix: not found\n", "ngnix: not found"),
    ("python3 -m http.sever 8082", 1, "/usr/bin/python3: No module named http.sever\n", "/usr/bin/python3: No module named http.sever"),
    ("python3 server.py", 2, "python3: can't open file '/root/server.py': [Errno 2] No such file or directory\n", "python3: can't open file '/root/server.py': [Errno 2] No such file or directory"),
    ("python3 -m http.server 8081", 1, TAKEN, "OSError: [Errno 98] Address already in use"),
    ("node server.js", 1, NODE, "Error: Cannot find module '/root/server.js'"),
    ("nginx -t -c ~/bad.conf", 1, '2026/11/26 21:26:07 [emerg] 39#39: unknown directive "proxypass" in /root/bad.conf:3\nnginx: configuration file /root/bad.conf test failed\n', 'nginx: [emerg] unknown directive "proxypass" in /root/bad.conf:3'),
    ("nginx", 1, STILL_TAKEN, "nginx: [emerg] bind() to 127.0.0.1:8081 failed (98: Address already in use)"),
    ("nginx -s reload", 1, '2026/11/26 21:26:07 [notice] 59#59: signal process started\n2026/11/26 21:26:07 [error] 59#59: open() "/run/nginx.pid" failed (2: No such file or directory)\n', 'nginx: [error] open() "/run/nginx.pid" failed (2: No such file or directory)'),
    ("nginx", 1, "nginx: [alert] could not open error log file: open() failed (13: Permission denied)\nnginx: [emerg] no \"events\" section in configuration\n", 'nginx: [emerg] no "events" section in configuration'),
    ("dnsmasq -C none.conf", 3, "\ndnsmasq: cannot read none.conf: No such file or directory\n", "dnsmasq: cannot read none.conf: No such file or directory"),
    ("dnsmasq -C d.conf", 1, "\ndnsmasq: bad option at line 1 of d.conf\n", "dnsmasq: bad option at line 1 of d.conf"),
    ("dnsmasq", 2, "\ndnsmasq: failed to create listening socket for port 53: Address already in use\n", "dnsmasq: failed to create listening socket for port 53: Address already in use"),
    ("dnsmasq --foo", 1, "\ndnsmasq: bad command line options: try --help\n", "dnsmasq: bad command line options: try --help"),
    ("systemctl restart nginx", 1, JOB, "Job for nginx.service failed because the control process exited with error code."),
    ("systemctl restart ngnix", 5, "Failed to restart ngnix.service: Unit ngnix.service not found.\n", "Failed to restart ngnix.service: Unit ngnix.service not found."),
    ("service ngnix restart", 1, "ngnix: unrecognized service\n", "ngnix: unrecognized service"),
    ("ip addr add 192.168.100.1/32 dev dummy9", 1, 'Cannot find device "dummy9"\n', 'Cannot find device "dummy9"'),
    ("ip link add dummy1 type dummy", 2, "Error: Unknown device type.\n", "Error: Unknown device type."),
    ("ip link add dummy1 type dummy", 2, "RTNETLINK answers: Operation not permitted\n", "RTNETLINK answers: Operation not permitted"),
    ("ipvsadm -a -t 192.168.100.2:80 -r 127.0.0.1:8081 -m", 255, "Service not defined\n", "Service not defined"),
    ("ipvsadm -A -t 192.168.100.1 -s rr", 2, "Zero port specified for non-persistent service\n", "Zero port specified for non-persistent service"),
    ("ipvsadm -A -t 192.168.100.1:80 -s foo", 255, "Memory allocation problem\n", "Memory allocation problem"),
    ("ipvsadm -A -t 192.168.100.1:80", 2, NO_IPVS, "Can't initialize ipvs: Protocol not available"),
    ("cd ~/nothere", 1, "task1.sh: line 4: cd: /root/nothere: No such file or directory\n", "cd: /root/nothere: No such file or directory"),
    ("cd ~/nothere", 2, "task1.sh: 4: cd: can't cd to /root/nothere\n", "cd: can't cd to /root/nothere"),
    ("echo x > ~/a/b", 2, "task1.sh: 2: cannot create /root/a/b: Directory nonexistent\n", "cannot create /root/a/b: Directory nonexistent"),
    ("echo <h1>x</h1> > ~/a", 2, "task1.sh: 2: Syntax error: redirection unexpected\n", "Syntax error: redirection unexpected"),
    ("./s.sh", 126, "bash: line 4: ./s.sh: Permission denied\n", "./s.sh: Permission denied"),
    ("if [ ; then", 2, "one.sh: line 2: syntax error: unexpected end of file\n", "syntax error: unexpected end of file"),
    ("cat > a <<EOF", 0, "bash: line 9: warning: here-document at line 2 delimited by end-of-file (wanted `EOF')\n", "warning: here-document at line 2 delimited by end-of-file (wanted `EOF')"),
    ("tshark -i lo0", 1, 'Running as user "root" and group "root". This could be dangerous.\nCapturing on \'lo0\'\ntshark: There is no device named "lo0".\n', 'tshark: There is no device named "lo0".'),
    ("apt install -y nginx", 100, APT, "W: Unable to read /etc/apt/sources.list - RealFileExists (2: No such file or directory)"),
    ("echo hello", 0, "\x1b[31mhello\x1b[0m\n", ""),
    ("curl http://127.0.0.1:8888", 7, REFUSED, ""),
    ("curl -v http://127.0.0.1:8888", 7, VERBOSE_CURL, ""),
    ("dig @127.0.0.1 a.local", 9, NO_DNS, ""),
    ("kill 99999", 1, "one.sh: line 1: kill: (99999) - No such process\n", ""),
    ("pkill", 2, "pkill: no matching criteria specified\nTry `pkill --help' for more information.\n", ""),
    ("rm /etc/nginx/sites-enabled/default", 1, "rm: cannot remove '/etc/nginx/sites-enabled/default': No such file or directory\n", ""),
    ("nginx -g 'daemon off;'", None, "2026/11/26 21:26:07 [error] 33#33: *1 connect() failed (111: Connection refused) while connecting to upstream\n", ""),
    ("dnsmasq --no-daemon", None, "dnsmasq: started, version 2.89 cachesize 150\ndnsmasq: failed to access /etc/resolv.conf: No such file or directory\n", ""),
    ("python3 -m http.server", None, '127.0.0.1 - - [26/Nov/2026 21:26:07] "GET / HTTP/1.1" 404 -\n', ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "code", "printed", "expected"), SINGLE, ids=[f"{i}-{row[0]}" for i, row in enumerate(SINGLE)]
)
def test_error_of_a_program_is_found(command: str, code: int | None, printed: str, expected: str) -> None:
    """The words with which each program names a fault are the cause; what clients and `kill` say is none. Of a line it is named."""
    unknown = cause([Line(0, "", None, printed)])
    assert unknown.endswith(expected) and bool(unknown) == bool(expected)
    place = "while line 3" if code == 0 else "line 3"
    assert cause([Line(3, command, code, printed)]).replace(", ran", "") == (
        f"{place}, `{command}`: {expected}" if expected else ""
    )


def test_first_error_comes_before_what_follows_from_it() -> None:
    """An unknown command explains the refused connection, and the end of what was printed is said last."""
    lines = [
        Line(2, "sudo systemctl restart nginx", 127, "task4.sh: line 2: sudo: command not found\n"),
        Line(3, "curl http://127.0.0.1:8888", 7, REFUSED),
    ]
    said = words_for_evidence(lines)
    assert said.startswith("line 2, `sudo systemctl restart nginx`: sudo: command not found; the end of what it printed: ")
    assert said.endswith("Couldn't connect to server")


def test_error_of_what_is_judged_goes_first() -> None:
    """Where nginx is judged its own error is the cause; an earlier one, of which it may be the consequence, stands before it."""
    lines = [
        Line(1, "htop", 127, "task4.sh: line 1: htop: command not found\n"),
        Line(2, "nginx", 1, '2026/11/26 21:26:07 [emerg] 7#7: unexpected "}" in /etc/nginx/nginx.conf:9\n'),
    ]
    emerg = 'line 2, `nginx`: nginx: [emerg] unexpected "}" in /etc/nginx/nginx.conf:9'
    assert cause(lines) == "line 1, `htop`: htop: command not found"
    assert cause(lines, "nginx") == f"line 1, `htop`: htop: command not found; then {emerg}"
    assert cause(lines[1:], "nginx") == emerg
    assert cause(lines, "ginx") == cause(lines)


def test_failed_service_has_the_programs_words() -> None:
    """systemd's sentence is followed by what nginx itself said, wherever that was printed."""
    lines = [Line(1, "systemctl restart nginx", 1, JOB), Line(2, "systemctl status nginx", 3, STATUS)]
    said = cause(lines, "nginx")
    assert said.startswith("line 1, `systemctl restart nginx`: Job for nginx.service failed")
    assert 'nginx: [emerg] unknown directive "proxypass" in /etc/nginx/conf.d/lb.conf:8' in said


def test_error_that_was_mended_is_none() -> None:
    """What failed and went well when it was typed again is not the cause, unless nothing else went wrong."""
    failed = Line(1, "nginx -t", 1, 'nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:1\n')
    again = Line(5, "nginx -t", 0, "nginx: configuration file /etc/nginx/nginx.conf test is successful\n")
    later = Line(6, "ngnix", 127, "task4.sh: line 6: ngnix: command not found\n")
    assert cause([failed, again, later], "nginx") == "line 6, `ngnix`: ngnix: command not found"
    assert "unknown directive" in cause([failed, again])


@pytest.mark.parametrize(
    "mild", ["RTNETLINK answers: File exists", "Service already exists", APT, "modprobe: FATAL: Module ip_vs not found"]
)
def test_harmless_error_is_only_named_when_there_is_no_other(mild: str) -> None:
    """What is there already, packages that cannot be fetched and missing modules seldom explain anything."""
    real = "ipvsadm: unexpected argument x\nService not defined\n"
    assert cause([Line(1, "a", 2, mild), Line(2, "b", 2, real)]) == "line 2, `b`: Service not defined"
    assert cause([Line(1, "a", 2, mild)]).startswith("line 1, `a`: ")


def test_words_of_a_background_program_are_not_put_down_to_the_line() -> None:
    """What is printed while a line runs that goes well is of something in the background, and the evidence says so."""
    lines = [
        Line(1, "python3 -m http.sever 8082 &", 0, ""),
        Line(2, "sleep 1", 0, "/usr/bin/python3: No module named http.sever\n"),
    ]
    assert cause(lines) == "while line 2, `sleep 1`, ran: /usr/bin/python3: No module named http.sever"


def test_command_is_named_by_its_first_line() -> None:
    """A here-document is shown by its first line, a long command by its beginning, and a no-break space where it stands."""
    here = "cat > /etc/x/lb.conf <<'END'\nupstream pool {\nEND\n"
    said = cause([Line(4, here, 1, "bash: line 4: /etc/x/lb.conf: No such file or directory\n")])
    assert said == "line 4, `cat > /etc/x/lb.conf <<'END' …`: /etc/x/lb.conf: No such file or directory"
    assert len(cause([Line(1, "x" * 5000, 1, "y: not found")])) < 200
    said = cause([Line(1, "mkdir\xa0-p a", 127, "bash: mkdir\xa0-p: command not found\n")])
    assert said == "line 1, `mkdir(no-break space)-p a`: bash: mkdir(no-break space)-p: command not found"


def test_evidence_of_a_script_without_an_error_is_the_end_of_its_words() -> None:
    """Without an error the last lines remain; a silent script says nothing; one error alone is not said twice."""
    assert words_for_evidence([Line(0, "", None, "a\nb\nc\nd\n\x1b[1me\x1b[0m\n")]) == "b / c / d / e"
    assert words_for_evidence([Line(1, "curl x", 7, REFUSED)]).startswith("curl: (7) Failed")
    assert words_for_evidence([]) == words_for_evidence([Line(1, "x", 0, " \n")]) == ""
    assert words_for_evidence([Line(2, "ngnix", 127, "bash: line 2: ngnix: command not found\n")]).count("not found") == 1
    # What floods its output is cut, before and after it is read.
    said = words_for_evidence([Line(1, "yes", None, "Permission denied \n" * 2_000_000)])
    assert said.startswith("line 1, `yes`: Permission denied") and len(said) < 1000
