"""Personal data at rest: AES-256-GCM for what must be read again, keyed hashes for what must be found again.

个人信息保护法第五十一条（加密、去标识化）。The sealed form carries the key's fingerprint, so that a key can be replaced.
"""

import base64
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.settings import DATA_KEY_BYTES, Settings

# 40 bits: not to be guessed through an interface that answers one try at a time.
ENQUIRY_CHARS = 8
NONCE_BYTES = 12
FINGERPRINT_CHARS = 8


class SealError(ValueError):
    """A sealed value was changed, or was sealed with another key."""


class Sealer:
    """Seals and opens short texts with one data key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != DATA_KEY_BYTES:
            raise SealError("数据密钥须为 32 字节")
        self._cipher = AESGCM(hashlib.sha256(b"seal" + key).digest())
        self._hash_key = hashlib.sha256(b"find" + key).digest()
        self.fingerprint = hashlib.sha256(b"name" + key).hexdigest()[:FINGERPRINT_CHARS]

    def seal(self, plain: str) -> str:
        """Return the sealed form of a text; empty stays empty."""
        if not plain:
            return ""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain.encode(), self.fingerprint.encode())
        return f"{self.fingerprint}.{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str) -> str:
        """Return the text of a sealed form.

        Raises:
            SealError: the value was tampered with or belongs to another key.
        """
        if not sealed:
            return ""
        fingerprint, _, body = sealed.partition(".")
        if fingerprint != self.fingerprint:
            raise SealError(f"数据由另一把密钥（{fingerprint}）加密，当前密钥为 {self.fingerprint}")
        raw = base64.b64decode(body)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], fingerprint.encode()).decode()
        except InvalidTag as error:
            raise SealError("加密数据已损坏或被改动") from error

    def find_key(self, plain: str) -> str:
        """Return the keyed hash under which a text can be searched; empty stays empty."""
        return hmac.new(self._hash_key, plain.strip().encode(), hashlib.sha256).hexdigest() if plain.strip() else ""

    def enquiry_code(self, number: str) -> str:
        """Return the code that, with its number, lets the enterprise look its case up; nothing of it is stored."""
        mac = hmac.new(self._hash_key, f"enquiry:{number}".encode(), hashlib.sha256).digest()
        return base64.b32encode(mac)[:ENQUIRY_CHARS].decode()


def new_data_key() -> str:
    """Return a fresh random data key as base64."""
    return base64.b64encode(os.urandom(DATA_KEY_BYTES)).decode()


def load_sealer(settings: Settings) -> Sealer:
    """Return the sealer of this installation.

    Development keeps a key of its own in `var/data.key` (mode 0600), made at first use; production takes
    HOTLINE_DATA_KEY (settings refuse to load without it).
    """
    text = settings.data_key.get_secret_value()
    if not text:
        text = _development_key(settings.var_dir / "data.key")
    try:
        return Sealer(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise SealError(f"{settings.var_dir / 'data.key'} 不是有效的数据密钥，请从备份恢复") from error


def _development_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(new_data_key())
    return path.read_text(encoding="ascii").strip()
