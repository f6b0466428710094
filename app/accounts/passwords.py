"""What a password must be, and how it is kept and checked.

NIST SP 800-63B-4 §3.1.1.2 and OWASP ASVS 5.0 V6.2: length counts, no rule about kinds of characters, nothing that everybody
tries first, nothing of the account itself. What is refused is told in Chinese and never repeats the password.
"""

import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import FieldFault, InvalidInputError, UnavailableError

MIN_CHARS, MAX_CHARS = 12, 256
# What is left once every common word, run and date counts for one character.
MIN_WORTH = 8
RANDOM_BYTES = 12
SHORTEST_CHINESE_NAME, SHORTEST_LATIN_NAME = 2, 4
SHORTEST_RUN = 3
LONGEST_WORD = 24
COMMON = Path(__file__).with_name("common_passwords.txt")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "!@#$%^&*()")
# Mobile numbers, identity numbers, days and years: known to many, and soon found by machines.
PERSONAL = re.compile(r"1[3-9]\d{9}|\d{17}[\dx]|(?:19|20)\d{2}(?:[01]\d(?:[0-3]\d)?)?")
LEET = str.maketrans("0134578@$!", "oleastbasi")

# One argon2 hash takes 64 MiB and a fifth of a second: a few at a time, or signing in becomes an attack.
HASHING_TURNS = threading.Semaphore(4)
# Whoever waits for a turn holds one of the process's forty threads; the others must go on serving.
WAITING_ROOM = threading.Semaphore(16)
# Those who wait for others of their own login, apart: they must not take the places of whom they wait for.
ASKING_ROOM = threading.Semaphore(12)
TURN_SECONDS = 5.0
ASKED_EVERY_SECONDS = 0.05

_hasher = PasswordHash((Argon2Hasher(),))


def _busy() -> UnavailableError:
    return UnavailableError("登录的人太多，请几秒后再试", retry_after=int(TURN_SECONDS))


@contextmanager
def _place(room: threading.Semaphore) -> Iterator[None]:
    """Take a place in a room.

    Raises:
        UnavailableError: it is full; says when to try again.
    """
    if not room.acquire(blocking=False):
        raise _busy()
    try:
        yield
    finally:
        room.release()


@contextmanager
def _turn() -> Iterator[None]:
    """Take one of the few turns for hashing.

    Raises:
        UnavailableError: too many wait, or none became free in time; says when to try again.
    """
    with _place(WAITING_ROOM):
        if not HASHING_TURNS.acquire(timeout=TURN_SECONDS):
            raise _busy()
        try:
            yield
        finally:
            HASHING_TURNS.release()


def wait_until(ready: Callable[[], bool]) -> None:
    """Ask something again and again until it holds.

    Raises:
        UnavailableError: too many wait, or it did not hold in time; says when to try again.
    """
    if ready():
        return
    with _place(ASKING_ROOM):
        for _ in range(int(TURN_SECONDS / ASKED_EVERY_SECONDS)):
            time.sleep(ASKED_EVERY_SECONDS)
            if ready():
                return
    raise _busy()


def hash_password(password: str) -> str:
    """Return the argon2id hash that is stored.

    Raises:
        UnavailableError: too many are hashing.
    """
    with _turn():
        return _hasher.hash(_normal(password))


def is_password(password: str, stored: str | None) -> bool:
    """Whether a password belongs to a stored hash; takes as long when there is none. Needs no database session.

    Raises:
        UnavailableError: too many are hashing.
    """
    with _turn():
        return _hasher.verify(_normal(password), stored or _decoy()) and stored is not None


@lru_cache(maxsize=1)
def _decoy() -> str:
    """Return a hash to check when the login is unknown, so that the time of an answer does not tell which exist."""
    return _hasher.hash(secrets.token_urlsafe(16))


def _normal(password: str) -> str:
    """Return one spelling for what input methods spell in several ways, full-width letters among them."""
    return unicodedata.normalize("NFKC", password)


def random_password(login: str = "") -> str:
    """Return a password for somebody's first sign-in; shown once."""
    while True:
        password = secrets.token_urlsafe(RANDOM_BYTES)
        if not weaknesses(password, login):
            return password


def check_password(password: str, login: str, name: str, pointer: str = "/password") -> None:
    """Refuse a password that is too easy to guess.

    Raises:
        InvalidInputError: says everything that is wrong with it, at the pointer given.
    """
    told = weaknesses(password, login, name)
    if told:
        raise InvalidInputError("；".join(told), faults=tuple(FieldFault(pointer, each) for each in told))


def weaknesses(password: str, login: str = "", name: str = "") -> list[str]:
    """Return what is wrong with a password, in Chinese; empty: it may be used."""
    text = _normal(password)
    if not MIN_CHARS <= len(text) <= MAX_CHARS:
        return [f"密码须为 {MIN_CHARS} 至 {MAX_CHARS} 位，可以用一句话"]
    told, low = [], text.casefold()
    if any(_is_telling(own) and own.casefold() in low for own in (login, name)):
        told.append("密码里不能有登录名或姓名")
    if worth(low) < MIN_WORTH:
        told.append(
            "密码太容易猜到：常见词、连号、重复、生日、手机号各只当一个字，余下的还要够长；可以用几个不相干的词"
        )
    return told


def _is_telling(own: str) -> bool:
    """Whether a login or name is long enough that it does not stand in a password by chance."""
    return len(own) >= (SHORTEST_LATIN_NAME if own.isascii() else SHORTEST_CHINESE_NAME)


def worth(low: str) -> int:
    """Return how many characters a lower-case password is worth to somebody who tries common pieces first."""
    low = PERSONAL.sub("\x00", _one_period(low))
    return min(_pieces(low), _pieces(low.translate(LEET)))


def _one_period(text: str) -> str:
    """Return what a text repeats, if it only repeats: 包头包头包头 is worth 包头."""
    period = next(
        size for size in range(1, len(text) + 1) if all(a == b for a, b in zip(text, text[size:], strict=False))
    )
    return text[:period] if period * 2 <= len(text) else text


def _pieces(text: str) -> int:
    count = place = 0
    while place < len(text):
        place += max(1, _common_at(text, place), _run_at(text, place))
        count += 1
    return count


def _common_at(text: str, place: int) -> int:
    """Return the length of the longest common word that stands at a place."""
    words = common_words()
    sizes = range(min(LONGEST_WORD, len(text) - place), 1, -1)
    return next((size for size in sizes if text[place : place + size] in words), 0)


def _run_at(text: str, place: int) -> int:
    """Return the length of the repetition, sequence or keyboard run that starts at a place; short ones are none."""
    best = 0
    for follows in (_repeats, _counts_up, _counts_down, _on_keyboard, _back_on_keyboard):
        end = place + 1
        while end < len(text) and follows(text[end - 1], text[end]):
            end += 1
        best = max(best, end - place)
    return best if best >= SHORTEST_RUN else 0


def _repeats(one: str, other: str) -> bool:
    return one == other


def _counts_up(one: str, other: str) -> bool:
    return ord(other) - ord(one) == 1 or (one, other) == ("9", "0")


def _counts_down(one: str, other: str) -> bool:
    return _counts_up(other, one)


def _on_keyboard(one: str, other: str) -> bool:
    return any(one + other in row for row in ROWS)


def _back_on_keyboard(one: str, other: str) -> bool:
    return _on_keyboard(other, one)


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Return the pieces that people here choose first: one a line, `#` begins a remark."""
    lines = (line.split("#")[0].strip().casefold() for line in COMMON.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)
