"""Terms to numbers: TF-IDF per block, normed by block, as one sparse row. numpy only, so that serving needs no scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.classify.features import BLOCKS, Terms

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class SparseRow:
    """One text's terms: column numbers and their weights (same length)."""

    columns: Ints
    weights: Floats


class Vectorizer:
    """A fixed vocabulary with inverse document frequencies.

    Attributes:
        terms: every term in column order, its block in front (`w:物业`).
        idf: inverse document frequency of each column.
    """

    def __init__(self, terms: Sequence[str], idf: Floats) -> None:
        self.terms = list(terms)
        self.idf = idf
        self._column: dict[str, dict[str, int]] = {block: {} for block in BLOCKS}
        for number, term in enumerate(self.terms):
            self._column[term[0]][term[2:]] = number

    def row(self, terms: Terms) -> SparseRow:
        """Return a text's weights: (1 + log count) × idf, each block of length 1/√3."""
        parts = [self._block(self._column[block], terms[block]) for block in BLOCKS]
        columns = np.concatenate([part[0] for part in parts])
        weights = np.concatenate([part[1] for part in parts])
        return SparseRow(columns, (weights / np.sqrt(len(BLOCKS))).astype(np.float32))

    def _block(self, column: Mapping[str, int], counts: Mapping[str, int]) -> tuple[Ints, Floats]:
        known = [(column[term], count) for term, count in counts.items() if term in column]
        columns = np.array([number for number, _ in known], dtype=np.int32)
        found = np.array([count for _, count in known], dtype=np.float32)
        weights = (1 + np.log(found)) * self.idf[columns] if known else found
        length = float(np.sqrt((weights * weights).sum()))
        return columns, (weights / length if length else weights).astype(np.float32)


def fit_vocabulary(texts: Sequence[Terms], least: Mapping[str, int]) -> Vectorizer:
    """Return the vectorizer of a corpus.

    Args:
        texts: the terms of every text.
        least: for each block, in how many texts a term must stand to be kept.
    """
    frequency: dict[str, int] = {}
    for terms in texts:
        for block in BLOCKS:
            for term in terms[block]:
                name = f"{block}:{term}"
                frequency[name] = frequency.get(name, 0) + 1
    kept = sorted(name for name, count in frequency.items() if count >= least[name[0]])
    counts = np.array([frequency[name] for name in kept], dtype=np.float32)
    return Vectorizer(kept, (np.log((1 + len(texts)) / (1 + counts)) + 1).astype(np.float32))
