"""A small OpenID Connect provider on loopback, with keys of its own, that can be told to misbehave."""

import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

CLIENT, SECRET = "hotline", "a secret between the two"
LIFE_SECONDS = 300


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class FakeCity:
    """What the provider knows and how it behaves.

    Attributes:
        login: who signs in there.
        claims: claims that replace those of an honest ID token; None drops one.
        forge: makes the ID token from its claims instead of signing it.
        asked: paths that were asked for, in order.
        signing: the key in use; the others of `keys` are published too.
    """

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.login = "operator"
        self.claims: dict[str, Any] = {}
        self.forge: Any = None
        self.document: dict[str, Any] = {}
        self.asked: list[str] = []
        self.signing: Key = first_key()
        self.keys: list[Key] = [self.signing]
        self._codes: dict[str, dict[str, str]] = {}

    def turn_key(self, key: Key) -> None:
        """Sign with another key from now on, and publish it."""
        self.signing = key
        self.keys.append(key)

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document."""
        found = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        }  # fmt: skip
        return found | self.document

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser of somebody who has signed in is sent."""
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    def redeem(self, form: dict[str, str], proof: str) -> dict[str, Any] | None:
        """Return the answer to a code; None: the code, its PKCE verifier or the client's secret is wrong."""
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
        right = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return None
        if right not in proof and form.get("client_secret") != SECRET:
            return None
        return {"access_token": "unused", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])}

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "u-1", "iat": now, "exp": now + LIFE_SECONDS, "nonce": nonce,
            "preferred_username": self.login,
        } | self.claims  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.forge:
            forged: str = self.forge(claims)
            return forged
        algorithm = "ES256" if isinstance(self.signing, ECKey) else "RS256"
        return jwt.encode({"alg": algorithm, "kid": self.signing.kid}, claims, self.signing, [algorithm])

    def public_keys(self) -> list[dict[str, Any]]:
        """Return the keys that anybody may see."""
        return [dict(key.as_dict(private=False)) for key in KeySet(self.keys)]


@cache
def first_key() -> Key:
    """Return the key that a provider begins with: the same for all, for finding one takes longer than a test."""
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})


@cache
def strange_key() -> Key:
    """Return a key that no provider publishes."""
    return RSAKey.generate_key(2048)


def unsigned(claims: dict[str, Any]) -> str:
    """Return an ID token with `alg: none`."""
    return ".".join([base64url(b'{"alg":"none"}'), base64url(json.dumps(claims).encode()), ""])


def signed_by_a_stranger(claims: dict[str, Any]) -> str:
    """Return an ID token that names the provider's key and is signed with another."""
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, strange_key(), ["RS256"])


def signed_with_an_unknown_kid(claims: dict[str, Any]) -> str:
    """Return an ID token of a key that is not published."""
    return jwt.encode({"alg": "RS256", "kid": "elsewhere"}, claims, strange_key(), ["RS256"])


def signed_with_the_client_secret(claims: dict[str, Any]) -> str:
    """Return an ID token under a symmetric algorithm that is not on the list."""
    key = OctKey.import_key(SECRET.encode().ljust(32, b"-"), {"kid": "first"})
    return jwt.encode({"alg": "HS256", "kid": "first"}, claims, key, ["HS256"])


def application(city: FakeCity) -> FastAPI:
    """Return the provider's endpoints."""
    app = FastAPI()

    @app.middleware("http")
    async def note(request: Request, go_on: Any) -> Any:
        city.asked.append(request.url.path)
        return await go_on(request)

    @app.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, Any]:
        return city.metadata()

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        return RedirectResponse(city.authorize(dict(request.query_params)), 302)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        found = city.redeem(form, request.headers.get("authorization", ""))
        return JSONResponse(found) if found else JSONResponse({"error": "invalid_grant"}, 400)

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": city.public_keys()}

    return app


@contextmanager
def serving() -> Iterator[FakeCity]:
    """Serve a provider on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        city = FakeCity(listener.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(application(city), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield city
        server.should_exit = True
        thread.join(timeout=10)
