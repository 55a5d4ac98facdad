"""Which error a service's start ends in, by what the program said."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import BadInput, CommandFailed, ConfigRejected, MissingProgram, PortTaken, ServiceError
from labkit.services.base import explain, quoted, split_address

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


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http",
        "127.0.0.1:80.0", "localhost:80", "256.0.0.1:80", "127.1:80", "127.0.0.1 :80", "127.0.0.01:80", "::1:80", "[::1]:80", "http://127.0.0.1:80",
        "127.0.0.1:80:80", "127.0.0.1/8:80", "127.0.0.1:0x50", "127.0.0.1:1e3",
    ],
)  # fmt: skip
def test_what_is_no_address_and_port_is_bad_input(text: str) -> None:
    """Anything else is refused, and the error quotes it."""
    with pytest.raises(BadInput) as caught:
        split_address(text)
    assert repr(text) in caught.value.tried


@pytest.mark.parametrize("text", ["127.0.0.1: 80", "127.0.0.1:8_0", "127.0.0.1:+80"])
def test_port_is_written_as_the_native_tools_take_it(text: str) -> None:
    """The text goes into the commands that are shown, so a port that only Python understands is refused."""
    with pytest.raises(BadInput, match="no address and port"):
        split_address(text)
