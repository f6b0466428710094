"""Sessions: seen, ended, left idle; accounts opened, changed and closed by administrators; all of it recorded."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from alembic import command
from httpx2 import Response
from sqlalchemy import event, select

from app import clock, schema
from app.accounts.access import Role
from app.accounts.service import revoke_staff
from app.accounts.sessions import clean_agent, forget_ended
from app.accounts.tables import AccessToken
from app.database import Database
from app.jobs.worker import one_round
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import PASSWORD, Hotline

IDLE = 120


@pytest.fixture
def people(hotline: Hotline, settings: Settings) -> Hotline:
    """The application as it runs outside tests: sessions end after two hours without use."""
    hotline.client.app.state.settings = settings.model_copy(update={"idle_minutes": IDLE})  # type: ignore[attr-defined]
    return hotline


def sessions_of(hotline: Hotline, who: str, **asked: Any) -> list[dict[str, Any]]:
    answer = hotline.get(who, "/sessions", **asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def end(hotline: Hotline, who: str, ident: int) -> int:
    path = f"/api/v1/sessions/{ident}"
    return hotline.client.delete(path, headers=hotline.headers(who)).status_code


def recorded(hotline: Hotline, verb: str) -> list[tuple[str, str, str]]:
    items = hotline.get("auditor", "/audit/log", verb=verb).json()["items"]
    return [(item["who"], item["subject"], item["reason"]) for item in items]


def test_people_see_their_own_sessions_and_administrators_all(people: Hotline) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux)<script>" + "x" * 200}
    people.token("operator")
    form = {"login": "operator", "password": PASSWORD}
    people.client.post("/api/v1/session", json=form, headers=agent)
    mine = sessions_of(people, "operator")
    assert [item["current"] for item in mine] == [False, True]
    assert mine[0]["agent"] == ("Mozilla/5.0 (X11; Linux)script" + "x" * 200)[:80]
    assert (mine[0]["login"], mine[0]["via"]) == ("operator", "password")
    assert [item["login"] for item in sessions_of(people, "admin")] == ["admin", "operator", "operator"]
    assert len(sessions_of(people, "admin", login="operator")) == 2
    assert sessions_of(people, "operator", login="admin") == []


def test_sessions_page(people: Hotline) -> None:
    for who in ("operator", "reviewer", "admin"):
        people.token(who)
    page = people.get("admin", "/sessions", limit=2).json()
    rest = people.get("admin", "/sessions", limit=2, cursor=page["next_cursor"]).json()
    assert [item["login"] for item in page["items"] + rest["items"]] == ["admin", "reviewer", "operator"]
    assert rest["next_cursor"] is None


def test_a_person_ends_only_own_sessions(people: Hotline) -> None:
    people.token("reviewer")
    (other,) = sessions_of(people, "reviewer")
    (own,) = sessions_of(people, "operator")
    assert end(people, "operator", other["id"]) == 404
    assert people.get("reviewer", "/me").status_code == 200
    assert end(people, "operator", own["id"]) == 204
    assert people.get("operator", "/me").status_code == 401


def test_an_administrator_ends_anybodys_session_and_it_is_recorded(people: Hotline) -> None:
    people.token("operator")
    (found,) = sessions_of(people, "admin", login="operator")
    assert end(people, "admin", found["id"]) == 204
    assert people.get("operator", "/me").status_code == 401
    assert end(people, "admin", found["id"]) == 404
    assert sessions_of(people, "admin", login="operator") == []
    ((_, subject, reason),) = recorded(people, "session.revoke")
    assert (subject[:6], reason) == ("staff:", f"session={found['id']}")


def test_a_key_has_no_sessions(people: Hotline) -> None:
    assert people.get("channel@12345电话", "/sessions").status_code == 403


def test_a_session_left_idle_ends_and_one_in_use_goes_on_to_its_absolute_end(people: Hotline) -> None:
    with time_machine.travel(clock.now(), tick=False) as traveller:
        people.token("operator"), people.token("reviewer")
        for _ in range(7):
            traveller.shift(timedelta(minutes=100))
            assert people.get("operator", "/me").status_code == 200
        assert people.get("reviewer", "/me").status_code == 401
        traveller.shift(timedelta(minutes=40))
        assert people.get("operator", "/me").status_code == 401


def test_the_list_tells_when_a_session_will_end(people: Hotline) -> None:
    with time_machine.travel(clock.now(), tick=False) as traveller:
        people.token("operator")
        traveller.shift(timedelta(hours=1))
        (found,) = sessions_of(people, "operator")
        assert found["last_seen_at"] > found["started_at"]
        until = clock.now() + timedelta(minutes=IDLE)
        assert found["ends_at"] == until.isoformat().replace("+00:00", "Z")


def test_use_is_noted_every_few_minutes_not_at_every_request(people: Hotline, database: Database) -> None:
    written: list[str] = []

    def note(*seen: Any) -> None:
        written.extend([seen[2]] if seen[2].startswith("UPDATE access_token") else [])

    event.listen(database.writer, "before_cursor_execute", note)
    with time_machine.travel(clock.now(), tick=False) as traveller:
        people.token("operator")
        for _ in range(8):
            people.get("operator", "/me")
            traveller.shift(60)
    assert len(written) == 1


def test_a_busy_writer_does_not_stop_a_reading(
    people: Hotline, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.is_sqlite:
        pytest.skip("only SQLite has one writer at a time")
    people.token("operator")
    monkeypatch.setattr("app.database.WRITER_WAIT_SECONDS", 0.05)
    with time_machine.travel(clock.now() + timedelta(minutes=5), tick=False), database.write():
        assert people.get("operator", "/me").status_code == 200


def test_who_is_recognised_costs_one_query(people: Hotline, database: Database) -> None:
    asked: list[str] = []
    people.token("operator")
    event.listen(database.reader, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
    people.get("operator", "/me")
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1


def test_a_program_cannot_hide_anything_in_its_name() -> None:
    assert clean_agent("curl/8.5.0") == "curl/8.5.0"
    assert clean_agent("  王大山\x00 13847200001\n 电话 ") == "13847200001"
    assert len(clean_agent("y" * 500)) == 80


def test_sessions_that_ended_long_ago_are_dropped(people: Hotline, office: Office) -> None:
    people.token("operator")
    with time_machine.travel(clock.now() + timedelta(days=29), tick=False):
        assert one_round(office, None)["sessions_forgotten"] == 0
    with time_machine.travel(clock.now() + timedelta(days=32), tick=False), office.database.write() as session:
        assert forget_ended(session) == 1
        assert session.scalars(select(AccessToken)).all() == []


def change(hotline: Hotline, login: str, who: str = "admin", **form: Any) -> Response:
    return hotline.client.patch(f"/api/v1/staff/{login}", json=form, headers=hotline.headers(who))


def test_an_administrator_opens_changes_and_closes_accounts(people: Hotline) -> None:
    form = {"login": "li.na", "name": "李娜", "role": "unit_handler", "unit": "市工信局"}
    made = people.post("admin", "/staff", form)
    assert (made.status_code, len(made.json()["password"]) >= 16) == (201, True)
    changed = change(people, "li.na", role="reviewer").json()
    assert (changed["role_label"], changed["unit"], changed["must_change_password"]) == ("审核员", "", True)
    assert change(people, "li.na", active=False).json()["active"] is False
    found = people.get("admin", "/staff").json()["items"]
    assert [(item["login"], item["active"]) for item in found][-1] == ("li.na", False)
    assert "li.na" not in [item["login"] for item in people.get("admin", "/staff", active=True).json()["items"]]
    signing_in = {"login": "li.na", "password": made.json()["password"]}
    assert people.client.post("/api/v1/session", json=signing_in).status_code == 401


def test_what_administrators_do_is_recorded_without_names(people: Hotline) -> None:
    people.post("admin", "/staff", {"login": "li.na", "name": "李娜", "role": "operator"})
    change(people, "li.na", role="reviewer", name="李娜娜")
    change(people, "li.na", name="李娜")
    people.post("admin", "/staff/li.na/password")
    (added,) = recorded(people, "staff.add")
    assert added[2] == "role=operator"
    assert [reason for _, _, reason in recorded(people, "staff.change")] == ["name", "role=reviewer"]
    assert recorded(people, "password.reset") == [(*added[:2], "")]


@pytest.mark.parametrize("form", [{"role": "reviewer"}, {"active": False}])
def test_a_change_of_rights_ends_the_persons_sessions(people: Hotline, form: dict[str, Any]) -> None:
    people.token("operator")
    assert change(people, "operator", name="新名字").status_code == 200
    assert people.get("operator", "/me").status_code == 200
    assert change(people, "operator", **form).status_code == 200
    assert people.get("operator", "/me").status_code == 401


@pytest.mark.parametrize(
    ("login", "form", "status"),
    [
        ("operator", {"role": "unit_handler"}, 422), ("operator", {"role": "channel"}, 422),
        ("operator", {"takes_special": True}, 422), ("operator", {"unit": "没有这个局"}, 422),
        ("operator", {"password": "x"}, 422), ("nobody", {"name": "谁"}, 404),
        ("admin", {"role": "auditor"}, 409), ("admin", {"active": False}, 409),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_and_nothing_is_changed(
    people: Hotline, login: str, form: dict[str, Any], status: int
) -> None:
    people.token("operator")
    before = people.get("admin", "/staff").json()
    assert change(people, login, **form).status_code == status
    assert people.get("admin", "/staff").json() == before
    assert people.get("operator", "/me").status_code == 200


def test_nobody_changes_own_rights_and_the_last_administrator_stays(people: Hotline, database: Database) -> None:
    people.post("admin", "/staff", {"login": "second", "name": "第二位", "role": "admin"})
    assert change(people, "admin", active=False).status_code == 409
    assert change(people, "second", active=False).status_code == 200
    with database.write() as session:
        revoke_staff(session, "second")
    assert "最后一个" in change(people, "admin", role="auditor").json()["detail"]


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.ADMIN, Role.CHANNEL}])
def test_only_administrators_see_and_make_accounts(people: Hotline, role: Role) -> None:
    who = f"{role.value}@市工信局" if role.of_unit else role.value
    assert people.get(who, "/staff").status_code == 403
    assert people.post(who, "/staff", {"login": "eve", "name": "夏娃", "role": "admin"}).status_code == 403
    assert change(people, who, who=who, role="admin").status_code == 403


def test_a_login_is_opened_once_and_special_only_for_supervisors(people: Hotline) -> None:
    form = {"login": "li.na", "name": "李娜", "role": "operator"}
    assert people.post("admin", "/staff", form | {"takes_special": True}).status_code == 422
    assert people.post("admin", "/staff", form | {"role": "supervisor", "takes_special": True}).status_code == 201
    assert people.post("admin", "/staff", form).status_code == 409


def test_sessions_and_keys_from_before_live_through_the_migration(people: Hotline, database: Database) -> None:
    people.token("operator"), people.token("channel@12345电话")
    config = schema.alembic_config(database)
    command.downgrade(config, "0011")
    command.upgrade(config, "head")
    assert [people.get(who, "/me").status_code for who in ("operator", "channel@12345电话")] == [200, 200]
    assert sessions_of(people, "operator")[0]["last_seen_at"] == sessions_of(people, "operator")[0]["started_at"]
