"""Colours and words that hold in the whole course."""

import pytest

from labkit.show import style, words

BLUE, ORANGE = style.PALETTE[:2]


# Names by what they are, with the colour of all of them: a backend has one, by whatever name it goes. An address of its own
# counts more than the port, and a port more than the address that all share; the balancer does not look like backend1.
NAMES: dict[str, tuple[str, list[object]]] = {
    "backend1": (BLUE, ["backend1", "Backend Server 1", ":8081", "127.0.0.1:8081", "127.0.0.1", "127.0.0.1:80"]),
    "backend2": (ORANGE, ["backend2", ":8082", "127.0.0.1:8082", "127.0.0.2", "127.0.0.2:8081"]),
    "before the backends": (
        style.MUTED, ["nginx", "client", "127.0.0.1:8888", "192.168.100.1:80", "IPVS rr", "dnsmasq", "127.0.0.1:53"]
    ),
    "nobody": (style.NOBODY, [None, "nobody", "none", float("nan")]),
}  # fmt: skip


@pytest.mark.parametrize(("colour", "names"), NAMES.values(), ids=NAMES)
def test_names_of_one_thing_have_its_colour(colour: str, names: list[object]) -> None:
    """Backend, balancer, nobody: each kind has its own, and a backend's is nobody else's."""
    assert {style.colour_of(name) for name in names} == {colour}
    for name in ("nginx", "client", "127.0.0.1:8888", "127.0.0.1:53", "backend12"):
        assert style.number_of(name) is None
        assert style.colour_of(name) not in (*style.PALETTE, style.FAILURE)


def test_other_names_differ_and_stay() -> None:
    """Names that are no backends get colours of their own, the same at each call."""
    names = ["apache", "curl", "dig", "browser", "rr", "wrr", "lc", "sh"]
    assert len({style.colour_of(name) for name in names * 2}) == len(names)


def test_lines_are_wrapped_and_names_shortened() -> None:
    """wrap keeps every word, keeps a unit with its number, and stays within the width; long names that differ in their last
    letter still differ when shortened."""
    text = "the median of all requests that backend1 answered was 1.25 ms " * 5
    lines = style.wrap(text.strip(), 3.0)
    assert " ".join(lines).replace("\u00a0", " ") == text.strip()
    assert all(style.width_of(line) <= 3.0 and not line.startswith("ms") for line in lines)
    one, two = (style.shorten("a server with a very long name " + end, 1.5) for end in "12")
    assert one != two and style.width_of(one, weight="bold") <= 1.5
    assert style.shorten("short", 1.5) == "short"


def test_numbers_are_worded_for_readers() -> None:
    """Plurals, times, shares, lists and runs of numbers read as a person would write them; many runs become one."""
    assert (words.plural(1, "query"), words.plural(1200, "query")) == ("1 query", "1,200 queries")
    times = {0.42: "0.42 ms", 1.26: "1.3 ms", 2001.4: "2,001 ms"}
    assert {value: words.milliseconds(value) for value in times} == times
    assert words.milliseconds(float("nan")) == "no time"
    assert (words.percent(0.5), words.percent(1 / 3)) == ("50 %", "33.3 %")
    assert [words.listing("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    runs = [words.spans(numbers) for numbers in ([1, 2, 3, 7], [4], range(1, 20, 2))]
    assert runs == ["1–3, 7", "4", "1–19"]
