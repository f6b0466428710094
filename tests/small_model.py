"""A small model for tests, trained on a few dozen texts written for them: real training, real artefact, in a second."""

from pathlib import Path

from app.classify.artefact import promote, save_artefact
from app.classify.corpus import read_corpus
from app.classify.evaluate import measure
from app.classify.train import Trained, train
from app.rulebook.shapes import Rulebook

DATA = Path(__file__).parent / "classify" / "data" / "small"


def train_small(rulebook: Rulebook, name: str = "small", seed: int = 0) -> Trained:
    """Train on the tests' own texts."""
    return train(read_corpus(DATA), rulebook, name=name, seed=seed, progress=lambda _step: None)


def build_small_model(folder: Path, rulebook: Rulebook) -> None:
    """Train and save as the current model of a folder."""
    trained = train_small(rulebook)
    save_artefact(trained.artefact, folder, "", {"held_out": measure(trained.held_out, rulebook.short)})
    promote(folder, trained.artefact.name)
