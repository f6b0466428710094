"""Every kind of life that the year is made of; each a generator that acts and then says how many hours it waits."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import time_machine

from app import clock
from app.reminders.cards import make_cards
from app.supervision.ladder import propose
from app.tickets import upkeep
from app.tickets.office import Office
from tests.builders import Hotline
from tests.reports.year import BEGINS, DAY, HOUR, SAID, YEAR, Life, Year, answered, voiced, worked
from tests.tickets.test_life import ATTACHED, GOOD, call, objection

# What is led by whom; the first is helped by 市财政局.
MATTERS = (("0101", "市工信局"), ("0103", "市住建局"), ("2405", "市司法局"))
REASON = {"reason": "按规定办理"}


def plain(year: Year) -> Life:
    """A plain matter."""
    tag, unit = year.pick(*MATTERS)
    yield from worked(year, year.submit(tag), unit)


def secret(year: Year) -> Life:
    """举报 and veiled callers."""
    tag, unit = year.pick(*MATTERS)
    facts = year.pick({"type": "举报"}, {"confidentiality": "匿名"}, {"type": "举报", "confidentiality": "隐名"})
    number = year.submit(tag, **facts)
    if year.hotline.ticket(number)["state"] == "triage":
        yield 1
        year.do("dispatcher", number, "dispatch", {"unit": unit, "accused_cleared": True, "reason": "与其无关"})
    yield from worked(year, number, unit)


def consulting(year: Year) -> Life:
    """咨询, settled by the hotline itself, or by a unit within a day."""
    if year.chance(0.6):
        way = year.pick({"way": "在线解答"}, {"way": "三方通话", "partner": "市税务局"})
        number = year.submit(type="咨询", answered={**way, "content": GOOD})
        yield year.pick(3, 30, 70)
        yield from voiced(year, number)
    else:
        yield from worked(year, year.submit("2405", type="咨询"), "市司法局")


def joint(year: Year) -> Life:
    """A lead with a supporter who answers in time, late or never, or says it is not needed."""
    number = year.submit()
    yield 1
    year.do("市工信局", number, "sign")
    course = year.pick("soon", "late", "never", "returns")
    if course == "returns":
        year.do("市财政局", number, "objection", objection("市住建局"))
        yield 2
        ruling = {"uphold": year.chance(0.7), "opinion": "已核"}
        year.post("dispatcher", f"/tickets/{number}/objection/rule?unit=市财政局", ruling)
    elif course != "never":
        year.do("市财政局", number, "sign")
        yield 40 if course == "soon" else 240
        body = {"result": "已解释", "content": GOOD, "contact": {"at": clock.now().isoformat(), "way": "电话"}}
        year.do("市财政局", number, "reply", body)
    if year.chance(0.3):
        year.do("dispatcher", number, "support", {"units": ["市司法局"], "reason": "需要法律意见"})
    yield year.pick(10, 40, 300)
    yield from answered(year, number, "市工信局")
    yield from voiced(year, number, "市工信局")


def bounced(year: Year) -> Life:
    """A return: refused, taken back, upheld with or without a unit to go to."""
    number, course = year.submit(), year.pick("refused", "taken back", "upheld", "waits")
    yield 1
    year.do("市工信局", number, "objection", objection("市住建局"))
    yield year.pick(2, 20)
    if course == "taken back":
        year.do("市工信局", number, "objection/withdraw", REASON)
    else:
        named = {"unit": "市住建局"} if course == "upheld" else {}
        body = {"uphold": course in {"upheld", "waits"}, "opinion": "已核", **named}
        year.do("dispatcher", number, "objection/rule", body)
    if course == "waits":
        yield year.pick(2, 30)
        year.do("dispatcher", number, "dispatch", {"unit": "市住建局", "reason": "依职责"})
    unit = "市住建局" if course in {"upheld", "waits"} else "市工信局"
    yield from worked(year, number, unit)


def arbitrated(year: Year) -> Life:
    """A second return, decided by 裁定."""
    number = year.submit()
    yield 1
    year.do("市工信局", number, "objection", objection("市住建局"))
    yield 1
    year.do("dispatcher", number, "objection/rule", {"uphold": True, "unit": "市住建局", "opinion": "已核"})
    yield 1
    year.do("市住建局", number, "objection", objection("市司法局"))
    yield 5
    unit = year.pick("市住建局", "市司法局")
    body = {"unit": unit, "participants": ["市委编办"], "clause": "市级权责清单第七项", "opinion": "指定"}
    year.do("supervisor", number, "arbitrate", body)
    yield from worked(year, number, unit)


def extended(year: Year) -> Life:
    """More time asked for: given or not."""
    tag, unit = year.pick(*MATTERS)
    number = year.submit(tag, type="投诉")
    yield 2
    year.do(unit, number, "sign")
    year.do(unit, number, "extension", {"days": year.pick(1, 3, 5), "reason": "要走程序"})
    yield 3
    year.do("reviewer", number, "extension/rule", {"grant": year.chance(0.7), "opinion": "已核"})
    yield year.pick(30, 180, 300)
    yield from answered(year, number, unit)
    yield from voiced(year, number, unit)


def paused(year: Year) -> Life:
    """A suspension: refused, ended by the unit, or by its day; asked for in time or when it was late already."""
    number = year.submit("2405")
    yield year.pick(2, 2, 220)
    year.do("市司法局", number, "sign")
    until = clock.today() + timedelta(days=year.pick(4, 9, 25))
    body = {
        "reason": "司法程序",
        "explanation": "等法院先行调解的结果出来。",
        "until": str(until),
        "evidence": ATTACHED,
    }
    year.do("市司法局", number, "suspension", body)
    yield 3
    granted = year.chance(0.8)
    year.do("reviewer", number, "suspension/rule", {"grant": granted, "opinion": "已核"})
    if granted and year.chance(0.4):
        yield 50
        year.do("市司法局", number, "resume", REASON)
    elif granted:
        yield 26 * 24
    yield year.pick(10, 120)
    yield from answered(year, number, "市司法局")
    yield from voiced(year, number, "市司法局")


def merged(year: Year) -> Life:
    """The same matter twice: joined, and sometimes parted again."""
    enterprise = {"name": f"鹿城第{year.dice.randrange(40)}木业有限公司"}
    main, second = year.submit(enterprise=enterprise), year.submit(enterprise=enterprise)
    yield 2
    year.do("dispatcher", second, "merge", {"main": main, "reason": "同一笔货款"})
    parted = year.chance(0.3)
    if parted:
        yield 20
        year.do("dispatcher", second, "unmerge", REASON)
        yield 5
        year.do("dispatcher", second, "dispatch", REASON)
    yield from worked(year, main, "市工信局")
    yield from worked(year, second, "市工信局") if parted else voiced(year, second)


def split(year: Year) -> Life:
    """Two matters in one, each to its own unit; now and then one is withdrawn."""
    parent = year.submit(type="求助")
    yield year.pick(1, 20)
    children = [
        {"content": "学校欠的货款没付。", "tag": "0101"},
        {"content": "合同写得不清，想请人看看。", "tag": "2405"},
    ]
    found = year.do("dispatcher", parent, "split", {"children": children, "reason": "两个事项"})["children"]
    year.lived["split"] += found
    yield from worked(year, found[0], "市工信局")
    if year.chance(0.3):
        year.do("operator", found[1], "withdraw", REASON)
    else:
        yield from worked(year, found[1], "市司法局")


def waiting(year: Year) -> Life:
    """What cannot be sent out at once: asked about, then sent, withdrawn, found invalid, restored, or left lying."""
    number = year.submit("0405", content="征地补偿款一直没有给我们发下来。")
    course = year.pick("told more", "late", "withdrawn", "invalid", "restored", "left", "answered")
    yield 1
    if course in {"told more", "late"}:
        yield 0 if course == "told more" else 9
        year.do("operator", number, "ask-info", {"wanted": "请说明地在哪个旗县区"})
        yield 20
        year.do("operator", number, "supplement", {"content": "地在昆都仑区卜尔汉图镇。"})
        yield from worked(year, number, "昆都仑区政府")
    elif course == "answered":
        year.do("operator", number, "answer", {"way": "在线解答", "content": GOOD})
        yield 20
        yield from voiced(year, number)
    elif course != "left":
        year.do("dispatcher", number, "withdraw" if course == "withdrawn" else "invalidate", REASON)
        if course == "restored":
            yield 5
            year.do("dispatcher", number, "restore", REASON)
            yield year.pick(1, 10)
            year.do("dispatcher", number, "dispatch", {"tag": "2405", "reason": "实为调解"})
            yield from worked(year, number, "市司法局")


def withdrawn(year: Year) -> Life:
    """An appeal its enterprise takes back, sooner or when the unit is late already; some change their mind."""
    tag, unit = year.pick(*MATTERS)
    number = year.submit(tag)
    yield 2
    year.do(unit, number, "sign")
    yield year.pick(10, 400)
    year.do("operator", number, "withdraw", REASON)
    if year.chance(0.3):
        yield 20
        year.do("dispatcher", number, "restore", REASON)
        year.do("dispatcher", number, "dispatch", {"tag": tag, "reason": "企业改变主意"})
        yield from worked(year, number, unit)


def urgent(year: Year) -> Life:
    """An urgent matter, for which hours count."""
    tag, unit = year.pick(*MATTERS)
    number = year.submit(tag, urgent=True, type="求助")
    yield year.pick(0.3, 1)
    year.do(unit, number, "sign")
    yield year.pick(1, 12, 30)
    yield from answered(year, number, unit)
    yield from voiced(year, number, unit)


def left(year: Year) -> Life:
    """A matter that nobody works on for weeks, or ever."""
    tag, unit = year.pick(*MATTERS)
    number = year.submit(tag)
    yield 24 * year.pick(20, 45, 400)
    yield from answered(year, number, unit)


def special(year: Year) -> Life:
    """A report that only the named supervisor may know of; it counts in no figure."""
    number = year.submit(type="举报", complained_of="市政府")
    yield 5
    if year.chance(0.5):
        year.do("supervisor@special", number, "answer", {"way": "在线解答", "content": GOOD})


def supervised(year: Year) -> Life:
    """A late matter under 督办: answered in time or late, sent back, cancelled, found done or not."""
    tag, unit = year.pick(*MATTERS)
    number = year.submit(tag)
    yield 24 * year.pick(2, 12)
    way = year.pick("电话", "书面", "现场")
    level = "普通" if way == "电话" else "红牌"
    body = {"way": way, "level": level, "unit": unit, "tickets": [number], "requirement": "请限期办结。"}
    order = year.post("supervisor", "/supervision", body)["number"]
    course, handler = year.pick("done", "late", "back", "cancelled", "silent"), f"unit_handler@{unit}"
    yield 240 if course in {"late", "silent"} else 2
    if course == "cancelled":
        year.post("supervisor", f"/supervision/{order}/cancel", {"reason": "已办结"})
    elif course != "silent":
        year.post(handler, f"/supervision/{order}/reply", {"text": "已与企业见面。"})
        if course == "back":
            year.post("supervisor", f"/supervision/{order}/send-back", {"reason": "没有材料"})
            yield 30
            year.post(handler, f"/supervision/{order}/reply", {"text": "材料已补齐。"})
        yield 5
        year.post("supervisor", f"/supervision/{order}/conclude", {"done": year.chance(0.7), "opinion": "已核"})
    year.do(unit, number, "sign")
    yield from answered(year, number, unit)
    yield from voiced(year, number, unit)


def hard(year: Year) -> Life:
    """A case whose time a conference, the law or a correction changed."""
    number = year.submit(type="投诉")
    yield 2
    year.do("市工信局", number, "sign")
    course = year.pick("conference", "statute", "reclassified")
    day = clock.today() + timedelta(days=20)
    if course == "conference":
        year.do("dispatcher", number, "hard", REASON)
        body = {
            "held_at": clock.now().isoformat(), "participants": ["市工信局", "市财政局"], "lead": "市工信局",
            "conclusion": "由市工信局牵头协调，市财政局安排资金。", "due_on": str(day),
            "steps": [{"unit": "市财政局", "what": "下达资金", "due_on": str(day)}],
        }  # fmt: skip
        year.do("supervisor", number, "conference", body)
    elif course == "statute":
        body = {"started_at": (clock.now() - 3 * DAY).isoformat(), "reason": "收到转交材料"}
        year.do("dispatcher", number, "statute", body)
    else:
        yield 40
        year.do("reviewer", number, "reclassify", {**year.pick({"urgent": True}, {"type": "举报"}), **REASON})
    yield year.pick(50, 200, 500)
    yield from answered(year, number, "市工信局")
    yield from voiced(year, number, "市工信局")


def told(year: Year) -> Life:
    """What belongs to a court; now and then it turns out to be the administration's after all."""
    number = year.submit("2401")
    yield 5
    if year.chance(0.4):
        year.do("dispatcher", number, "dispatch", {"tag": "2405", "reason": "实为调解"})
        yield from worked(year, number, "市司法局")


def marked(year: Year) -> Life:
    """A matter that two people leave out of the assessment, or find was answered falsely."""
    number = year.submit()
    yield from worked(year, number, "市工信局")
    kind = year.pick("剔除", "剔除", "办理不实", "督办未落实")
    body = {"kind": kind, "unit": "市工信局", "ticket": number, "reason": "两人核实"}
    mark = year.post("supervisor", "/assessment/marks", body)
    year.post("leader", f"/assessment/marks/{mark['id']}/decide", {"uphold": year.chance(0.8), "opinion": "已核"})


def appealed(year: Year) -> Life:
    """A bulletin that is published, and a unit that appeals against one of its figures."""
    number = year.submit()
    yield from worked(year, number, "市工信局")
    before = clock.local(clock.now()).date().replace(day=1) - DAY
    key = f"{before:%Y-%m}"
    year.post("admin", "/jobs/monthly_report/run", {"period": key})
    yield 24 * 9
    year.post("leader", f"/reports/monthly/{key}/sign")
    year.post("supervisor", f"/reports/monthly/{key}/publish")
    body = {"report": f"monthly/{key}", "ticket": number, "indicator": "on_time_rate", "reason": "系统停机所致"}
    found = year.post("unit_leader@市工信局", "/assessment/appeals", body)
    year.post("supervisor", f"/assessment/appeals/{found['id']}/decide", {"uphold": True, "opinion": "属实"})


def unfinished(year: Year, course: str) -> Life:
    """What the year's end finds half done: paused when late, under review, to be called again, reworked a second time."""
    number, unit = year.submit("2405", type="投诉"), "市司法局"
    yield 2
    year.do(unit, number, "sign")
    if course == "paused late":
        yield 9 * 24
        until = str(clock.today() + timedelta(days=20))
        body = {"reason": "司法程序", "explanation": "等法院先行调解的结果出来。", "until": until, "evidence": ATTACHED}
        year.do(unit, number, "suspension", body)
        year.do("reviewer", number, "suspension/rule", {"grant": True, "opinion": "已核"})
        return
    contact = {"at": clock.now().isoformat(), "way": "电话"}
    for ordered in range({"under review": 0, "to be called": 1, "reworked twice": 2}[course] + 1):
        yield 3
        year.do(unit, number, "reply", {"result": "已解决", "content": GOOD, "contact": contact})
        if course == "under review" or ordered == 2:
            return
        yield 3
        ruling = {"approve": True, "opinion": "已审", "despite_checks": "要点已答"}
        year.do("reviewer", number, "review", ruling)
        if course == "to be called" and ordered:
            return
        yield 3
        year.do("callback", number, "callback", call(**SAID["unsolved"]))
        year.do("reviewer", number, "reassess", {"rework": True, "opinion": "已复核"})


HALF_DONE = ("paused late", "under review", "to be called", "reworked twice")


def rounds(year: Year) -> Life:
    """What the service does by itself, every third morning; it proposes 督办 once in a while."""
    database, desk = year.office.database, year.office.desk
    for turn in itertools.count():
        upkeep.sign_for_the_silent(database)
        upkeep.resume_suspended(database, desk)
        upkeep.join_parents(database)
        upkeep.part_orphans(database, desk)
        make_cards(database, desk)
        if turn % 6 == 0:
            propose(database, desk)
        yield 72


MONTHLY = (
    plain,
    plain,
    secret,
    consulting,
    joint,
    bounced,
    bounced,
    extended,
    paused,
    merged,
    split,
    waiting,
    supervised,
)
EVERY_SECOND = ((consulting, joint, withdrawn, special, hard, marked), (waiting, arbitrated, urgent, left, told, plain))


def make_year(hotline: Hotline, office: Office, seed: int) -> Year:
    """Let a year be lived; returns it with the numbers of the work orders of each kind of life."""
    year = Year(hotline, office, seed)
    lives: dict[str, tuple[datetime, Life]] = {"rounds": (BEGINS + HOUR, rounds(year))}
    with time_machine.travel(BEGINS, tick=False):
        hotline.token("supervisor@special")
    for month in range(1, 13):
        kinds: list[Callable[[Year], Life]] = [*MONTHLY, *EVERY_SECOND[month % 2]]
        kinds += [appealed] if month in {3, 9} else []
        for index, kind in enumerate(kinds):
            begins = datetime(YEAR, month, 1, tzinfo=UTC) + timedelta(minutes=year.dice.randrange(26 * 24 * 60))
            lives[f"{kind.__name__} {month}-{index}"] = (begins, kind(year))
    for index, course in enumerate(HALF_DONE):
        lives[f"unfinished {index}"] = (datetime(YEAR, 12, 14, 1, index, tzinfo=UTC), unfinished(year, course))
    year.live(lives)
    return year
