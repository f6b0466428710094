"""The form of every secret that is carried in a request: random, shown once, stored only as its SHA-256."""

import hashlib
import secrets

TOKEN_BYTES = 32
SESSION, KEY = "hlt_", "hlk_"


def new_token(prefix: str) -> str:
    """Return a fresh random token or key."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """Return what is stored of a token or key: its SHA-256 (the token itself is random, so no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()
