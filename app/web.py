"""What every HTTP face shares: problem+json answers (RFC 9457), request log and body limit."""

import json
import logging
import re
import time
import uuid
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.database import Database, DatabaseBusyError, StorageFullError, is_full
from app.errors import ConflictError, FieldFault, HotlineError, InvalidInputError, TooLargeError
from app.paging import CURSOR_MAX_CHARS, PAGE_MAX
from app.sealing import SealError

PROBLEM = "application/problem+json"
# What neither PostgreSQL nor a log line can carry.
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
# JSON leaves these as they are, yet some viewers break lines at them or take them for terminal commands.
UNSEEN = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
access_log = logging.getLogger("hotline.access")
fault_log = logging.getLogger("hotline.fault")

REQUESTS = Counter("hotline_http_requests_total", "HTTP 请求数", ["method", "route", "status"])
SECONDS = Histogram(
    "hotline_http_request_seconds",
    "HTTP 请求用时（秒）",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PROBLEM: {}}}
    for status, text in (
        (401, "未登录"), (403, "无权操作"), (404, "没有找到"), (409, "当前状态不允许"), (412, "数据已被他人更新"),
        (413, "请求过大"), (414, "地址过长"), (415, "内容类型不支持"), (422, "内容有误"), (429, "请求过于频繁"),
        (431, "请求头过大"), (503, "服务暂不可用"), (507, "存储空间已满"),
    )
}  # fmt: skip
UnitQuery = Annotated[str | None, Query(max_length=40, pattern=NO_CONTROL)]
Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX_CHARS, description="上一页给出的 next_cursor")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="每页件数")]
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
STATUS_TITLES = {
    400: "请求有误",
    401: "未登录",
    403: "无权操作",
    404: "没有找到",
    405: "不支持的方法",
    409: "当前状态不允许",
    412: "数据已被他人更新",
    413: "请求过大",
    414: "地址过长",
    415: "内容类型不支持",
    422: "内容有误",
    428: "缺少前提条件",
    429: "请求过于频繁",
    431: "请求头过大",
    500: "系统内部错误",
    503: "服务暂不可用",
    507: "存储空间已满",
}

PYDANTIC_SAYS = {
    "missing": "必填",
    "extra_forbidden": "没有这个字段，请核对字段名",
    "json_invalid": "不是有效的 JSON",
    "model_attributes_type": "应为 JSON 对象",
    "dict_type": "应为 JSON 对象",
    "list_type": "应为数组",
    "string_type": "应为文字",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "decimal_type": "应为数字",
    "decimal_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "date_from_datetime_parsing": "应为日期，如 2026-11-24",
    "date_parsing": "应为日期，如 2026-11-24",
    "date_type": "应为日期，如 2026-11-24",
    "datetime_from_date_parsing": "应为时间，如 2026-11-24T09:30:00+08:00",
    "datetime_parsing": "应为时间，如 2026-11-24T09:30:00+08:00",
    "datetime_type": "应为时间，如 2026-11-24T09:30:00+08:00",
    "timezone_aware": "时间须带时区，如 2026-11-24T09:30:00+08:00",
    "string_unicode": "含有无法识别的字符",
}


def _spoken(item: dict[str, Any]) -> str:  # noqa: PLR0911  one line per kind of fault reads best
    """Return one validation fault as a Chinese sentence."""
    context = item.get("ctx") or {}
    match item["type"]:
        case "value_error":
            return str(context.get("error", item["msg"]))
        case "string_too_short" | "too_short":
            return f"至少 {context['min_length']} 个" + ("字" if item["type"].startswith("string") else "")
        case "string_too_long" | "too_long":
            return f"最多 {context['max_length']} 个" + ("字" if item["type"].startswith("string") else "")
        case "enum" | "literal_error":
            return f"只能是 {str(context['expected']).replace(' or ', '、').replace(', ', '、')}"
        case "greater_than_equal" | "greater_than":
            return f"不能小于 {context.get('ge', context.get('gt'))}"
        case "less_than_equal" | "less_than":
            return f"不能大于 {context.get('le', context.get('lt'))}"
        case "string_pattern_mismatch":
            return "格式不对"
        case "decimal_max_digits" | "decimal_max_places" | "decimal_whole_digits":
            return "数字过长或小数位过多"
        case kind:
            return PYDANTIC_SAYS.get(kind, "内容有误")


def _pointer(loc: tuple[int | str, ...]) -> str:
    where, *rest = loc
    if where == "body":
        return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in rest) if rest else ""
    return "?" + ".".join(map(str, rest)) if where == "query" else f"{where}:{'.'.join(map(str, rest))}"


def faults_of(items: list[Any]) -> tuple[FieldFault, ...]:
    """Return every validation fault as pointer and Chinese message."""
    return tuple(
        FieldFault("" if item["type"] == "json_invalid" else _pointer(item["loc"]), _spoken(item)) for item in items
    )


def problem(request: Request, error: HotlineError, headers: dict[str, str] | None = None) -> Response:
    """Answer an error as problem+json, or as a page where a browser shows one (`app.state.error_page` says where)."""
    error_page = getattr(request.app.state, "error_page", None)
    page: Response | None = error_page(request, error) if error_page else None
    if page is not None:
        # How a program should prove itself is no matter of a page.
        page.headers.update({name: value for name, value in (headers or {}).items() if name != "WWW-Authenticate"})
        return page
    body: dict[str, Any] = {
        "type": f"urn:hotline:{error.code}",
        "title": STATUS_TITLES.get(error.status, "请求未完成"),
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "instance": request.url.path,
        "request_id": getattr(request.state, "request_id", ""),
    }
    if error.faults:
        body["errors"] = [{"pointer": fault.pointer, "message": fault.message} for fault in error.faults]
    return JSONResponse(_wire_safe(body), error.status, headers, media_type=PROBLEM)


def _wire_safe(body: dict[str, Any]) -> dict[str, Any]:
    """Replace lone surrogates, which no UTF-8 answer can carry."""
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace").decode()
    safe: dict[str, Any] = json.loads(raw)
    return safe


def install_error_answers(app: FastAPI) -> None:
    """Give every error of the application the same face."""

    @app.exception_handler(HotlineError)
    def on_own(request: Request, error: HotlineError) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}  # noqa: PLR2004
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return problem(request, error, headers)

    @app.exception_handler(RequestValidationError)
    def on_validation(request: Request, error: RequestValidationError) -> Response:
        faults = faults_of(list(error.errors()))
        return problem(request, InvalidInputError(f"共有 {len(faults)} 处内容需要更正", faults=faults))

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        own = HotlineError(STATUS_TITLES.get(error.status_code, "请求未完成"), code=f"http-{error.status_code}")
        own.status = error.status_code
        return problem(request, own, dict(error.headers) if error.headers else None)

    # A connection that was cut while it was idle or being rolled back is an InterfaceError.
    @app.exception_handler(InterfaceError)
    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolTimeoutError)
    def on_database(request: Request, error: Exception) -> Response:
        _log_fault(request, error)
        if isinstance(error, DBAPIError) and is_full(error):
            return problem(request, StorageFullError("数据库所在磁盘已满，这次没有保存；请管理员清理磁盘后重试"))
        return problem(request, DatabaseBusyError("数据库繁忙或暂时连不上，请稍后重试"), {"Retry-After": "5"})

    # What a column refuses before it is sent comes wrapped.
    @app.exception_handler(StatementError)
    def on_statement(request: Request, error: StatementError) -> Response:
        if not isinstance(error.orig, SealError):
            raise error
        _log_fault(request, error)
        return problem(request, ConflictError(str(error.orig)))

    @app.exception_handler(Exception)
    def on_any(request: Request, error: Exception) -> Response:
        _log_fault(request, error)
        # This answer leaves outside RequestLog, which names the request for all others.
        headers = {"x-request-id": getattr(request.state, "request_id", "")}
        return problem(request, HotlineError("系统内部错误，已记录，请稍后重试或联系管理员"), headers)


def _log_fault(request: Request, error: Exception) -> None:
    request_id = getattr(request.state, "request_id", "")
    fault_log.error("unhandled", exc_info=error, extra={"path": request.url.path, "request_id": request_id})


class BodyLimit:
    """Takes in a request's body whole, and refuses it as soon as it passes the limit.

    The body is read before the application sees the request: an error raised while the framework parses would be
    answered as a vague 400.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request whose body keeps to the limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        messages = await self._read(receive)
        if messages is None:
            refusal = TooLargeError(f"请求体不能超过 {self.limit // 1024} KiB，附件请只传元数据")
            await problem(Request(scope), refusal)(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                return None
            messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                return messages


class RequestLog:
    """Gives each request an id, logs its end as one line without personal data, counts it for /metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through and note method, route template, status and time."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", "(unmatched)")
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        REQUESTS.labels(method, route, status).inc()
        SECONDS.labels(method, route).observe(seconds)
        access_log.info(
            "request",
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
            },
        )


class JsonLines(logging.Formatter):
    """One JSON object a line; only fields that the caller named travel, so personal data has no way in."""

    FIELDS = (
        "request_id", "method", "route", "path", "status", "ms", "job", "period", "count", "ticket", "kind", "reason",
    )  # fmt: skip

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as JSON."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in self.FIELDS if hasattr(record, name)})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = self._frames(record.exc_info)
        return json.dumps(line, ensure_ascii=False).translate(UNSEEN)

    @staticmethod
    def _frames(exc_info: Any) -> list[str]:
        """Return where it happened, without the exception's text: that may quote what a caller said."""
        frames, trace = [], exc_info[2]
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
            trace = trace.tb_next
        return frames[-8:]


def database_of(request: Request) -> Database:
    """Return the application's database."""
    database: Database = request.app.state.database
    return database
