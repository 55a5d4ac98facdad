"""Sequences, the order of answers, attempts."""

import pytest

from labkit.show import plots, style
from labkit.show.mosaic import Cell

from .samples import FIRST, SECOND, attempts, dns, marks, texts, traffic

ONE, TWO = "127.0.0.1", "127.0.0.2"
OVER = ([FIRST, SECOND], [502, 200])  # the first upstream fails, the second answers
STAY = ([SECOND], [200])


def test_one_x_for_each_failed_request() -> None:
    """A sequence marks as many cells with an x as requests failed, over several rows."""
    picture = plots.sequence(traffic(*["backend1", "timeout", "backend2"] * 40))
    assert marks(picture, "failed") == 40
    assert picture.alt.endswith("40 requests to backend1, 40 to backend2; 40 failed (timeout).")
    assert {"1–50", "51–100", "101–120"} <= set(texts(picture))


def test_cells_hold_the_number_of_who_answered() -> None:
    """Colour is never alone: each cell has its backend's number."""
    picture = plots.sequence(traffic("backend1", "backend2", "backend2"))
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["1", "2", "2"]


def test_a_long_series_says_what_is_not_drawn() -> None:
    """Of very many requests a part is drawn; the counts are of all, and the picture says so."""
    picture = plots.sequence(traffic(*["backend1", "refused"] * 600))
    assert marks(picture, "failed") == 500
    assert "600 failed" in picture.alt
    assert any("only the first 1,000 are drawn" in text for text in texts(picture))


def test_a_failed_try_keeps_a_hint_of_whose_it_was() -> None:
    """A failed cell is pale in its upstream's colour, neither full nor another's."""
    failed = Cell(FIRST, failed=True).colour
    assert failed == style.tint(style.colour_of(FIRST)) != style.colour_of(FIRST)


def test_the_order_of_answers_is_counted() -> None:
    """The counts of each order, and how often the first address changed, are said."""
    alt = plots.answer_order(dns((ONE, TWO), (TWO, ONE), (ONE, TWO), (ONE, TWO))).alt
    assert f"3 × {ONE} before {TWO}, 1 × {TWO} before {ONE}; the first changed 2 of 3 times." in alt


def test_queries_without_an_answer_are_marked() -> None:
    """A query that failed is an x in the first lane, and no order."""
    picture = plots.answer_order(dns((ONE, TWO), (), (ONE,)))
    assert marks(picture, "failed") == 1
    assert f"1 × {ONE} alone" in picture.alt and "1 failed (timeout)" in picture.alt


def test_an_empty_answer_without_an_error_is_said() -> None:
    """NOERROR with no address is not a failed query, but no address came."""
    assert "1 without an address." in plots.answer_order(dns((ONE,), ()).assign(error=None)).alt


def test_seven_failed_attempts_then_none() -> None:
    """The line after the seventh failed attempt says that none followed."""
    picture = plots.attempts(attempts(*[OVER] * 7, *[STAY] * 13))
    assert marks(picture, "failed") == 7
    assert f"7 failed attempts at {FIRST}, then none" in texts(picture)
    assert f"7 failed attempts at {FIRST} (requests 1–7), then none; {SECOND} answered 20" in picture.alt
    assert picture.alt.endswith("the client got 200 every time.")


def test_a_probe_after_the_limit_is_not_hidden() -> None:
    """An eighth attempt is counted, and the line does not claim that none followed."""
    picture = plots.attempts(attempts(*[OVER] * 7, STAY, OVER, STAY))
    assert f"8 failed attempts at {FIRST} (requests 1–7, 9), then none" in picture.alt
    assert f"7 failed attempts at {FIRST}, then others" in texts(picture)


def test_an_upstream_that_comes_back_is_said_to_answer() -> None:
    """Answers after the last failed attempt are counted."""
    picture = plots.attempts(attempts(*[OVER] * 7, ([FIRST], [200]), ([FIRST], [200])))
    assert f"(requests 1–7), then 2 answered; {SECOND} answered 7" in picture.alt
    assert f"7 failed attempts at {FIRST}, then others" in texts(picture)


@pytest.mark.parametrize("limit, lines", [(3, 1), (4, 0)])
def test_the_line_stands_only_where_the_limit_was_reached(limit: int, lines: int) -> None:
    """Three failed attempts reach a limit of three, and not one of four."""
    picture = plots.attempts(attempts(*[OVER] * 3, STAY), limit=limit)
    assert sum("failed attempts at" in text and "\n" not in text and "(" not in text for text in texts(picture)) == lines


def test_a_pool_without_a_live_server_is_not_an_upstream() -> None:
    """When nginx logs the pool's name only, nobody was tried, and the client's failure is marked."""
    picture = plots.attempts(attempts(([FIRST, SECOND], [502, 502]), (["pool"], [502])))
    assert "1 request found no live upstream" in picture.alt
    assert "the client got 502 every time" in picture.alt
    assert marks(picture, "failed") == 5  # two tries, one without an upstream, two failed answers
