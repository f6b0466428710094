"""The serving side: text to tag, unit, type and urgency, with calibrated confidence and the terms that spoke for it.

Plain numpy; scikit-learn is needed only to train.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.classify.artefact import Artefact, ModelError, load_artefact
from app.classify.features import HAN, TermMaker
from app.classify.vectors import SparseRow, Vectorizer
from app.rulebook.shapes import Rulebook

TERMS_SHOWN = 8
# Below this many Chinese characters a text says too little to be sent anywhere without a person.
LEAST_HAN_CHARS = 5


@dataclass(frozen=True)
class Term:
    """A word that spoke for the tag, and how much."""

    term: str
    weight: float


@dataclass(frozen=True)
class Candidate:
    """A tag with its probability."""

    tag: str
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text.

    Attributes:
        candidates: tags by probability, highest first.
        units: responsible units (code, or 按属地) by probability, highest first; a unit's is the sum over its tags.
        tag: the best tag of the best unit.
        confidence: probability of the best unit.
        margin: by how much it leads the second.
        certain: whether it may be dispatched without a person (confidence above the model's threshold).
    """

    candidates: tuple[Candidate, ...]
    units: tuple[tuple[str, float], ...]
    tag: str
    confidence: float
    margin: float
    terms: tuple[Term, ...]
    kind: str
    kind_confidence: float
    urgent: bool
    urgent_confidence: float
    certain: bool


class Classifier:
    """A loaded model bound to a rulebook; safe to share between threads."""

    def __init__(self, artefact: Artefact, rulebook: Rulebook) -> None:
        self.version = artefact.name
        self.threshold = artefact.threshold
        self._maker = TermMaker(artefact.user_words)
        self._vectors = Vectorizer(artefact.terms, artefact.idf)
        self._tag, self._kind, self._urgent = artefact.tag, artefact.kind, artefact.urgent
        self._known = np.array([label in rulebook.tag_by_code for label in artefact.tag.labels])
        if not self._known.any():
            raise ModelError(f"模型 {artefact.name} 的标签与现行规则没有一个相同，请重新训练")
        self._lead = [
            rulebook.tag_by_code[label].lead if known else ""
            for label, known in zip(artefact.tag.labels, self._known, strict=True)
        ]

    def predict(self, title: str, text: str) -> Prediction:
        """Return the prediction for one appeal; any text gets one, most strange ones with `certain` False."""
        row = self._vectors.row(self._maker.terms(title, text))
        probabilities = self._tag.probabilities(row)
        probabilities[~self._known] = 0
        probabilities /= probabilities.sum()
        units = self._units(probabilities)
        best = units[0][0]
        tag = max((number for number, lead in enumerate(self._lead) if lead == best), key=probabilities.__getitem__)
        order = np.argsort(-probabilities, kind="stable")
        kind, kind_sure = self._kind.best(row)
        urgent_sure = float(self._urgent.probabilities(row)[1])
        confidence = units[0][1]
        return Prediction(
            candidates=tuple(
                Candidate(self._tag.labels[number], float(probabilities[number]))
                for number in order
                if self._known[number]
            ),
            units=units, tag=self._tag.labels[tag], confidence=confidence,
            margin=confidence - (units[1][1] if len(units) > 1 else 0.0), terms=self._terms(row, tag),
            kind=kind, kind_confidence=kind_sure, urgent=urgent_sure >= self._urgent.threshold,
            urgent_confidence=urgent_sure, certain=confidence >= self.threshold and _says_enough(title + text),
        )  # fmt: skip

    def _units(self, probabilities: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
        sums: dict[str, float] = {}
        for lead, probability in zip(self._lead, probabilities, strict=True):
            if lead:
                sums[lead] = sums.get(lead, 0.0) + float(probability)
        return tuple(sorted(sums.items(), key=lambda item: (-item[1], item[0])))

    def _terms(self, row: SparseRow, tag: int) -> tuple[Term, ...]:
        """Return the words that spoke most for a tag against the average tag (single characters explain nothing)."""
        spoke = row.weights * self._tag.spoken_for(row, tag)
        shown: list[Term] = []
        for place in np.argsort(-spoke, kind="stable"):
            name = self._vectors.terms[row.columns[place]]
            if spoke[place] <= 0 or len(shown) == TERMS_SHOWN:
                break
            if name.startswith("w:") and len(name) > len("w:字"):
                shown.append(Term(name[2:], float(spoke[place])))
        return tuple(shown)


def _says_enough(text: str) -> bool:
    return sum(map(len, HAN.findall(text))) >= LEAST_HAN_CHARS


def load(models_dir: Path, rulebook: Rulebook) -> Classifier:
    """Return the current model.

    Raises:
        ModelError: there is no current model, or it is damaged, tampered with or of another format.
    """
    return Classifier(load_artefact(models_dir), rulebook)
