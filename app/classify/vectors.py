"""Terms to numbers: TF-IDF per block, normed by block, as one sparse row. numpy only, so that serving needs no scikit-learn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.classify.features import BLOCKS, Terms

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
BLOCK_LENGTH = 1 / math.sqrt(len(BLOCKS))


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
        self._known: dict[str, dict[str, tuple[int, float]]] = {block: {} for block in BLOCKS}
        for number, (term, frequency) in enumerate(zip(self.terms, idf.tolist(), strict=True)):
            self._known[term[0]][term[2:]] = (number, frequency)

    def row(self, terms: Terms) -> SparseRow:
        """Return a text's weights: (1 + log count) × idf, each block of length 1/√3."""
        columns: list[int] = []
        weights: list[float] = []
        for block in BLOCKS:
            self._append(self._known[block], terms[block], columns, weights)
        return SparseRow(np.array(columns, dtype=np.int32), np.array(weights, dtype=np.float32))

    def _append(
        self,
        known: Mapping[str, tuple[int, float]],
        counts: Mapping[str, int],
        columns: list[int],
        weights: list[float],
    ) -> None:
        found = []
        square = 0.0
        for term, count in counts.items():
            place = known.get(term)
            if place is not None:
                weight = place[1] if count == 1 else (1 + math.log(count)) * place[1]
                columns.append(place[0])
                found.append(weight)
                square += weight * weight
        if found:
            scale = BLOCK_LENGTH / math.sqrt(square)
            weights.extend(weight * scale for weight in found)


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
