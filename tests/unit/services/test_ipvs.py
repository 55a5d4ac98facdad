"""The virtual service's and the dummy interface's commands, and what helps against a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import CallFailed, NotRunning, ServiceError
from labkit.services.ipvs import DummyInterface, VirtualService

GOOD = ["192.168.100.1/32", "10.0.0.1/8", "192.168.100.1"]
BAD = ["", "192.168.100/32", "192.168.100.1/33", "192.168.100.1/-1", "::1/128", "dummy1", "192.168.100.1/32 ", "192.168.100.1:80"]


def test_assignments_commands_are_exact(fake_lab: Any) -> None:
    """Requirements 3.1 and 3.2, as one types them."""
    assert DummyInterface(fake_lab).commands == [
        "ip link add dummy1 type dummy", "ip addr add 192.168.100.1/32 dev dummy1", "ip link set dummy1 up",
    ]  # fmt: skip
    assert VirtualService(fake_lab).commands == [
        "ipvsadm -A -t 192.168.100.1:80 -s rr",
        "ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8081 -m",
        "ipvsadm -a -t 192.168.100.1:80 -r 127.0.0.1:8082 -m",
    ]


def test_weights_other_than_one_are_in_the_commands(fake_lab: Any) -> None:
    """A weight that ipvsadm would not take by itself is written, 0 too."""
    service = VirtualService(fake_lab, scheduler="wrr", servers={"127.0.0.1:1": 3, "127.0.0.1:2": 0, "127.0.0.1:3": 1})
    assert [command.partition(" -m")[2] for command in service.commands[1:]] == [" -w 3", " -w 0", ""]


def test_service_in_the_table_is_taken_as_it_is(fake_lab: Any) -> None:
    """Whoever made it: its scheduler, servers and weights are those of the table; without one the way to it is named."""
    servers = [{"server": "127.0.0.1:1", "weight": 3}, {"server": "127.0.0.1:2", "weight": 0}]
    fake_lab.answers["table"] = [{"protocol": "tcp", "address": "192.168.100.1:80", "scheduler": "wrr", "servers": servers}]
    service = VirtualService.running(fake_lab)
    assert (service.scheduler, service.servers) == ("wrr", {"127.0.0.1:1": 3, "127.0.0.1:2": 0})
    with pytest.raises(NotRunning, match=r"no TCP service 192\.168\.100\.1:81"):
        VirtualService.running(fake_lab, "192.168.100.1:81")


@pytest.mark.parametrize("address", GOOD)
def test_dummy_address(fake_lab: Any, address: str) -> None:
    """An address with or without a prefix length is taken."""
    assert address in DummyInterface(fake_lab, address=address).commands[1]


def test_what_is_shown_is_what_runs(fake_lab: Any) -> None:
    """Every command in the transcript was run in the lab, in this order, and no other was."""
    service = VirtualService(fake_lab)
    with service:
        service.set_scheduler("wrr")
        service.set_weight("127.0.0.1:8081", 3)
        service.zero()
    assert fake_lab.transcript[:3] == VirtualService(fake_lab).commands
    assert fake_lab.transcript[3:] == [
        "ipvsadm -E -t 192.168.100.1:80 -s wrr", "ipvsadm -e -t 192.168.100.1:80 -r 127.0.0.1:8081 -m -w 3",
        "ipvsadm -Z", "ipvsadm -D -t 192.168.100.1:80",
    ]  # fmt: skip
    assert fake_lab.ran == fake_lab.transcript


@pytest.mark.parametrize(
    ("code", "words", "helps"),
    [
        (254, "Service already exists", "stop() the old one"),
        (254, "Scheduler or persistence engine not found", "doctor"),
        (255, "Can't initialize ipvs: Protocol not available", "needs={'ipvs'}"),
        (255, "Can't initialize ipvs: Permission denied (you must be root)", "needs={'ipvs'}"),
        (254, "Memory allocation problem", ""),
    ],
)
def test_refusal_comes_with_ipvsadms_words(fake_lab: Any, code: int, words: str, helps: str) -> None:
    """What was tried is shown as a command, with what ipvsadm said and, where it is known, what helps."""
    fake_lab.results["ipvsadm -A"] = (code, f"{words}\n")
    with pytest.raises(ServiceError) as caught:
        VirtualService(fake_lab).start()
    assert "ipvsadm -A -t 192.168.100.1:80 -s rr" in caught.value.tried
    assert caught.value.words == words
    assert helps in caught.value.way_out and bool(helps) == bool(caught.value.way_out)
    assert fake_lab.transcript == []


def test_scheduler_is_one_word_of_the_command(fake_lab: Any) -> None:
    """What a shell would read otherwise is quoted."""
    assert VirtualService(fake_lab, scheduler="rr; reboot").commands[0].endswith("-s 'rr; reboot'")


@pytest.mark.parametrize(("code", "helps"), [("(17, 'File exists')", "exists already"), ("(11, 'Try again')", "")])
def test_netlinks_refusal_of_an_interface_is_explained(fake_lab: Any, code: str, helps: str) -> None:
    """The interface's commands are shown, with netlink's words and, where it is known, what helps."""

    def fail(*_args: object) -> None:
        raise CallFailed("labkit.inside.ipvs:x failed", kind="NetlinkError", words=f"Traceback\nNetlinkError: {code}")

    fake_lab.answers["add_dummy"] = fail
    with pytest.raises(ServiceError) as caught:
        DummyInterface(fake_lab).start()
    assert caught.value.words == f"NetlinkError: {code}"
    assert helps in caught.value.way_out and bool(helps) == bool(caught.value.way_out)
    assert fake_lab.transcript == []


def test_failed_server_takes_the_service_away_again(fake_lab: Any) -> None:
    """When a real server is refused, the virtual service that was added is deleted."""
    fake_lab.results["ipvsadm -a"] = (254, "Invalid argument")
    with pytest.raises(ServiceError, match="ipvsadm -a -t"):
        VirtualService(fake_lab).start()
    assert fake_lab.ran[-1] == "ipvsadm -D -t 192.168.100.1:80"
    assert fake_lab.transcript == []


def test_stopping_what_is_not_there_does_nothing(fake_lab: Any) -> None:
    """A virtual service that ipvsadm does not know is stopped; any other refusal is an error."""
    fake_lab.results["ipvsadm -D"] = (254, "No such service\n")
    VirtualService(fake_lab).stop()
    assert fake_lab.transcript == []
    fake_lab.results["ipvsadm -D"] = (255, "Permission denied\n")
    with pytest.raises(ServiceError):
        VirtualService(fake_lab).stop()


def test_refused_change_is_not_remembered(fake_lab: Any) -> None:
    """A scheduler or weight that was refused is not what the service says it has."""
    fake_lab.results["ipvsadm"] = (254, "No such service")
    service = VirtualService(fake_lab)
    for change in (lambda: service.set_scheduler("nonsense"), lambda: service.set_weight("127.0.0.1:8081", 5)):
        with pytest.raises(ServiceError):
            change()
    assert (service.scheduler, service.servers["127.0.0.1:8081"]) == ("rr", 1)
    assert fake_lab.transcript == []
