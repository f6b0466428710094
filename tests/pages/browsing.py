"""A browser as the tests need one: it keeps cookies, fills in the form it was shown, and never follows by itself."""

import html
import re
from typing import Any

from httpx2 import Response

from tests.builders import PASSWORD, Hotline, TestClient

ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
Shown = Response


class Browser:
    """One person's browser, on the machine the service runs on unless said otherwise."""

    def __init__(self, hotline: Hotline, peer: str = "127.0.0.1", base: str = "http://testserver") -> None:
        app: Any = hotline.client.app
        self.client = TestClient(app, base_url=base, client=(peer, 50001), follow_redirects=False)

    def open(self, path: str, **headers: str) -> Shown:
        """Open an address."""
        return self.client.get(path, headers={"accept": ACCEPT, **headers})

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Shown:
        """Fill in the form of a page and send it where the page says; header names with underscores."""
        hidden = {name: html.unescape(value) for name, value in HIDDEN.findall(self.open(path).text)}
        sent = {"accept": ACCEPT, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.post(path.partition("?")[0], data={**hidden, **fields}, headers=sent)

    def sign_in(self, login: str, password: str = PASSWORD, path: str = "/signin") -> Shown:
        """Sign in on the page."""
        return self.send(path, {"login": login, "password": password})

    def is_in(self) -> bool:
        """Whether the home page knows who this is."""
        return self.open("/").status_code == 200

    @property
    def session(self) -> str | None:
        """The session's token in the cookie jar."""
        return self.client.cookies.get("hotline")
