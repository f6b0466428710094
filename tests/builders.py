"""Typed builders: what tests say only where it matters."""

from collections.abc import Mapping
from typing import Any

from httpx2 import Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select
from starlette.testclient import TestClient

from app import clock
from app.accounts import passwords
from app.accounts.access import Role
from app.accounts.sessions import issue_token
from app.accounts.tables import ApiKey, Staff
from app.accounts.tokens import digest
from app.database import Database
from app.rulebook.shapes import Rulebook

__all__ = ["Hotline", "TestClient", "changed_rules", "ticket_form"]

PASSWORD = "correct horse battery staple"
# A hash takes a fifth of a second by design, which tests/accounts/test_passwords.py holds; the other tests need not wait.
SHIPPED_HASHER = passwords._hasher
passwords._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
PASSWORD_HASH = passwords.hash_password(PASSWORD)
# How often a test's own HTTP server looks whether it is to end: every test that has one waits for it.
POLL_SECONDS = 0.02


def ticket_form(**but: Any) -> dict[str, Any]:
    """Return a complete, plain appeal that names its tag; fields given replace or, as None, drop it."""
    form: dict[str, Any] = {
        "channel": "12345电话",
        "type": "投诉",
        "title": "货款拖了两年",
        "content": "我们给区里一所学校供应课桌椅，验收两年了，余款三十六万还没有付，催了多次都说没有预算。",
        "enterprise": {"name": "鹿城木业有限公司", "size": "小型"},
        "contact": {"name": "王大山", "phone": "13847200001"},
        "override": {"tag": "0101", "reason": "话务员判断"},
    }
    form.update(but)
    return {key: value for key, value in form.items() if value is not None}


def changed_rules(rulebook: Rulebook, **but: Any) -> Rulebook:
    """Return other rules: made anew, for a copy would keep the old look-up tables."""
    fields = {name: getattr(rulebook, name) for name in Rulebook.model_fields}
    return Rulebook(**{**fields, "version": "changed", **but})


class Hotline:
    """The application seen by people of every role; each signs in at first use."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self._tokens: dict[str, str] = {}

    @property
    def database(self) -> Database:
        """The database behind the application."""
        found: Database = self.client.app.state.database  # type: ignore[attr-defined]
        return found

    def token(self, who: str) -> str:
        """Return a token of `role` or `role@unit` (a unit's short name) or `channel@name`."""
        if who not in self._tokens:
            self._tokens[who] = self._enrol(who)
        return self._tokens[who]

    def _enrol(self, who: str) -> str:
        role_name, _, place = who.partition("@")
        role = Role(role_name)
        rulebook = self.client.app.state.rulebook  # type: ignore[attr-defined]
        now = clock.now()
        with self.database.write() as session:
            if role is Role.CHANNEL:
                token = "hlk_" + digest(who)
                if session.scalars(select(ApiKey).where(ApiKey.name == who)).one_or_none():
                    return token
                key = ApiKey(
                    name=who, role=role.value, channel=place, unit="", token_sha256=digest(token), created_at=now
                )
                session.add(key)
                return token
            known = session.scalars(select(Staff).where(Staff.login == who)).one_or_none()
            if known:
                return issue_token(session, known, 12)[0]
            unit = rulebook.unit_by_name[place].code if place and role.of_unit else ""
            staff = Staff(
                login=who, name=f"{role.label}{place}", role=role.value, unit=unit, password_hash=PASSWORD_HASH,
                created_at=now, active=True, takes_special=place == "special",
            )  # fmt: skip
            session.add(staff)
            session.flush()
            return issue_token(session, staff, 12)[0]

    def sign_in_anew(self) -> None:
        """Forget every token: the clock was moved, and tokens last half a day."""
        self._tokens.clear()

    def headers(self, who: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the headers a person's request carries."""
        return {"Authorization": f"Bearer {self.token(who)}", **(extra or {})}

    def get(self, who: str, path: str, **params: Any) -> Response:
        """GET as somebody."""
        return self.client.get(f"/api/v1{path}", params=params, headers=self.headers(who))

    def post(self, who: str, path: str, body: Any = None, **headers: str) -> Response:
        """POST as somebody; header names with underscores."""
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/api/v1{path}", json=body, headers=self.headers(who, extra))

    def browse(self, who: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Response:
        """Open a page as somebody, or send its form with the token that his page carries; header names with underscores."""
        token = self.token(who)
        sent = {"cookie": f"hotline={token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if form is None:
            return self.client.get(path, headers=sent, follow_redirects=False)
        guard: str = self.client.app.state.office.sealer.form_tokens(token)[0]  # type: ignore[attr-defined]
        return self.client.post(path, data={"token": guard, **form}, headers=sent, follow_redirects=False)

    def submit(self, **but: Any) -> dict[str, Any]:
        """Submit an appeal as an operator and return the answer; it must be taken."""
        answer = self.post("operator", "/tickets", ticket_form(**but))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ticket(self, number: str, who: str = "dispatcher") -> dict[str, Any]:
        """Return a ticket as somebody sees it."""
        answer = self.get(who, f"/tickets/{number}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
