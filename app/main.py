"""create_app(): the HTTP service with everything wired, and the checks that stand before its start."""

import logging
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import SQLAlchemyError

from app import clock, schema
from app.accounts import api as accounts_api
from app.accounts import keys_api, oidc_api, sessions_api, staff_api
from app.accounts.access import Verb
from app.accounts.api import Allow
from app.accounts.oidc import make_provider
from app.accounts.staff_api import Places
from app.edge.install import install_edge
from app.jobs import api as jobs_api
from app.jobs import stuck_api, worker
from app.metrics import add_metrics
from app.notify import api as notify_api
from app.pages import account, lists
from app.pages.shell import install_pages
from app.reminders import api as reminders_api
from app.reports import api as reports_api
from app.reports import contributions_api
from app.rulebook.api import make_router
from app.rulebook.shapes import NoticeStatus
from app.settings import load_settings
from app.supervision import api as supervision_api
from app.tickets import api as tickets_api
from app.tickets import audit_api, privacy_api, saved_api, verbs_api
from app.tickets.forms import Channel
from app.tickets.intake import find_unit
from app.tickets.office import Office, open_office
from app.web import JsonLines, install_error_answers

# Published arrangements reach to the year's end; limits reach a month further.
CALENDAR_HORIZON_DAYS = 45
ROUTERS = (
    accounts_api.router,
    sessions_api.router,
    oidc_api.router,
    staff_api.router,
    keys_api.router,
    audit_api.router,
    make_router(Allow(Verb.REFERENCE_READ)),
    tickets_api.router,
    stuck_api.router,
    verbs_api.router,
    privacy_api.router,
    saved_api.router,
    reports_api.router,
    contributions_api.router,
    notify_api.router,
    supervision_api.router,
    reminders_api.router,
    jobs_api.router,
    account.router,
    lists.router,
)


class StartError(RuntimeError):
    """The service cannot start; the text is one clear line."""


def set_up_logging(level: str) -> None:
    """Send every log line to standard output as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)


def check_schema(office: Office) -> None:
    """Refuse to serve on a schema that is not the one this code was written for.

    Raises:
        StartError: the database cannot be reached, or stands at another migration.
    """
    try:
        found = schema.present(office.database)
    except SQLAlchemyError as error:
        raise StartError(f"数据库连不上（{type(error).__name__}），请检查 HOTLINE_DATABASE_URL") from error
    wanted = schema.newest()
    if found != wanted:
        raise StartError(f"数据库结构为 {found or '空'}，程序需要 {wanted}，请先执行 hotline migrate")


def create_app(office: Office, *, with_worker: bool = False) -> FastAPI:
    """Return the application around an open office.

    Args:
        office: rules, model and database.
        with_worker: run the background worker inside this process.

    Raises:
        StartError: the database is not ready.
    """
    settings = office.settings
    check_schema(office)
    app = FastAPIOffline(
        title="包头市12345营商环境专席 企业诉求转办服务",
        version="0.5.0",
        description="集中受理、按责转办、限时处办、跟踪督办、办结反馈。错误一律为 application/problem+json。",
        lifespan=_lifespan(office, with_worker=with_worker),
        # A redirect would repeat the Host a client sent.
        redirect_slashes=False,
    )
    app.state.settings, app.state.office = settings, office
    app.state.database, app.state.rulebook = office.database, office.desk.rulebook
    app.state.places = Places(lambda name: find_unit(name, office.desk.rulebook).code, get_args(Channel))
    app.state.oidc = make_provider(settings)
    install_error_answers(app)
    # The routes as they are: included, each app would build its own copy of all at its first requests.
    app.router.routes.extend(route for router in ROUTERS for route in router.routes)
    install_pages(app)
    _add_health(app, office)
    add_metrics(app, office)
    install_edge(app, settings)
    return app


def serve_factory() -> FastAPI:
    """Return the application for a uvicorn process of several."""
    settings = load_settings()
    set_up_logging(settings.log_level)
    return create_app(open_office(settings))


def _lifespan(office: Office, *, with_worker: bool) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(office, stop), name="worker", daemon=True)
        if with_worker:
            thread.start()
        yield
        stop.set()
        if with_worker:
            thread.join(timeout=15)
        office.database.dispose()

    return lifespan


def readiness(office: Office) -> dict[str, dict[str, Any]]:
    """Return every check of the service's readiness: ok, detail, and whether its failure only degrades."""
    return {
        "database": _check_database(office),
        "migrations": _check_migrations(office),
        "model": _check_model(office),
        "rules": _check_rules(office),
        "calendar": _check_calendar(office),
    }


def _finding(detail: str, *, ok: bool, degrades: bool) -> dict[str, Any]:
    return {"ok": ok, "detail": detail, "severity": "ok" if ok else "degraded" if degrades else "down"}


def _check_database(office: Office) -> dict[str, Any]:
    try:
        office.database.ping()
    except SQLAlchemyError as error:
        return _finding(f"连不上：{type(error).__name__}", ok=False, degrades=False)
    return _finding(office.database.url.get_backend_name(), ok=True, degrades=False)


def _check_migrations(office: Office) -> dict[str, Any]:
    try:
        found = schema.present(office.database)
    except SQLAlchemyError as error:
        return _finding(f"读不出：{type(error).__name__}", ok=False, degrades=False)
    wanted = schema.newest()
    if schema.is_newer(found, wanted):
        # A program being replaced goes on until its successor stands: migrations add before anything is taken away.
        return _finding(f"已升到 {found}，本进程为 {wanted} 的旧程序：照常办理，请换上新程序", ok=False, degrades=True)
    return _finding(f"现为 {found or '空'}，程序需要 {wanted}", ok=found == wanted, degrades=False)


def _check_model(office: Office) -> dict[str, Any]:
    classifier = office.desk.classifier
    if classifier is None:
        return _finding(f"{office.model_fault}；诉求全部转人工派单", ok=False, degrades=True)
    return _finding(classifier.version, ok=True, degrades=True)


def _check_rules(office: Office) -> dict[str, Any]:
    rulebook, today = office.desk.rulebook, clock.today()
    line = rulebook.notice.status_line(today)
    in_force = rulebook.notice.status(today) is NoticeStatus.IN_FORCE
    return _finding(f"版本 {rulebook.version}" + (f"；{line}" if line else ""), ok=in_force, degrades=True)


def _check_calendar(office: Office) -> dict[str, Any]:
    covered = office.desk.calendar.covered_until
    enough = (covered - clock.today()).days >= CALENDAR_HORIZON_DAYS
    detail = f"已导入至 {covered}" + (
        "" if enough else "；其后的截止时间按周末和法定节日推算，标为暂定，请导入下一年日历"
    )
    return _finding(detail, ok=enough, degrades=True)


def _add_health(app: FastAPI, office: Office) -> None:
    @app.get("/healthz", tags=["运行"], summary="存活")
    async def healthz() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["运行"], summary="就绪")
    def readyz() -> JSONResponse:
        """Whether the service can work: 503 only without database or migrations, otherwise 200, degraded with why."""
        checks = readiness(office)
        worst = {check["severity"] for check in checks.values()}
        status = "down" if "down" in worst else "degraded" if "degraded" in worst else "ok"
        return JSONResponse({"status": status, "checks": checks}, 503 if status == "down" else 200)
