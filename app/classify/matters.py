"""Several matters in one text: proposes where to split it (拆分诉求事项, measure 31). Pure.

A text is cut between two sentences only where both sides speak clearly for different units, each long enough to stand
alone. Callers tell one matter with many grievances far more often than two matters, so doubt means one.
"""

import re
from dataclasses import dataclass
from itertools import accumulate

from app.classify.predict import Classifier

SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")
# What people say when they turn to another matter.
CUE = re.compile(
    r"^(另外|另[，,]|还有|再就是|再有|再一个|再说一个|再反映|再问|再帮|同时[，,还]|第二|第三|其二|其三|二是|三是|"
    r"顺便|顺带|对了|还想|还要|此外|除此)"
)
# What bodies answered or where the caller has been is part of the same story, not another matter.
REPORTED = re.compile(
    r"^.{0,10}?(说|让我|叫我|回复|答复|告诉)|^(我们?)?(又|也)?(去过?|找过?|问过?|报过?|打过?|报给|来过)"
)
LEAST_CHARS, LEAST_CHARS_ALONE = 10, 24
CUTS_TRIED = 16
MATTERS_MOST = 3
# Each side's confidence needed with a turning word between them, and without one.
SURE_WITH_CUE, SURE_ALONE = 0.45, 0.75


@dataclass(frozen=True)
class Matter:
    """One matter of a text.

    Attributes:
        text: its sentences as they stand.
        unit: whose it would be (code, or 按属地).
    """

    text: str
    tag: str
    unit: str
    confidence: float


def split_matters(classifier: Classifier, text: str) -> tuple[Matter, ...]:
    """Return the matters of a text in order; fewer than two means that no split is proposed."""
    sentences = SENTENCE.findall(text)
    parts = _split(classifier, sentences)
    units = [part.unit for part in parts]
    # A unit that comes up again after another one frames a single story.
    if len(parts) > MATTERS_MOST or len(set(units)) < len(units):
        return (_matter(classifier, sentences),)
    return tuple(parts)


def _split(classifier: Classifier, sentences: list[str]) -> list[Matter]:
    best: tuple[float, int] | None = None
    for cut in _cuts(sentences):
        left, right = (_matter(classifier, part) for part in (sentences[:cut], sentences[cut:]))
        needed = SURE_WITH_CUE if _turns(sentences[cut]) else SURE_ALONE
        weaker = min(left.confidence, right.confidence)
        if left.unit != right.unit and weaker >= needed and (best is None or weaker - needed > best[0]):
            best = (weaker - needed, cut)
    if best is None:
        return [_matter(classifier, sentences)] if sentences else []
    parts = [*_split(classifier, sentences[: best[1]]), *_split(classifier, sentences[best[1] :])]
    return _joined(classifier, parts)


def _turns(sentence: str) -> bool:
    return CUE.match(sentence.lstrip()) is not None


def _cuts(sentences: list[str]) -> list[int]:
    """Return the places where a text may be cut, those before turning words first."""
    before = list(accumulate(len(sentence.strip()) for sentence in sentences))
    return sorted(
        (
            cut
            for cut in range(1, len(sentences))
            if _may_cut(sentences, cut, min(before[cut - 1], before[-1] - before[cut - 1]))
        ),
        key=lambda cut: not _turns(sentences[cut]),
    )[:CUTS_TRIED]


def _may_cut(sentences: list[str], cut: int, shorter: int) -> bool:
    """Whether enough stands on both sides (`shorter` characters on one), and what follows is not what somebody answered."""
    turns = _turns(sentences[cut])
    told = REPORTED.match(sentences[cut].lstrip()) is not None
    return shorter >= (LEAST_CHARS if turns else LEAST_CHARS_ALONE) and (turns or not told)


def _matter(classifier: Classifier, sentences: list[str]) -> Matter:
    text = "".join(sentences).strip()
    found = classifier.predict("", text)
    return Matter(text, found.tag, found.units[0][0], found.confidence)


def _joined(classifier: Classifier, parts: list[Matter]) -> list[Matter]:
    """Put neighbours of one unit together again."""
    joined: list[Matter] = []
    for part in parts:
        if joined and joined[-1].unit == part.unit:
            joined[-1] = _matter(classifier, [joined[-1].text, part.text])
        else:
            joined.append(part)
    return joined
