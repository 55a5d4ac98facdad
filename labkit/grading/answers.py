"""Answers that are alike, so that they are read together: which ones, and in which words they differ."""

from collections.abc import Sequence

import numpy
from rapidfuzz import fuzz, process, utils
from rapidfuzz.distance import Indel

# How alike two answers of a group are at the least, in percent (rapidfuzz's ratio of the sorted words). Of the answers in
# tests/unit/grading/test_answers.py those in nearly the same words have 86 and more, those in words of their own 56 at the most.
ALIKE = 80
# So much of an answer is compared, characters, and so many words are looked at for differences.
COMPARED, WORDS = 500, 400


def alike(texts: Sequence[str]) -> list[list[int]]:
    """Return the indices of `texts` in groups, the largest first: each is alike to the first of its group, the nearest first.

    Capitals, punctuation and the order of words make no difference. An answer like no other is a group of its own.
    """
    compared = [" ".join(sorted(utils.default_process(text[:COMPARED]).split())) for text in texts]
    scores = process.cdist(compared, compared, scorer=fuzz.ratio, score_cutoff=ALIKE, dtype=numpy.uint8)
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
    ours, theirs = pieces(first), pieces(text)
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


def pieces(text: str) -> list[str]:
    """Return the words of a text, each with the white space behind it; joined they are the text."""
    found: list[str] = []
    for piece in text.split(" "):
        found += [f"{line}\n" for line in piece.split("\n")]
        found[-1] = f"{found[-1][:-1]} "
    found[-1] = found[-1][:-1]
    return found
