"""Text to terms: normalising, segmentation with an own jieba tokenizer, and three blocks of terms.

Blocks: `w` words, `a` single characters, `b` character pairs. Each is weighted and normed by itself, so that a long
text's characters do not drown its words. The title counts twice: it states the demand.
"""

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

import jieba

SCORED_CHARS = 5_000
TITLE_TIMES = 2
BLOCKS = ("w", "a", "b")
WORD = re.compile(r"[\u3400-\u9fffA-Za-z0-9]+")
HAN = re.compile(r"[\u3400-\u9fff]+")
USER_WORD_CHARS = range(2, 9)

Terms = dict[str, Counter[str]]

jieba.setLogLevel(logging.WARNING)


def make_tokenizer(words: Iterable[str] = ()) -> "jieba.Tokenizer":
    """Return a tokenizer of our own, with no cache file (jieba's default one in /tmp is trusted blindly).

    Args:
        words: names that must stay whole (units, places); added once, before first use.
    """
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    for word in sorted({word for word in words if len(word) in USER_WORD_CHARS}):
        tokenizer.add_word(word)
    return tokenizer


def normalise(text: str) -> str:
    """Return text in one form: full-width folded, lower case, invisible characters dropped, bounded in length."""
    folded = unicodedata.normalize("NFKC", text[:SCORED_CHARS]).lower()
    return "".join(char for char in folded if unicodedata.category(char) not in {"Cc", "Cf", "Cs"} or char == "\n")


class TermMaker:
    """Turns texts into terms; safe to share between threads (the tokenizer is never changed after construction)."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._tokenizer = make_tokenizer(words)

    def terms(self, title: str, text: str) -> Terms:
        """Return the terms of one appeal by block, with their counts."""
        counts: Terms = {block: Counter() for block in BLOCKS}
        for part, times in ((title, TITLE_TIMES), (text, 1)):
            if not part:
                continue
            clean = normalise(part)
            for block, found in (("w", self.words(clean)), ("a", _grams(clean, 1)), ("b", _grams(clean, 2))):
                for term in found:
                    counts[block][term] += times
        return counts

    def words(self, clean: str) -> list[str]:
        """Return the words of a normalised text, bare numbers left out."""
        return [word for word in self._tokenizer.cut(clean) if WORD.fullmatch(word) and not word.isdigit()]


def _grams(clean: str, size: int) -> list[str]:
    return [run[at : at + size] for run in HAN.findall(clean) for at in range(len(run) - size + 1)]
