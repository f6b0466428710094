"""How often one caller or one address may ask (OWASP API4:2023); counted in this process only, in fixed minutes."""

from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import clock
from app.edge.cookies import counted_as
from app.edge.peers import address_of, bucket_of
from app.edge.windows import Windows
from app.errors import TooManyRequestsError
from app.settings import Settings
from app.web import problem

# What watches the service must get its answer just when the service is busy.
EXEMPT = {"/healthz", "/readyz", "/metrics"}
# What asks for no token counts by address even when a token comes along: passwords and query codes are guessed here.
OPEN = {
    ("POST", "/api/v1/session"), ("GET", "/api/v1/session/oidc"), ("GET", "/api/v1/session/oidc/callback"),
    ("POST", "/api/v1/enquiry"), ("POST", "/api/v1/enquiry/urge"), ("GET", "/signin"), ("POST", "/signin"),
}  # fmt: skip
PROVEN_MAX = 10_000


class RateLimit:
    """Counts requests by token where the token has proved itself, by address otherwise.

    A token counts under itself only once the application has known its bearer (`state.known`): guessed tokens, wrong ones
    and signing in stay with their address, so nobody gets a fresh allowance by making tokens up.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings, self._trusted = settings, settings.proxy_networks
        self._by_caller = RateLimitItemPerMinute(max(settings.rate_per_minute, 1))
        self._by_address = RateLimitItemPerMinute(max(settings.rate_address_per_minute, 1))
        self._counts_callers = settings.rate_per_minute > 0
        self._counts_addresses = settings.rate_address_per_minute > 0
        self._limiter = FixedWindowRateLimiter(Windows())
        self._proven: dict[str, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer 429 with how many seconds to wait."""
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await self.app(scope, receive, send)
            return
        token = "" if (scope["method"], scope["path"]) in OPEN else counted_as(scope, self._settings)
        wait = self._wait(scope, token)
        if wait:
            refusal = TooManyRequestsError(f"请求过于频繁，请 {wait} 秒后再试")
            await problem(Request(scope), refusal, {"Retry-After": str(wait)})(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and token:
                state = scope["state"]
                # A page leads whoever is unknown to sign in, where the API answers 401.
                ended = message["status"] == 401 or state.get("led_to_sign_in", False)  # noqa: PLR2004
                self._judge(token, known=state.get("known", False), ended=ended)
            await send(message)

        await self.app(scope, receive, watched)

    def _wait(self, scope: Scope, token: str) -> int:
        """Count the request; return the seconds until it may be made again, 0 for at once."""
        if token in self._proven:
            counted, item, key = self._counts_callers, self._by_caller, f"caller:{token}"
        else:
            address = bucket_of(address_of(scope, self._trusted))
            counted, item, key = self._counts_addresses, self._by_address, f"address:{address}"
        if not counted or self._limiter.hit(item, key):
            return 0
        ends = self._limiter.get_window_stats(item, key).reset_time
        return max(1, int(ends - clock.now().timestamp()) + 1)

    def _judge(self, token: str, *, known: bool, ended: bool) -> None:
        """Note whether the application knew the token's bearer; an end of it ends that."""
        if ended:
            self._proven.pop(token, None)
        elif known and token not in self._proven:
            while len(self._proven) >= PROVEN_MAX:
                self._proven.pop(next(iter(self._proven)))
            self._proven[token] = None
