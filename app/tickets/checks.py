"""Compares an answer with the appeal before a reviewer does: points not answered, templates, doubles, no contact. Pure.

The check advises; the reviewer decides, and says why where the answer is approved all the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]?")
ASKS = re.compile(r"[？?]|吗|呢|请问|要求|希望|请求|恳请|为什么|什么时候|多久|怎么|如何|能不能|可否|是否|何时")
DIGITS = re.compile(r"\d+")
EMPTY_PHRASES = (
    "高度重视", "立即安排", "认真核查", "感谢您的理解", "感谢您对我们工作的", "如有疑问请", "将进一步加强", "持续关注",
    "按照相关规定办理", "已转相关科室", "正在研究", "下一步我们将",
)  # fmt: skip
# Below this share of a point's word pairs the answer does not speak of it.
SPOKEN_OF = 0.12
# Sentences shorter than this ask nothing; those with fewer word pairs lean on the one before.
SHORTEST, SPEAKS_FOR_ITSELF = 5, 12
SHORT_ANSWER = 40
# Whatever is shorter says the same as others by chance.
SHORTEST_COPY = 10
MANY_PHRASES = 3
# Words every appeal is full of tell nothing about whether a point was answered.
COMMON = frozenset(
    [
        "我们",
        "你们",
        "他们",
        "这个",
        "那个",
        "没有",
        "什么",
        "怎么",
        "现在",
        "已经",
        "就是",
        "还是",
        "可以",
        "不能",
        "希望",
        "要求",
        "请问",
        "一直",
        "一个",
        "问题",
        "情况",
        "公司",
        "企业",
        "单位",
        "部门",
    ]
)


@dataclass(frozen=True)
class Finding:
    """One thing an answer lacks.

    Attributes:
        code: unanswered, template, identical, no-contact or too-short.
        message: what a reviewer is told.
    """

    code: str
    message: str


def points_of(appeal: str) -> list[tuple[str, str]]:
    """Return the sentences of an appeal that ask for something, each with what it is about.

    A short question (“什么时候能办好？”) is about the sentence before it.
    """
    sentences = [match.group().strip() for match in SENTENCE.finditer(appeal)]
    asking = [place for place, sentence in enumerate(sentences) if len(sentence) >= SHORTEST and ASKS.search(sentence)]
    return [(sentences[place], _about(sentences, place)) for place in asking]


def _about(sentences: list[str], place: int) -> str:
    if len(_pairs(sentences[place])) >= SPEAKS_FOR_ITSELF or place == 0:
        return sentences[place]
    return sentences[place - 1] + sentences[place]


def _pairs(text: str) -> set[str]:
    runs = re.findall(r"[\u4e00-\u9fff]+", text)
    return {run[i : i + 2] for run in runs for i in range(len(run) - 1)} - COMMON


def check_answer(appeal: str, answer: str, *, contacted: bool, same_elsewhere: Iterable[str]) -> list[Finding]:
    """Return what an answer lacks.

    Args:
        appeal: what the enterprise said.
        answer: what the unit answers.
        contacted: whether a contact with the enterprise is on record.
        same_elsewhere: numbers of other tickets with the very same answer.
    """
    found = []
    if not contacted:
        found.append(Finding("no-contact", "没有联系企业的凭证"))
    told = _pairs(answer)
    for point, about in points_of(appeal):
        asked = _pairs(about)
        if asked and len(asked & told) / len(asked) < SPOKEN_OF:
            found.append(Finding("unanswered", f"没有回应：{point}"))
    phrases = [phrase for phrase in EMPTY_PHRASES if phrase in answer]
    if len(phrases) >= MANY_PHRASES or (phrases and len(answer) < SHORT_ANSWER):
        found.append(Finding("template", "像套话，没有说明具体办理情况：" + "、".join(phrases)))
    elif len(answer) < SHORT_ANSWER // 2:
        found.append(Finding("too-short", "答复过短，没有说明办理经过和结果"))
    others = list(same_elsewhere)
    if others:
        found.append(Finding("identical", "与其他工单的答复完全相同：" + "、".join(others[:3])))
    return found


def verbatim(text: str) -> str:
    """Return an answer without its white space, as it is compared word for word; empty where it is too short to compare."""
    told = "".join(text.split())
    return told if len(told) >= SHORTEST_COPY else ""


def same_text(text: str) -> str:
    """Return an answer reduced to what makes it the same as another: without spaces, punctuation and digits."""
    return DIGITS.sub("#", re.sub(r"\W+", "", text))
