"""Keys: either cipher, older keys still read and found by, everything sealed anew in batches that may be broken off."""

import base64
import os
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from app.database import Database
from app.sealing import Sealer, SealError, load_sealer
from app.settings import Settings, SettingsError
from app.tickets import rekeying
from app.tickets.sealed import DAMAGED
from tests.builders import Hotline, TestClient, ticket_form

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
LEAD = "unit_handler@市工信局"
SUBSCRIPTION = {
    "audience": "unit:BT-CZJ", "channel": "email", "target": "clerk@example.com",
}  # fmt: skip


def spoken(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation on the old key."""
    return settings.model_copy(update={"data_key": Settings(data_key=spoken(OLD)).data_key})


def with_keys(settings: Settings, key: bytes, *old: bytes, cipher: str = "aes") -> Sealer:
    given = Settings(data_key=spoken(key), old_data_keys=spoken(*old), sealing_cipher=cipher)
    changed = {name: getattr(given, name) for name in ("data_key", "old_data_keys", "sealing_cipher")}
    return load_sealer(settings.model_copy(update=changed))


@pytest.mark.parametrize("cipher", ["aes", "sm4"])
def test_what_either_cipher_sealed_opens_and_shows_its_cipher(cipher: str) -> None:
    sealer = Sealer(NEW, cipher=cipher)
    sealed = sealer.seal("鹿城木业")
    assert sealed.startswith("sm4:") == (cipher == "sm4")
    assert Sealer(NEW).open(sealed) == Sealer(OLD, (NEW,)).open(sealed) == "鹿城木业"
    assert sealer.seal("鹿城木业") != sealed


@pytest.mark.parametrize("cipher", ["aes", "sm4"])
@pytest.mark.parametrize("place", [0, 5, 20, -1])
def test_a_changed_sealed_form_is_refused(cipher: str, place: int) -> None:
    prefix, _, body = Sealer(NEW, cipher=cipher).seal("鹿城木业有限公司").partition(".")
    raw = bytearray(base64.b64decode(body))
    raw[place] ^= 1
    with pytest.raises(SealError, match="损坏或被改动"):
        Sealer(NEW).open(f"{prefix}.{base64.b64encode(raw).decode()}")
    for broken in (f"{prefix}.AAAA", f"{prefix}.?", f"{prefix}."):
        with pytest.raises(SealError):
            Sealer(NEW).open(broken)


def test_the_other_cipher_of_the_same_key_cannot_be_claimed() -> None:
    _, _, body = Sealer(NEW, cipher="sm4").seal("鹿城木业").partition(".")
    with pytest.raises(SealError):
        Sealer(NEW).open(f"{Sealer(NEW).fingerprint}.{body}")


def test_old_keys_that_are_no_keys_stop_the_start() -> None:
    for bad in ("abc", base64.b64encode(os.urandom(16)).decode()):
        with pytest.raises((ValueError, SettingsError), match="old_data_keys"):
            Settings(old_data_keys=bad)


@pytest.fixture
def filled(hotline: Hotline) -> list[dict[str, Any]]:
    """Five tickets sealed with the old key, one of them with a recorded call."""
    tickets = [hotline.submit() for _ in range(5)]
    hotline.post(LEAD, f"/tickets/{tickets[0]['number']}/sign")
    assert hotline.post("admin", "/subscriptions", SUBSCRIPTION).status_code == 201
    attempt = {"at": tickets[0]["accepted_at"], "reached": True}
    assert hotline.post(LEAD, f"/tickets/{tickets[0]['number']}/contact-attempt", attempt).status_code == 200
    return tickets


def restarted(client: TestClient, sealer: Sealer) -> None:
    """Let the service run on other keys."""
    state = client.app.state  # type: ignore[attr-defined]
    state.office = replace(state.office, sealer=sealer)


def raw(database: Database) -> str:
    with database.read() as session:
        tables = inspect(session.get_bind()).get_table_names()
        names = [name for name in tables if not name.startswith("ticket_search")]
        rows = [row for name in names for row in session.execute(select(text("*")).select_from(text(name)))]
    return " ".join(str(value) for row in rows for value in row)


def walk(database: Database, sealer: Sealer) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    rekeying.rotate(database, sealer, lambda table, count: told.append((table, count)))
    return told


@pytest.mark.parametrize("cipher", ["aes", "sm4"])
def test_rotation_seals_everything_anew_and_verifies(
    filled: list[dict[str, Any]], hotline: Hotline, database: Database, settings: Settings, cipher: str
) -> None:
    sealer = with_keys(settings, NEW, OLD, cipher=cipher)
    assert rekeying.verify(database, sealer).__next__().message == "还是旧密钥或旧算法"
    told = walk(database, sealer)
    assert {table for table, _ in told} == {
        "ticket_party", "ticket_text", "ticket_note", "contact_attempt", "notice_subscription",
    }  # fmt: skip
    assert walk(database, sealer) == []
    alone = with_keys(settings, NEW, cipher=cipher)
    assert list(rekeying.verify(database, alone)) == []
    assert Sealer(OLD).fingerprint not in raw(database)
    restarted(hotline.client, alone)
    assert "课桌椅" in hotline.ticket(filled[0]["number"])["content"]


class KilledError(Exception):
    """The process died here."""


def test_a_rotation_broken_off_goes_on_where_it_stopped(
    filled: list[dict[str, Any]], database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "BATCH", 2)
    sealer = with_keys(settings, NEW, OLD)

    def die(_table: str, count: int) -> None:
        if count >= 4:
            raise KilledError

    with pytest.raises(KilledError):
        rekeying.rotate(database, sealer, die)
    left = sum(1 for fault in rekeying.verify(database, sealer) if fault.column in {"enterprise_name", "title", "text"})
    assert 0 < left < 15
    walk(database, sealer)
    assert list(rekeying.verify(database, sealer)) == []


def test_a_missing_old_key_is_told_and_nothing_is_lost(
    filled: list[dict[str, Any]], database: Database, settings: Settings
) -> None:
    before = raw(database)
    sealer = with_keys(settings, NEW)
    walk(database, sealer)
    assert raw(database) == before
    assert "另一把密钥" in next(rekeying.verify(database, sealer)).message


def test_one_damaged_value_holds_up_nothing_else_and_is_named(
    filled: list[dict[str, Any]], hotline: Hotline, database: Database, settings: Settings
) -> None:
    with database.write() as session:
        session.execute(
            text("UPDATE ticket_text SET title = :x WHERE ticket_id = 2"), {"x": f"{Sealer(OLD).prefix}.AAAA"}
        )
    sealer = with_keys(settings, NEW, OLD)
    walk(database, sealer)
    assert [(fault.table, fault.key, fault.column) for fault in rekeying.verify(database, sealer)][:1] == [
        ("ticket_text", 2, "title")
    ]
    assert {fault.key for fault in rekeying.verify(database, sealer)} == {2}
    restarted(hotline.client, sealer)
    shown = hotline.get("dispatcher", "/tickets").json()["items"]
    assert len(shown) == 5
    assert sum("密文损坏" in item["title"] for item in shown) == 1


@pytest.fixture
def renewed(filled: list[dict[str, Any]], client: TestClient, settings: Settings) -> list[dict[str, Any]]:
    """The same installation running on the new key, nothing rotated yet."""
    restarted(client, with_keys(settings, NEW, OLD))
    return filled


def test_until_rotated_old_rows_are_found_and_old_codes_are_good(
    renewed: list[dict[str, Any]], hotline: Hotline, database: Database
) -> None:
    def known() -> tuple[int, int]:
        asked = {"number": renewed[0]["number"], "code": renewed[0]["enquiry_code"]}
        found = hotline.get("operator", "/search", q="鹿城木业有限公司").json()["items"]
        return len(found), hotline.client.post("/api/v1/enquiry", json=asked).status_code

    assert known() == (5, 200)
    walk(database, hotline.client.app.state.office.sealer)  # type: ignore[attr-defined]
    assert known() == (5, 200)


def test_a_row_written_meanwhile_has_the_new_key(
    renewed: list[dict[str, Any]], hotline: Hotline, database: Database
) -> None:
    number = hotline.submit(title="新来的")["number"]
    with database.read() as session:
        sealed = newest_title(session, number)
    assert sealed.startswith(Sealer(NEW).fingerprint)


def newest_title(session: Session, number: str) -> str:
    query = "SELECT x.title FROM ticket_text x JOIN ticket t ON t.id = x.ticket_id WHERE t.number = :number"
    found: str = session.execute(text(query), {"number": number}).scalar_one()
    return found


def test_a_text_that_does_not_open_is_never_written_over(hotline: Hotline, database: Database) -> None:
    form = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有给我们发下来。"}
    number = hotline.submit(**form)["number"]
    assert (
        hotline.post("operator", f"/tickets/{number}/ask-info", {"wanted": "请说明地在哪个旗县区"}).status_code == 200
    )
    damaged = f"{Sealer(OLD).prefix}.AAAA"
    with database.write() as session:
        session.execute(text("UPDATE ticket_text SET content = :x"), {"x": damaged})
    answer = hotline.post("operator", f"/tickets/{number}/supplement", {"content": "地在昆都仑区卜尔汉图镇。"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert damaged in raw(database).split()
    assert hotline.ticket(number)["state_label"] == "待补充"


def test_a_text_that_quotes_what_stands_for_damaged_ones_is_refused_with_the_reason_and_holds_up_no_rotation(
    hotline: Hotline, database: Database, settings: Settings
) -> None:
    answer = hotline.post("operator", "/tickets", ticket_form(content=f"企业说网页上只见{DAMAGED}，问怎么办。"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "原文打不开" in answer.json()["detail"]
    hotline.submit()
    # As it was written before the column refused it.
    with database.write() as session:
        session.execute(text("UPDATE ticket_text SET content = :x"), {"x": Sealer(OLD).seal(f"见{DAMAGED}")})
    sealer = with_keys(settings, NEW, OLD)
    walk(database, sealer)
    assert list(rekeying.verify(database, sealer)) == []
