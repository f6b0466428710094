"""Hides personal data in what people see: names, numbers, and numbers inside free text (个人信息保护法第五十一条)."""

import re

from app.tickets.detecting import find_personal, plain

# Without any of these a text holds nothing to be hidden; most titles end here.
WORTH_LOOKING = re.compile(
    r"[\d@＠]|[幺一壹][ ,，、.-]?[三四五六七八九叁肆伍陆柒捌玖拐勾]|"
    r"[一二三四五六七八九十][号栋幢座]|单元|[A-Z][座栋]|[微薇威]信|qq|扣扣|vx|wx",
    re.IGNORECASE,
)

VEILED = "＊＊"
# Phone, credit code, card: at least seven digits or capitals, in one piece or set off.
NUMBER = re.compile(r"(?=(?:[^0-9]*[0-9]){6})[0-9A-Za-z+][0-9A-Za-z .\-]{5,30}")


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
    return re.sub(r"(?:股份|有限|责任|公司|集团|商行|经营部|工作室|个体工商户|门市部|\(.*?\)|（.*?）)+$", "", name)


def hide_words(text: str, words: tuple[str, ...]) -> str:
    """Return text with given names and numbers hidden however they are written (隐名/匿名: the caller must not be found).

    Full-width and lower-case letters, and spaces or dashes between digits, are the same word.
    """
    return _replaced(text, _spans(text, words))


def veil_and_mask(text: str, words: tuple[str, ...]) -> str:
    """Return text with given words hidden and personal data masked; what touches a given word is hidden with it."""
    spans = _spans(text, words)
    if not spans:
        return mask_text(text)
    spans += [(find.begin, find.end, find.shown) for find in find_personal(text)]
    return mask_text(_replaced(text, spans))


def _spans(text: str, words: tuple[str, ...]) -> list[tuple[int, int, str]]:
    patterns = {_as_written(plain(word)) for word in words if len(word) > 1}
    if not patterns:
        return []
    wanted = "|".join(sorted(patterns, key=lambda pattern: (-len(pattern), pattern)))
    return [(*match.span(), VEILED) for match in re.finditer(wanted, plain(text), re.IGNORECASE)]


def _as_written(word: str) -> str:
    """Return the pattern of a word; a long number may be set off by spaces and dashes."""
    if NUMBER.fullmatch(word):
        return r"[ \-.]{0,2}".join(re.escape(char) for char in re.sub(r"[ \-.]", "", word))
    return re.escape(word)


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    """Return text with spans replaced; those that overlap are hidden as one."""
    parts, end = [], 0
    merged: list[tuple[int, int, str]] = []
    for span in sorted(spans):
        if merged and span[0] < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span[1]), VEILED)
        else:
            merged.append(span)
    for begin, stop, shown in merged:
        parts += [text[end:begin], shown]
        end = stop
    return "".join((*parts, text[end:]))
