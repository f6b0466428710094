"""How alike two appeals are: a signature of each text's heaviest terms, small enough to keep and compare. Pure.

A signature holds 32-bit hashes of terms, not the words, with weights of unit length. Words, character pairs and figures
count; a term the corpus never saw (the name of an estate, a firm, a street) weighs most, for it tells one matter from
another of its kind. Hashes and weights do not depend on the model, only on how frequent its corpus found each term.
"""

import hashlib
import itertools
import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.classify.features import TermMaker, normalise
from app.classify.predict import Classifier

TERMS_KEPT = 64
KEYS_KEPT = 16
SHARED_SHOWN = 6
# Rarity counts more than in proportion, and a pair of characters less than a word: measured on labelled pairs.
RARITY_POWER = 1.5
PAIR_WEIGHT = 0.7
# From here on the text is the same one again, handed in twice or with few words changed.
NEAR_DUPLICATE = 0.7
# Below this, what two appeals share is the kind of matter at most.
LEAST_SCORE = 0.12
FIGURE = re.compile(r"\d{2,}(?:\.\d+)?|\d+\.\d+")
_ENTRY = struct.Struct("<if")


@dataclass(frozen=True)
class Signature:
    """A text's heaviest terms: hash to weight; the weights' squares sum to 1.

    Attributes:
        weights: heaviest first.
    """

    weights: Mapping[int, float]

    @property
    def keys(self) -> tuple[int, ...]:
        """The terms it can be found by."""
        return tuple(self.weights)[:KEYS_KEPT]

    def packed(self) -> bytes:
        """Return the signature as bytes, 8 a term."""
        return b"".join(_ENTRY.pack(term, weight) for term, weight in self.weights.items())


def unpack(packed: bytes) -> Signature:
    """Return a signature from its bytes.

    Raises:
        struct.error: the bytes are none.
    """
    return Signature(dict(_ENTRY.iter_unpack(packed)))


def likeness(left: Signature, right: Signature) -> float:
    """Return the cosine of two signatures: 0 nothing shared, 1 the same."""
    return sum(weight * right.weights.get(term, 0.0) for term, weight in left.weights.items())


def term_hash(term: str) -> int:
    """Return a term's 32-bit hash (signed, as databases keep it)."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=4).digest(), "big", signed=True)


class SignatureMaker:
    """Makes signatures with a model's term frequencies; safe to share between threads."""

    def __init__(self, classifier: Classifier) -> None:
        self._maker: TermMaker = classifier.maker
        self._idf = dict(zip(classifier.vectors.terms, classifier.vectors.idf.tolist(), strict=True))
        self._unseen = max(self._idf.values())

    def signature(self, title: str, text: str) -> Signature:
        """Return the signature of one appeal."""
        heaviest = self._weighed(title, text)[:TERMS_KEPT]
        length = math.sqrt(sum(weight * weight for _, weight in heaviest)) or 1.0
        return Signature({term_hash(term): weight / length for term, weight in heaviest})

    def shared_terms(self, title: str, text: str, other: Signature) -> list[str]:
        """Return the pieces of a text that another's signature holds too, the weightiest first.

        Terms that overlap in the text are told as one piece (锦棠 and 棠花 and 花园 as 锦棠花园).
        """
        clean = normalise(f"{title}\n{text}")
        weights = [0.0] * len(clean)
        for name, weight in self._weighed(title, text)[:TERMS_KEPT]:
            if term_hash(name) in other.weights:
                for found in re.finditer(re.escape(name[2:]), clean):
                    for place in range(*found.span()):
                        weights[place] = max(weights[place], weight)
        pieces: dict[str, float] = {}
        for covered, run in itertools.groupby(range(len(clean)), key=lambda place: weights[place] > 0):
            places = list(run)
            if covered:
                piece = clean[places[0] : places[-1] + 1]
                pieces[piece] = max(pieces.get(piece, 0.0), sum(weights[place] for place in places))
        return sorted(pieces, key=lambda piece: -pieces[piece])[:SHARED_SHOWN]

    def _weighed(self, title: str, text: str) -> list[tuple[str, float]]:
        """Return a text's terms by weight, heaviest first."""
        terms = self._maker.terms(title, text)
        found = [*self._block("w", terms["w"], 1.0), *self._block("b", terms["b"], PAIR_WEIGHT)]
        figures = dict.fromkeys(FIGURE.findall(normalise(f"{title}\n{text}")), 1)
        found.extend(self._block("d", figures, 1.0))
        return sorted(found, key=lambda item: (-item[1], item[0]))

    def _block(self, block: str, counts: Mapping[str, int], factor: float) -> Iterable[tuple[str, float]]:
        for term, count in counts.items():
            if block != "w" or len(term) > 1:
                idf = self._idf.get(f"{block}:{term}", self._unseen)
                yield f"{block}:{term}", factor * (1 + math.log(count)) * idf**RARITY_POWER
