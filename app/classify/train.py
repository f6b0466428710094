"""Trains a model: three linear heads on TF-IDF terms, calibrated and thresholded on batches left out.

The tags' own words (definition, cases, synonyms, the matters of their measures) are trained on too, at less weight, so
that a tag without examples can be found. scikit-learn is used here and nowhere on the serving side.
"""

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from app import clock
from app.classify.artefact import Artefact, Head, softmax
from app.classify.corpus import KINDS, Row, corpus_hash
from app.classify.features import TermMaker, Terms
from app.classify.vectors import Floats, SparseRow, Vectorizer, fit_vocabulary
from app.rulebook.shapes import Rulebook

FOLDS = 20
ERROR_BUDGET = 0.05
FALSE_ALARM_BUDGET = 0.05
# What keeps the artefact under 8 MB: terms × classes × 2 bytes.
TERMS_KEPT = 21_000
LEAST_TEXTS = {"w": 1, "a": 1, "b": 2}
TAG_C, KIND_C, URGENT_C = 1.0, 0.3, 0.5
WORDS_WEIGHTS = {"definition": 0.5, "name": 0.3, "includes": 0.3, "synonyms": 0.3, "measures": 0.1}
TEMPERATURES = np.geomspace(0.01, 3, 60)
LIBRARIES = ("numpy", "scipy", "scikit-learn", "jieba")

Progress = Callable[[str], None]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """A trained model and what the left-out batches say of it."""

    artefact: Artefact
    held_out: dict[str, float]


@dataclass(frozen=True)
class Lesson:
    """One text to learn from: its weight, and the corpus row it is (None: the tag's own words)."""

    terms: Terms
    tag: str
    weight: float


def train(rows: Sequence[Row], rulebook: Rulebook, *, name: str, seed: int = 0, progress: Progress = print) -> Trained:
    """Return a model trained on a corpus; the same rows, rules and seed give the same model.

    Raises:
        ValueError: fewer than two batches, or a row whose tag the rulebook does not know.
    """
    if len({row.batch for row in rows}) < 2:  # noqa: PLR2004
        raise ValueError("语料至少要有两批，才能留出整批检验")
    rows = sorted(rows, key=lambda row: row.id)
    user_words = sorted({word for unit in rulebook.units for word in (unit.short, *unit.aliases)})
    maker = TermMaker(user_words)
    progress(f"切分 {len(rows)} 条语料")
    lessons = [Lesson(maker.terms(row.title, row.text), row.tag, 1.0) for row in rows]
    lessons += [Lesson(maker.terms("", text), tag, weight) for tag, text, weight in _own_words(rulebook)]
    bench = _Bench(rows, lessons, rulebook, seed)
    progress("挑选词项")
    bench.select(fit_vocabulary([lesson.terms for lesson in lessons[: len(rows)]], LEAST_TEXTS))
    progress(f"训练标签（{len(bench.vectors.terms)} 个词项，留出 {bench.folds} 组）")
    tag, threshold, held_out = bench.tag_head()
    progress("训练类型与紧急程度")
    kind, urgent = bench.kind_head(held_out), bench.urgent_head(held_out)
    details = {
        "created": clock.now().isoformat(timespec="seconds"), "seed": seed, "corpus_sha256": corpus_hash(rows),
        "corpus_rows": len(rows), "rulebook_version": rulebook.version, "error_budget": ERROR_BUDGET,
        "libraries": {library: importlib.metadata.version(library) for library in LIBRARIES},
    }  # fmt: skip
    vectors = bench.vectors
    artefact = Artefact(
        name, tuple(vectors.terms), vectors.idf, tag, kind, urgent, threshold, tuple(user_words), details
    )
    return Trained(artefact, held_out)


def _own_words(rulebook: Rulebook) -> Iterator[tuple[str, str, float]]:
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


class _Bench:
    """Everything one training works with: the matrix, the labels, the folds."""

    def __init__(self, rows: Sequence[Row], lessons: Sequence[Lesson], rulebook: Rulebook, seed: int) -> None:
        self.rows, self.lessons, self.seed = rows, lessons, seed
        batches = sorted({row.batch for row in rows})
        self.folds = min(FOLDS, len(batches))
        fold_of = {batch: number % self.folds for number, batch in enumerate(batches)}
        self.fold = np.array([fold_of[row.batch] for row in rows])
        self.weights = np.array([lesson.weight for lesson in lessons])
        self.tags = np.array([lesson.tag for lesson in lessons])
        self.labels = tuple(sorted(set(self.tags)))
        leads = [rulebook.tag_by_code[label].lead for label in self.labels]
        self.units = tuple(sorted(set(leads)))
        self.to_unit = np.array([[lead == unit for unit in self.units] for lead in leads], dtype=float)
        self.unit_of_row = np.array([self.units.index(rulebook.tag_by_code[row.tag].lead) for row in rows])
        self.vectors: Vectorizer
        self.matrix: csr_matrix

    def select(self, everything: Vectorizer) -> None:
        """Keep the terms that carry most weight over all tags."""
        self._use(everything)
        if len(everything.terms) <= TERMS_KEPT:
            return
        carried = np.linalg.norm(self._fit(np.arange(len(self.lessons)), self.tags, TAG_C).coef_, axis=0)
        kept = np.sort(np.argsort(-carried, kind="stable")[:TERMS_KEPT])
        self._use(Vectorizer([everything.terms[number] for number in kept], everything.idf[kept]))

    def _use(self, vectors: Vectorizer) -> None:
        self.vectors = vectors
        found = [vectors.row(lesson.terms) for lesson in self.lessons]
        self.matrix = as_matrix(found, len(vectors.terms))

    def _fit(self, chosen: NDArray[np.int64], labels: NDArray[np.str_], c: float) -> LinearSVC:
        model = LinearSVC(C=c, random_state=self.seed)
        return model.fit(self.matrix[chosen], labels[chosen], sample_weight=self.weights[chosen])

    def _held_out(self, labels: NDArray[np.str_], c: float, classes: Sequence[str]) -> Scores:
        """Return each corpus row's scores by a model that did not see its fold."""
        count = len(labels)
        scores = np.zeros((len(self.rows), len(classes)))
        for number in range(self.folds):
            inside = np.flatnonzero(self.fold == number)
            outside = np.setdiff1d(np.arange(count), inside)
            model = self._fit(outside, labels, c)
            weights, bias = columns_of(model, classes)
            scores[inside] = self.matrix[inside] @ weights + bias
        return scores

    def _final(self, labels: NDArray[np.str_], c: float, classes: Sequence[str]) -> tuple[Floats, Floats]:
        return columns_of(self._fit(np.arange(len(labels)), labels, c), classes)

    def tag_head(self) -> tuple[Head, float, dict[str, float]]:
        """Return the tag head, the threshold for dispatching without a person, and what the left-out batches say."""
        scores = self._held_out(self.tags, TAG_C, self.labels)
        temperature = best_temperature(scores, self.unit_of_row, self.to_unit)
        units = softmax(scores / temperature) @ self.to_unit
        sure, right = units.max(axis=1), units.argmax(axis=1) == self.unit_of_row
        threshold = self._hardest(lambda inside: threshold_for(sure[inside], right[inside], ERROR_BUDGET))
        first_three = np.argsort(-units, axis=1, kind="stable")[:, :3]
        told = sure >= threshold
        held_out = {
            "unit_top1": float(right.mean()),
            "unit_top3": float((first_three == self.unit_of_row[:, None]).any(axis=1).mean()),
            "auto_coverage": float(told.mean()),
            "auto_precision": float(right[told].mean()) if told.any() else 0.0,
        }
        weights, bias = self._final(self.tags, TAG_C, self.labels)
        return Head(self.labels, weights, bias, temperature), threshold, held_out

    def _hardest(self, measured: Callable[[NDArray[np.int64]], float]) -> float:
        """Return the highest value over the left-out folds.

        The corpus was written by few hands; the fold that is hardest for the others stands for callers nobody imagined.
        """
        return max(measured(np.flatnonzero(self.fold == number)) for number in range(self.folds))

    def kind_head(self, held_out: dict[str, float]) -> Head:
        """Return the head for 咨询 求助 投诉 举报 建议."""
        labels = np.array([row.type for row in self.rows])
        scores = self._held_out(labels, KIND_C, KINDS)
        truth = np.array([KINDS.index(label) for label in labels])
        temperature = best_temperature(scores, truth, np.eye(len(KINDS)))
        held_out["type_accuracy"] = float((scores.argmax(axis=1) == truth).mean())
        weights, bias = self._final(labels, KIND_C, KINDS)
        return Head(KINDS, weights, bias, temperature)

    def urgent_head(self, held_out: dict[str, float]) -> Head:
        """Return the head for urgency; its threshold spends the whole false alarm budget, for a miss is worse."""
        classes = ("否", "是")
        truth = np.array([int(row.urgent) for row in self.rows])
        labels = np.array(classes)[truth]
        scores = self._held_out(labels, URGENT_C, classes)
        temperature = best_temperature(scores, truth, np.eye(2))
        sure = softmax(scores / temperature)[:, 1]
        threshold = float(np.quantile(sure[truth == 0], 1 - FALSE_ALARM_BUDGET))
        held_out["urgent_recall"] = float((sure[truth == 1] >= threshold).mean()) if truth.any() else 0.0
        held_out["urgent_false_alarms"] = float((sure[truth == 0] >= threshold).mean())
        weights, bias = self._final(labels, URGENT_C, classes)
        return Head(classes, weights, bias, temperature, threshold)


def as_matrix(rows: Sequence[SparseRow], columns: int) -> csr_matrix:
    """Return sparse rows as one matrix."""
    ends = np.cumsum([0, *(len(row.columns) for row in rows)])
    data = np.concatenate([row.weights for row in rows]), np.concatenate([row.columns for row in rows]), ends
    return csr_matrix(data, shape=(len(rows), columns))


def columns_of(model: LinearSVC, classes: Sequence[str]) -> tuple[Floats, Floats]:
    """Return a fitted model's weights and bias with one column a class; a class it never saw scores as unlikely."""
    weights = np.zeros((model.coef_.shape[1], len(classes)), dtype=np.float32)
    bias = np.full(len(classes), -2.0, dtype=np.float32)
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


def best_temperature(scores: Scores, truth: NDArray[np.int64], to_group: NDArray[np.float64]) -> float:
    """Return the temperature with the least log loss over groups of classes (one number; it cannot change the order)."""
    losses = []
    for temperature in TEMPERATURES:
        groups = softmax(scores / temperature) @ to_group
        losses.append(-np.log(groups[np.arange(len(truth)), truth] + 1e-9).mean())
    return float(TEMPERATURES[int(np.argmin(losses))])


def threshold_for(sure: NDArray[np.float64], right: NDArray[np.bool_], budget: float) -> float:
    """Return the lowest confidence above which at most `budget` are wrong; 1.01 (nothing passes) if there is none."""
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    within = np.flatnonzero(wrong <= budget)
    return float(sure[order][within[-1]]) if len(within) else 1.01
