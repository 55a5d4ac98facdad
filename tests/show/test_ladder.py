"""The ladder diagram."""

import re

import pandas as pd

from labkit.show import plots

from .samples import drawn, exchanges, marks, texts


def test_the_header_is_highlighted_where_it_is_and_only_there() -> None:
    """Two of the four messages carry the header: both are highlighted, the other two say that it is absent."""
    picture = plots.ladder(exchanges())
    assert [text.get_text() for text in drawn(picture, "header")] == ["X-high-load-test: 123"] * 2
    assert texts(picture).count("no X-high-load-test") == 2
    assert "in the request nginx → backend1 (123) and the answer nginx → client (123)" in picture.alt
    assert "not in the request client → nginx and the answer backend1 → nginx" in picture.alt


def test_messages_stand_in_the_order_of_their_times() -> None:
    """Times count from the client's request: upstream is asked after it, and answers before the client has its page."""
    times = [text for text in texts(plots.ladder(exchanges())) if re.fullmatch(r"[\d.]+ ms", text)]
    assert times == ["0 ms", "1.0 ms", "3.0 ms", "4.0 ms"]


def test_another_header_is_said_to_be_absent() -> None:
    """A header that no message has is in none of them."""
    picture = plots.ladder(exchanges(), header="X-other")
    assert drawn(picture, "header") == []
    assert "X-other is in none of 4 messages" in picture.alt


def test_only_the_chosen_exchange_is_drawn() -> None:
    """Of two client exchanges one is drawn, with its own upstream exchange and not with the other's."""
    later = exchanges().assign(time=lambda frame: frame["time"] + 5, uri="/later")  # seconds
    both = pd.concat([exchanges(), later])
    assert "GET /: client → nginx → backend1" in plots.ladder(both).alt
    second = plots.ladder(both, which=1)
    assert "GET /later: client → nginx → backend1" in second.alt
    assert texts(second).count("GET /later") == 2 and "GET /" not in texts(second)


def test_the_next_request_is_not_mixed_in() -> None:
    """Requests for the same page that follow each other closely stay apart: four messages, not six."""
    next_one = exchanges().assign(time=lambda frame: frame["time"] + 0.0041)  # 0.1 ms after the first was answered
    picture = plots.ladder(pd.concat([exchanges(), next_one]))
    assert "X-high-load-test is on 2 of 4 messages" in " ".join(texts(picture)).replace("\n", " ")


def test_an_exchange_without_an_answer_is_marked() -> None:
    """An upstream that never answered gets an x, and words."""
    frame = exchanges().assign(status=pd.array([200, None], dtype="Int64"))
    picture = plots.ladder(frame)
    assert marks(picture, "failed") == 1
    assert "no answer" in texts(picture)
