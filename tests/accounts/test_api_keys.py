"""Keys of other systems: shown once, narrowed to a purpose, ending by themselves, rotated without a gap."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from httpx2 import Response
from sqlalchemy import select

from app import clock
from app.accounts.tables import ApiKey
from app.database import Database
from app.settings import Settings
from tests.builders import Hotline, ticket_form

NAME = "蒙企通对接"


def make(hotline: Hotline, **form: Any) -> Response:
    return hotline.post("admin", "/keys", {"name": NAME, "channel": "蒙企通"} | form)


def rotate(hotline: Hotline, **form: Any) -> dict[str, Any]:
    answer = hotline.post("admin", f"/keys/{NAME}/rotation", form or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def revoke(hotline: Hotline, name: str = NAME) -> int:
    return hotline.client.delete(f"/api/v1/keys/{name}", headers=hotline.headers("admin")).status_code


def status(hotline: Hotline, key: str, path: str = "/me") -> int:
    return hotline.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"}).status_code


def listed(hotline: Hotline) -> dict[str, Any]:
    (found,) = hotline.get("admin", "/keys").json()
    whole: dict[str, Any] = found
    return whole


@pytest.fixture
def key(hotline: Hotline) -> str:
    """A channel's key as an administrator makes it."""
    answer = make(hotline)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["key"]
    return made


def test_a_key_is_shown_once_and_only_its_hash_is_kept(hotline: Hotline, database: Database, key: str) -> None:
    assert key not in hotline.get("admin", "/keys").text
    with database.read() as session:
        kept = session.scalars(select(ApiKey)).one()
        assert key not in str(vars(kept))
    assert make(hotline).status_code == 409


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({"channel": ""}, "/channel"), ({"unit": "市工信局"}, "/channel"), ({"channel": "飞鸽"}, "/channel"),
        ({"channel": "", "unit": "没有这个局"}, "/unit"), ({"scopes": ["ticket.dispatch"]}, "/scopes"),
        ({"days": 731}, "/days"), ({"name": "a/b"}, "/name"), ({"scopes": ["all"]}, "/scopes/0"),
    ],
)  # fmt: skip
def test_a_key_for_nothing_for_too_long_or_for_too_much_is_refused(
    hotline: Hotline, form: dict[str, Any], pointer: str
) -> None:
    refused = make(hotline, **form)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert hotline.get("admin", "/keys").json() == []


def test_a_narrowed_key_does_only_what_it_is_for(hotline: Hotline) -> None:
    key = make(hotline, scopes=["ticket.submit"]).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    form = ticket_form(channel="蒙企通", override=None)
    assert hotline.client.post("/api/v1/tickets", json=form, headers=headers).status_code == 201
    assert status(hotline, key) == 200
    assert status(hotline, key, "/tickets") == 403
    assert hotline.client.post("/api/v1/tickets/preview", json=form, headers=headers).status_code == 403
    assert listed(hotline)["scopes"] == ["ticket.submit"]


def test_a_key_without_scopes_does_all_of_its_role_and_no_more(hotline: Hotline, key: str) -> None:
    assert [status(hotline, key, path) for path in ("/me", "/tickets", "/keys", "/staff")] == [200, 200, 403, 403]


def test_keys_end_by_themselves_after_a_year_unless_said_otherwise(hotline: Hotline, key: str) -> None:
    short = make(hotline, name="试接", days=1).json()["key"]
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False):
        assert (status(hotline, short), status(hotline, key)) == (401, 200)
    with time_machine.travel(clock.now() + timedelta(days=366), tick=False):
        assert status(hotline, key) == 401
        hotline.sign_in_anew()
        assert {item["state"] for item in hotline.get("admin", "/keys").json()} == {"已到期"}


def test_rotation_leaves_no_gap_and_the_old_secret_ends_at_the_hour_told(hotline: Hotline, key: str) -> None:
    with time_machine.travel(clock.now(), tick=False) as traveller:
        made = rotate(hotline)
        assert (status(hotline, key), status(hotline, made["key"])) == (200, 200)
        until = clock.now() + timedelta(hours=24)
        assert made["previous_ends_at"] == until.isoformat().replace("+00:00", "Z")
        traveller.shift(timedelta(hours=23))
        assert status(hotline, key) == 200
        traveller.shift(timedelta(hours=1))
        assert (status(hotline, key), status(hotline, made["key"])) == (401, 200)


def test_both_secrets_are_listed_with_their_last_use(hotline: Hotline, key: str) -> None:
    status(hotline, key)
    new = rotate(hotline)["key"]
    current, former = listed(hotline)["secrets"]
    assert (current["current"], current["last_used_at"], former["current"]) == (True, None, False)
    assert former["last_used_at"] is not None
    with time_machine.travel(clock.now() + timedelta(minutes=10), tick=False):
        status(hotline, new)
        later, same = listed(hotline)["secrets"]
        assert (later["last_used_at"] > former["last_used_at"], same) == (True, former)


def test_a_second_rotation_leaves_two_good_secrets_at_most(hotline: Hotline, key: str) -> None:
    second, third = rotate(hotline)["key"], rotate(hotline)["key"]
    assert [status(hotline, each) for each in (key, second, third)] == [401, 200, 200]


def test_a_leaked_key_is_rotated_without_grace(hotline: Hotline, key: str) -> None:
    new = rotate(hotline, overlap_hours=0, days=30)
    assert [status(hotline, each) for each in (key, new["key"])] == [401, 200]
    assert new["expires_at"] < (clock.now() + timedelta(days=31)).isoformat()


def test_rotation_never_revives_a_secret_that_had_ended(hotline: Hotline) -> None:
    key = make(hotline, days=1).json()["key"]
    with time_machine.travel(clock.now() + timedelta(days=2), tick=False):
        hotline.sign_in_anew()
        new = rotate(hotline)["key"]
        assert [status(hotline, each) for each in (key, new)] == [401, 200]


def test_a_revoked_key_is_dead_with_both_secrets_and_cannot_be_rotated(hotline: Hotline, key: str) -> None:
    new = rotate(hotline)["key"]
    assert revoke(hotline) == 204
    assert [status(hotline, each) for each in (key, new)] == [401, 401]
    assert hotline.post("admin", f"/keys/{NAME}/rotation").status_code == 409
    assert listed(hotline)["state"] == "已收回"
    assert revoke(hotline, "没有") == 404


def test_what_is_done_to_keys_is_recorded(hotline: Hotline, key: str) -> None:
    rotate(hotline)
    revoke(hotline)
    items = hotline.get("auditor", "/audit/log").json()["items"]
    found = [(item["verb"], item["subject"][:4], item["reason"]) for item in reversed(items)]
    assert found == [
        ("key.add", "key:", "channel"),
        ("key.rotate", "key:", "overlap_hours=24"),
        ("key.revoke", "key:", ""),
    ]


def test_settings_that_contradict_each_other_do_not_start() -> None:
    with pytest.raises(ValueError, match="HOTLINE_KEY_MAX_DAYS"):
        Settings(key_days=400, key_max_days=300)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions", None), ("DELETE", "/sessions/1", None), ("DELETE", "/session", None),
        ("POST", "/session/password", {"old": "wrong", "new": "operator blue 7 piano kite"}), ("GET", "/views", None),
    ],
)  # fmt: skip
def test_a_units_key_is_never_taken_for_the_person_of_its_number(
    hotline: Hotline, method: str, path: str, body: Any
) -> None:
    hotline.token("operator")
    made = hotline.post("admin", "/keys", {"name": "单位系统", "unit": "市工信局"}).json()["key"]
    headers = {"Authorization": f"Bearer {made}"}
    answer = hotline.client.request(method, f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == 403, answer.text
    assert status(hotline, made, "/queue") == 200
    assert hotline.get("operator", "/me").status_code == 200
