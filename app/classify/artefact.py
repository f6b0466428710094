"""Models on disk: arrays in npz without pickle, vocabulary in JSON, and a manifest with the hash of every file.

Nothing in a model can execute anything; a file that does not match its manifest is refused. Saving is atomic.
"""

import hashlib
import json
import math
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.classify.features import BLOCKS
from app.classify.vectors import Floats, SparseRow

FORMAT = "hotline-tags-1"
CURRENT = "CURRENT"
ARRAYS, VOCABULARY, MANIFEST, METRICS, CARD = "model.npz", "vocabulary.json", "manifest.json", "metrics.json", "card.md"
HASHED = (ARRAYS, VOCABULARY, METRICS)
# What a damaged file can raise below json, zip and numpy: a bad model must never keep the service from starting.
DAMAGE = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError, zipfile.BadZipFile)


class ModelError(RuntimeError):
    """No usable model; the text is one clear line. The service runs on without one: everything goes to triage."""


@dataclass(frozen=True)
class Head:
    """One linear head.

    Attributes:
        labels: names of its classes in column order.
        weights: one row a term, one column a class.
        bias: one number a class.
        temperature: divides the scores before they become probabilities.
        threshold: probability from which a yes/no head says yes (unused for others).
    """

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    temperature: float
    threshold: float = 0.5

    def scores(self, row: SparseRow) -> NDArray[np.float64]:
        """Return the score of each class for one text."""
        found: NDArray[np.float64] = (row.weights @ self.weights[row.columns] + self.bias).astype(np.float64)
        return found

    def probabilities(self, row: SparseRow) -> NDArray[np.float64]:
        """Return the calibrated probability of each class for one text."""
        return softmax(self.scores(row) / self.temperature)

    def best(self, row: SparseRow) -> tuple[str, float]:
        """Return the most probable class and its probability."""
        probabilities = self.probabilities(row)
        place = int(probabilities.argmax())
        return self.labels[place], float(probabilities[place])

    def spoken_for(self, row: SparseRow, label: int) -> Floats:
        """Return, for each term of a text, how much more it speaks for one class than for the average class."""
        weights = self.weights[row.columns]
        found: Floats = weights[:, label] - weights.mean(axis=1)
        return found


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores as probabilities along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


@dataclass(frozen=True)
class Artefact:
    """A whole model.

    Attributes:
        threshold: confidence from which an appeal may be dispatched without a person.
        user_words: names the tokenizer keeps whole; part of the model, so that serving cuts as training did.
        details: what the manifest says besides (corpus hash, seed, library versions, metrics).
    """

    name: str
    terms: tuple[str, ...]
    idf: Floats
    tag: Head
    kind: Head
    urgent: Head
    threshold: float
    user_words: tuple[str, ...]
    details: dict[str, Any]


def save_artefact(artefact: Artefact, models_dir: Path, card: str, metrics: dict[str, Any]) -> Path:
    """Write a model beside the others and make it the current one; a reader never sees half of it."""
    models_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".saving-", dir=models_dir))
    heads = {"tag": artefact.tag, "kind": artefact.kind, "urgent": artefact.urgent}
    arrays: dict[str, Any] = {"idf": artefact.idf.astype(np.float16)}
    for name, head in heads.items():
        arrays[f"{name}_weights"], arrays[f"{name}_bias"] = head.weights.astype(np.float16), head.bias
    np.savez_compressed(work / ARRAYS, **arrays)
    _write(work / VOCABULARY, {"terms": artefact.terms, "user_words": artefact.user_words})
    _write(work / METRICS, metrics)
    (work / CARD).write_text(card, encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "name": artefact.name,
        "threshold": artefact.threshold,
        "heads": {
            name: {"labels": head.labels, "temperature": head.temperature, "threshold": head.threshold}
            for name, head in heads.items()
        },
        "sha256": {name: _sha256(work / name) for name in HASHED},
        **artefact.details,
    }
    _write(work / MANIFEST, manifest)
    work.chmod(0o755)
    return _publish(work, models_dir, artefact.name)


def _publish(work: Path, models_dir: Path, name: str) -> Path:
    target = models_dir / name
    if target.exists():
        shutil.rmtree(target)
    work.rename(target)
    pointer = models_dir / f".{CURRENT}.new"
    pointer.write_text(name + "\n", encoding="utf-8")
    pointer.replace(models_dir / CURRENT)
    return target


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def current_model(models_dir: Path) -> Path:
    """Return the folder of the current model.

    Raises:
        ModelError: there is none.
    """
    try:
        name = (models_dir / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ModelError(f"没有在用模型（{models_dir / CURRENT} 不存在）") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{models_dir / CURRENT} 无法读取（{type(error).__name__}）") from error
    if not name or "/" in name or name.startswith(".") or not (models_dir / name).is_dir():
        raise ModelError(f"{CURRENT} 指向的模型“{name}”不存在")
    return models_dir / name


def load_artefact(models_dir: Path) -> Artefact:
    """Return the current model after checking every hash.

    Raises:
        ModelError: no current model, a missing or changed file, another format, or arrays that do not fit.
    """
    folder = current_model(models_dir)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        _check(folder, manifest)
        vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _assemble(manifest, vocabulary, arrays)
    except DAMAGE as error:
        raise ModelError(f"模型 {folder.name} 已损坏或不完整（{type(error).__name__}）") from error


def _check(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise ModelError(f"模型 {folder.name} 的格式“{manifest.get('format')}”不是 {FORMAT}")
    for name in HASHED:
        if _sha256(folder / name) != manifest["sha256"][name]:
            raise ModelError(f"模型 {folder.name} 的 {name} 与清单不符，已拒绝加载")


def _assemble(manifest: dict[str, Any], vocabulary: dict[str, Any], arrays: Any) -> Artefact:
    terms = tuple(vocabulary["terms"])
    heads = {name: _head(name, manifest["heads"][name], arrays, len(terms)) for name in ("tag", "kind", "urgent")}
    idf = arrays["idf"].astype(np.float32)
    if idf.shape != (len(terms),) or not np.isfinite(idf).all():
        raise ValueError("idf")
    if not all(term[:1] in BLOCKS and term[1:2] == ":" for term in terms):
        raise ValueError("terms")
    known = {"format", "name", "threshold", "heads", "sha256"}
    return Artefact(
        name=manifest["name"], terms=terms, idf=idf, tag=heads["tag"], kind=heads["kind"], urgent=heads["urgent"],
        threshold=_positive(manifest["threshold"]), user_words=tuple(vocabulary["user_words"]),
        details={key: value for key, value in manifest.items() if key not in known},
    )  # fmt: skip


def _head(name: str, told: dict[str, Any], arrays: Any, terms: int) -> Head:
    # C order and float32 once, so that scoring one text copies nothing.
    weights = np.ascontiguousarray(arrays[f"{name}_weights"], dtype=np.float32)
    bias = arrays[f"{name}_bias"].astype(np.float32)
    labels = tuple(told["labels"])
    if weights.shape != (terms, len(labels)) or bias.shape != (len(labels),) or not np.isfinite(weights).all():
        raise ValueError(name)
    if not np.isfinite(bias).all():
        raise ValueError(name)
    return Head(labels, weights, bias, _positive(told["temperature"]), _positive(told["threshold"]))


def _positive(value: Any) -> float:
    """Return a number of the manifest; 0, a negative or NaN would let every appeal pass, or none."""
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError("清单中的数值应为正数")
    return number
