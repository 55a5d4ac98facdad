"""How much two works share in their commands and configurations, and where; and which answers are alike.

A likeness is a reason to look, and no verdict. Answers that are alike are read together.

The assignment names every address, port, file and page, so that honest works have most of their words in common. What counts is
therefore what a work has of its own: passages of PASSAGE words within a statement (the fingerprints of winnowing, Schleimer,
Wilkerson and Aiken 2003, https://theory.stanford.edu/~aiken/publications/papers/sigmod03.pdf; a work is so short that all are
kept) that are neither usual nor what many of the batch have. The usual ones are the assignment's values, the commands of the
notebooks and those that most people type (tests/unit/grading/usual.txt); they are known here by fingerprints alone, because this
code goes to learners too. White space, comments, the order of lines and the names of variables, functions and upstreams make no
difference.
"""

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy
from rapidfuzz import fuzz, process, utils
from rapidfuzz.distance import Indel

from ..errors import plain
from ..writing import TEMPLATES

# Words in a row.
PASSAGE = 4
# From this part on, of the passages that the one with fewer has of its own, two works are called alike. 43 honest works
# (tests/unit/grading/test_likeness.py) reach 0.50 at the most, copies with other names, order, comments and white space 0.9.
ALIKE = 0.65
# A work with fewer passages of its own says too little to be compared: two lines that anybody would type.
OWN = 15
# What more works have than these, and than a third of the batch, is common ground; what more than the second have is in any case.
MANY, MOST = 20, 60
# So much of a work is compared: files, and characters of each.
FILES, LONGEST = 20, 20_000
# How alike two answers of a group are at the least, in percent (rapidfuzz's ratio of the sorted words). Of the answers in
# tests/unit/grading/test_likeness.py those in nearly the same words have 86 and more, those in words of their own 56 at the most.
NEARLY = 80
# So much of an answer is compared, characters, and so many words are looked at for differences.
COMPARED, WORDS = 500, 400

# A word with the white space behind it: joined they are the text.
PIECE = re.compile(r"[^ \n]*[ \n]|[^ \n]+")

Passage = tuple[str, ...]
# Where a passage stands: its file, and from where to where in that.
Place = tuple[str, int, int]

WORD = re.compile(r"\n|&&|\|\|?|\d?[<>]&\d|[;{}&]|[^\W\d_][\w.-]*|\d[\w.:/]*|--?\w[\w-]*|\S")
ENDS = {"\n", "&&", "|", "||", ";", "{", "}", "&", "do", "then", "else"}
# What says nothing by itself, and is easily put in or left out.
SMALL = {"sudo", '"', "'", "`", "\\", "$", "(", ")", ">", "<", "[", "]", ",", "2>&1", ">&2"}
COMMENT = re.compile(r"(?:(?<=[\s;{}&|()])|^)#.*$|\\\r?\n", re.M)
# Names that a learner chooses: of variables and of upstreams, where they are made, and of functions.
NAMED = r"|^[ \t]*(?:function[ \t]+)?(\w+)[ \t]*\(\)|\bupstream\s+([\w.-]+)"
NAMES = re.compile(r"(?:^|[\s;])(\w+)=|\bfor\s+(\w+)\s+in\b|\bread\s+(?:-\w+\s+)*(\w+)" + NAMED, re.M)
USED = re.compile(r"\$\{?(\w+)" + NAMED, re.M)


@dataclass(frozen=True)
class Likeness:
    """Two works of a batch by their numbers, the passages that both have of their own, and the part of the smaller one's."""

    first: int
    second: int
    shared: frozenset[Passage]
    part: float


def texts_of(work: Mapping[str, Any]) -> dict[str, str]:
    """Return what is compared of a packed work, by file: scripts and configurations, and no pages, answers or binary files."""
    names = [name for name, entry in work.items() if "data" in entry and not name.lower().endswith((".html", ".htm", ".md"))]
    found = {name: base64.b64decode(work[name]["data"])[: 4 * LONGEST] for name in sorted(names)[:FILES]}
    return {name: plain(data.decode(errors="replace")[:LONGEST]) for name, data in found.items() if data and b"\0" not in data}


def statements(text: str) -> Iterator[list[tuple[str, int, int]]]:
    """Yield the words of each statement of a script or configuration, with where they stand."""
    made = {name for names in NAMES.findall(text) for name in names if name}
    chosen = made & {name for names in USED.findall(text) for name in names if name}
    bare = COMMENT.sub(lambda match: " " * len(match[0]), text)
    words: list[tuple[str, int, int]] = []
    for match in WORD.finditer(bare):
        word = match[0]
        if word in ENDS:
            yield words
            words = []
        elif word not in SMALL:
            words.append(("NAME" if word in chosen else word, *match.span()))
    yield words


def passages(texts: Mapping[str, str]) -> dict[Passage, list[Place]]:
    """Return the passages of a work, and where each stands. A statement shorter than one is one, if it has two words."""
    found: dict[Passage, list[Place]] = defaultdict(list)
    for file, text in texts.items():
        for words in statements(text):
            for at in range(max(1, len(words) - PASSAGE + 1) if len(words) > 1 else 0):
                part = words[at : at + PASSAGE]
                found[tuple(word for word, _, _ in part)].append((file, part[0][1], part[-1][2]))
    return found


def fingerprint(passage: Passage) -> str:
    """Return what stands for a passage in the list of the usual ones."""
    return hashlib.blake2b("\0".join(passage).encode(errors="replace"), digest_size=6).hexdigest()


@cache
def usual() -> frozenset[str]:
    """Return the fingerprints of the passages that anybody may have."""
    return frozenset((TEMPLATES / "usual.txt").read_text(encoding="ascii").split())


def own(texts: Mapping[str, str]) -> set[Passage]:
    """Return the passages of a work that are not usual."""
    return {passage for passage in passages(texts) if fingerprint(passage) not in usual()}


def likenesses(works: Sequence[Mapping[str, str]]) -> list[Likeness]:
    """Return the pairs that are alike, those first that share most, of the works with these texts."""
    owned = [own(texts) for texts in works]
    having: dict[Passage, list[int]] = defaultdict(list)
    for number, mine in enumerate(owned):
        for passage in mine:
            having[passage].append(number)
    common = max(MANY, min(len(works) // 3, MOST))
    rare = [numbers for numbers in having.values() if len(numbers) <= common]
    sizes = Counter(number for numbers in rare for number in numbers)
    pairs = Counter(pair for numbers in rare for pair in combinations(numbers, 2))
    found = []
    for (first, second), count in pairs.items():
        least = min(sizes[first], sizes[second])
        if least >= OWN and count >= ALIKE * least:
            shared = frozenset(one for one in owned[first] & owned[second] if len(having[one]) <= common)
            found.append(Likeness(first, second, shared, count / least))
    return sorted(found, key=lambda one: (-one.part, -len(one.shared), one.first, one.second))


def marked(texts: Mapping[str, str], shared: Iterable[Passage]) -> dict[str, list[tuple[bool, str]]]:
    """Return each file of a work in pieces, and whether they belong to a passage that is shared."""
    places = passages(texts)
    inside = {file: bytearray(len(text)) for file, text in texts.items()}
    for passage in shared:
        for file, begin, end in places.get(passage, ()):
            inside[file][begin:end] = b"\1" * (end - begin)
    found = {}
    for file, text in texts.items():
        ends = [at for at in range(1, len(text)) if inside[file][at] != inside[file][at - 1]]
        cuts = zip([0, *ends], [*ends, len(text)], strict=True)
        found[file] = [(bool(inside[file][begin]), text[begin:end]) for begin, end in cuts if text]
    return found


def alike(texts: Sequence[str]) -> list[list[int]]:
    """Return the indices of `texts` in groups, the largest first: each is alike to the first of its group, the nearest first.

    Capitals, punctuation and the order of words make no difference. An answer like no other is a group of its own.
    """
    compared = [" ".join(sorted(utils.default_process(text[:COMPARED]).split())) for text in texts]
    scores = process.cdist(compared, compared, scorer=fuzz.ratio, score_cutoff=NEARLY, dtype=numpy.uint8)
    numpy.fill_diagonal(scores, 100)
    left = numpy.ones(len(texts), dtype=bool)
    groups = []
    # The one that most are alike to is the first of its group.
    for first in sorted(range(len(texts)), key=lambda at: -int(numpy.count_nonzero(scores[at]))):
        if left[first]:
            others = [int(at) for at in numpy.flatnonzero(left & (scores[first] > 0)) if at != first]
            groups.append([first, *sorted(others, key=lambda at: -int(scores[first, at]))])
            left[groups[-1]] = False
    return sorted(groups, key=lambda group: (-len(group), min(group)))


def changes(first: str, text: str) -> list[tuple[str, str]]:
    """Return `text` in pieces, each with what it is beside `first`: "same", "only here", or "missing" for words of `first` alone.

    The pieces that are not missing make up `text`. A long one is a single piece, "same".
    """
    ours, theirs = PIECE.findall(first), PIECE.findall(text)
    if max(len(ours), len(theirs)) > WORDS:
        return [("same", text)]
    found = []
    bare = [[word.strip().casefold() for word in words] for words in (ours, theirs)]
    for code in Indel.opcodes(*bare):
        words = "".join(theirs[code.dest_start : code.dest_end])
        if code.tag == "equal":
            found.append(("same", words))
        elif code.tag == "insert":
            found.append(("only here", words))
        else:
            found.append(("missing", "".join(ours[code.src_start : code.src_end])))
    return found
