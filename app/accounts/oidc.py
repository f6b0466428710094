"""Sign-in through a city's own provider: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636), state and nonce.

The provider says who somebody is, never what he may do: its login must belong to an account that exists and is in use.
What must be remembered between leaving and coming back is sealed into a cookie of that one browser, so any process of the
service can finish what another began, and nobody else's answer fits.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app import clock
from app.errors import UnauthenticatedError, UnavailableError
from app.sealing import Sealer, SealError
from app.settings import Settings

ALGORITHMS = ("RS256", "ES256")
WAY_SECONDS = 600
FRESH_SECONDS = 3600
# A forged key id must not make this service hammer the provider.
REFRESH_SECONDS = 30
LEEWAY_SECONDS = 60
TIMEOUT_SECONDS = 5.0
ANSWER_MAX_BYTES = 256 * 1024
PURPOSE = "oidc"
AGAIN = "统一认证没有完成，请重新登录"


@dataclass(frozen=True)
class Way:
    """One sign-in between leaving for the provider and coming back.

    Attributes:
        ends: when it is too late, in seconds since 1970.
        purpose: keeps other sealed values from passing as one.
    """

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    ends: int = field(default_factory=lambda: int(clock.now().timestamp()) + WAY_SECONDS)
    purpose: str = PURPOSE

    def sealed(self, sealer: Sealer) -> str:
        """Return it in a form that only this installation reads, fit for a cookie."""
        return base64.urlsafe_b64encode(sealer.seal(json.dumps(asdict(self))).encode()).decode().rstrip("=")

    @property
    def challenge(self) -> str:
        """What the provider is shown of the verifier (S256)."""
        raw = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def open_way(sealed: str, state: str, sealer: Sealer) -> Way:
    """Return the sign-in a browser comes back from.

    Raises:
        UnauthenticatedError: this browser did not begin it here, it took too long, or the state is another's.
    """
    refusal = UnauthenticatedError(AGAIN + "（登录须在同一浏览器内十分钟完成）")
    try:
        text = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)).decode("ascii")
        way = Way(**json.loads(sealer.open(text)))
    except (ValueError, TypeError, SealError) as error:
        raise refusal from error
    right = secrets.compare_digest(way.state.encode(), state.encode("utf-8", "replace"))
    if way.purpose != PURPOSE or not right or clock.now().timestamp() >= way.ends:
        raise refusal
    return way


class Provider:
    """The provider as this process knows it: where its endpoints are, and its keys, both remembered for an hour."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer
        self._lock = threading.Lock()
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def departure(self, way: Way) -> str:
        """Return the address a browser is sent to.

        Raises:
            UnavailableError: the provider cannot be asked where that is.
        """
        asked = {
            "response_type": "code", "client_id": self._settings.oidc_client_id, "scope": "openid profile email",
            "redirect_uri": self._settings.oidc_redirect_url, "state": way.state, "nonce": way.nonce,
            "code_challenge": way.challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    def login_of(self, way: Way, code: str) -> str:
        """Return the login of whoever came back with a code.

        Raises:
            UnauthenticatedError: the provider does not honour the code, or its ID token does not hold.
            UnavailableError: the provider cannot be reached.
        """
        claims = self._claims(self._exchange(code, way.verifier), way.nonce)
        name = self._settings.oidc_login_claim
        login = claims.get(name)
        # An address that anybody could type in at the provider is no proof of who he is.
        if not isinstance(login, str) or not login or (name == "email" and claims.get("email_verified") is not True):
            raise UnauthenticatedError(f"统一认证没有给出登录名（{name}），请联系系统管理员")
        return login

    def _exchange(self, code: str, verifier: str) -> str:
        settings = self._settings
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": settings.oidc_redirect_url,
            "code_verifier": verifier, "client_id": settings.oidc_client_id,
        }  # fmt: skip
        secret = settings.oidc_client_secret.get_secret_value()
        answer = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=self._proof(form, secret))
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise UnauthenticatedError(AGAIN)
        return token

    def _proof(self, form: dict[str, str], secret: str) -> httpx.BasicAuth | None:
        """Prove to the provider which client asks, in the way it knows; a client without secret has PKCE alone."""
        if not secret:
            return None
        ways = self._metadata().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" not in ways:
            form["client_secret"] = secret
            return None
        return httpx.BasicAuth(form.pop("client_id"), secret)

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            claims = self._verified(token)
            client = self._settings.oidc_client_id
            jwt.JWTClaimsRegistry(
                now=int(clock.now().timestamp()), leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self._issuer}, aud={"essential": True, "value": client},
                exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)  # fmt: skip
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise UnauthenticatedError(AGAIN) from error
        if claims.get("azp", client) != client:
            raise UnauthenticatedError(AGAIN)
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that one of the provider's keys has signed; asks again for a key it lacks."""
        try:
            return jwt.decode(token, self._key_set(FRESH_SECONDS), algorithms=ALGORITHMS).claims
        except InvalidKeyIdError:
            return jwt.decode(token, self._key_set(REFRESH_SECONDS), algorithms=ALGORITHMS).claims

    def _key_set(self, seconds: int) -> KeySet:
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys[0] > seconds:
                answer: Any = self._ask("GET", self._endpoint("jwks_uri"))
                self._keys = (time.monotonic(), KeySet.import_key_set(answer))
            return self._keys[1]

    def _endpoint(self, name: str) -> str:
        address = self._metadata().get(name)
        # What is fetched over an open line could name anybody's keys.
        if not isinstance(address, str) or not address.startswith(("https://", self._issuer.partition("//")[0] + "//")):
            raise UnavailableError(f"统一认证的说明中没有可用的 {name}，请联系系统管理员")
        return address

    def _metadata(self) -> dict[str, Any]:
        if self._document is None or time.monotonic() - self._document[0] > FRESH_SECONDS:
            found = self._ask("GET", self._issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self._issuer:
                raise UnavailableError("统一认证的说明与 HOTLINE_OIDC_ISSUER 不符，请联系系统管理员")
            self._document = (time.monotonic(), found)
        return self._document[1]

    def _ask(self, method: str, address: str, **given: Any) -> dict[str, Any]:
        """Return the provider's JSON answer, a reasonable size of it, from the very place that was asked."""
        body = b""
        try:
            with (
                httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
                client.stream(method, address, headers={"Accept": "application/json"}, **given) as answer,
            ):
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > ANSWER_MAX_BYTES:
                        raise UnavailableError("统一认证的回答过长，请联系系统管理员")
            found = json.loads(body) if answer.is_success else None
        except (httpx.HTTPError, ValueError) as error:
            raise UnavailableError("统一认证暂时不可用，请稍后再试，或用本系统的密码登录") from error
        if answer.is_client_error and method == "POST":
            raise UnauthenticatedError(AGAIN)
        if not isinstance(found, dict):
            raise UnavailableError("统一认证暂时不可用，请稍后再试，或用本系统的密码登录")
        return found


def make_provider(settings: Settings) -> Provider | None:
    """Return the provider of this installation; None: it has none."""
    return Provider(settings) if settings.oidc_issuer else None
