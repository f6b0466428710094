"""Installations of the reports' tests share one data key, so that a past lived in one can be put into another."""

import pytest

from app.sealing import new_data_key
from app.settings import Settings

KEY = new_data_key()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of one test's installation; its key lies where a development installation keeps its own."""
    settings.var_dir.mkdir()
    path = settings.var_dir / "data.key"
    path.touch(mode=0o600)
    path.write_text(KEY, encoding="ascii")
    return settings
