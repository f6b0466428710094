"""Finds personal data in free text: numbers with their checksums, plates, addresses down to the door, mail, chat names.

Pure. A find is a span of the text and what is shown in its place. What only looks like personal data (ticket numbers,
统一社会信用代码, amounts, dates, document numbers) is told apart by checksum, by neighbours and by the word before it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum import luhn
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

# One character for one, so that a place in the plain text is the same place in the original.
WIDE = "０１２３４５６７８９＋－—–―＠．＿（）：　\u00a0\u2009" + "".join(
    chr(code) for code in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
)
NARROW = "0123456789+----@._():   " + "".join(chr(code) for code in (*range(0x41, 0x5B), *range(0x61, 0x7B)))
PLAIN = str.maketrans(WIDE, NARROW)
# Digits of other scripts count as digits too.
OTHER_DIGIT = re.compile(r"[^\D0-9]")
# 洞、幺、拐、勾 are how digits are called on the telephone; 壹 to 玖 how they are written in contracts.
SPOKEN_DIGITS = "〇零洞幺一二两三四五六七拐八九勾壹贰叁肆伍陆柒捌玖"
SPOKEN = str.maketrans(SPOKEN_DIGITS, "0001122345677899123456789")

GAP = r"[ \-]{0,2}"
ALONE = r"(?<![0-9A-Za-z])"
# A figure before the point that makes a decimal of what follows; 1. and 12. number the lines of a list.
DECIMAL = re.compile(r"(?:^|[^\d.])(?:0|\d{3,9})\.$")
DECIMAL_REACH = 11
# A word that says the number behind it is a document's, a contract's or an order's.
DOCUMENT = re.compile(
    r"(?:编号|单号|文号|票号|合同号|协议号|许可证号|备案号|执照号|流水号|代码|发票号码|注册号)[:是为 ]{0,3}$"
)
DOCUMENT_REACH = 10
# What is counted or paid, not called: a unit behind it, after decimals perhaps. 万一 and 亿达公司 are no units.
AMOUNT = r"(?! ?(?:\.\d{1,4} ?)?(?:元(?!先生|女士|小姐|师傅|经理|老板|总)|块钱|[万亿][元块余多]|吨|公斤|平方|立方|千瓦|公里|%))"
# Right behind one of these a number is called, whatever comes after it.
CALLED = re.compile(r"(?:电话|手机|号码|联系方式|拨打|致电|回电|请打|tel)(?:号码|号)?[:是为 ]{0,3}$", re.IGNORECASE)
CALLED_REACH = 12

# Letters may stand before a mobile (电话tel138…): a ticket's number has more digits behind its own.
MOBILE = re.compile(rf"(?<!\d)(?:(?:\+|00)?86{GAP})?(1{GAP}[3-9](?:{GAP}\d){{9}})(?!\d)")
COUNTED = re.compile(AMOUNT)
# 3-4-4 is how a mobile is said; thousands are set off by threes.
SET_OFF_MOBILE = re.compile(rf"{ALONE}(1[3-9]\d([.,，、_/·])\d{{4}}\2\d{{4}})(?![0-9.])")
SPOKEN_DIGIT = rf"[0-9{SPOKEN_DIGITS}]"
PAUSE = r"[ ,，、。.…\-]{0,3}"
SPOKEN_MOBILE = re.compile(
    rf"(?<!{SPOKEN_DIGIT})[1幺一壹]{SPOKEN_DIGIT}{{2}}(?:{PAUSE}{SPOKEN_DIGIT}){{8}}(?!{SPOKEN_DIGIT})"
)
LANDLINE = re.compile(rf"{ALONE}\(?(0[1-9]\d{{1,2}})\)?[ \-]{{0,3}}(\d{{3,4}} ?\d{{4}})(?!\d)")
LOCAL_LINE = re.compile(rf"(?:电话|座机|固话)(?:号码|号)?[:是为 ]{{0,3}}([2-9]\d{{6,7}})(?!\d){AMOUNT}")
# A second number of the same exchange, named after the first: 0472-5551234、5551235.
NEXT_LINE = re.compile(rf"[ ,，、/;；或和及]{{1,3}}([2-9]\d{{6,7}})(?!\d){AMOUNT}")
SURE_IDENTITY = re.compile(rf"(?<!\d)(\d(?:{GAP}\d){{16}}{GAP}[0-9Xx])(?!\d)")
IDENTITY = re.compile(rf"{ALONE}(\d(?:{GAP}\d){{16}}{GAP}[0-9Xx])(?![0-9A-Za-z]){AMOUNT}")
BORN = re.compile(r"\d{6}(?:18|19|20)\d\d")
# 登记管理部门、机构类别、行政区划（GB 32100-2015）。
CREDIT_CODE = re.compile(r"[1-9][1-9][1-6]\d{5}")
CALLED_IDENTITY = re.compile(
    rf"身份证(?:号码|编号|号)?[:是为 ]{{0,3}}(\d(?:{GAP}\d){{13,16}}(?:{GAP}[0-9Xx])?)(?![0-9A-Za-z])"
)
CARD = re.compile(rf"{ALONE}([3-6]\d{{3}}(?:{GAP}\d){{11,15}})(?!\d){AMOUNT}")
CALLED_ACCOUNT = re.compile(rf"(?:卡号|账号|帐号|账户|帐户|银行卡)[:是为 ]{{0,3}}(\d(?:{GAP}\d){{11,24}})(?!\d)")
# As long as RFC 5321 lets a name and a label be; without ends, a hostile text is read once for each of its characters.
MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}+ ?@ ?((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})")
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
PLATE = re.compile(
    rf"([{PROVINCES}] ?[A-Za-z])[·•. \-]?"
    r"(?:[DFdf][A-HJ-NP-Za-hj-np-z0-9]\d{4}|\d{5}[DFdf]|(?=[A-Za-z0-9]*\d)[A-HJ-NP-Za-hj-np-z0-9]{5}|"
    r"[A-HJ-NP-Za-hj-np-z0-9]{4}[挂学警港澳])(?![0-9A-Za-z])"
)
WECHAT = re.compile(
    r"(?:微信|薇信|威信|(?<![A-Za-z])(?:wechat|weixin|vx|wx|加v))(?:号|id)?(?:码)?[:是为 ]{0,3}"
    rf"([A-Za-z][A-Za-z0-9_-]{{5,19}}|\d{{5,11}})(?![A-Za-z0-9]){AMOUNT}", re.IGNORECASE,
)  # fmt: skip
QQ = re.compile(
    rf"(?:(?<![A-Za-z])qq|扣扣|企鹅)(?:号码|号|群)?[:是为 ]{{0,3}}([1-9]\d{{4,11}})(?!\d){AMOUNT}", re.IGNORECASE
)

DOOR = r"(?:[A-Za-z](?=座|栋|幢)|[A-Za-z]?\d{1,5}+(?:-\d{1,5}+){0,3}+[A-Za-z]?+|[一二三四五六七八九十百]{1,4})"
# So many houses or households are a quantity, not a place: 12户商户, 6栋厂房.
HOUSE = (
    r"(?:号楼|#楼|#|(?:栋|幢)(?!厂房|库房|房|仓库|车间|建筑|住宅|别墅|楼房|大楼|高层|平房|商铺|宿舍|温室|大棚)"
    r"|户(?!商|居民|业主|人家|住户|村民|农户|牧户|家庭|企业|店|门店|摊|工业|贫困))"
)
INNER = rf"(?:[ ,，、附]{{0,2}}{DOOR}(?:{HOUSE}|号|座|单元|门|层|楼|室))"
ROOM = r"[ \-]?\d{3,4}(?![\d元万亿年月日天个人件台吨])"
LAST = rf"(?:{ROOM})?"
STREET = re.compile(rf"(?:路|街|巷|胡同|弄|大道|街坊)({DOOR}(?:号院|{HOUSE}|号){INNER}*{LAST})(?!文|线|令|公告|通知)")
# 钢铁大街36-2-501: house, unit and flat without a word between them; not a date.
DASHED = re.compile(
    r"(?:路|街|巷|胡同|弄|大道|街坊|小区|花园|家园|苑)(?!(?:19|20)\d\d-)"
    r"([A-Za-z]?\d{1,5}+(?:(?:-\d{1,5}+){2,3}|-\d{1,5}+(?=$|[ ,，。；;、)]|底商|门面|商铺)))(?![\d-])"
)
ESTATE = re.compile(
    rf"(?:小区|花园|家园|苑|村|社区|公寓|大厦|广场|院|新城|嘉园|街坊|园区|屯)"
    rf"({DOOR}(?:{HOUSE}|座|单元|门|室|组|(?:号院?(?={INNER}))){INNER}*{LAST})"
)
INSIDE = re.compile(
    rf"({DOOR}(?:{HOUSE}|座|单元){INNER}+{LAST}|{DOOR}(?:{HOUSE}|单元)[ \-]?\d{{3,4}}(?![\d元万亿年月日天个人件台吨]))"
)
DOOR_NUMBER = re.compile(DOOR)


@dataclass(frozen=True)
class Find:
    """One piece of personal data in a text.

    Attributes:
        kind: 身份证号, 银行卡号, 手机号 …, as the manual names it.
        shown: what stands in its place.
    """

    begin: int
    end: int
    kind: str
    shown: str


def plain(text: str) -> str:
    """Return a text with full-width letters and signs, and all digits, in their plain form; every character in its place."""
    return OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text.translate(PLAIN))


def _digits(text: str) -> str:
    return re.sub(r"[^0-9Xx]", "", text)


def _middle(text: str, head: int, tail: int) -> str:
    digits = _digits(text)
    return f"{digits[:head]}{'*' * 4 if len(digits) < 15 else '*' * 8}{digits[-tail:]}"  # noqa: PLR2004


def _is_identity(text: str) -> bool:
    """Whether birthday and check digit are right; districts come and go, so the place is not asked."""
    digits = _digits(text).upper()
    if not BORN.match(digits):
        return False
    try:
        ric.get_birth_date(digits)
    except ValidationError:
        return False
    return bool(ric.calc_check_digit(digits) == digits[-1])


def _is_credit_code(text: str) -> bool:
    digits = _digits(text)
    return bool(CREDIT_CODE.match(digits) and uscc.is_valid(digits))


def _is_card(text: str) -> bool:
    return bool(luhn.is_valid(_digits(text)))


def _of_document(text: str, begin: int) -> bool:
    return bool(DOCUMENT.search(text[max(begin - DOCUMENT_REACH, 0) : begin]))


def _of_decimal(text: str, begin: int) -> bool:
    return bool(DECIMAL.search(text[max(begin - DECIMAL_REACH, 0) : begin]))


def _is_called(text: str, begin: int, end: int) -> bool:
    """Whether a number is one to call: said to be, or not a quantity of something."""
    said = CALLED.search(text[max(begin - CALLED_REACH, 0) : begin])
    return bool(said or (COUNTED.match(text, end) and not _of_decimal(text, begin)))


def _numbers(text: str) -> Iterator[Find]:
    """Yield what is known by its digits; the surest kinds first."""

    def found(
        kind: str, pattern: re.Pattern[str], shown: Callable[[str], str], holds: Callable[[str], bool] | None = None
    ) -> Iterator[Find]:
        for match in pattern.finditer(text):
            if (holds is None or holds(match[1])) and not _of_document(text, match.start(1)):
                yield Find(match.start(1), match.end(1), kind, shown(match[1]))

    # Birthday and check digit together are no chance: what the word before it says does not matter.
    for match in SURE_IDENTITY.finditer(text):
        if _is_identity(match[1]):
            yield Find(match.start(1), match.end(1), "身份证号", _middle(match[1], 6, 4))
    yield from found("身份证号", CALLED_IDENTITY, lambda told: _middle(told, 6, 4))
    yield from found("银行卡号", CARD, lambda told: _middle(told, 4, 4), _is_card)
    yield from found("银行账号", CALLED_ACCOUNT, lambda told: _middle(told, 4, 4))
    # Eighteen digits that are nothing else are rather a mistyped identity number than nothing.
    yield from found("十八位号码", IDENTITY, lambda told: _middle(told, 6, 4), lambda told: not _is_credit_code(told))
    yield from _phones(text)


def _phones(text: str) -> Iterator[Find]:
    """Yield mobiles and landlines: in digits, set off, or spoken with pauses."""
    for match in (*MOBILE.finditer(text), *SET_OFF_MOBILE.finditer(text)):
        begin, end = match.span(1)
        if _is_called(text, begin, end) and not _of_document(text, begin):
            yield Find(begin, end, "手机号", _middle(match[1], 3, 4))
    for match in SPOKEN_MOBILE.finditer(text):
        digits = _digits(match[0].translate(SPOKEN))
        if digits[1] in "3456789" and any(char in SPOKEN_DIGITS for char in match[0]):
            yield Find(match.start(), match.end(), "手机号", _middle(digits, 3, 4))
    for match in (*LANDLINE.finditer(text), *LOCAL_LINE.finditer(text)):
        begin, area = (match.start(), match[1]) if match.re is LANDLINE else (match.start(1), "")
        if not _of_document(text, begin) and not _of_decimal(text, begin):
            yield Find(begin, match.end(), "座机", f"{area}****{_digits(match[0])[-4:]}")
            yield from _next_lines(text, match.end())


def _next_lines(text: str, end: int) -> Iterator[Find]:
    while match := NEXT_LINE.match(text, end):
        end = match.end()
        yield Find(match.start(1), end, "座机", f"****{match[1][-4:]}")


def _names(text: str) -> Iterator[Find]:
    """Yield what is known by its form or by the word before it: mail, chat names, plates."""
    for match in MAIL.finditer(text):
        yield Find(match.start(), match.end(), "邮箱", f"****@{match[1]}")
    for kind, pattern in (("微信号", WECHAT), ("QQ号", QQ)):
        for match in pattern.finditer(text):
            yield Find(match.start(1), match.end(1), kind, "****")
    for match in PLATE.finditer(text):
        yield Find(match.start(), match.end(), "车牌", f"{match[1].replace(' ', '')}·****")


def _doors(text: str) -> Iterator[Find]:
    """Yield addresses from the house number on; street and estate stay, for the unit must know where."""
    for pattern in (STREET, DASHED, ESTATE, INSIDE):
        for match in pattern.finditer(text):
            shown = DOOR_NUMBER.sub("**", match[1])
            yield Find(match.start(1), match.end(1), "门牌", shown)


def find_personal(text: str) -> list[Find]:
    """Return the personal data in a text in order, without overlaps; the surer find wins."""
    normal = plain(text)
    chosen: list[Find] = []
    for detect in (_numbers, _names, _doors):
        for find in detect(normal):
            if all(find.end <= other.begin or find.begin >= other.end for other in chosen):
                chosen.append(find)
    return sorted(chosen, key=lambda find: find.begin)
