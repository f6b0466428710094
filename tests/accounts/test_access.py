"""Who may do what: every endpoint walked against the one table, for every role; sign-in, tokens and keys."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app import clock
from app.accounts.access import ACCESS, Role, Rows, Verb
from app.accounts.api import Allow
from app.accounts.callers import caller_of
from app.accounts.keys import add_key, revoke_key
from app.accounts.service import add_staff, revoke_staff
from app.database import Database
from app.errors import ConflictError, InvalidInputError, UnauthenticatedError
from tests.builders import PASSWORD, Hotline

OPEN_TO_ALL = {
    ("POST", "/api/v1/session"),
    ("GET", "/api/v1/session/oidc"),
    ("GET", "/api/v1/session/oidc/callback"),
    ("POST", "/api/v1/enquiry"),
    ("POST", "/api/v1/enquiry/urge"),
    ("GET", "/signin"),
    ("POST", "/signin"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/docs/oauth2-redirect"),
    ("GET", "/redoc"),
}
WHO = {
    Role.UNIT_HANDLER: "unit_handler@市工信局",
    Role.UNIT_LEADER: "unit_leader@市工信局",
    Role.CHANNEL: "channel@12345电话",
}


def verbs_of(dependant: Dependant) -> list[Verb]:
    """Return every verb a route's dependencies name."""
    own = [dependant.call.verb] if isinstance(dependant.call, Allow) else []
    return own + [verb for child in dependant.dependencies for verb in verbs_of(child)]


def routes(hotline: Hotline) -> list[tuple[str, str, list[Verb]]]:
    return [
        (method, route.path, verbs_of(route.dependant))
        for route in every_route(hotline.client.app)
        for method in route.methods or set()
    ]


def every_route(app: Any) -> list[APIRoute]:
    """Return all API routes, those of included routers too."""
    found: list[APIRoute] = []

    def walk(routes: Any) -> None:
        for route in routes:
            if isinstance(route, APIRoute):
                found.append(route)
            elif router := getattr(route, "original_router", None):
                walk(router.routes)

    walk(app.routes)
    return found


def is_page(path: str) -> bool:
    """Whether an endpoint is a page, which knows browsers by their cookie only."""
    return not path.startswith("/api/")


def status_of(hotline: Hotline, who: str, method: str, path: str) -> int:
    """Return how an endpoint answers somebody, asked as it is meant to be asked."""
    if is_page(path):
        return hotline.browse(who, path, None if method == "GET" else {}).status_code
    return hotline.client.request(method, path, headers=hotline.headers(who), json={}).status_code


def test_every_endpoint_names_exactly_one_verb(hotline: Hotline) -> None:
    assert len(routes(hotline)) > 15
    documented = {
        (method.upper(), path)
        for path, methods in hotline.client.get("/openapi.json").json()["paths"].items()
        for method in methods
    }
    walked = {(method, path): verbs for method, path, verbs in routes(hotline)}
    assert documented <= set(walked), documented - set(walked)
    for place, verbs in walked.items():
        assert len(verbs) == (0 if place in OPEN_TO_ALL else 1), (place, verbs)


def test_every_verb_has_a_rule_and_an_endpoint_or_is_an_extra(hotline: Hotline) -> None:
    used = {verb for _, _, verbs in routes(hotline) for verb in verbs}
    assert set(ACCESS) == set(Verb)
    assert set(Verb) - used == {Verb.TICKET_OVERRIDE}


@pytest.mark.parametrize("role", list(Role))
def test_a_role_reaches_what_the_table_grants_and_nothing_else(hotline: Hotline, role: Role) -> None:
    number = hotline.submit()["number"]
    who = WHO.get(role, role.value)
    for method, path, verbs in routes(hotline):
        if not verbs:
            continue
        target = re.sub(r"\{number\}", number, path)
        if verbs[0] is Verb.SESSION_END:
            continue
        status = status_of(hotline, who, method, target)
        if role is Role.CHANNEL and is_page(path):
            assert status == 303, path  # a system's key is nobody in a browser
            continue
        granted = role in ACCESS[verbs[0]]
        assert (status == 403) == (not granted), (role, method, path, status)


def test_without_a_token_nothing_but_the_open_endpoints_answers(hotline: Hotline) -> None:
    for method, path, verbs in routes(hotline):
        if verbs and is_page(path):
            page = hotline.client.request(method, path, follow_redirects=False)
            assert (page.status_code, page.headers["location"].partition("?")[0]) == (303, "/signin"), path
        elif verbs:
            answer = hotline.client.request(method, path.replace("{number}", "BTQ1"), json={})
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path


def bodies() -> dict[str, dict[str, Any]]:
    """What a unit's verbs need to be understood at all."""
    now, text = clock.now().isoformat(), "试试看能不能办理别家的工单"
    contact = {"at": now, "way": "电话"}
    suspension = {
        "reason": "司法程序", "explanation": text, "until": str(clock.today() + timedelta(days=3)), "evidence": [{"name": "a"}],
    }  # fmt: skip
    return {
        "reply": {"result": "已解决", "content": text, "contact": contact},
        "objection": {"reason": "重复", "clause": "三定规定第一条", "explanation": text},
        "contact-attempt": {"at": now, "reached": False},
        "interim": {"content": text},
        "extension": {"days": 1, "reason": "试试"},
        "suspension": suspension,
        "assign": {"handler": "谁"},
        "unmask": {"fields": ["contact_phone"], "reason": "试试看能不能看别家"},
    }


@pytest.mark.parametrize("verb", [verb for verb, rows in ACCESS.items() if Rows.OWN_UNIT in rows.values()])
def test_a_foreign_unit_never_reaches_the_row(hotline: Hotline, verb: Verb) -> None:
    number = hotline.submit()["number"]
    for method, path, verbs in routes(hotline):
        if verbs == [verb] and "{number}" in path:
            body = bodies().get(path.partition("{number}/")[2], {"reason": "试试"})
            target = path.replace("{number}", number)
            answer = hotline.client.request(method, target, headers=hotline.headers("unit_handler@市教育局"), json=body)
            assert answer.status_code == 404, (path, answer.text)


def test_sign_in_and_out(hotline: Hotline) -> None:
    hotline.token("operator")
    made = hotline.client.post("/api/v1/session", json={"login": "operator", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert hotline.client.get("/api/v1/me", headers=headers).json()["role_label"] == "话务员"
    assert hotline.client.delete("/api/v1/session", headers=headers).status_code == 204
    assert hotline.client.get("/api/v1/me", headers=headers).status_code == 401


def test_wrong_passwords_are_slowed_down(hotline: Hotline) -> None:
    hotline.token("operator")
    wrong = {"login": "operator", "password": "wrong"}
    answers = [hotline.client.post("/api/v1/session", json=wrong).status_code for _ in range(6)]
    right = hotline.client.post("/api/v1/session", json={"login": "operator", "password": PASSWORD})
    assert answers == [401] * 5 + [429]
    assert (right.status_code, "秒后再试" in right.json()["detail"]) == (429, True)


def test_an_unknown_login_is_answered_like_a_wrong_password(hotline: Hotline) -> None:
    hotline.token("operator")
    unknown = hotline.client.post("/api/v1/session", json={"login": "nobody", "password": "wrong"}).json()
    wrong = hotline.client.post("/api/v1/session", json={"login": "operator", "password": "wrong"}).json()
    assert unknown["detail"] == wrong["detail"]


def test_a_token_expires(hotline: Hotline) -> None:
    headers = hotline.headers("operator")
    with time_machine.travel(clock.now() + timedelta(hours=13), tick=False):
        assert hotline.client.get("/api/v1/me", headers=headers).status_code == 401


def test_revoking_a_person_ends_their_tokens(hotline: Hotline, database: Database) -> None:
    headers = hotline.headers("operator")
    with database.write() as session:
        revoke_staff(session, "operator")
    assert hotline.client.get("/api/v1/me", headers=headers).status_code == 401


def test_keys_expire_and_are_revoked(database: Database) -> None:
    with database.write() as session:
        short = add_key(session, name="短期", role=Role.CHANNEL, channel="蒙企通", days=1)
        long = add_key(session, name="长期", role=Role.UNIT_HANDLER, unit="BT-GXJ")
    with database.read() as session:
        assert caller_of(session, short).channel == "蒙企通"
        assert caller_of(session, long).unit == "BT-GXJ"
        with time_machine.travel(clock.now() + timedelta(days=2), tick=False), pytest.raises(UnauthenticatedError):
            caller_of(session, short)
    with database.write() as session:
        revoke_key(session, "长期")
    with database.read() as session, pytest.raises(UnauthenticatedError):
        caller_of(session, long)


@pytest.mark.parametrize(
    ("but", "pointer"),
    [
        ({"password": "short"}, "/password"),
        ({"role": Role.UNIT_HANDLER}, "/unit"),
        ({"role": Role.CHANNEL}, "/role"),
    ],
)
def test_a_person_without_what_the_role_needs_is_refused(database: Database, but: dict[str, Any], pointer: str) -> None:
    form = {"login": "li", "name": "李", "role": Role.OPERATOR, "password": PASSWORD} | but
    with pytest.raises(InvalidInputError) as refusal, database.write() as session:
        add_staff(session, **form)
    assert refusal.value.faults[0].pointer == pointer


def test_a_login_is_taken_once(database: Database) -> None:
    with database.write() as session:
        add_staff(session, login="li", name="李", role=Role.OPERATOR, password=PASSWORD)
    with pytest.raises(ConflictError), database.write() as session:
        add_staff(session, login="li", name="李二", role=Role.AUDITOR, password=PASSWORD)
