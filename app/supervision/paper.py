"""The written form of a 督办单 as a 公文."""

from app.clock import spoken
from app.papers import shapes
from app.supervision.schemas import Paper

ORGAN = "包头市12345政务服务便民热线"


def letter(paper: Paper) -> shapes.Paper:
    """Return the paper in the layout that DOCX is made from; work orders by number, nothing of who appealed."""
    rows = tuple(
        (str(index), ticket.number, ticket.tag, spoken(ticket.due_at) if ticket.due_at else "—", str(ticket.overdue_days))
        for index, ticket in enumerate(paper.tickets, 1)
    )  # fmt: skip
    header = ("序号", "工单编号", "归口标签", "办结截止", "超期工作日")
    opening, *rest = paper.paragraphs
    return shapes.Paper(
        organ=ORGAN, number=paper.number, title=paper.title, subtitle="", addressee=f"{paper.addressee}：",
        blocks=(
            shapes.Paragraph(opening), shapes.Grid("督办工单", header, rows),
            *(shapes.Paragraph(text) for text in rest),
        ),
        signed=paper.signed, day=f"{paper.day.year}年{paper.day.month}月{paper.day.day}日",
    )  # fmt: skip
