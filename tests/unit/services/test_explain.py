"""Which error a service's start ends in, by what the program said."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import CommandFailed, ConfigRejected, MissingProgram, PortTaken, ServiceError
from labkit.services.base import explain, quoted, split_address
from labkit.services.daemons import Nginx
from labkit.services.ipvs import VirtualService
from labkit.services.keepalived import Keepalived

LISTENER = {"protocol": "tcp", "address": "127.0.0.1", "port": 8081, "pid": 7, "program": "nc", "command": "nc -l 8081"}
NGINX_LINE = 'nginx: [emerg] unknown directive "sorver" in /root/nginx.conf:3\n'
TRACEBACK = '  File "/usr/lib/python3.11/socketserver.py", line 472, in server_bind\n    self.socket.bind(self.server_address)\n'


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (127, "/bin/bash: line 1: nginx: command not found\n", MissingProgram),
        (1, TRACEBACK + "OSError: [Errno 98] Address already in use\n", PortTaken),
        (2, "dnsmasq: failed to create listening socket for 127.0.0.1: Address already in use\n", PortTaken),
        (1, "nginx: [emerg] bind() to 127.0.0.1:8888 failed (98: Address already in use)\n", PortTaken),
        (1, "dnsmasq: bad option at line 3 of /root/dnsmasq.conf\n", ConfigRejected),
        (1, "dnsmasq: bad command line options: junk at line 1\n", ConfigRejected),
        (1, NGINX_LINE, ConfigRejected),
        (3, "dnsmasq: cannot read /root/dnsmasq.conf: No such file or directory\n", ServiceError),
        (137, "", ServiceError),
        (-15, "no listener on port 8081: timeout", ServiceError),
    ],
)  # fmt: skip
def test_error_fits_what_the_program_said(fake_lab: Any, code: int, words: str, kind: type[ServiceError]) -> None:
    """Each kind of failure has its own error, and the program's words are in it."""
    fake_lab.answers["listeners"] = [LISTENER]
    with pytest.raises(ServiceError) as caught:
        explain(fake_lab, "prog", "prog -c ~/x", code, words)
    assert type(caught.value) is kind
    assert all(line.strip() in str(caught.value) for line in words.splitlines())


@pytest.mark.parametrize(
    "reason", ["OSError: [Errno 99] Cannot assign requested address", "PermissionError: [Errno 13] Permission denied"]
)
def test_backend_that_does_not_start_is_no_rejected_config(fake_lab: Any, reason: str) -> None:
    """A Python backend has no configuration: what it died of is a ServiceError, although a traceback names lines."""
    with pytest.raises(ServiceError) as caught:
        explain(fake_lab, "python3", "python3 -m http.server 8081 -b 10.9.9.9 -d ~/backend1", 1, TRACEBACK + reason)
    assert type(caught.value) is ServiceError
    assert reason in caught.value.words


def test_taken_port_names_who_listens(fake_lab: Any) -> None:
    """PortTaken shows every listener of the lab with its command and pid."""
    fake_lab.answers["listeners"] = [LISTENER]
    with pytest.raises(PortTaken) as caught:
        explain(fake_lab, "python3", "python3 -m http.server 8081", 1, "OSError: [Errno 98] Address already in use")
    assert "tcp 127.0.0.1:8081 nc -l 8081 (pid 7)" in caught.value.words
    assert caught.value.way_out


def test_other_failure_carries_the_command_and_code(fake_lab: Any) -> None:
    """What nobody knows keeps the failed command as its cause."""
    with pytest.raises(ServiceError) as caught:
        explain(fake_lab, "prog", "prog -x", 9, "some words")
    assert isinstance(caught.value.__cause__, CommandFailed)
    assert (caught.value.__cause__.command, caught.value.__cause__.code) == ("prog -x", 9)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("~/a b", "~/'a b'"),
        ("~/x", "~/x"),
        ("a b", "'a b'"),
        ("$(id)", "'$(id)'"),
        ("~", "'~'"),
        ("", "''"),
        ("~/$(id)", "~/'$(id)'"),
    ],
)
def test_quoted_word_leaves_only_the_home_to_the_shell(text: str, word: str) -> None:
    """Everything but a leading ~/ reaches the program as it is."""
    assert quoted(text) == word


@pytest.mark.parametrize(
    ("text", "parts"),
    [("127.0.0.1:8081", ("127.0.0.1", 8081)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("192.168.100.1:65535", ("192.168.100.1", 65535))],
)
def test_address_and_port_are_split(text: str, parts: tuple[str, int]) -> None:
    """An IPv4 address and a port from 1 to 65535 are taken apart."""
    assert split_address(text) == parts


NOT_FOUND = "/bin/bash: line 1: it: command not found\n"
KEYWORD = "(/root/keepalived.conf: Line 3) Unknown keyword 'lb_algoo'\n"


@pytest.mark.parametrize(
    ("make", "command", "code", "words", "kind"),
    [
        (Nginx, "nginx", 127, NOT_FOUND, MissingProgram),
        (Keepalived, "keepalived", 127, NOT_FOUND, MissingProgram),
        (VirtualService, "ipvsadm", 127, NOT_FOUND, MissingProgram),
        (Nginx, "nginx -t", 1, NGINX_LINE, ConfigRejected),
        (Keepalived, "keepalived -t", 1, KEYWORD, ConfigRejected),  # it would go on without the line
    ],
)
def test_program_is_asked_first(fake_lab: Any, make: Any, command: str, code: int, words: str, kind: type[ServiceError]) -> None:
    """One that is not there, or refuses its configuration, is not started: its own words are told, and nothing is shown."""
    fake_lab.results[command] = (code, words)
    with pytest.raises(kind) as caught:
        make(fake_lab).start()
    assert caught.value.words == words.strip() and caught.value.way_out
    assert len(fake_lab.ran) == 1 and fake_lab.transcript == []
