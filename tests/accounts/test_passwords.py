"""Passwords: what is refused and why, the forced first change, waits after failures, and turns for hashing that end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from httpx2 import Response
from sqlalchemy import delete, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import ORMExecuteState

from app import clock
from app.accounts import lockout, passwords, service
from app.accounts.access import Role
from app.accounts.passwords import weaknesses
from app.accounts.service import add_staff
from app.accounts.tables import LoginAttempt
from app.accounts.tokens import digest
from app.database import Database
from app.errors import InvalidInputError
from tests.builders import PASSWORD, SHIPPED_HASHER, Hotline

OWN = "九原区 的 风 今天 很大"


@pytest.mark.parametrize(
    "password",
    [
        "123456789012", "098765432109", "aaaaaaaaaaaa", "abcdefghijkl", "qwertyuiop[]", "1qaz2wsx3edc", "abcabcabcabc",
        "baotou12345!", "Baotou@12345", "BAOTOU110120", "woaini1314520", "woaini123456", "P@ssw0rd1234", "Admin@123456",
        "13847200001", "138472000018", "15020319900101123x", "baotou19900101", "zhangsan@1990", "password12345",
        "包头包头包头包头", "我爱包头12345888", "密码密码密码密码", "hotline-12345", "1314520woaini", "qwer1234!@#$",
        "１２３４５６７８９０１２",
    ],
)  # fmt: skip
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    assert weaknesses(password)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD, OWN, "三只羊过桥看见一只大灰狼", "kettle-violet-harbour", "baotou kettle violet harbour",
        "晚上八点去赛罕塔拉看鹿吧", "x7Kp-q2Vd-m9Rt", "aB3 dE6 gH9 jK2 mN5",
    ],
)  # fmt: skip
def test_what_is_long_and_ones_own_is_taken_whatever_kinds_of_characters(password: str) -> None:
    assert weaknesses(password) == []


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short", "12 至 256 位"), ("x" * 257, "12 至 256 位"), ("liumeng kettle violet", "登录名或姓名"),
        ("铁木尔 kettle violet", "登录名或姓名"), ("123456789012", "太容易猜到"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_and_does_not_repeat_the_password(password: str, told: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        passwords.check_password(password, "LiuMeng", "铁木尔")
    assert told in refusal.value.message
    assert password not in refusal.value.message


def test_random_passwords_stand_up_to_the_rules() -> None:
    assert not any(weaknesses(passwords.random_password()) for _ in range(200))


def test_a_hash_costs_a_guesser_what_is_asked_for() -> None:
    # RFC 9106 §4, the second recommended option: argon2id, 64 MiB, three passes, four lanes.
    stored = SHIPPED_HASHER.hash("kettle violet")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.is_password("kettle violet", stored)


def test_full_width_letters_are_the_same_password() -> None:
    stored = passwords.hash_password("ｋｅｔｔｌｅ　ｖｉｏｌｅｔ")
    assert passwords.is_password("kettle violet", stored)
    assert not passwords.is_password("kettle violets", stored)


def sign_in(hotline: Hotline, login: str, password: str) -> Response:
    return hotline.client.post("/api/v1/session", json={"login": login, "password": password})


def as_bearer(answer: Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture
def given(hotline: Hotline) -> str:
    """The first password of an account that an administrator opened."""
    form = {"login": "wang", "name": "王芳芳", "role": "operator"}
    answer = hotline.post("admin", "/staff", form)
    assert answer.status_code == 201, answer.text
    password: str = answer.json()["password"]
    return password


def change(hotline: Hotline, signed_in: Response, old: str, new: str) -> Response:
    form = {"old": old, "new": new}
    return hotline.client.post("/api/v1/session/password", json=form, headers=as_bearer(signed_in))


def test_until_the_first_change_nothing_else_is_open(hotline: Hotline, given: str) -> None:
    entered = sign_in(hotline, "wang", given)
    assert entered.json()["must_change_password"] is True
    refused = hotline.client.get("/api/v1/tickets", headers=as_bearer(entered))
    assert (refused.status_code, refused.json()["code"]) == (403, "password-change-required")
    assert hotline.client.get("/api/v1/me", headers=as_bearer(entered)).json()["must_change_password"] is True
    changed = change(hotline, entered, given, OWN)
    assert (changed.status_code, changed.json()["must_change_password"]) == (200, False)
    assert hotline.client.get("/api/v1/tickets", headers=as_bearer(changed)).status_code == 200


def test_who_must_change_may_sign_out(hotline: Hotline, given: str) -> None:
    entered = sign_in(hotline, "wang", given)
    assert hotline.client.delete("/api/v1/session", headers=as_bearer(entered)).status_code == 204


def test_a_changed_password_ends_every_other_session(hotline: Hotline, given: str) -> None:
    first, second = sign_in(hotline, "wang", given), sign_in(hotline, "wang", given)
    changed = change(hotline, first, given, OWN)
    for ended in (first, second):
        assert hotline.client.get("/api/v1/me", headers=as_bearer(ended)).status_code == 401
    assert hotline.client.get("/api/v1/me", headers=as_bearer(changed)).status_code == 200
    assert sign_in(hotline, "wang", given).status_code == 401
    assert sign_in(hotline, "wang", OWN).status_code == 201


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("wrong", OWN, "/old"),
        (None, None, "/new"),
        (None, "woaini123456", "/new"),
        (None, "王芳芳 kettle violet", "/new"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(
    hotline: Hotline, given: str, old: str | None, new: str | None, pointer: str
) -> None:
    entered = sign_in(hotline, "wang", given)
    refused = change(hotline, entered, old or given, new or given)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert hotline.client.get("/api/v1/me", headers=as_bearer(entered)).json()["must_change_password"] is True


def test_guessing_the_old_password_with_a_stolen_token_is_slowed_down_too(hotline: Hotline, given: str) -> None:
    entered = sign_in(hotline, "wang", given)
    found = [change(hotline, entered, "wrong", OWN).status_code for _ in range(lockout.FREE_FAILURES + 1)]
    assert found == [422] * lockout.FREE_FAILURES + [429]


def test_a_reset_password_is_a_first_password_again(hotline: Hotline, given: str) -> None:
    entered = change(hotline, sign_in(hotline, "wang", given), given, OWN)
    reset = hotline.post("admin", "/staff/wang/password")
    assert hotline.client.get("/api/v1/me", headers=as_bearer(entered)).status_code == 401
    assert sign_in(hotline, "wang", OWN).status_code == 401
    assert sign_in(hotline, "wang", reset.json()["password"]).json()["must_change_password"] is True
    assert hotline.post("admin", "/staff/nobody/password").status_code == 404


def fail(hotline: Hotline, login: str, times: int) -> Response:
    for _ in range(times):
        answer = sign_in(hotline, login, "wrong")
    return answer


@pytest.mark.parametrize("login", ["wang", "nobody"])
def test_waits_grow_and_end_alike_for_known_and_unknown_logins(
    hotline: Hotline, database: Database, login: str
) -> None:
    with database.write() as session:
        add_staff(session, login="wang", name="王", role=Role.OPERATOR, password=PASSWORD)
    waits = []
    with time_machine.travel(clock.now(), tick=False) as traveller:
        assert fail(hotline, login, lockout.FREE_FAILURES).status_code == 401
        for _ in range(7):
            held = sign_in(hotline, login, PASSWORD)
            assert (held.status_code, held.json()["code"]) == (429, "too-many-requests")
            waits.append(int(held.headers["retry-after"]))
            traveller.shift(waits[-1] - 2)
            assert sign_in(hotline, login, PASSWORD).status_code == 429
            traveller.shift(2)
            assert sign_in(hotline, login, "wrong").status_code == 401
    assert waits == [31, 61, 121, 241, 481, 901, 901]


def test_the_right_password_after_the_wait_wipes_the_slate(hotline: Hotline, database: Database) -> None:
    hotline.token("operator")
    with time_machine.travel(clock.now(), tick=False) as traveller:
        fail(hotline, "operator", lockout.FREE_FAILURES)
        assert sign_in(hotline, "operator", PASSWORD).status_code == 429
        traveller.shift(31)
        assert sign_in(hotline, "operator", PASSWORD).status_code == 201
        assert fail(hotline, "operator", lockout.FREE_FAILURES).status_code == 401


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were looked at, each for a while so that others come meanwhile."""
    found: list[str] = []

    def look(password: str, stored: str | None) -> bool:
        found.append(password)
        time.sleep(0.1)
        return stored is not None and password == PASSWORD

    monkeypatch.setattr(passwords, "is_password", look)
    return found


def at_once(hotline: Hotline, given: list[str]) -> list[int]:
    with ThreadPoolExecutor(len(given)) as pool:
        return list(pool.map(lambda password: sign_in(hotline, "operator", password).status_code, given))


def test_right_sign_ins_at_once_all_succeed_and_leave_nothing_counted(
    hotline: Hotline, database: Database, looks: list[str]
) -> None:
    hotline.token("operator")
    fail(hotline, "operator", lockout.FREE_FAILURES - 3)
    assert at_once(hotline, [PASSWORD] * 10) == [201] * 10
    with database.read() as session:
        attempt = session.get_one(LoginAttempt, digest("operator"))
    assert (attempt.failures, attempt.pending) == (0, 0)


def test_guesses_at_once_are_no_more_than_guesses_one_after_the_other(
    hotline: Hotline, database: Database, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline.token("operator")
    monkeypatch.setattr(passwords, "ASKING_ROOM", threading.Semaphore(50))
    answers = at_once(hotline, [f"guess {number}" for number in range(50)])
    assert (len(looks), sorted(set(answers))) == (lockout.FREE_FAILURES, [401, 429])
    with time_machine.travel(clock.now() + timedelta(seconds=31), tick=False):
        assert set(at_once(hotline, ["guess again"] * 10)) == {401, 429}
    assert len(looks) == lockout.FREE_FAILURES + 1


def test_tries_whose_process_died_count_as_wrong(hotline: Hotline, database: Database, looks: list[str]) -> None:
    hotline.token("operator")
    with time_machine.travel(clock.now(), tick=False) as traveller:
        for _ in range(lockout.FREE_FAILURES):
            with database.write() as session:
                assert lockout.begin(session, "operator")
        with database.write() as session:
            assert not lockout.begin(session, "operator")
        traveller.shift(lockout.LOST_AFTER + timedelta(seconds=1))
        assert [sign_in(hotline, "operator", "wrong").status_code for _ in range(2)] == [401, 429]


def test_failures_of_yesterday_are_forgotten(hotline: Hotline, database: Database) -> None:
    fail(hotline, "nobody", 1)
    with database.write() as session:
        assert lockout.forget_old_failures(session) == 0
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False), database.write() as session:
        assert lockout.forget_old_failures(session) == 1


def test_a_sweep_between_finding_and_locking_the_row_of_a_login_stops_no_sign_in(database: Database) -> None:
    swept: list[ORMExecuteState] = []
    with database.write() as session:

        def sweep(state: ORMExecuteState) -> None:
            if state.is_select and not swept:
                swept.append(state)
                session.connection().execute(delete(LoginAttempt))

        event.listen(session, "do_orm_execute", sweep)
        assert lockout.begin(session, "operator")
    with database.read() as session:
        assert session.get_one(LoginAttempt, digest("operator")).pending == 1


@pytest.fixture
def all_turns_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose every turn for hashing is taken for longer than anybody waits."""
    monkeypatch.setattr(passwords, "HASHING_TURNS", threading.Semaphore(0))
    monkeypatch.setattr(passwords, "TURN_SECONDS", 0.2)


def test_who_waits_too_long_for_a_turn_is_sent_away_and_nothing_is_counted(
    hotline: Hotline, database: Database, all_turns_taken: None
) -> None:
    hotline.token("operator")
    answers = [sign_in(hotline, "operator", PASSWORD) for _ in range(lockout.FREE_FAILURES + 2)]
    assert {(answer.status_code, "retry-after" in answer.headers) for answer in answers} == {(503, True)}
    with database.read() as session:
        assert session.get_one(LoginAttempt, digest("operator")).failures == 0


def test_more_than_the_waiting_room_holds_are_sent_away_at_once(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline.token("operator")
    monkeypatch.setattr(passwords, "WAITING_ROOM", threading.Semaphore(0))
    monkeypatch.setattr(passwords, "TURN_SECONDS", 600.0)
    assert sign_in(hotline, "operator", PASSWORD).status_code == 503
    monkeypatch.setattr(passwords, "WAITING_ROOM", threading.Semaphore(1))
    found: list[Any] = [sign_in(hotline, "operator", PASSWORD).status_code for _ in range(2)]
    assert found == [201, 201]


def test_a_sign_in_under_way_while_the_password_is_reset_begins_nothing(
    hotline: Hotline, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline.token("operator")
    right = passwords.is_password

    def slowly(password: str, stored: str | None) -> bool:
        found = right(password, stored)
        monkeypatch.setattr(passwords, "is_password", right)
        assert hotline.post("admin", "/staff/operator/password").status_code == 200
        return found

    hotline.token("admin")
    monkeypatch.setattr(passwords, "is_password", slowly)
    answer = hotline.client.post("/api/v1/session", json={"login": "operator", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert hotline.get("admin", "/sessions", login="operator").json()["items"] == []


def test_an_own_password_under_way_while_it_is_reset_changes_nothing(
    hotline: Hotline, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline.token("operator")
    hotline.token("admin")
    right, given = passwords.is_password, ""

    def slowly(password: str, stored: str | None) -> bool:
        nonlocal given
        found = right(password, stored)
        monkeypatch.setattr(passwords, "is_password", right)
        given = hotline.post("admin", "/staff/operator/password").json()["password"]
        return found

    monkeypatch.setattr(passwords, "is_password", slowly)
    answer = hotline.post("operator", "/session/password", {"old": PASSWORD, "new": OWN})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert [sign_in(hotline, "operator", word).status_code for word in (OWN, given)] == [401, 201]


def test_a_database_that_fails_during_a_sign_in_leaves_nothing_pending(
    hotline: Hotline, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline.token("operator")

    def cut(*_: object) -> None:
        raise OperationalError("SELECT", {}, OSError("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(service, "find_staff", cut)
        assert sign_in(hotline, "operator", PASSWORD).status_code == 503
    with database.read() as session:
        attempt = session.get_one(LoginAttempt, digest("operator"))
    assert (attempt.pending, attempt.failures) == (0, 0)
