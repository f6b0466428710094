"""Text to terms: normalising, segmentation with an own tokenizer, and three blocks of terms.

Blocks: `w` words, `a` single characters, `b` character pairs. Each is weighted and normed by itself, so that a long
text's characters do not drown its words. The title counts twice: it states the demand.

Runs of Chinese characters are cut by rjieba, the Rust twin of jieba with the same dictionary and the same algorithm, ten
times as fast; a test holds it against jieba over the whole corpus. Latin words are taken whole, in which the two differ.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

import rjieba

from app.rulebook.shapes import Rulebook

SCORED_CHARS = 5_000
TITLE_TIMES = 2
BLOCKS = ("w", "a", "b")
HAN = re.compile(r"[\u3400-\u9fff]+")
PIECE = re.compile(r"[\u3400-\u9fff]+|[a-z][a-z0-9]*")
# Control, format and surrogate characters: invisible, so they must not cut a word in two.
INVISIBLE = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
TEXTS_KEPT = 8
OWN_WORD_CHARS = range(2, 9)
# High enough that an own word stays whole, and a prime, so that no two ways of cutting weigh exactly the same.
OWN_WORD_FREQUENCY = 2003

Terms = Mapping[str, Mapping[str, int]]


def own_words(rulebook: Rulebook) -> tuple[str, ...]:
    """Return the domain dictionary: names of units and places, and the tags' synonyms (permits, policies, matters)."""
    units = (name for unit in rulebook.units for name in (unit.short, *unit.aliases))
    places = (
        name for district in rulebook.districts for place in district.places for name in (place.name, *place.aliases)
    )
    matters = (word for tag in rulebook.tags for word in tag.synonyms)
    return cuttable((*units, *places, *matters))


def cuttable(words: Iterable[str]) -> tuple[str, ...]:
    """Return those words that a tokenizer can keep whole: two to eight Chinese characters."""
    return tuple(sorted({word for word in words if len(word) in OWN_WORD_CHARS and HAN.fullmatch(word)}))


def normalise(text: str) -> str:
    """Return text in one form: full-width folded, lower case, invisible characters dropped, bounded in length."""
    return INVISIBLE.sub("", unicodedata.normalize("NFKC", text[:SCORED_CHARS]).lower())


class TermMaker:
    """Turns texts into terms; safe to share between threads (the tokenizer is never changed after construction).

    Args:
        words: names that must stay whole; added once, before first use.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._tokenizer = rjieba.Jieba()
        for word in cuttable(words):
            self._tokenizer.add_word(word, OWN_WORD_FREQUENCY, "n")
        # An appeal's terms are asked for twice: to judge it, and to find those like it.
        self.terms = lru_cache(TEXTS_KEPT)(self._terms)

    def _terms(self, title: str, text: str) -> Terms:
        """Return the terms of one appeal by block, with their counts; nobody changes them."""
        words: dict[str, int] = {}
        singles: dict[str, int] = {}
        pairs: dict[str, int] = {}
        for part, times in ((title, TITLE_TIMES), (text, 1)):
            for piece in PIECE.findall(normalise(part)):
                if piece[0] < "\u3400":
                    words[piece] = words.get(piece, 0) + times
                    continue
                for word in self._tokenizer.cut(piece, True):
                    words[word] = words.get(word, 0) + times
                for char in piece:
                    singles[char] = singles.get(char, 0) + times
                for left, right in itertools.pairwise(piece):
                    pairs[left + right] = pairs.get(left + right, 0) + times
        return {"w": words, "a": singles, "b": pairs}

    def words(self, clean: str) -> list[str]:
        """Return the words of a normalised text in order."""
        return [
            word
            for piece in PIECE.findall(clean)
            for word in ((piece,) if piece[0] < "\u3400" else self._tokenizer.cut(piece, True))
        ]
