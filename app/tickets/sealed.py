"""A column whose text is sealed at rest and plain in the program: what a caller said, what a person wrote."""

import json
import logging
from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator

from app.sealing import SealError, installed_sealer

logger = logging.getLogger(__name__)
DAMAGED = "（密文损坏或密钥不符，无法显示，请联系系统管理员）"


class Sealed(TypeDecorator[str]):
    """Free text, sealed on its way in and opened on its way out; nothing can be searched in it, nor compared."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the sealed form.

        Raises:
            SealError: it is what is shown instead of a text that does not open; sealing it would lose that text for good.
        """
        if value is not None and DAMAGED in value:
            raise SealError("原文打不开，不能改写；请先恢复密钥或数据")
        return None if value is None else installed_sealer().seal(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the text; of one that was changed, or whose key is not given, that it cannot be read.

        One damaged value must not take down every list it stands in; `hotline keys rotate` names its row.
        """
        try:
            return None if value is None else installed_sealer().open(value)
        except SealError:
            logger.exception("a sealed value cannot be opened")
            return DAMAGED


def read_json(text: str, otherwise: Any) -> Any:
    """Return what JSON of a sealed column says; where it does not open, what is given instead."""
    return otherwise if text == DAMAGED else json.loads(text)
