"""Puts the edge around the application."""

from fastapi import FastAPI

from app.edge.headers import SecurityHeaders
from app.edge.rates import RateLimit
from app.edge.requests import StrictRequests
from app.settings import Environment, Settings
from app.web import BodyLimit, RequestLog


def install_edge(app: FastAPI, settings: Settings) -> None:
    """Wrap the application, the outermost last; nothing can be wrapped around it afterwards.

    The headers stand outside the framework's own handler of unforeseen errors, whose answers need them as well.
    """
    app.add_middleware(StrictRequests)
    app.add_middleware(BodyLimit, limit=settings.body_limit_bytes)
    app.add_middleware(RateLimit, settings=settings)
    app.add_middleware(RequestLog)
    hsts = settings.environment is not Environment.DEVELOPMENT
    app.middleware_stack = SecurityHeaders(app.build_middleware_stack(), hsts=hsts)
