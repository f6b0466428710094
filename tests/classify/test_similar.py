"""Signatures: the same text again is told from another of its kind, on labelled pairs written for this."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.classify.predict import Classifier, load
from app.classify.similar import KEYS_KEPT, NEAR_DUPLICATE, Signature, SignatureMaker, likeness, term_hash, unpack
from app.rulebook.shapes import Rulebook
from app.settings import HOME

PAIRS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def maker(rulebook: Rulebook) -> SignatureMaker:
    """Signatures by the shipped model's frequencies."""
    shipped: Classifier = load(HOME / "models", rulebook)
    return SignatureMaker(shipped)


@pytest.fixture(scope="module")
def scores(maker: SignatureMaker) -> dict[str, list[float]]:
    """The likeness of every labelled pair, by what the pair is."""
    found: dict[str, list[float]] = {}
    for pair in PAIRS:
        left, right = maker.signature("", pair["left"]), maker.signature("", pair["right"])
        found.setdefault(pair["relation"], []).append(likeness(left, right))
    return found


def test_there_are_enough_pairs_of_each_kind() -> None:
    kinds = [pair["relation"] for pair in PAIRS]
    assert len(PAIRS) >= 300
    assert min(kinds.count(kind) for kind in ("重复", "同事", "异事")) >= 60


def test_a_repeated_text_is_told_from_another_matter_of_its_kind(scores: dict[str, list[float]]) -> None:
    repeats = [score >= NEAR_DUPLICATE for score in scores["重复"]]
    others = [score >= NEAR_DUPLICATE for score in (*scores["异事"], *scores["同事"])]
    assert sum(repeats) / len(repeats) >= 0.95
    assert sum(others) / len(others) <= 0.02


def test_the_same_matter_in_other_words_is_found_first_among_all(maker: SignatureMaker) -> None:
    """The other teller's ticket stands among the first five of all tickets, by keys and likeness as the index does it."""
    wanted = [pair for pair in PAIRS if pair["relation"] != "异事"]
    shelf = [maker.signature("", pair["left"]) for pair in PAIRS]
    places = {pair["id"]: place for place, pair in enumerate(PAIRS)}
    among = 0
    for pair in wanted:
        asked = maker.signature("", pair["right"])
        reachable = [place for place, other in enumerate(shelf) if set(asked.keys) & set(other.keys)]
        ranked = sorted(reachable, key=lambda place: -likeness(asked, shelf[place]))
        among += places[pair["id"]] in ranked[:5]
    assert among / len(wanted) >= 0.95


def test_a_signature_survives_being_packed(maker: SignatureMaker) -> None:
    signature = maker.signature("健身房跑路", "锦棠健身南门店关门，卡里还剩四十六节课，教练说退不了")
    again = unpack(signature.packed())
    assert again.keys == signature.keys
    assert likeness(again, signature) == pytest.approx(1, abs=1e-6)
    assert len(signature.packed()) <= 64 * 8


def test_an_empty_text_is_like_nothing(maker: SignatureMaker) -> None:
    empty = maker.signature("", "")
    assert empty.keys == ()
    assert likeness(empty, maker.signature("", "物业费")) == 0
    assert unpack(b"") == Signature({})


def test_shared_pieces_are_those_of_the_asking_text_and_the_most_telling_first(maker: SignatureMaker) -> None:
    asked = "锦棠健身南门店关门了，我的私教课怎么办"
    shared = maker.shared_terms("", asked, maker.signature("", "南门那个锦棠健身不开门，私教课没上完"))
    assert shared
    assert all(term in asked for term in shared)
    assert "锦棠健身" in shared[0]


def test_hashes_fit_a_database_integer() -> None:
    hashes = [term_hash(f"w:词{number}") for number in range(500)]
    assert all(-(2**31) <= value < 2**31 for value in hashes)
    assert min(hashes) < 0 < max(hashes)
    assert KEYS_KEPT == 16
