"""Answers that are alike are read together, and shown with the words in which they differ."""

import pytest

from labkit.grading.answers import alike, changes, pieces

FIRST = "Nothing happens to the records: dnsmasq has no health check and goes on handing out both addresses in turn."
SAME = [
    FIRST,
    "Nothing happens with the records. dnsmasq has no health check, it goes on handing out both addresses in turn!",
    "nothing happens to the records, because dnsmasq has no health checks and goes on to hand out both addresses in turn",
    "Dnsmasq has no health check and goes on handing out both addresses in turn: nothing happens to the records.",
]
# The same said in other words, and other things.
OTHERS = [
    "The DNS records stay as they are. dnsmasq does not look whether a server is alive, so clients still get the dead address.",
    "They do not change. A client that is given 127.0.0.2 will fail to connect until somebody takes the record out by hand.",
    "DNS answers still contain both A records, since DNS does not know about HTTP servers at all.",
    "Ничего не произойдёт: dnsmasq не проверяет здоровье серверов и продолжит отдавать обе записи по очереди.",
    "Записи останутся, потому что dnsmasq не знает о состоянии бэкендов; часть клиентов получит нерабочий адрес.",
    "The record for backend2 is removed and only 127.0.0.1 is returned.",
    "Both stay, half of the requests fail.",
    "",
    "?",
]


def test_answers_in_nearly_the_same_words_are_a_group() -> None:
    """Capitals, punctuation, order and a few words make no other group; the largest stands first, the nearest first in it."""
    texts = [OTHERS[0], *SAME, *OTHERS[1:]]
    assert alike(texts) == [[1, 4, 2, 3], [11, 12], [0], [5], [6], [7], [8], [9], [10]]


def test_each_answer_of_a_group_is_alike_to_its_first() -> None:
    """No chain of small steps leads from one answer to one that is nothing like it."""
    words = [5 * chr(ord("а") + number) for number in range(40)]
    chain = [" ".join(words[at : at + 20]) for at in range(20)]
    assert max(max(group) - min(group) for group in alike(chain)) <= 8 and sum(map(len, alike(chain))) == 20


def test_difference_of_a_not_is_marked() -> None:
    """An answer that says the opposite in the same words is in the group, and what it has and lacks stands out."""
    texts = [FIRST, FIRST.replace("has no health", "has a health")]
    assert alike(texts) == [[0, 1]]
    assert [piece for piece in changes(*texts) if piece[0] != "same"] == [("only here", "a "), ("missing", "no ")]


@pytest.mark.parametrize("texts", [("a b", "a\nb"), (FIRST, SAME[1]), ("", "x"), ("x", ""), ("w " * 1000, "w\n" * 1000)])
def test_marked_answer_is_the_answer(texts: tuple[str, str]) -> None:
    """Without what is missing the pieces are the learner's text to the letter; a very long one is left as it is."""
    assert "".join(words for kind, words in changes(*texts) if kind != "missing") == texts[1]


@pytest.mark.parametrize("text", ["", " ", "\n", "a", " a", "a ", "a  b", "a\n\nb\n", "a \n b", "\n "])
def test_pieces_make_up_the_text(text: str) -> None:
    """No space and no line end is lost."""
    assert "".join(pieces(text)) == text
