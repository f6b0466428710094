"""The serving side: text to tag, unit, type and urgency, with the chance of being right and what spoke for the answer.

Plain numpy; scikit-learn is needed only to train.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.classify.artefact import Artefact, Head, ModelError, load_artefact
from app.classify.calibration import Grouping, Numbers, signals, softmax
from app.classify.features import HAN, TermMaker
from app.classify.vectors import Floats, SparseRow, Vectorizer
from app.rulebook.shapes import Rulebook

TERMS_SHOWN = 8
# Below this many Chinese characters a text says too little to be sent anywhere without a person.
LEAST_HAN_CHARS = 5
SHARE_TRACE = 1e-9
# Words left out one after the other, at most, in search of what would change the answer.
LEFT_OUT_MOST = 4


class Term(NamedTuple):
    """A word that spoke for the tag, and how much."""

    term: str
    weight: float


class Candidate(NamedTuple):
    """A tag with its probability."""

    tag: str
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """What the model says of one text.

    Attributes:
        candidates: tags by probability, highest first.
        units: responsible units (code, or 按属地) by probability, highest first.
        tag: the best tag of the best unit.
        confidence: the chance that the best unit is right.
        margin: by how much it leads the second.
        kind, urgent: what a model without these heads (foreign labels) leaves empty and False.
        certain: whether it may be dispatched without a person (confidence above the tag's or the model's threshold).
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


@dataclass(frozen=True)
class Turn:
    """What would change the answer: without these words of the text it would be another unit's.

    Attributes:
        without: the fewest words found, in the order in which they spoke loudest; empty: no few words decide it.
        unit, tag: the answer without them; for an answer that no few words decide, the runner-up.
    """

    without: tuple[str, ...]
    unit: str
    tag: str


class _HeadView:
    """One head's columns within the model's joint weights."""

    def __init__(self, head: Head, start: int) -> None:
        self.labels, self.temperature, self.threshold = head.labels, head.temperature, head.threshold
        self.columns = slice(start, start + len(head.labels))

    def probabilities(self, scores: Numbers) -> Numbers:
        """Return the calibrated probability of each class."""
        return softmax(scores[..., self.columns] / self.temperature)


class Classifier:
    """A loaded model bound to the units of a rulebook; safe to share between threads.

    Args:
        artefact: the model.
        unit_of_tag: responsible unit of each tag; None: each label stands for itself (foreign labels).

    Raises:
        ModelError: none of the model's tags is known.
    """

    def __init__(self, artefact: Artefact, unit_of_tag: dict[str, str] | None) -> None:
        self.version = artefact.name
        self.foreign = unit_of_tag is None
        self.threshold, self._tag_thresholds = artefact.threshold, artefact.tag_thresholds
        self.confidences = artefact.confidences
        self.maker = TermMaker(artefact.own_words)
        self.vectors = Vectorizer(artefact.terms, artefact.idf)
        self._reliability = artefact.reliability
        known = [unit_of_tag is None or label in unit_of_tag for label in artefact.tag.labels]
        if not any(known):
            raise ModelError(f"模型 {artefact.name} 的标签与现行规则没有一个相同，请重新训练")
        tag = _only(artefact.tag, known)
        self._units = Grouping([unit_of_tag[label] if unit_of_tag else label for label in tag.labels])
        heads = [tag, *(head for head in (artefact.kind, artefact.urgent) if head)]
        starts = np.cumsum([0, *(len(head.labels) for head in heads)])
        views = [_HeadView(head, int(start)) for head, start in zip(heads, starts, strict=False)]
        self._tag = views[0]
        self._kind: _HeadView | None = views[1] if artefact.kind else None
        self._urgent: _HeadView | None = views[-1] if artefact.urgent else None
        # One matrix for all heads, in C order, so that a text's terms are gathered once.
        self._weights: Floats = np.ascontiguousarray(np.hstack([head.weights for head in heads]), dtype=np.float32)
        self._bias: Floats = np.concatenate([head.bias for head in heads])

    def row(self, title: str, text: str) -> SparseRow:
        """Return a text's known terms and their weights."""
        return self.vectors.row(self.maker.terms(title, text))

    def scores(self, row: SparseRow) -> Numbers:
        """Return the score of every class of every head for one text."""
        found: Numbers = (row.weights @ self._weights[row.columns] + self._bias).astype(np.float64)
        return found

    def predict(self, title: str, text: str) -> Prediction:
        """Return the prediction for one appeal; any text gets one, most strange ones with `certain` False."""
        row = self.row(title, text)
        scores = self.scores(row)
        tags = self._tag.probabilities(scores)
        units, confidence = self.units_of(scores, tags, len(row.columns))
        best = int(units.argmax())
        tag = int(np.where(self._units.of_class == best, tags, -1.0).argmax())
        shown = tags * self._scale_of_tags(units, tags)
        ranked = _best_first(units)
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        label = self._tag.labels[tag]
        kind, kind_sure = self._best_kind(scores)
        urgent_sure = float(self._urgent.probabilities(scores)[1]) if self._urgent else 0.0
        return Prediction(
            candidates=tuple(Candidate(self._tag.labels[number], sure) for number, sure in _best_first(shown)),
            units=tuple((self._units.groups[number], sure) for number, sure in ranked),
            tag=label, confidence=confidence, margin=confidence - second, terms=self._terms(row, tag),
            kind=kind, kind_confidence=kind_sure,
            urgent=bool(self._urgent and urgent_sure >= self._urgent.threshold), urgent_confidence=urgent_sure,
            certain=confidence >= self._tag_thresholds.get(label, self.threshold) and _says_enough(title + text),
        )  # fmt: skip

    def units_of(self, scores: Numbers, tags: Numbers, terms: int) -> tuple[Numbers, float]:
        """Return each unit's probability and the best one's: its chance of being right."""
        shares = self._units.sums(tags)
        found = signals(scores[None, self._tag.columns], shares[None], np.array([terms]), self._units)
        confidence = float(self._reliability.confidence(found)[0])
        units = spread(shares, confidence)
        return units, float(units.max())

    def _scale_of_tags(self, units: Numbers, tags: Numbers) -> Numbers:
        """Return what makes the tags of each unit sum to the unit's probability."""
        found: Numbers = (units / np.maximum(self._units.sums(tags), 1e-300))[self._units.of_class]
        return found

    def _best_kind(self, scores: Numbers) -> tuple[str, float]:
        if self._kind is None:
            return "", 0.0
        kinds = self._kind.probabilities(scores)
        best = int(kinds.argmax())
        return self._kind.labels[best], float(kinds[best])

    def _terms(self, row: SparseRow, tag: int) -> tuple[Term, ...]:
        """Return the words that spoke most for a tag against the average tag (single characters explain nothing)."""
        weights = self._weights[row.columns][:, self._tag.columns]
        spoke = row.weights * (weights[:, tag] - weights.mean(axis=1))
        shown: list[Term] = []
        for place in np.argsort(-spoke, kind="stable"):
            name = self.vectors.terms[row.columns[place]]
            if spoke[place] <= 0 or len(shown) == TERMS_SHOWN:
                break
            if name.startswith("w:") and len(name) > len("w:字"):
                shown.append(Term(name[2:], float(spoke[place])))
        return tuple(shown)

    def turning_point(self, title: str, text: str, prediction: Prediction) -> Turn:
        """Return which few words, left out of the text, would give it to another unit; every step is really judged anew."""
        best = prediction.units[0][0]
        left_out: list[str] = []
        for term in prediction.terms[:LEFT_OUT_MOST]:
            title, text = title.replace(term.term, "，"), text.replace(term.term, "，")
            left_out.append(term.term)
            now = self.predict(title, text)
            if now.units[0][0] != best:
                return Turn(tuple(left_out), now.units[0][0], now.tag)
        rival = prediction.units[1][0] if len(prediction.units) > 1 else best
        return Turn((), rival, self._best_tag_of(rival, prediction))

    def _best_tag_of(self, unit: str, prediction: Prediction) -> str:
        own = {
            label for label, place in zip(self._tag.labels, self._units.of_class, strict=True)
            if self._units.groups[place] == unit
        }  # fmt: skip
        return next((item.tag for item in prediction.candidates if item.tag in own), min(own))


def _only(head: Head, known: Sequence[bool]) -> Head:
    """Return a head without the classes the rules have dropped."""
    kept: NDArray[np.int64] = np.flatnonzero(known)
    labels = tuple(head.labels[place] for place in kept)
    return Head(labels, head.weights[:, kept], head.bias[kept], head.temperature, head.threshold)


def spread(shares: Numbers, confidence: float) -> Numbers:
    """Return shares in which the first has a given probability and the others, in their order, the rest.

    None passes the first: what would is cut to it and handed on to those below.
    """
    confidence = max(confidence, 1 / len(shares))
    best = int(shares.argmax())
    # A trace for everyone, so that what is left can always be handed on.
    shares = shares + SHARE_TRACE
    rest = shares.sum() - shares[best]
    if rest <= 0:
        return np.ones_like(shares)
    found: Numbers = shares * ((1 - confidence) / rest)
    found[best] = confidence
    # A hair below, so that the first stays the first where all are even.
    cap, left = confidence * (1 - SHARE_TRACE), 1 - confidence
    if (found > cap).sum() == 1:
        return found
    for place in np.argsort(-shares, kind="stable"):
        if place == best:
            continue
        found[place] = min(cap, left * shares[place] / rest)
        left -= found[place]
        rest -= shares[place]
    return found


def _best_first(shares: Numbers) -> list[tuple[int, float]]:
    """Return the places of shares and the shares, the largest first."""
    order = np.argsort(-shares, kind="stable")
    return list(zip(order.tolist(), shares[order].tolist(), strict=True))


def _says_enough(text: str) -> bool:
    return sum(map(len, HAN.findall(text))) >= LEAST_HAN_CHARS


def unit_of_tag(rulebook: Rulebook) -> dict[str, str]:
    """Return the responsible unit (code, or 按属地) of each tag in the rules."""
    return {tag.code: tag.lead for tag in rulebook.tags}


def load(models_dir: Path, rulebook: Rulebook, name: str = "") -> Classifier:
    """Return a saved model, the current one unless named.

    Raises:
        ModelError: there is no such model, or it is damaged, tampered with or of another format.
    """
    classifier = Classifier(load_artefact(models_dir, name), unit_of_tag(rulebook))
    # The vocabulary lives as long as the process: the collector must not walk its many objects in the midst of an answer.
    gc.collect()
    gc.freeze()
    return classifier
