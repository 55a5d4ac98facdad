"""keepalived: its configuration, its commands, and what its start ends in."""

from __future__ import annotations

from typing import Any

import pytest

from labkit.errors import ServiceError
from labkit.services.keepalived import Keepalived, health_checked


class FakeProcess:
    """A process that runs until it is stopped, and has said `log`."""

    def __init__(self, log: str, *, alive: bool = True) -> None:
        self.log, self.alive = log, alive

    def stop(self) -> int:
        self.alive = False
        return 1


@pytest.fixture
def lab(fake_lab: Any) -> Any:
    """A lab in which keepalived starts, and in which its virtual services are gone when it ends."""
    fake_lab.process = FakeProcess("Startup complete\n")
    fake_lab.start = lambda command, name: fake_lab.ran.append(command) or fake_lab.process
    fake_lab.read = lambda path: fake_lab.written.get(path)
    fake_lab.results["ipvsadm -D"] = (254, "No such service\n")
    return fake_lab


def test_configuration_has_the_service_and_a_check_for_each_server() -> None:
    """Addresses and ports are apart, as keepalived.conf(5) wants them; weights and times are those asked for."""
    text = health_checked("192.168.100.1:81", {"127.0.0.1:8081": 1, "127.0.0.2:80": 3}, every=2, timeout=4, retry=5)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "virtual_server 192.168.100.1 81 {"
    assert {"delay_loop 2", "lb_algo rr", "lb_kind NAT", "protocol TCP"} <= set(lines)
    assert [line for line in lines if line.startswith(("real", "weight"))] == [
        "real_server 127.0.0.1 8081 {", "weight 1", "real_server 127.0.0.2 80 {", "weight 3",
    ]  # fmt: skip
    assert lines.count("HTTP_GET {") == lines.count("connect_timeout 4") == lines.count("retry 5") == 2
    assert text.count("{") == text.count("}")


def test_default_is_the_assignments_service() -> None:
    """Without arguments it is the virtual service of task 3, checked."""
    text = health_checked()
    for words in ("virtual_server 192.168.100.1 80 {", "real_server 127.0.0.1 8081 {", "real_server 127.0.0.1 8082 {"):
        assert words in text


def test_transcript_is_what_one_types(lab: Any) -> None:
    """Start and stop are shown as one would type them."""
    with Keepalived(lab, health_checked()):
        assert lab.transcript == ["keepalived -C -n -l -G -f ~/keepalived.conf &"]
    assert lab.transcript[1:] == ["kill $(cat /run/keepalived.pid)"]
    assert not lab.process.alive


def test_nothing_of_it_stays_in_the_table(lab: Any) -> None:
    """Also when it was killed and could not clean up, its virtual services are deleted by stop(), once."""
    text = health_checked("192.168.100.1:81") + health_checked("10.0.0.1:443")
    service = Keepalived(lab, text)
    service.start()
    assert service.services == ["192.168.100.1:81", "10.0.0.1:443"]
    service.stop()
    service.stop()
    assert lab.ran[-2:] == ["ipvsadm -D -t 192.168.100.1:81", "ipvsadm -D -t 10.0.0.1:443"]
    assert len(lab.ran) == 4


def test_running_one_is_not_started_again(lab: Any) -> None:
    """A second start is an error, and runs nothing."""
    service = Keepalived(lab, health_checked())
    service.start()
    ran = list(lab.ran)
    with pytest.raises(ServiceError, match="already runs"):
        service.start()
    assert lab.ran == ran


@pytest.mark.parametrize("alive", [True, False])
def test_failed_start_says_its_words_and_leaves_nothing(lab: Any, alive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends, or never says that it has started, is stopped, and its log is in the error."""
    from labkit.errors import wait_until

    lab.process = FakeProcess("netlink: Operation not permitted\n", alive=alive)
    monkeypatch.setattr(
        lab, "wait_until", lambda check, reason, timeout: wait_until(check, reason=reason, timeout=0), raising=False
    )
    with pytest.raises(ServiceError) as caught:
        Keepalived(lab, "! nothing\n").start()
    assert "Operation not permitted" in caught.value.words
    assert not lab.process.alive
