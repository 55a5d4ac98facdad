"""What the doctor says in the end: what would help, or that nothing is missing."""

from typing import Any

import pytest

from labkit.machine.doctor import TASKS, as_text

HOST, UML = "bubblewrap + the running kernel", "bubblewrap + User-Mode Linux"
IPVS = {"need": "ipvs", "what": "IPVS", "worked": False, "words": "no IPVS", "remedy": "leave it to User-Mode Linux"}
REFUSED = {"words": "No permissions", "way_out": "sudo sysctl user.max_user_namespaces=15000", "opened": False}


def found(chosen: dict[str, str | None], missing: str = "", offered: str = "", lists: bool = True, **host: Any) -> dict[str, Any]:
    """What `examine` finds on a machine with one candidate."""
    row = {
        "candidate": HOST,
        "linux": "host",
        "works": True,
        "opened": True,
        "seconds": 1,
        "checks": [],
        "words": "",
        "way_out": "",
    }
    every = {"candidates": [row | host], "chosen": dict.fromkeys(TASKS, HOST) | chosen, "kernel": "6.1", "landlock": 7}
    every |= {"others": UML, "help_others": ""}
    return every | {"missing": missing.split(), "offered": offered.split(), "lists": lists, "apparmor": ""}


@pytest.mark.parametrize(
    ("machine", "end"),
    [
        (found({}), "Nothing is missing."),
        (found({"ipvs": None}, checks=[IPVS]), "Would help: leave it to User-Mode Linux"),
        (found(dict.fromkeys(TASKS), **REFUSED), "Would help: sudo sysctl user.max_user_namespaces=15000"),
        (found({}, "wrk nginx-light", "wrk nginx-light"), "Would help: sudo apt-get install wrk nginx-light"),
        # One name that is not offered would stop all of the command.
        (found({"ipvs": None}, "user-mode-linux wrk", "wrk", checks=[IPVS]), "Would help: sudo apt-get install wrk"),
        (found({"ipvs": None}, "user-mode-linux", checks=[IPVS]), "Would help: leave it to User-Mode Linux"),
        (found({}, "wrk", lists=False), "Would help: sudo apt-get update && sudo apt-get install wrk"),
        # Ubuntu has no such package, and no command brings it.
        (found({}, "user-mode-linux"), "Nothing else is missing."),
    ],
)  # fmt: skip
def test_what_would_help_is_said_last(machine: dict[str, Any], end: str) -> None:
    """`Nothing is missing` is said where every task has a Linux and every program is there, and nowhere else."""
    assert as_text(machine).splitlines()[-1] == end


def test_package_that_is_not_offered_is_named_with_what_it_is_for() -> None:
    """It is told what cannot be done without it."""
    assert "not offered by apt: user-mode-linux (a Linux of the lab's own, for IPVS)" in as_text(
        found({}, "user-mode-linux wrk", "wrk")
    )


def test_apparmor_is_told_where_it_restricts() -> None:
    """What AppArmor's profiles say about bubblewrap stands above the candidates, which show whether that is enough."""
    assert "AppArmor restricts user namespaces; no profile lets" in as_text(found({}) | {"apparmor": "no profile lets"})
    assert "AppArmor" not in as_text(found({}))


@pytest.mark.parametrize(
    ("others", "helps", "says"),
    [
        (UML, "", f"  the work of others: {UML}"),
        (None, "start anew", "  the work of others: none keeps it in; would help: start anew"),
        (None, "", "the work of others"),
    ],
)
def test_who_carries_the_work_of_others_is_told(others: str | None, helps: str, says: str) -> None:
    """The candidate, or what would help; nothing where none of that kind was to be tried."""
    lines = as_text(found({}) | {"others": others, "help_others": helps}).splitlines()
    assert (says in lines) is bool(others or helps)
    assert lines[0] == "Running kernel: 6.1, Landlock: ABI 7"
