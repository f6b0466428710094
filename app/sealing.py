"""Personal data at rest: AES-256-GCM or SM4-GCM for what must be read again, keyed hashes for what must be found again.

个人信息保护法第五十一条（加密、去标识化）；SM4 为 GB/T 32907-2016，供要求商用密码的环境选用。The sealed form carries cipher
and fingerprint of the key, so that either can be replaced while the service runs.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4 as SM4Algorithm  # noqa: N811  our SM4 is the setting
from cryptography.hazmat.primitives.ciphers.modes import GCM

from app.settings import DATA_KEY_BYTES, Settings, load_settings

# 40 bits: not to be guessed through an interface that answers one try at a time.
ENQUIRY_CHARS = 8
NONCE_BYTES = 12
FINGERPRINT_CHARS = 8
TAG_BYTES = 16
SM4_KEY_BYTES = 16
AES, SM4 = "aes", "sm4"
SM4_PREFIX = "sm4:"


class SealError(ValueError):
    """A sealed value was changed, or was sealed with another key."""


class DataKey:
    """One data key with what is derived from it; seals with one cipher, opens what it sealed with either."""

    def __init__(self, key: bytes, cipher: str = AES) -> None:
        if len(key) != DATA_KEY_BYTES:
            raise SealError("数据密钥须为 32 字节")
        self._aes = AESGCM(hashlib.sha256(b"seal" + key).digest())
        self._sm4 = hashlib.sha256(b"sm4" + key).digest()[:SM4_KEY_BYTES]
        self._hash_key = hashlib.sha256(b"find" + key).digest()
        self.fingerprint = hashlib.sha256(b"name" + key).hexdigest()[:FINGERPRINT_CHARS]
        self.prefix = SM4_PREFIX + self.fingerprint if cipher == SM4 else self.fingerprint

    def seal(self, plain: bytes) -> str:
        """Return the sealed form: which cipher and key, then nonce, ciphertext and tag."""
        nonce, bound = os.urandom(NONCE_BYTES), self.prefix.encode()
        if self.prefix.startswith(SM4_PREFIX):
            encryptor = Cipher(SM4Algorithm(self._sm4), GCM(nonce)).encryptor()
            encryptor.authenticate_additional_data(bound)
            sealed = encryptor.update(plain) + encryptor.finalize() + encryptor.tag
        else:
            sealed = self._aes.encrypt(nonce, plain, bound)
        return f"{self.prefix}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, prefix: str, raw: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidTag: it was changed.
        """
        nonce, sealed = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
        if not prefix.startswith(SM4_PREFIX):
            return self._aes.decrypt(nonce, sealed, prefix.encode())
        if len(sealed) < TAG_BYTES:
            raise InvalidTag
        decryptor = Cipher(SM4Algorithm(self._sm4), GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
        decryptor.authenticate_additional_data(prefix.encode())
        return decryptor.update(sealed[:-TAG_BYTES]) + decryptor.finalize()

    def mac(self, text: str) -> bytes:
        """Return the keyed hash of a text."""
        return hmac.new(self._hash_key, text.encode(), hashlib.sha256).digest()


class Sealer:
    """Seals and opens short texts with the data key; opens, and finds, what older keys left until they are replaced."""

    def __init__(self, key: bytes, old_keys: Iterable[bytes] = (), cipher: str = AES) -> None:
        self._key = DataKey(key, cipher)
        self._keys = (self._key, *(DataKey(old) for old in old_keys))
        self._by_fingerprint = {each.fingerprint: each for each in reversed(self._keys)}
        self.fingerprint, self.prefix = self._key.fingerprint, self._key.prefix

    def seal(self, plain: str) -> str:
        """Return the sealed form of a text; empty stays empty."""
        return self._key.seal(plain.encode()) if plain else ""

    def open(self, sealed: str) -> str:
        """Return the text of a sealed form.

        Raises:
            SealError: the value was tampered with or belongs to a key that is not given.
        """
        if not sealed:
            return ""
        prefix, _, body = sealed.partition(".")
        key = self._by_fingerprint.get(prefix.removeprefix(SM4_PREFIX))
        if key is None:
            raise SealError(f"数据由另一把密钥（{prefix}）加密，当前密钥为 {self.fingerprint}")
        try:
            return key.open(prefix, base64.b64decode(body)).decode()
        except (InvalidTag, ValueError) as error:
            raise SealError("加密数据已损坏或被改动") from error

    def is_current(self, sealed: str) -> bool:
        """Whether a sealed form has the present key and cipher."""
        return not sealed or sealed.partition(".")[0] == self.prefix

    def find_key(self, plain: str) -> str:
        """Return the keyed hash under which a text can be searched; empty stays empty."""
        return self._key.mac(plain.strip()).hex() if plain.strip() else ""

    def find_keys(self, plain: str) -> tuple[str, ...]:
        """Return the keyed hashes of a text under the present and the older keys; empty gives none."""
        return tuple(key.mac(plain.strip()).hex() for key in self._keys) if plain.strip() else ()

    def group_key(self, find_key: str) -> str:
        """Return what stands for a keyed hash in figures: equal ones stay equal; empty stays empty."""
        return self._key.mac(f"group:{find_key}").hex() if find_key else ""

    def form_tokens(self, secret: str) -> tuple[str, ...]:
        """Return what the forms of a browser carry to prove that our page sent them, newest key first; bound to a secret of it."""
        return tuple(key.mac(f"form:{secret}").hex() for key in self._keys)

    def enquiry_code(self, number: str) -> str:
        """Return the code that, with its number, lets the enterprise look its case up; nothing of it is stored."""
        return self.enquiry_codes(number)[0]

    def enquiry_codes(self, number: str) -> tuple[str, ...]:
        """Return the codes of a number under the present and the older keys: codes given out before stay good."""
        macs = (key.mac(f"enquiry:{number}") for key in self._keys)
        return tuple(base64.b32encode(mac)[:ENQUIRY_CHARS].decode() for mac in macs)


def new_data_key() -> str:
    """Return a fresh random data key as base64."""
    return base64.b64encode(os.urandom(DATA_KEY_BYTES)).decode()


_installed: list[Sealer] = []


def load_sealer(settings: Settings) -> Sealer:
    """Return the sealer of this installation, and let sealed columns of this process use it.

    Development keeps a key of its own in `var/data.key` (mode 0600), made at first use; production takes
    HOTLINE_DATA_KEY (settings refuse to load without it).

    Raises:
        SealError: a key cannot be used, or the machine's OpenSSL lacks SM4.
    """
    text = settings.data_key.get_secret_value() or _development_key(settings.var_dir / "data.key")
    try:
        key = base64.b64decode(text, validate=True)
        sealer = Sealer(key, settings.old_keys, settings.sealing_cipher)
        sealer.seal("试封")
    except ValueError as error:
        raise SealError(f"{settings.var_dir / 'data.key'} 不是有效的数据密钥，请从备份恢复") from error
    except UnsupportedAlgorithm as error:
        raise SealError("本机的 OpenSSL 不支持 SM4，请把 HOTLINE_SEALING_CIPHER 改回 aes 或更换 OpenSSL") from error
    _installed[:] = [sealer]
    return sealer


def installed_sealer() -> Sealer:
    """Return the sealer that sealed columns use: one process serves one installation, so there is one."""
    return _installed[0] if _installed else load_sealer(load_settings())


def _development_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(new_data_key())
    return path.read_text(encoding="ascii").strip()
