"""Task 2: what dnsmasq answers, by dig and by many queries."""

from collections.abc import Iterator

import pytest

from labkit.errors import LabkitError, MeasureError
from labkit.lab import Lab
from labkit.measure.traffic import ANSWER_COLUMNS, NAME, dig, dns
from labkit.services.daemons import Dnsmasq

pytestmark = pytest.mark.lab
BOTH = ("127.0.0.1", "127.0.0.2")
RECORDS = (*(f"{NAME},{address}" for address in BOTH), "slow.local,10.0.0.1,30")
CONFIG = "no-resolv\nlocal=/local/\n" + "".join(f"host-record={record}\n" for record in RECORDS)


def test_without_a_server_queries_are_errors(lab: Lab) -> None:
    """Where nobody listens, each query is a row that says refused, over UDP and TCP; dig's error has its own words."""
    for tcp in (False, True):
        table = dns(lab, count=2, tcp=tcp)
        assert table["error"].tolist() == ["refused"] * 2
        assert table["answers"].tolist() == [(), ()] and table["rcode"].isna().all()
    with pytest.raises(MeasureError, match="had no answer") as caught:
        dig(lab, options="+tries=1 +time=1")
    assert "connection refused" in caught.value.words and "dnsmasq" in caught.value.way_out


@pytest.fixture(scope="module")
def served(lab: Lab) -> Iterator[Lab]:
    """The lab with the assignment's dnsmasq."""
    with Dnsmasq(lab, CONFIG):
        yield lab


def test_two_hundred_queries_alternate(served: Lab) -> None:
    """2.1: both records in every answer, and each is first in exactly half of them, in turn."""
    table = dns(served)
    assert (list(table.columns), len(table)) == (ANSWER_COLUMNS, 200)
    assert {tuple(sorted(answers)) for answers in table["answers"]} == {BOTH}
    assert table["first"].value_counts().to_dict() == dict.fromkeys(BOTH, 100)
    assert (table["first"] != table["first"].shift()).all()
    assert set(table["rcode"]) == {"NOERROR"} and table["error"].isna().all()
    assert table["start"].is_monotonic_increasing and (table["ms"] > 0).all()


def test_digs_own_output(served: Lab) -> None:
    """2.2: dig asks 127.0.0.1 and shows both records; over TCP the same answers come; a TTL is 0 unless the record has one."""
    done = dig(served)
    assert done.command == f"dig @127.0.0.1 {NAME}" == "dig @127.0.0.1 my-awesome-highload-app.local"
    assert "status: NOERROR" in done.stdout and "ANSWER: 2" in done.stdout
    assert sorted(dig(served, options="+short").stdout.split()) == list(BOTH)
    assert {tuple(sorted(answers)) for answers in dns(served, count=4, tcp=True)["answers"]} == {BOTH}
    assert dns(served, count=1)["ttl"].tolist() == [0] and dns(served, "slow.local", 1)["ttl"].tolist() == [30]


@pytest.mark.parametrize(
    ("name", "kind", "rcode"), [("nobody.local", "A", "NXDOMAIN"), ("nobody.example", "A", "REFUSED"), (NAME, "AAAA", "NOERROR")]
)
def test_unknown_name_has_a_code_and_no_answer(served: Lab, name: str, kind: str, rcode: str) -> None:
    """A name that dnsmasq does not know, or not of this kind, is answered without a record."""
    table = dns(served, name, 2, kind=kind)
    assert table["rcode"].tolist() == [rcode] * 2 and table["answers"].tolist() == [()] * 2
    assert table["first"].isna().all() and table["ttl"].isna().all()
    assert rcode in dig(served, name).stdout


def test_every_program_in_the_lab_resolves_by_it(served: Lab) -> None:
    """getaddrinfo in the lab asks the learner's dnsmasq."""
    assert set(served.run(f"getent ahosts {NAME}").stdout.split()) >= set(BOTH)


@pytest.mark.parametrize(
    "options", [{"server": "nonsense"}, {"kind": "NONSENSE"}, {"name": "a..b"}, {"name": "x" * 64 + ".local"}]
)
def test_what_cannot_be_asked_is_told(served: Lab, options: dict[str, str]) -> None:
    """A server, kind or name that is none ends in an error of labkit's or in rows that say so."""
    try:
        table = dns(served, **{"name": NAME, "count": 2, **options})  # type: ignore[arg-type]
    except LabkitError:
        return
    assert len(table) == 2
    assert table["error"].notna().all()
