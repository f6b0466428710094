"""Laws that hold for all inputs: masking, numbers, cursors, sealing, the lifecycle table, canonical events."""

import base64
import os
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc

from app.errors import ConflictError, InvalidInputError
from app.paging import CURSOR_MAX_CHARS, decode_cursor, encode_cursor
from app.sealing import Sealer, SealError, new_data_key
from app.tickets.events import canonical
from app.tickets.lifecycle import NEXT_STEPS, TRANSITIONS, Move, State, step
from app.tickets.masking import hide_words, mask_name, mask_phone, mask_text
from app.tickets.numbers import format_number, is_number

LAW = settings(derandomize=True, deadline=None, max_examples=150)
WORDS = st.text(alphabet="欠款我们公司abc，。 ", max_size=30)


@LAW
@given(WORDS, st.from_regex(r"1[3-9]\d{9}", fullmatch=True), WORDS)
def test_a_mobile_number_never_survives_masking(before: str, mobile: str, after: str) -> None:
    assert mobile not in mask_text(f"{before}{mobile}{after}")


@LAW
@given(WORDS, st.from_regex(r"\d{17}[\dX]", fullmatch=True), WORDS)
def test_an_identity_number_never_survives_masking(before: str, identity: str, after: str) -> None:
    # One in some hundred is a right 统一社会信用代码, which is public.
    assume(not uscc.is_valid(identity))
    assert identity not in mask_text(f"{before}，{identity}。{after}")


def test_sums_and_dates_stay_readable() -> None:
    text = "2024年3月15日验收，合同价1234567.89元，发票号20240315001，楼号12-3-401"
    assert mask_text(text) == text


def test_names_and_phones_show_only_their_ends() -> None:
    assert (mask_name("欧阳大山"), mask_name(""), mask_phone("04722123456"), mask_phone("12345")) == (
        "欧***", "", "047****3456", "*****",
    )  # fmt: skip
    assert hide_words("鹿城木业找鹿城", ("鹿城", "鹿城木业", "的")) == "＊＊找＊＊"


@LAW
@given(st.integers(240101, 991231), st.integers(1, 99_999_999))
def test_a_number_is_valid_and_one_wrong_digit_is_not(day: int, serial: int) -> None:
    number = format_number(day, serial)
    assert is_number(number)
    position = 3 + serial % (len(number) - 3)
    digit = str((int(number[position]) + 1) % 10)
    assert not is_number(number[:position] + digit + number[position + 1 :])


@LAW
@given(st.text(max_size=40).filter(lambda text: "\x00" not in text), st.integers(-(2**62), 2**62))
def test_a_cursor_gives_back_what_it_holds(text: str, number: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    cursor = encode_cursor([text, number])
    if len(cursor) <= CURSOR_MAX_CHARS:
        assert decode_cursor(cursor, (str, int)) == [text, number]


@LAW
@given(st.text(max_size=60))
def test_a_made_up_cursor_is_refused_never_a_crash(cursor: str) -> None:
    with suppress(InvalidInputError):
        assert len(decode_cursor(cursor, (str, int))) == 2


def sealer() -> Sealer:
    return Sealer(base64.b64decode(new_data_key()))


@LAW
@given(st.text(min_size=1, max_size=80).filter(lambda text: text.isprintable()))
def test_what_is_sealed_opens_again_and_hides_its_text(plain: str) -> None:
    seal = sealer()
    sealed = seal.seal(plain)
    assert seal.open(sealed) == plain
    assert len(plain) < 3 or plain not in sealed


def test_a_changed_or_foreign_seal_does_not_open() -> None:
    seal = sealer()
    fingerprint, _, body = seal.seal("13800000001").partition(".")
    raw = bytearray(base64.b64decode(body))
    raw[-1] ^= 1
    with pytest.raises(SealError, match="改动"):
        seal.open(f"{fingerprint}.{base64.b64encode(bytes(raw)).decode()}")
    with pytest.raises(SealError, match="另一把密钥"):
        sealer().open(f"{fingerprint}.{body}")
    with pytest.raises(SealError, match="32 字节"):
        Sealer(os.urandom(16))


def test_the_find_key_is_keyed() -> None:
    seal = sealer()
    assert seal.find_key("鹿城木业") == seal.find_key(" 鹿城木业 ")
    assert seal.find_key("鹿城木业") != sealer().find_key("鹿城木业")
    assert seal.find_key("") == ""


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("move", list(Move))
def test_a_move_is_in_the_table_or_refused_with_what_is_possible(state: State, move: Move) -> None:
    edge = TRANSITIONS.get((state, move))
    if edge:
        assert step(state, move) is edge.to
        assert len(edge.reason) > 4
    else:
        with pytest.raises(ConflictError, match="目前可以"):
            step(state, move)


def test_every_state_is_reached_and_says_what_comes_next() -> None:
    born = {State.TRIAGE, State.AWAITING_SIGN, State.TOLD, State.SPECIAL}
    assert born | {edge.to for edge in TRANSITIONS.values()} == set(State)
    assert set(NEXT_STEPS) == set(State)
    assert all(state.label for state in State)


@LAW
@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_canonical_json_does_not_depend_on_order(payload: dict[str, object]) -> None:
    turned = dict(reversed(list(payload.items())))
    assert canonical(payload) == canonical(turned)
