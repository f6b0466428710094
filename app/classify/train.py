"""Trains a model: three linear heads on TF-IDF terms, calibrated and thresholded on batches left out.

The tags' own words (definition, cases, synonyms, the matters of their measures) are trained on too, at less weight, so
that a tag without examples can be found. scikit-learn is used here and nowhere on the serving side.
"""

import importlib.metadata
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from app import clock
from app.classify.artefact import Artefact, Head
from app.classify.calibration import (
    BINS,
    Grouping,
    Numbers,
    Reliability,
    best_temperature,
    signals,
    softmax,
    threshold_for,
)
from app.classify.corpus import KINDS, Row, corpus_hash
from app.classify.evaluate import Answer
from app.classify.features import TermMaker, Terms, own_words
from app.classify.gold import Gold, by_place_or, gold_of
from app.classify.vectors import Floats, SparseRow, Vectorizer, fit_vocabulary
from app.rulebook.shapes import Rulebook

FOLDS = 10
# Of what goes out without a person at most 5 % may be wrong. Callers in life are harder than any batch of ours, so all
# left-out batches together may spend 3 %, and only the hardest fold the whole of it.
ERROR_BUDGET, HARDEST_BUDGET = 0.03, 0.05
FALSE_ALARM_BUDGET = 0.05
# A batch with a larger share of urgent texts is one about danger, not of ordinary callers.
ORDINARY_URGENT_MOST = 0.2
# A tag gets a threshold of its own from this many held-out answers on.
TAG_ANSWERS_LEAST = 60
# What keeps the artefact under 8 MB: terms × classes × 1 byte.
TERMS_KEPT = 72_000
LEAST_TEXTS = {"w": 1, "a": 1, "b": 2}
TAG_C, KIND_C, URGENT_C = 1.0, 0.3, 0.5
WORDS_WEIGHTS = {"definition": 0.5, "name": 0.3, "includes": 0.3, "synonyms": 0.3, "measures": 0.1}
UNSEEN_BIAS = -2.0
# The corpus has every tag at least fifty times; callers mean a rare one at most a fifth as often as that says.
RARER = 5.0
LIBRARIES = ("numpy", "scipy", "scikit-learn", "rjieba")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """A trained model and what it answered on every corpus row while that row's batch was left out."""

    artefact: Artefact
    held_out: list[Answer]


@dataclass(frozen=True)
class Lesson:
    """One text to learn from and its weight."""

    terms: Terms
    tag: str
    weight: float


def train(
    rows: Sequence[Row], rulebook: Rulebook, *, name: str, seed: int = 0, progress: Progress = print,
    forms: Mapping[str, str] | None = None,
) -> Trained:  # fmt: skip
    """Return a model trained on a corpus; the same rows, rules and seed give the same model.

    Args:
        rows: the corpus, frozen sets not among it.
        rulebook: whose tags are learned, their own words included.
        name: the model's name.
        seed: of everything random.
        progress: told every step.
        forms: how each batch's appeals come in (电话, 留言, …), for the figures by slice.

    Raises:
        ValueError: fewer than two batches, or a row whose tag the rulebook does not know.
    """
    if len({row.batch for row in rows}) < 2:  # noqa: PLR2004
        raise ValueError("语料至少要有两批，才能留出整批检验")
    rows = sorted(rows, key=lambda row: row.id)
    words = own_words(rulebook)
    maker = TermMaker(words)
    progress(f"切分 {len(rows)} 条语料")
    lessons = [Lesson(maker.terms(row.title, row.text), row.tag, 1.0) for row in rows]
    lessons += [Lesson(maker.terms("", text), tag, weight) for tag, text, weight in _words_of_tags(rulebook)]
    lead_of = {tag.code: tag.lead for tag in rulebook.tags}
    rare = frozenset(tag.code for tag in rulebook.tags if tag.rare)
    bench = Bench(lessons, folds_by_batch([row.batch for row in rows]), lead_of, seed, rare)
    bench.select(progress)
    progress(f"训练标签（{len(bench.vectors.terms)} 个词项，留出 {bench.folds} 组）")
    tag = bench.tag_head()
    progress("训练类型与紧急程度")
    kind = bench.plain_head([row.type for row in rows], KINDS, KIND_C)
    urgent = bench.plain_head(["是" if row.urgent else "否" for row in rows], ("否", "是"), URGENT_C)
    threshold = alarm_threshold(
        urgent.held_out[:, 1], np.array([row.urgent for row in rows]), np.array([row.batch for row in rows])
    )
    details = {
        "seed": seed,
        "corpus_sha256": corpus_hash(rows),
        "rulebook_version": rulebook.version,
    }
    artefact = replace(
        bench.artefact(name, tag, details, words), kind=kind.head, urgent=replace(urgent.head, threshold=threshold)
    )
    golds = [gold_of(row, rulebook, forms or {}) for row in rows]
    units = [tuple(dict.fromkeys(by_place_or(unit, rulebook) for unit in ranked)) for ranked in tag.ranked()]
    kinds = [KINDS[place] for place in kind.held_out.argmax(axis=1)]
    alarms = urgent.held_out[:, 1] >= threshold
    held_out = [
        Answer(gold, ranked, float(sure), bool(certain), label, told, bool(alarm))
        for gold, ranked, sure, certain, label, told, alarm in zip(
            golds, units, tag.sure, tag.certain, tag.told(), kinds, alarms, strict=True
        )
    ]
    return Trained(artefact, held_out)


def train_foreign(
    texts: Sequence[tuple[str, str]], labels: Sequence[str], *, name: str, seed: int = 0, progress: Progress = print
) -> Trained:
    """Return a model of one head trained on any labelled texts (title, text), judged by ten random folds.

    Raises:
        ValueError: fewer than two labels, or fewer than two texts.
    """
    if len(set(labels)) < 2:  # noqa: PLR2004
        raise ValueError("至少要有两种标签")
    maker = TermMaker()
    progress(f"切分 {len(texts)} 条文本")
    lessons = [Lesson(maker.terms(*text), label, 1.0) for text, label in zip(texts, labels, strict=True)]
    folds = np.random.default_rng(seed).permutation(len(lessons)) % min(FOLDS, len(lessons))
    bench = Bench(lessons, folds, {label: label for label in set(labels)}, seed)
    bench.select(progress)
    progress(f"训练（{len(bench.vectors.terms)} 个词项，留出 {bench.folds} 组）")
    tag = bench.tag_head()
    artefact = bench.artefact(name, tag, {"seed": seed, "foreign": True}, ())
    held_out = [
        Answer(Gold(str(number), text[0], text[1], (label,), label), ranked, float(sure), bool(certain), told)
        for number, (text, label, ranked, sure, certain, told) in enumerate(
            zip(texts, labels, tag.ranked(), tag.sure, tag.certain, tag.told(), strict=True)
        )
    ]
    return Trained(artefact, held_out)


def folds_by_batch(batches: Sequence[str]) -> NDArray[np.int64]:
    """Return the fold of each text; texts of one batch stand in one fold, for one hand must not judge itself."""
    order = sorted(set(batches))
    return np.array([order.index(batch) % min(FOLDS, len(order)) for batch in batches])


def _words_of_tags(rulebook: Rulebook) -> Iterator[tuple[str, str, float]]:
    """Yield each tag's own words as lessons: tag, text, weight."""
    for tag in rulebook.tags:
        yield tag.code, tag.definition, WORDS_WEIGHTS["definition"]
        yield tag.code, tag.name, WORDS_WEIGHTS["name"]
        for case in tag.includes:
            yield tag.code, case, WORDS_WEIGHTS["includes"]
        yield tag.code, "，".join(tag.synonyms), WORDS_WEIGHTS["synonyms"]
        for word in tag.synonyms:
            yield tag.code, word, WORDS_WEIGHTS["synonyms"]
        for number in tag.measures:
            yield tag.code, rulebook.measure_by_number[number].matter, WORDS_WEIGHTS["measures"]


@dataclass(frozen=True)
class PlainHead:
    """A head without groups, and the probabilities it gave to left-out texts."""

    head: Head
    held_out: Numbers


@dataclass(frozen=True)
class TagHead:
    """The tag head with what its left-out answers were."""

    head: Head
    grouping: Grouping
    reliability: Reliability
    threshold: float
    tag_thresholds: dict[str, float]
    shares: Numbers
    sure: Numbers
    tags: NDArray[np.int64]
    confidences: tuple[float, ...]

    def told(self) -> list[str]:
        """Return the label told of each left-out text."""
        return [self.head.labels[place] for place in self.tags]

    def ranked(self) -> list[tuple[str, ...]]:
        """Return the groups told of each left-out text, best first."""
        order = np.argsort(-self.shares, axis=1, kind="stable")
        return [tuple(self.grouping.groups[place] for place in line) for line in order]

    @property
    def certain(self) -> NDArray[np.bool_]:
        """Whether each left-out text would have gone out without a person."""
        needed = np.array([self.tag_thresholds.get(label, self.threshold) for label in self.told()])
        found: NDArray[np.bool_] = self.sure >= needed
        return found


class Bench:
    """Everything one training works with: the matrix, the labels, the folds.

    Args:
        lessons: the texts of the folds first, then texts that are always learned from.
        fold: the fold of each of the first texts.
        group_of: the group (responsible unit) of each label.
        rare: labels that callers mean far less often than the lessons do.
    """

    def __init__(
        self, lessons: Sequence[Lesson], fold: NDArray[np.int64], group_of: dict[str, str], seed: int,
        rare: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self.lessons, self.fold, self.seed = lessons, fold, seed
        self.folds = int(fold.max()) + 1
        self.weights = np.array([lesson.weight for lesson in lessons])
        self.tags = np.array([lesson.tag for lesson in lessons])
        self.labels = tuple(sorted(set(self.tags.tolist())))
        self.grouping = Grouping([group_of[label] for label in self.labels])
        self.rare = np.array([label in rare for label in self.labels], dtype=float)
        place = {label: number for number, label in enumerate(self.labels)}
        self.truth = self.grouping.of_class[[place[tag] for tag in self.tags[: len(fold)]]]
        self.vectors: Vectorizer
        self.matrix: csr_matrix

    def select(self, progress: Progress) -> None:
        """Keep the terms that carry most weight over all labels."""
        progress("挑选词项")
        everything = fit_vocabulary([lesson.terms for lesson in self.lessons[: len(self.fold)]], LEAST_TEXTS)
        self._use(everything)
        if len(everything.terms) <= TERMS_KEPT:
            return
        carried = np.linalg.norm(self._fit(np.arange(len(self.lessons)), self.tags, TAG_C).coef_, axis=0)
        kept = np.sort(np.argsort(-carried, kind="stable")[:TERMS_KEPT])
        self._use(Vectorizer([everything.terms[number] for number in kept], everything.idf[kept]))

    def _use(self, vectors: Vectorizer) -> None:
        self.vectors = vectors
        self.matrix = as_matrix([vectors.row(lesson.terms) for lesson in self.lessons], len(vectors.terms))

    def _fit(self, chosen: NDArray[np.int64], labels: NDArray[np.str_], c: float) -> LinearSVC:
        model = LinearSVC(C=c, random_state=self.seed)
        return model.fit(self.matrix[chosen], labels[chosen], sample_weight=self.weights[chosen])

    def _held_out(self, labels: NDArray[np.str_], c: float, classes: Sequence[str]) -> Numbers:
        """Return each folded text's scores by a model that did not see its fold."""
        scores = np.zeros((len(self.fold), len(classes)))
        for number in range(self.folds):
            inside = np.flatnonzero(self.fold == number)
            weights, bias = columns_of(self._fit(np.setdiff1d(np.arange(len(labels)), inside), labels, c), classes)
            scores[inside] = self.matrix[inside] @ weights + bias
        return scores

    def tag_head(self) -> TagHead:
        """Return the head for tags with its temperature, reliability and thresholds."""
        scores = self._held_out(self.tags, TAG_C, self.labels)
        temperature = best_temperature(scores, self.truth, self.grouping)
        handicap = temperature * math.log(RARER) * self.rare
        scores = scores - handicap
        probabilities = softmax(scores / temperature)
        shares = self.grouping.sums(probabilities)
        best = shares.argmax(axis=1)
        right = best == self.truth
        known = np.diff(self.matrix.indptr)[: len(self.fold)]
        found = signals(scores, shares, known, self.grouping)
        # Answers of one fold are judged by a reliability that was fitted on the other folds' only.
        sure = np.zeros(len(right))
        for number in range(self.folds):
            inside = self.fold == number
            sure[inside] = fit_reliability(found[~inside], right[~inside]).confidence(found[inside])
        own = self.grouping.of_class[None, :] == best[:, None]
        tags = np.where(own, probabilities, -1).argmax(axis=1)
        threshold = max(
            threshold_for(sure, right, ERROR_BUDGET),
            *(threshold_for(sure[self.fold == number], right[self.fold == number], HARDEST_BUDGET)
              for number in range(self.folds)),
        )  # fmt: skip
        weights, bias = columns_of(self._fit(np.arange(len(self.tags)), self.tags, TAG_C), self.labels)
        head = Head(self.labels, weights, (bias - handicap).astype(np.float32), temperature)
        return TagHead(
            head, self.grouping, fit_reliability(found, right), threshold,
            self._tag_thresholds(tags, sure, right, threshold), shares, sure, tags, tenths(sure),
        )  # fmt: skip

    def _tag_thresholds(
        self, tags: NDArray[np.int64], sure: Numbers, right: NDArray[np.bool_], general: float
    ) -> dict[str, float]:
        """Return a higher threshold for each tag that would otherwise go out wrong too often."""
        found = {}
        for place, label in enumerate(self.labels):
            inside = tags == place
            if inside.sum() >= TAG_ANSWERS_LEAST:
                own = threshold_for(sure[inside], right[inside], HARDEST_BUDGET)
                if own > general:
                    found[label] = own
        return found

    def plain_head(self, labels: Sequence[str], classes: Sequence[str], c: float) -> PlainHead:
        """Return a head on the folded texts alone, with its left-out probabilities."""
        found = np.array(labels)
        scores = self._held_out(found, c, classes)
        truth = np.array([classes.index(label) for label in labels])
        temperature = best_temperature(scores, truth, Grouping(classes))
        weights, bias = columns_of(self._fit(np.arange(len(labels)), found, c), classes)
        return PlainHead(Head(tuple(classes), weights, bias, temperature), softmax(scores / temperature))

    def artefact(self, name: str, tag: TagHead, details: dict[str, object], words: tuple[str, ...]) -> Artefact:
        """Return the model as far as the tag head goes."""
        told = {
            "created": clock.now().isoformat(timespec="seconds"), "rows": len(self.fold),
            "error_budget": ERROR_BUDGET, "hardest_budget": HARDEST_BUDGET,
            "libraries": {library: importlib.metadata.version(library) for library in LIBRARIES},
        }  # fmt: skip
        return Artefact(
            name, tuple(self.vectors.terms), self.vectors.idf, tag.head, None, None, tag.reliability, tag.threshold,
            tag.tag_thresholds, tag.confidences, words, {**told, **details},
        )  # fmt: skip


def as_matrix(rows: Sequence[SparseRow], columns: int) -> csr_matrix:
    """Return sparse rows as one matrix."""
    ends = np.cumsum([0, *(len(row.columns) for row in rows)])
    data = np.concatenate([row.weights for row in rows]), np.concatenate([row.columns for row in rows]), ends
    return csr_matrix(data, shape=(len(rows), columns))


def columns_of(model: LinearSVC, classes: Sequence[str]) -> tuple[Floats, Floats]:
    """Return a fitted model's weights and bias with one column a class; a class it never saw scores as unlikely."""
    weights = np.zeros((model.coef_.shape[1], len(classes)), dtype=np.float32)
    bias = np.full(len(classes), UNSEEN_BIAS, dtype=np.float32)
    if len(model.classes_) == 2:  # noqa: PLR2004
        sides = ((str(model.classes_[0]), -0.5), (str(model.classes_[1]), 0.5))
        for label, side in sides:
            place = classes.index(label)
            weights[:, place], bias[place] = side * model.coef_[0], side * model.intercept_[0]
        return weights, bias
    for number, label in enumerate(model.classes_):
        place = classes.index(str(label))
        weights[:, place], bias[place] = model.coef_[number], model.intercept_[number]
    return weights, bias


def fit_reliability(found: Numbers, right: NDArray[np.bool_]) -> Reliability:
    """Return the logistic function of an answer's signals that fits which answers were right."""
    if right.all() or not right.any():
        return Reliability((0.0,) * found.shape[1], 3.0 if right.all() else -3.0)
    model = LogisticRegression(C=10, max_iter=1000).fit(found, right)
    return Reliability(tuple(float(weight) for weight in model.coef_[0]), float(model.intercept_[0]))


def alarm_threshold(sure: Numbers, truth: NDArray[np.bool_], batch: NDArray[np.str_]) -> float:
    """Return the probability of urgency from which the false alarm budget is spent in full: a miss is worse.

    The budget is for ordinary callers; batches written about danger, with their many texts that only sound urgent, say
    nothing of how often an ordinary one alarms.
    """
    names, place = np.unique(batch, return_inverse=True)
    alarmed = np.bincount(place, weights=truth) / np.bincount(place, minlength=len(names))
    calm = sure[~truth & (alarmed[place] <= ORDINARY_URGENT_MOST)]
    return max(float(np.quantile(calm, 1 - FALSE_ALARM_BUDGET)), 1e-6) if len(calm) else 0.5


def tenths(sure: Numbers) -> tuple[float, ...]:
    """Return which share of confidences lies in each tenth."""
    counts = np.bincount(np.minimum((sure * BINS).astype(int), BINS - 1), minlength=BINS)
    return tuple(float(count) for count in counts / max(len(sure), 1))
