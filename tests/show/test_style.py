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
        assert style.number_of(name) is None and style.colour_of(name) not in (*style.PALETTE, style.FAILURE)


def test_other_names_differ_and_stay() -> None:
    """Names that are no backends get colours of their own, the same at each call."""
    names = ["apache", "curl", "dig", "browser", "rr", "wrr", "lc", "sh"]
    colours = [style.colour_of(name) for name in names]
    assert len(set(colours)) == len(names)
    assert colours == [style.colour_of(name) for name in names]


def test_wrapped_lines_fit_and_lose_nothing() -> None:
    """wrap keeps every word, keeps a unit with its number, and stays within the width."""
    text = "the median of all requests that backend1 answered was 1.25 ms " * 5
    lines = style.wrap(text.strip(), 3.0)
    assert " ".join(lines).replace("\u00a0", " ") == text.strip()
    assert all(style.width_of(line) <= 3.0 for line in lines)
    assert not any(line.startswith("ms") for line in lines)


def test_shortened_names_keep_both_ends() -> None:
    """Long names that differ in their last letter still differ when shortened."""
    one, two = (style.shorten("a server with a very long name " + end, 1.5) for end in "12")
    assert one != two
    assert style.width_of(one, weight="bold") <= 1.5
    assert style.shorten("short", 1.5) == "short"


def test_spans_join_runs() -> None:
    """Runs are joined, single numbers stay, and many runs become one from the first to the last."""
    assert words.spans([1, 2, 3, 7]) == "1–3, 7"
    assert words.spans([4]) == "4"
    assert words.spans(range(1, 20, 2)) == "1–19"


def test_numbers_are_worded_for_readers() -> None:
    """Plurals, milliseconds, percentages and lists read as a person would write them."""
    assert (words.plural(1, "query"), words.plural(1200, "query")) == ("1 query", "1,200 queries")
    assert [words.milliseconds(value) for value in (0.42, 1.26, 2001.4, float("nan"))] == [
        "0.42 ms", "1.3 ms", "2,001 ms", "no time",
    ]  # fmt: skip
    assert (words.percent(0.5), words.percent(1 / 3)) == ("50 %", "33.3 %")
    assert [words.listing("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
