"""Puts the edge around the application, the outermost last."""

from fastapi import FastAPI

from app.edge.rates import RateLimit
from app.settings import Settings
from app.web import BodyLimit, RequestLog


def install_edge(app: FastAPI, settings: Settings) -> None:
    """Wrap the application; nothing can be wrapped around it afterwards."""
    app.add_middleware(BodyLimit, limit=settings.body_limit_bytes)
    app.add_middleware(RateLimit, settings=settings)
    app.add_middleware(RequestLog)
