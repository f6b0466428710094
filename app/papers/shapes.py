"""What stands on a paper, before it takes a form. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (一、) to 3 (1.); its number is part of its text."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of the body."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table; every row has as many cells as the header."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture as SVG, and the table that stands in for it where no Chinese font is present."""

    title: str
    svg: str
    instead: Grid


Block = Heading | Paragraph | Grid | Figure


@dataclass(frozen=True)
class Paper:
    """A whole paper.

    Attributes:
        organ: who issues it; stands in the red head.
        number: its official number (文号); empty for a draft.
        addressee: 主送, with its colon; empty where there is none.
        annexes: tables that follow the signature, each on pages of its own and listed before it (附件).
        notes: small print after the body (how to read the figures).
        signed: whose signature stands below; empty: none.
        day: 成文日期 as people write it; empty for a draft.
        draft: whether every page says 草稿.
    """

    organ: str
    number: str
    title: str
    subtitle: str
    addressee: str
    blocks: tuple[Block, ...]
    annexes: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    signed: str = ""
    day: str = ""
    draft: bool = False
