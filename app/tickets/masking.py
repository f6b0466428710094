"""Hides personal data in what people see: names, numbers, and numbers inside free text (个人信息保护法第五十一条)."""

import re

MOBILE = re.compile(r"(?<!\d)(?:\+?86[- ]?)?(1[3-9]\d)[- ]?\d{4}[- ]?(\d{4})(?!\d)")
MAIL = re.compile(r"[A-Za-z0-9._%+-]+(@[A-Za-z0-9.-]+\.[A-Za-z]{2,})")
IDENTITY = re.compile(r"(?<![0-9A-Za-z])(\d{6})\d{8}(\d{3}[\dXx])(?![0-9A-Za-z])")
BANK_CARD = re.compile(r"(?<!\d)(\d{4})\d{8,11}(\d{4})(?!\d)")
LANDLINE = re.compile(r"(?<!\d)(0\d{2,3}[- ]?)\d{3,4}(\d{4})(?!\d)")


def mask_text(text: str) -> str:
    """Return free text with mobile, landline, identity and bank card numbers hidden in the middle."""
    text = IDENTITY.sub(r"\1********\2", text)
    text = BANK_CARD.sub(r"\1********\2", text)
    text = MOBILE.sub(r"\1****\2", text)
    text = MAIL.sub(r"****\1", text)
    return LANDLINE.sub(r"\1****\2", text)


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
