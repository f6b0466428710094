"""What a request must look like before anything reads it: address, headers, content type, and the JSON or form itself.

What is refused here would otherwise be read differently by two readers (duplicate names, UTF-16), break a log or a
database (control characters), or exhaust a parser (depth, endless digits).
"""

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import HotlineError, InvalidInputError
from app.web import problem

URL_MAX_BYTES = 4096
HEADERS_MAX = 64
HEADERS_MAX_BYTES = 16 * 1024
DEPTH_MAX = 32
CONTROL = re.compile(rb"[\x00-\x1f\x7f]|%[01][0-9A-Fa-f]|%7[Ff]")
JSON_TYPE = re.compile(rb'application/json(\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE)
FORM_TYPE = re.compile(rb'application/x-www-form-urlencoded(\s*;\s*charset\s*=\s*"?utf-8"?)?', re.IGNORECASE)
# The pages that a browser sends a form to. Any site can make a browser send one, so nothing else ever reads forms.
FORM_PLACES = frozenset({"/signin", "/signout", "/password"})
FIELDS_MAX = 16
CONTROL_CHARS = re.compile(r"[\x00-\x1f\x7f]")
# A string, also one that never ends: it must match, or every quote in it would be tried anew to the end.
BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


class AddressTooLongError(HotlineError):
    """The address with its parameters is longer than any of ours."""

    code = "address-too-long"
    status = 414


class HeadersTooLargeError(HotlineError):
    """More or longer headers than any client of ours sends."""

    code = "headers-too-large"
    status = 431


class WrongContentError(HotlineError):
    """The body is of a kind that nothing here reads."""

    code = "unsupported-content-type"
    status = 415


class StrictRequests:
    """Refuses what no client of ours sends; stands where the body has been taken in whole already."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one well-formed request on, or answer why it is not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1]["type"] == "http.request" and messages[-1].get("more_body"):
            messages.append(await receive())
        try:
            check_address(scope)
            check_headers(scope["headers"])
            body = b"".join(message.get("body", b"") for message in messages)
            check_body(scope["headers"], body, form=scope["path"] in FORM_PLACES)
        except HotlineError as error:
            await problem(Request(scope), error)(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)


def check_address(scope: Scope) -> None:
    """Refuse an address that is too long or holds control characters, escaped ones too.

    Raises:
        AddressTooLongError: longer than 4 KiB with its parameters.
        InvalidInputError: a control character; PostgreSQL cannot store NUL, and a line break would forge a log line.
    """
    address = scope.get("raw_path", b"") + b"?" + scope["query_string"]
    if len(address) > URL_MAX_BYTES:
        raise AddressTooLongError(f"地址连同参数不能超过 {URL_MAX_BYTES} 字节")
    if CONTROL.search(address):
        raise InvalidInputError("地址或参数中含有控制字符，请删除后重试")


def check_headers(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse more headers than any client of ours sends.

    Raises:
        HeadersTooLargeError: over 64 headers or 16 KiB in all.
    """
    if len(headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in headers) > HEADERS_MAX_BYTES:
        raise HeadersTooLargeError(f"请求头不能超过 {HEADERS_MAX} 个、{HEADERS_MAX_BYTES // 1024} KiB")


def check_body(headers: list[tuple[bytes, bytes]], body: bytes, *, form: bool = False) -> None:
    """Refuse a body that is not plain JSON in UTF-8, or where a page's form is due not that form, said to be so.

    Raises:
        WrongContentError: another content type, another charset, or compressed.
        InvalidInputError: what two readers may read differently, or what is too deep.
    """
    if not body:
        return
    kinds = [value for name, value in headers if name == b"content-type"]
    if len(kinds) != 1 or not (FORM_TYPE if form else JSON_TYPE).fullmatch(kinds[0].strip()):
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        raise WrongContentError(f"请求体须为{'表单' if form else ' JSON'}：Content-Type: {kind}（UTF-8）")
    if any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in headers):
        raise WrongContentError("不接受压缩的请求体，请去掉 Content-Encoding")
    if form:
        form_fields(body)
    else:
        check_json(body)


def form_fields(body: bytes) -> dict[str, str]:
    """Return the fields of a page's form.

    Raises:
        InvalidInputError: not UTF-8, no form, over 16 fields, a name twice, or a control character.
    """
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, True, True, errors="strict", max_num_fields=FIELDS_MAX) if text else []
    except ValueError as error:
        raise InvalidInputError("表单无法识别，请返回上一页重新填写") from error
    if any(CONTROL_CHARS.search(part) for pair in pairs for part in pair):
        raise InvalidInputError("表单中有控制字符，请重新填写")
    return _once_each(pairs)


def check_json(body: bytes) -> None:
    """Refuse JSON with what RFC 8259 leaves open or our readers cannot bear; plain syntax faults are the forms' to name.

    Raises:
        InvalidInputError: not UTF-8, NUL, a name twice in an object, NaN or Infinity, over 32 levels, an endless number.
    """
    if b"\0" in body:
        raise InvalidInputError("请求体含有 NUL 字符")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError("请求体须为 UTF-8 编码的 JSON") from error
    _check_depth(text)
    try:
        json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except json.JSONDecodeError:
        return
    except ValueError as error:
        raise InvalidInputError("请求体中的数字过长") from error


def _check_depth(text: str) -> None:
    """Count levels outside strings; most bodies have too few brackets to be counted at all."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for found in BRACKETS.finditer(text):
        depth += 1 if found[0] in "[{" else -1 if found[0] in "]}" else 0
        if depth > DEPTH_MAX:
            raise InvalidInputError(f"请求体嵌套不能超过 {DEPTH_MAX} 层")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise InvalidInputError(f"字段“{twice[:40]}”写了两次")
    return found


def _no_constant(name: str) -> None:
    raise InvalidInputError(f"JSON 中不能有 {name}")
