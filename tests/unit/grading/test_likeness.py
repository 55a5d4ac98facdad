"""Works that are alike beyond what the assignment makes everybody type: honest ones are not, disguised copies are; and answers
that are read together, shown with the words in which they differ."""

import base64
import json
import random
import re
import time
from itertools import combinations
from pathlib import Path

import pytest
from works import RIGHT

from labkit.grading.grade import Grade, pairs
from labkit.grading.likeness import (
    ALIKE,
    MANY,
    NAMES,
    OWN,
    USED,
    alike,
    changes,
    fingerprint,
    likenesses,
    marked,
    own,
    passages,
    texts_of,
)
from labkit.writing import TEMPLATES

TYPED = Path(__file__).resolve().parents[2] / "as_typed"
Texts = dict[str, str]


def honest_works() -> dict[str, Texts]:
    """Right works as people type them, whole ones put together of one for each task, no script in two of them."""
    expected = json.loads((TYPED / "expected.json").read_text(encoding="utf-8"))
    right = {
        task: [name for name, one in expected.items() if one["tasks"] == [task] and not one["not_passed"]] for task in range(1, 5)
    }

    def part(name: str, task: int) -> Texts:
        files = [path for path in (TYPED / name).rglob("*") if path.is_file() and path.suffix != ".html"]
        texts = {str(path.relative_to(TYPED / name)): path.read_text(encoding="utf-8", errors="replace") for path in files}
        return {file: text for file, text in texts.items() if task == 1 or file != "task1.sh"}

    whole = min(20, *map(len, right.values()))
    works = {
        f"whole{at}": {file: text for task in right for file, text in part(right[task][at], task).items()} for at in range(whole)
    }
    return works | {name: part(name, task) for task, names in right.items() for name in names[whole:]}


HONEST = honest_works()
SIZES = {name: len(own(texts)) for name, texts in HONEST.items()}
LONG_ENOUGH = [name for name, size in SIZES.items() if size >= OWN]
RICH = HONEST[max(SIZES, key=lambda name: SIZES[name])]


def disguised(texts: Texts, seed: str) -> Texts:
    """A copy with other names of variables, functions and upstreams, and other comments and white space, its lines shuffled."""
    chance, found = random.Random(seed), {}
    for file, text in texts.items():
        made, used = ({name for names in pattern.findall(text) for name in names if name} for pattern in (NAMES, USED))
        for number, name in enumerate(sorted(made & used, key=len, reverse=True)):
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", f"another{number}", text)
        lines = re.sub(r"\\\n", " ", text).splitlines()
        lines = [re.sub(r"(^|\s)#.*", "", line) for line in lines]
        chance.shuffle(lines)
        found[file] = "".join(f"\t{line.replace(' ', '  ')}   # step {chance.random()}\n\n" for line in lines)
    return found


def test_honest_right_works_are_not_alike() -> None:
    """Of 40 and more none reaches the threshold with another, though each types what the assignment asks; nor do two alone."""
    assert len(HONEST) >= 40 and len(LONG_ENOUGH) >= 20
    assert likenesses(list(HONEST.values())) == []
    sets = {name: own(HONEST[name]) for name in LONG_ENOUGH}
    parts = {pair: len(sets[pair[0]] & sets[pair[1]]) / min(len(sets[one]) for one in pair) for pair in combinations(sets, 2)}
    assert max(parts.values()) < ALIKE - 0.05, max(parts, key=lambda pair: parts[pair])


@pytest.mark.parametrize("name", LONG_ENOUGH)
def test_disguised_copy_is_alike(name: str) -> None:
    """Among the honest works it and its original are the one pair."""
    names = [*HONEST, "copy"]
    (found,) = likenesses([*HONEST.values(), disguised(HONEST[name], name)])
    assert [names[found.first], names[found.second]] == [name, "copy"] and found.part >= ALIKE


def test_model_answers_are_common_ground() -> None:
    """Who takes the ways that the notebooks suggest shares nothing that counts with others who do."""
    assert len(own({name: text for name, text in RIGHT.items() if not name.endswith((".html", ".md"))})) < 5


def test_usual_passages_are_those_of_their_text() -> None:
    """Whoever adds a line to usual.txt beside this file writes the fingerprints anew; no command stands in what learners get."""
    text = Path(__file__).with_name("usual.txt").read_text(encoding="utf-8")
    wanted = sorted(map(fingerprint, passages({"usual": text})))
    place = TEMPLATES / "usual.txt"
    assert place.read_text(encoding="ascii").split() == wanted, f"write to {place}:\n" + "\n".join(wanted)


def test_ring_is_found_whole() -> None:
    """Twelve copies of one work in a class of 50 are 66 pairs: what a few have is no common ground."""
    copies = [disguised(RICH, str(number)) for number in range(12)]
    found = likenesses([*[texts for texts in HONEST.values() if texts != RICH][:38], *copies])
    assert {(one.first, one.second) for one in found} == set(combinations(range(38, 50), 2))


def test_what_most_of_a_class_have_is_common_ground() -> None:
    """A script that the teacher gave to all makes no pairs; works that say little of their own are not compared."""
    works = [{**RICH, "own.sh": f"echo {number} {number} {number} {number}\n" * 3} for number in range(MANY + 1)]
    assert len(likenesses(works[:MANY])) == MANY * (MANY - 1) // 2 and likenesses(works) == []
    assert likenesses([{"task1.sh": "echo my own words here\n"}] * 2) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("count=7; echo $count tries of it\n", "n=7\necho $n tries of it\n"),
        ("for i in 1 2 3; do curl -s host:$i/x; done", "for n in 1 2 3\ndo\n   curl -s host:$n/x  # each\ndone"),
        ("upstream a {\n server x;\n}\nproxy_pass http://a;", "upstream b-c { server x; }\nproxy_pass http://b-c;"),
        ("sudo ip -br addr show lo", "ip -br  addr show lo"),
        ("curl -s a b \\\n  -o c", "curl -s a b -o c"),
        (
            "go() { ping -c 1 host now; }\ngo it is time\n",
            "walk ( ) {\n ping -c 1 host now\n}\nwalk it is time\n".replace("( )", "()"),
        ),
    ],
)
def test_disguise_makes_no_difference(one: str, other: str) -> None:
    """Names, line ends, comments, white space and sudo."""
    assert set(passages({"a.sh": one})) == set(passages({"b.sh": other})) != set()


def test_word_that_is_no_variable_is_told_apart() -> None:
    """Keys of a configuration are not names that somebody chose, and other options are other passages."""
    assert set(passages({"a": "address=/x/127.0.0.1\n"})) != set(passages({"a": "server=/x/127.0.0.1\n"}))
    assert set(passages({"a": "ipvsadm -A -t vip -s rr"})) != set(passages({"a": "ipvsadm -A -t vip -s wlc"}))


def test_shared_parts_are_marked_where_they_stand() -> None:
    """Also below a comment that is gone from the comparison; the pieces make up the text."""
    texts = {"a.sh": "# echo one two three four\necho one two three four # yes\nls\n"}
    pieces = marked(texts, passages({"b.sh": "echo one two three four"}))["a.sh"]
    assert pieces == [(False, "# echo one two three four\n"), (True, "echo one two three four"), (False, " # yes\nls\n")]


def test_scripts_and_configurations_are_compared() -> None:
    """Pages, answers, links and binary files are not; what steers a terminal is not in the texts, and a long one is cut."""
    data = {
        "task1.sh": b"a\x1b[0m",
        "nginx.conf": b"n" * 50_000,
        "answers.md": b"x",
        "b/index.html": b"x",
        "x.bin": b"\0x",
        "e": b"",
    }
    work = {name: {"data": base64.b64encode(text).decode()} for name, text in data.items()}
    texts = texts_of(work | {"l": {"link": "x"}, "f": {"folder": True}})
    assert set(texts) == {"task1.sh", "nginx.conf"} and texts["task1.sh"] == "a [0m" and len(texts["nginx.conf"]) == 20_000


def test_pair_is_flagged_as_a_reason_to_look() -> None:
    """Both works name the other and the part; works that are the same are told so and not twice."""
    grades = [Grade(name, texts=RICH) for name in ("a.html", "b.html", "c.html")]
    for grade, mark in zip(grades, ("1", "1", ""), strict=True):
        grade.fingerprint = mark
    pairs(grades)
    assert grades[0].flags == ["the same work as b.html", "much like the work of c.html (100%): a reason to look, and no verdict"]
    assert grades[2].flags == ["much like the work of a.html (100%), b.html (100%): a reason to look, and no verdict"]
    assert all(grade.similar for grade in grades)


@pytest.mark.parametrize(
    "text", ["\n" * 20_000, "read " * 4_000, "for a" * 4_000, " " * 20_000, "a" * 20_000, "$a=" * 6_000, "upstream " * 2_000]
)
def test_no_text_takes_long(text: str) -> None:
    """A work that is made to keep a comparison busy is compared within seconds."""
    began = time.process_time()
    likenesses([{f"{number}.sh": text for number in range(20)}] * 2)
    assert time.process_time() - began < 10


# Answers to 2.3.
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


PIECES = ["", " ", "\n", "a", " a", "a ", "a  b", "a\n\nb\n", "a \n b", "\n "]


@pytest.mark.parametrize(
    "texts", [("a b", "a\nb"), (FIRST, SAME[1]), ("x", ""), ("w " * 1000, "w\n" * 1000), *(("a b", text) for text in PIECES)]
)
def test_marked_answer_is_the_answer(texts: tuple[str, str]) -> None:
    """Without what is missing the pieces are the learner's text to the letter; a very long one is left as it is."""
    assert "".join(words for kind, words in changes(*texts) if kind != "missing") == texts[1]
