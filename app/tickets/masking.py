"""Hides personal data in what people see: names, numbers, and numbers inside free text (个人信息保护法第五十一条)."""

import re

from app.tickets.detecting import find_personal

# Without any of these a text holds nothing to be hidden; most titles end here.
WORTH_LOOKING = re.compile(
    r"[\d@＠]|[幺一壹][ ,，、.-]?[三四五六七八九叁肆伍陆柒捌玖拐勾]|"
    r"[一二三四五六七八九十][号栋幢座]|单元|[A-Z][座栋]|[微薇威]信|qq|扣扣|vx|wx",
    re.IGNORECASE,
)


def mask_text(text: str) -> str:
    """Return free text with what `find_personal` finds in it hidden; masking a masked text changes nothing."""
    if not WORTH_LOOKING.search(text):
        return text
    # What stood in another number's way may come to light once that one is hidden.
    while finds := find_personal(text):
        parts, end = [], 0
        for find in finds:
            parts += [text[end : find.begin], find.shown]
            end = find.end
        text = "".join((*parts, text[end:]))
    return text


def mask_name(name: str) -> str:
    """Return a person's name with only the first character left."""
    return name[:1] + "*" * (len(name) - 1) if name else ""


def mask_phone(phone: str) -> str:
    """Return a phone number with its middle hidden."""
    return phone[:3] + "*" * max(len(phone) - 7, 4) + phone[-4:] if len(phone) > 7 else "*" * len(phone)  # noqa: PLR2004


def mask_code(code: str) -> str:
    """Return a 统一社会信用代码 with its middle hidden."""
    return code[:4] + "*" * 10 + code[-4:] if code else ""


def name_stem(name: str) -> str:
    """Return the part of an enterprise's name that people say: without the legal form and trade words at its end."""
    return re.sub(r"(股份|有限|责任|公司|集团|商行|经营部|工作室|个体工商户|门市部|\(.*?\)|（.*?）)+$", "", name)


def hide_words(text: str, words: tuple[str, ...]) -> str:
    """Return text with given names hidden (隐名/匿名: the caller must not be found by name)."""
    for word in sorted({word for word in words if len(word) > 1}, key=len, reverse=True):
        text = text.replace(word, "＊＊")
    return text
