"""Cutting text: the fast tokenizer equals jieba, own words stay whole, invisible characters cut nothing."""

import jieba
import pytest

from app.classify.corpus import read_corpus
from app.classify.features import HAN, OWN_WORD_FREQUENCY, TermMaker, normalise, own_words
from app.rulebook.shapes import Rulebook
from app.settings import HOME


def texts() -> list[str]:
    """Return every twentieth text of the shipped corpus."""
    return [row.text for row in read_corpus(HOME / "models" / "corpus")[::20]]


@pytest.fixture(scope="module")
def words(rulebook: Rulebook) -> tuple[str, ...]:
    return own_words(rulebook)


def test_the_tokenizer_cuts_chinese_exactly_as_jieba_does(words: tuple[str, ...]) -> None:
    reference = jieba.Tokenizer()
    reference.FREQ, reference.total = reference.gen_pfdict(reference.get_dict_file())
    reference.initialized = True
    for word in words:
        reference.add_word(word, OWN_WORD_FREQUENCY)
    maker = TermMaker(words)
    found = texts()
    assert len(found) > 400
    for text in found:
        runs = HAN.findall(normalise(text))
        assert [word for run in runs for word in maker.words(run)] == [
            word for run in runs for word in reference.cut(run)
        ]


def test_names_of_units_places_and_permits_stay_whole(words: tuple[str, ...]) -> None:
    maker = TermMaker(words)
    cut = maker.words("我在旗里办食品经营许可证，市场监管局说找阿尔丁大街那边")
    assert {"食品经营许可证", "市场监管局", "阿尔丁大街"} <= set(cut)


def test_latin_words_are_whole_and_bare_numbers_are_no_words() -> None:
    assert TermMaker().words(normalise("ＣＡ锁 2026 年 Wi-Fi 3C认证")) == ["ca", "锁", "年", "wi", "fi", "c", "认证"]


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u202e", "\x07", "\U000e0041"])
def test_invisible_characters_cut_no_word_in_two(hidden: str) -> None:
    assert TermMaker().terms("", f"拖欠工{hidden}资") == TermMaker().terms("", "拖欠工资")


def test_the_title_counts_twice() -> None:
    terms = TermMaker().terms("物业", "物业")
    assert terms["w"] == {"物业": 3}
    assert terms["a"] == {"物": 3, "业": 3}
    assert terms["b"] == {"物业": 3}


def test_only_the_beginning_of_a_very_long_text_is_read() -> None:
    assert TermMaker().terms("", "欠" * 100_000)["a"] == {"欠": 5_000}
