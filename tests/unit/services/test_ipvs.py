"""The virtual service's and the dummy interface's commands, and what netlink's refusals mean."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import BadInput, CallFailed, ServiceError
from labkit.services.ipvs import MEANINGS, DummyInterface, VirtualService

GOOD = ["192.168.100.1/32", "10.0.0.1/8", "192.168.100.1"]
BAD = ["", "192.168.100/32", "192.168.100.1/33", "192.168.100.1/-1", "::1/128", "dummy1", "192.168.100.1/32 ", "192.168.100.1:80"]


def refuse(code: int, words: str) -> Any:
    """A function in the lab that netlink refuses."""

    def fail(*_args: object) -> None:
        text = f"labkit.inside.ipvs:x failed in the lab: NetlinkError: ({code}, '{words}')"
        raise CallFailed(text, kind="NetlinkError", words=f"Traceback\nNetlinkError: ({code}, '{words}')")

    return fail


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


@pytest.mark.parametrize("address", GOOD)
def test_dummy_address(fake_lab: Any, address: str) -> None:
    """An address with or without a prefix length is taken."""
    assert address in DummyInterface(fake_lab, address=address).commands[1]


@pytest.mark.parametrize("address", BAD)
def test_dummy_address_that_is_none(fake_lab: Any, address: str) -> None:
    """Anything else is BadInput before anything is run."""
    with pytest.raises(BadInput):
        DummyInterface(fake_lab, address=address)


@pytest.mark.parametrize("name", ["", "a b", "x" * 16])
def test_interface_name_that_is_none(fake_lab: Any, name: str) -> None:
    """A name that Linux does not take (IFNAMSIZ, dev_valid_name) or a shell would read otherwise is BadInput."""
    with pytest.raises(BadInput):
        DummyInterface(fake_lab, name)


@pytest.mark.parametrize("servers", [{"127.0.0.1:0": 1}, {"backend1": 1}, {"127.0.0.1:8081": -1}])
def test_impossible_servers_are_bad_input(fake_lab: Any, servers: dict[str, int]) -> None:
    """A server that is no address and port, or a negative weight, is refused before anything is run."""
    with pytest.raises(BadInput):
        VirtualService(fake_lab, servers=servers)


@pytest.mark.parametrize("weight", [-1, 1.5])
def test_impossible_weight_is_bad_input_later_too(fake_lab: Any, weight: Any) -> None:
    """set_weight refuses what the kernel's number cannot hold, and remembers the old one."""
    fake_lab.answers["change_server"] = lambda *_args: pytest.fail("it was sent")
    service = VirtualService(fake_lab)
    with pytest.raises(BadInput):
        service.set_weight("127.0.0.1:8081", weight)
    assert service.servers["127.0.0.1:8081"] == 1


@pytest.mark.parametrize("code", [1, 2, 3, 17, 22, 95])
def test_netlinks_refusal_is_explained(fake_lab: Any, code: int) -> None:
    """What was tried is shown as a command, with netlink's words and what they mean."""
    fake_lab.answers["change_service"] = refuse(code, "words")
    with pytest.raises(ServiceError) as caught:
        VirtualService(fake_lab).start()
    assert "ipvsadm -A -t 192.168.100.1:80 -s rr" in caught.value.tried
    assert caught.value.words == f"NetlinkError: ({code}, 'words')"
    assert caught.value.way_out == MEANINGS[f"({code},"]
    assert fake_lab.transcript == []


@pytest.mark.parametrize("code", [11, 12, 110])
def test_unknown_refusal_is_not_explained_wrongly(fake_lab: Any, code: int) -> None:
    """A code that is not known is told without a meaning."""
    fake_lab.answers["add_dummy"] = refuse(code, "words")
    with pytest.raises(ServiceError) as caught:
        DummyInterface(fake_lab).start()
    assert caught.value.way_out == ""


def test_failed_server_takes_the_service_away_again(fake_lab: Any) -> None:
    """When a real server is refused, the virtual service that was added is deleted."""
    calls: list[tuple[object, ...]] = []
    fake_lab.answers["change_service"] = lambda *args: calls.append(args)
    fake_lab.answers["change_server"] = refuse(22, "Invalid argument")
    with pytest.raises(ServiceError):
        VirtualService(fake_lab).start()
    assert [call[0] for call in calls] == ["add", "del"]
    assert fake_lab.transcript == []


def test_refused_change_is_not_remembered(fake_lab: Any) -> None:
    """A scheduler or weight that was refused is not what the service says it has."""
    fake_lab.answers |= {"change_service": refuse(2, "x"), "change_server": refuse(2, "x")}
    service = VirtualService(fake_lab)
    for change in (lambda: service.set_scheduler("nonsense"), lambda: service.set_weight("127.0.0.1:8081", 5)):
        with pytest.raises(ServiceError):
            change()
    assert (service.scheduler, service.servers["127.0.0.1:8081"]) == ("rr", 1)
    assert fake_lab.transcript == []
