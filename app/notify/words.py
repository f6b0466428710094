"""What notices say to people: a title and lines for every kind, SMS texts for enterprises. Numbers and labels only."""

from typing import Any

TITLES = {
    "ticket.dispatched": "新工单待签收",
    "ticket.informed": "有工单告知贵单位知悉",
    "ticket.unsigned": "工单逾期未签收，系统已代签",
    "ticket.sent_back": "答复未通过审核，请补正",
    "ticket.rework": "工单须重办",
    "ticket.urged": "企业催办",
    "ticket.recalled": "工单已收回",
    "ticket.return_ruled": "退单已裁决",
    "ticket.arbitrated": "已裁定由贵单位承办",
    "ticket.conferred": "疑难事项会商结果",
    "ticket.objected": "承办单位提出退单",
    "ticket.replied": "承办单位已答复，待审核",
    "ticket.excused": "协办意见不再等待",
    "ticket.resumed": "挂起已到期，恢复办理",
    "ticket.urgent_triage_overdue": "紧急件超过 5 分钟未派",
    "report.made": "报告已生成",
    "report.check_asked": "请核对本单位数据",
    "report.check_answered": "核对异议已答复",
    "report.published": "报告已发布",
    "assessment.found": "考评认定",
    "assessment.appealed": "收到考核申诉",
    "assessment.appeal_decided": "考核申诉已裁定",
}
# To enterprises: that something happened, never what about; the enquiry code shows the rest to whoever has it.
SMS_TEXTS = {
    "enterprise.received": "您的诉求已受理，编号{number}。可凭编号和查询码查询办理情况。",
    "enterprise.extended": "您的诉求（{number}）经批准延长办理时间，可凭编号和查询码查询。",
    "enterprise.suspended": "您的诉求（{number}）因客观原因暂停计时，恢复后继续办理，可凭编号和查询码查询。",
    "enterprise.interim": "您的诉求（{number}）有了新的进展，可凭编号和查询码查询。",
    "enterprise.info_wanted": "您的诉求（{number}）需要补充材料，请拨打 12345 或凭查询码查看。",
    "enterprise.answered": "您的诉求（{number}）已有答复，可凭编号和查询码查询，稍后将电话回访。",
}


def title_of(kind: str, payload: dict[str, Any]) -> str:
    """Return what a notice is about, with its work order's number where it has one."""
    title = str(payload.get("title") or TITLES.get(kind, kind))
    number = payload.get("number")
    return f"{title}：{number}" if number and str(number) not in title else title


def lines_of(payload: dict[str, Any]) -> list[str]:
    """Return the lines of a message; a machine-read notice has none."""
    return [str(line) for line in payload.get("lines", ())]


def link_of(payload: dict[str, Any]) -> str:
    """Return where a notice can be looked into."""
    number, period = payload.get("number"), payload.get("period")
    if payload.get("link"):
        return str(payload["link"])
    if number:
        return f"/api/v1/tickets/{number}"
    return f"/api/v1/reports/{payload.get('kind')}/{period}" if period else ""


def url_of(payload: dict[str, Any], base: str) -> str:
    """Return the link of a notice as an address to open, where the installation has told its own; else the bare path."""
    link = link_of(payload)
    return base.rstrip("/") + link if link else ""


def plain_text(kind: str, payload: dict[str, Any], base: str) -> str:
    """Return a notice as plain text, one thing a line."""
    return "\n".join(part for part in (title_of(kind, payload), *lines_of(payload), url_of(payload, base)) if part)
