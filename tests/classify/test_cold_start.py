"""A tag that nobody has written an example for is still found, by its own words in the rules."""

import pytest

from app.classify.corpus import Row, read_corpus
from app.classify.predict import Classifier, unit_of_tag
from app.classify.train import train
from app.rulebook.shapes import Rulebook
from app.settings import HOME

LEFT_OUT = ("0303", "0502", "0906", "1107", "1401", "2002")
EVERY = 6


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """A sixth of the shipped corpus: enough to learn the other tags."""
    return read_corpus(HOME / "models" / "corpus")


@pytest.fixture(scope="module")
def cold(rows: list[Row], rulebook: Rulebook) -> Classifier:
    """A model that saw no example of the tags left out."""
    seen = [row for row in rows[::EVERY] if row.tag not in LEFT_OUT]
    return Classifier(train(seen, rulebook, name="cold", progress=lambda _: None).artefact, unit_of_tag(rulebook))


def test_tags_without_an_example_are_among_the_first_ten_for_most_of_their_texts(
    cold: Classifier, rows: list[Row], rulebook: Rulebook
) -> None:
    asked = [row for row in rows if row.tag in LEFT_OUT][::2]
    assert len(asked) > 150
    tags, units = 0, 0
    for row in asked:
        found = cold.predict(row.title, row.text)
        tags += row.tag in [item.tag for item in found.candidates[:10]]
        units += rulebook.tag_by_code[row.tag].lead in [unit for unit, _ in found.units[:3]]
    assert tags / len(asked) >= 0.6
    assert units / len(asked) >= 0.6
