"""What every answer carries for the browser's sake (OWASP Secure Headers; ASVS 5.0 V3), errors of any kind included."""

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing may be loaded, embedded or sent from an answer unless the page says otherwise itself.
BARE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
SEALED = f"{BARE}; form-action 'none'"
HEADERS = {
    "content-security-policy": SEALED,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
# A year, as RFC 6797 section 6.1.1 has it in its examples.
HSTS = "max-age=31536000"
DOCUMENTS = {"/docs", "/redoc"}
# Files of the documents: the same for everybody, and large.
FILES = "/static-offline-docs/"
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def hashed(block: str) -> str:
    """Return an inline block's source expression in a policy (CSP 3 section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'"


def document_policy(page: str) -> str:
    """Return the policy of an interface document: its own files and its own inline scripts, by their hashes.

    Both documents set styles while they run, so styles are free there; nothing a caller said is ever on these pages.
    """
    scripts = " ".join(["'self'", *(hashed(block) for block in INLINE_SCRIPT.findall(page))])
    return (
        f"{SEALED}; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:"
    )


class SecurityHeaders:
    """Adds the headers to every answer that has not set them itself."""

    def __init__(self, app: ASGIApp, *, hsts: bool) -> None:
        self.app = app
        self._headers = {**HEADERS, **({"strict-transport-security": HSTS} if hsts else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and dress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._dress(message, scope["path"])
                if scope["path"] in DOCUMENTS and message["status"] == 200:  # noqa: PLR2004
                    held.append(message)
                    return
            elif held:
                start = held.pop()
                page = message.get("body", b"").decode()
                MutableHeaders(scope=start)["content-security-policy"] = document_policy(page)
                await send(start)
            await send(message)

        await self.app(scope, receive, dressed)

    def _dress(self, message: Message, path: str) -> None:
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        if path.startswith(FILES) and message["status"] == 200:  # noqa: PLR2004
            headers["cache-control"] = "public, max-age=3600"
