"""Models on disk: arrays in npz without pickle, vocabulary in JSON, and a manifest with the hash of every file.

Nothing in a model can execute anything; a file that does not match its manifest is refused, and so is a manifest that is
not the one that was put in use. Saving is atomic and never replaces. `CURRENT` holds the name of the model in use and the
hash of its manifest, `HISTORY` every model that was, newest last, so that a promotion can be taken back.
"""

import hashlib
import json
import math
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.classify.calibration import SIGNALS, Reliability
from app.classify.features import BLOCKS
from app.classify.vectors import Floats

FORMAT = "hotline-tags-2"
CURRENT, HISTORY = "CURRENT", "HISTORY"
ARRAYS, VOCABULARY, MANIFEST, METRICS, CARD = "model.npz", "vocabulary.json", "manifest.json", "metrics.json", "card.md"
HASHED = (ARRAYS, VOCABULARY, METRICS)
HEADS = ("tag", "kind", "urgent")
# What a damaged file can raise below json, zip and numpy: a bad model must never keep the service from starting.
DAMAGE = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError,
    struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
CLASSES = {"kind": 5, "urgent": 2}


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


@dataclass(frozen=True)
class Artefact:
    """A whole model.

    Attributes:
        kind, urgent: None in a model trained on foreign labels, which knows one question only.
        reliability: the chance that the unit answered is right.
        threshold: confidence from which an appeal may be dispatched without a person.
        tag_thresholds: the same for tags with enough held-out answers of their own.
        confidences: share of held-out answers in each tenth of confidence, against which drift is measured.
        own_words: names the tokenizer keeps whole; part of the model, so that serving cuts as training did.
        details: what the manifest says besides (corpus hash, seed, library versions).
    """

    name: str
    terms: tuple[str, ...]
    idf: Floats
    tag: Head
    kind: Head | None
    urgent: Head | None
    reliability: Reliability
    threshold: float
    tag_thresholds: dict[str, float]
    confidences: tuple[float, ...]
    own_words: tuple[str, ...]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def heads(self) -> dict[str, Head]:
        """The heads this model has, by name."""
        heads = {"tag": self.tag, "kind": self.kind, "urgent": self.urgent}
        return {name: head for name, head in heads.items() if head is not None}


def save_artefact(artefact: Artefact, models_dir: Path, card: str, metrics: dict[str, Any]) -> Path:
    """Write a model beside the others; a reader never sees half of it. Which one is in use does not change.

    Raises:
        ModelError: there is a model of that name; tickets that it judged name it for ever.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    if (models_dir / artefact.name).exists():
        raise ModelError(f"已有模型“{artefact.name}”，请另起一个名字（--name）")
    work = Path(tempfile.mkdtemp(prefix=".saving-", dir=models_dir))
    arrays: dict[str, Any] = {"idf": artefact.idf.astype(np.float16)}
    for name, head in artefact.heads.items():
        arrays[f"{name}_weights"], arrays[f"{name}_scale"] = _pack(head.weights)
        arrays[f"{name}_bias"] = head.bias
    np.savez_compressed(work / ARRAYS, **arrays)
    _write(work / VOCABULARY, {"terms": artefact.terms, "own_words": artefact.own_words})
    _write(work / METRICS, metrics)
    (work / CARD).write_text(card, encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "name": artefact.name,
        "threshold": artefact.threshold,
        "tag_thresholds": artefact.tag_thresholds,
        "confidences": artefact.confidences,
        "reliability": {"weights": artefact.reliability.weights, "bias": artefact.reliability.bias},
        "heads": {
            name: {"labels": head.labels, "temperature": head.temperature, "threshold": head.threshold}
            for name, head in artefact.heads.items()
        },
        "sha256": {name: _sha256(work / name) for name in HASHED},
        **artefact.details,
    }
    _write(work / MANIFEST, manifest)
    work.chmod(0o755)
    return _publish(work, models_dir / artefact.name)


def _pack(weights: Floats) -> tuple[Any, Any]:
    """Return weights as one byte each with a scale a term: half the size of float16 and closer than scores differ."""
    scale = np.abs(weights).max(axis=1).astype(np.float32) / 127
    safe = np.where(scale > 0, scale, 1)
    return np.round(weights / safe[:, None]).astype(np.int8), scale.astype(np.float16)


def _publish(work: Path, target: Path) -> Path:
    try:
        work.rename(target)
    except OSError as error:
        shutil.rmtree(work)
        raise ModelError(f"已有模型“{target.name}”，请另起一个名字（--name）") from error
    return target


def promote(models_dir: Path, name: str) -> None:
    """Make a saved model the one in use from the next start on.

    Raises:
        ModelError: there is no such model, or it is damaged.
    """
    load_artefact(models_dir, name)
    with (models_dir / HISTORY).open("a", encoding="utf-8") as history:
        history.write(name + "\n")
    _point(models_dir, name)


def roll_back(models_dir: Path) -> str:
    """Make the model before the present one the one in use again, and forget that there was one after it; returns its name.

    Raises:
        ModelError: there was none before, or it is not there any more, or it is damaged.
    """
    name, before = _before(models_dir)
    load_artefact(models_dir, name)
    (models_dir / HISTORY).write_text("".join(f"{each}\n" for each in before), encoding="utf-8")
    _point(models_dir, name)
    return name


def previous_model(models_dir: Path) -> str:
    """Return the name of the model that was in use before the current one.

    Raises:
        ModelError: there was none, or it is not there any more.
    """
    return _before(models_dir)[0]


def _before(models_dir: Path) -> tuple[str, list[str]]:
    now = current_model(models_dir).name
    history = models_dir / HISTORY
    names = history.read_text(encoding="utf-8").split() if history.is_file() else []
    while names and (names[-1] == now or not (models_dir / names[-1]).is_dir()):
        names.pop()
    if not names:
        raise ModelError("没有可以退回的上一个模型")
    return names[-1], names


def _point(models_dir: Path, name: str) -> None:
    pointer = models_dir / f".{CURRENT}.new"
    pointer.write_text(f"{name} {_sha256(models_dir / name / MANIFEST)}\n", encoding="utf-8")
    pointer.replace(models_dir / CURRENT)


def model_names(models_dir: Path) -> list[str]:
    """Return the saved models' names in order."""
    return sorted(path.parent.name for path in models_dir.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def current_model(models_dir: Path) -> Path:
    """Return the folder of the current model.

    Raises:
        ModelError: there is none.
    """
    return _in_use(models_dir)[0]


def _in_use(models_dir: Path) -> tuple[Path, str]:
    """Return the folder of the current model and the hash its manifest had when it was put in use."""
    try:
        name, _, pinned = (models_dir / CURRENT).read_text(encoding="utf-8").strip().partition(" ")
    except FileNotFoundError as error:
        raise ModelError(f"没有在用模型（{models_dir / CURRENT} 不存在）") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{models_dir / CURRENT} 无法读取（{type(error).__name__}）") from error
    return _folder(models_dir, name, f"{CURRENT} 指向的模型"), pinned


def _folder(models_dir: Path, name: str, what: str) -> Path:
    if not name or "/" in name or name.startswith(".") or not (models_dir / name).is_dir():
        raise ModelError(f"{what}“{name}”不存在")
    return models_dir / name


def load_artefact(models_dir: Path, name: str = "") -> Artefact:
    """Return a saved model (the current one unless named) after checking every hash.

    Raises:
        ModelError: no such model, a missing or changed file, another format, or arrays that do not fit.
    """
    folder, pinned = (_folder(models_dir, name, "模型"), "") if name else _in_use(models_dir)
    try:
        raw = (folder / MANIFEST).read_bytes()
        if not name and hashlib.sha256(raw).hexdigest() != pinned:
            raise ModelError(
                f"模型 {folder.name} 的清单不是启用时的那一份，已拒绝加载；核对后用 hotline models promote 重新启用"
            )
        manifest = json.loads(raw.decode())
        _check(folder, manifest)
        vocabulary = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        with (folder / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _assemble(manifest, vocabulary, arrays)
    except DAMAGE as error:
        raise ModelError(f"模型 {folder.name} 已损坏或不完整（{type(error).__name__}）") from error


def load_metrics(models_dir: Path, name: str = "") -> dict[str, Any]:
    """Return the figures a model was saved with.

    Raises:
        ModelError: no such model, or its figures cannot be read.
    """
    folder = _folder(models_dir, name, "模型") if name else current_model(models_dir)
    try:
        found: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"模型 {folder.name} 的 {METRICS} 无法读取") from error
    return found


def _check(folder: Path, manifest: dict[str, Any]) -> None:
    if manifest.get("format") != FORMAT:
        raise ModelError(f"模型 {folder.name} 的格式“{manifest.get('format')}”不是 {FORMAT}")
    if manifest["name"] != folder.name:
        raise ModelError(f"模型 {folder.name} 的清单写的是“{manifest['name']}”，已拒绝加载")
    for name in HASHED:
        if _sha256(folder / name) != manifest["sha256"][name]:
            raise ModelError(f"模型 {folder.name} 的 {name} 与清单不符，已拒绝加载")


KNOWN = {"format", "name", "heads", "sha256", "threshold", "tag_thresholds", "confidences", "reliability"}


def _assemble(manifest: dict[str, Any], vocabulary: dict[str, Any], arrays: Any) -> Artefact:
    terms = tuple(vocabulary["terms"])
    told = manifest["heads"]
    heads = {name: _head(name, told[name], arrays, len(terms)) for name in HEADS if name in told}
    idf = arrays["idf"].astype(np.float32)
    if idf.shape != (len(terms),) or not np.isfinite(idf).all():
        raise ValueError("idf")
    if not all(term[:1] in BLOCKS and term[1:2] == ":" for term in terms):
        raise ValueError("terms")
    return Artefact(
        name=manifest["name"], terms=terms, idf=idf, tag=heads["tag"], kind=heads.get("kind"),
        urgent=heads.get("urgent"), reliability=_reliability(manifest["reliability"]),
        threshold=_positive(manifest["threshold"]),
        tag_thresholds={str(tag): _positive(value) for tag, value in manifest["tag_thresholds"].items()},
        confidences=tuple(_finite(value) for value in manifest["confidences"]),
        own_words=tuple(vocabulary["own_words"]),
        details={key: value for key, value in manifest.items() if key not in KNOWN},
    )  # fmt: skip


def _head(name: str, told: dict[str, Any], arrays: Any, terms: int) -> Head:
    packed, scale, bias = arrays[f"{name}_weights"], arrays[f"{name}_scale"], arrays[f"{name}_bias"]
    labels = tuple(told["labels"])
    if len(labels) != CLASSES.get(name, len(labels)) or len(set(labels)) != len(labels):
        raise ValueError(name)
    if packed.shape != (terms, len(labels)) or packed.dtype != np.int8 or scale.shape != (terms,):
        raise ValueError(name)
    if bias.shape != (len(labels),) or not (np.isfinite(bias).all() and np.isfinite(scale).all()):
        raise ValueError(name)
    weights = packed.astype(np.float32) * scale.astype(np.float32)[:, None]
    return Head(labels, weights, bias.astype(np.float32), _positive(told["temperature"]), _positive(told["threshold"]))


def _reliability(told: dict[str, Any]) -> Reliability:
    weights = tuple(_finite(weight) for weight in told["weights"])
    if len(weights) != len(SIGNALS):
        raise ValueError("reliability")
    return Reliability(weights, _finite(told["bias"]))


def _positive(value: Any) -> float:
    """Return a number of the manifest; 0, a negative or NaN would let every appeal pass, or none."""
    number = _finite(value)
    if number <= 0:
        raise ValueError("清单中的数值应为正数")
    return number


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("清单中的数值应为有限数")
    return number
