"""公开、隐名、匿名: what is kept from whom. A veiled caller is told to nobody by default; a look (unmask) is recorded.

The enterprise's name, credit code, address and park, the outer number of its call and every word of the text that names
them are hidden in all views and lists; lists hide the title too. 举报 is 隐名 unless its author says otherwise.
"""

import re
from typing import Protocol

from sqlalchemy import ColumnElement

from app.rulebook.shapes import Rulebook
from app.sealing import Sealer
from app.tickets.masking import mask_text, name_stem, veil_and_mask
from app.tickets.tables import Ticket, TicketParty

PUBLIC = "公开"
HIDDEN_TITLE = "（隐名件，请打开查看）"
SPECIAL_TITLE = "（专办件，请打开查看）"
PLACE = re.compile(r"^(?:内蒙古(?:自治区)?|[一-龥]{2,4}?(?:市|区|旗|县|镇))+")
TRADE = re.compile(
    r"(?:小吃|早餐|餐饮|饭|酒|火锅|烧烤|面|茶|药|书|花|服装|鞋|理发|美发|美容|汽修|修理|维修|商|便利|百货|五金|建材|粮油|水果|烟酒)*"
    r"(?:店|馆|铺|行|部|社|庄|坊|屋|城|中心|超市|商贸|贸易|门市)$"
)
TITLES = ("先生", "女士", "小姐", "总", "经理", "老板", "师傅", "厂长", "主任", "姐", "哥", "工")
LEAST_CHARS = 2
# What stands behind a firm's own name: which branch of it, or where.
BRANCH = re.compile(r"(?<=公司)[^公司]{0,10}(?:分公司|分店|分厂|分部|支行|营业部|项目部)$|[(（][^()（）]*[)）]")
# An address up to its first number: the street, the estate, the building.
NUMBERED = re.compile(r"[0-9A-Za-z]")
LEAST_STREET = 3
_places: set[str] = set()


def know_places(rulebook: Rulebook) -> None:
    """Learn the names of cities and districts that stand in front of an enterprise's own name, with and without 市, 区 …"""
    names = {rulebook.city.name, *rulebook.out_of_town}
    for district in rulebook.districts:
        names |= {district.name, district.short, *district.aliases}
    _places.update(names, (re.sub(r"[市区旗县盟]$", "", name) for name in names if len(name) > LEAST_CHARS))


class Listed(Protocol):
    """What of a ticket decides how its title is listed: the row itself, or a line that carries these columns."""

    @property
    def confidentiality(self) -> str:
        """公开, 隐名 or 匿名."""

    @property
    def state(self) -> str:
        """Where it is."""

    @property
    def special_supervisor(self) -> int | None:
        """Who alone handles it, of a 专办件."""


def is_veiled(ticket: Listed) -> bool:
    """Whether the caller of a ticket is not to be told."""
    return ticket.confidentiality != PUBLIC


def unveiled() -> ColumnElement[bool]:
    """Return the condition that a ticket may be found by its enterprise."""
    return Ticket.confidentiality == PUBLIC


def shown_title(ticket: Listed, title: str) -> str:
    """Return what a list shows as a ticket's title; what is veiled or a 专办件 must be opened, which is recorded."""
    if ticket.special_supervisor is not None or ticket.state == "special":
        return SPECIAL_TITLE
    return HIDDEN_TITLE if is_veiled(ticket) else mask_text(title)


def _without_place(name: str) -> str:
    """Return a name without the city, district or region in front of it; one that is nothing else stays."""
    known = max((place for place in _places if name.startswith(place)), key=len, default="")
    match = PLACE.match(name)
    rest = name[max(len(known), match.end() if match else 0) :]
    rest = rest.removeprefix("市") if known else rest
    return rest if len(rest) >= LEAST_CHARS else name


def _stems(enterprise: str) -> list[str]:
    """Return an enterprise's own name as it is said: without legal form, branch, and the places before and behind it."""
    stem = name_stem(BRANCH.sub("", enterprise))
    behind = max((place for place in (*_places, "内蒙古") if stem.endswith(place)), key=len, default="")
    found = [name_stem(enterprise), stem, name_stem(stem.removesuffix(behind))]
    while (shorter := _without_place(found[-1])) != found[-1]:
        found.append(shorter)
    return found


def names_of(enterprise: str, contact: str) -> tuple[str, ...]:
    """Return how people say an enterprise and its contact: a sole trader's shop often bears its owner's name."""
    stems = _stems(enterprise)
    called = [*stems, TRADE.sub("", stems[-1])]
    if len(contact) >= LEAST_CHARS:
        called += [contact, *(contact[0] + title for title in TITLES), f"老{contact[0]}", f"小{contact[0]}"]
    places = {*_places, "内蒙古"}
    return tuple(
        word
        for word in dict.fromkeys(called)
        if len(word) >= LEAST_CHARS and not TRADE.fullmatch(word) and word not in places
    )


def telling(enterprise: str, contact: str, *others: str) -> tuple[str, ...]:
    """Return the words that tell who a caller is: its names as people say them, numbers and places with and without the city."""
    told = [enterprise, contact, *names_of(enterprise, contact)]
    for other in others:
        street = NUMBERED.split(other)[0]
        told += [other, _without_place(other), other.removesuffix("区") if other.endswith("园区") else ""]
        told += [part for part in (street, _without_place(street)) if len(part) >= LEAST_STREET]
    return tuple(dict.fromkeys(word for word in told if len(word) >= LEAST_CHARS))


def identifying(party: TicketParty, sealer: Sealer) -> tuple[str, ...]:
    """Return the words of a text by which its caller would be found."""
    sealed = (
        party.enterprise_name, party.contact_name, party.contact_phone, party.contact_email, party.credit_code, party.park,
        party.address,
    )  # fmt: skip
    enterprise, contact, *others = (sealer.open(value) for value in sealed)
    return telling(enterprise, contact, *others)


def words_to_hide(ticket: Ticket, party: TicketParty, sealer: Sealer) -> tuple[str, ...]:
    """Return the words to be hidden in everything shown of a ticket; none where the caller is 公开."""
    return identifying(party, sealer) if is_veiled(ticket) else ()


def veiled_text(text: str, words: tuple[str, ...]) -> str:
    """Return a text as it may be shown: personal data masked, given words hidden."""
    return veil_and_mask(text, words)
