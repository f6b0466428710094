"""An application whose settings a test chooses, on SQLite: the edge stands before any database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings
from app.tickets.intake import Desk
from tests.builders import Hotline, TestClient
from tests.conftest import open_test_office

Opened = Callable[..., Hotline]


@pytest.fixture
def opened(fresh_sqlite: str, small_models_dir: Path, tmp_path: Path, desk: Desk) -> Iterator[Opened]:
    """Return how to open the application: `opened(peer="10.0.0.1", rate_per_minute=5)`."""
    with ExitStack() as stack:

        def start(peer: str = "127.0.0.1", **but: Any) -> Hotline:
            settings = Settings(
                **{"database_url": fresh_sqlite, "var_dir": tmp_path / "var", "models_dir": small_models_dir, **but}
            )
            office = open_test_office(settings, desk)
            stack.callback(office.database.dispose)
            app = create_app(office)
            client = TestClient(app, raise_server_exceptions=False, client=(peer, 50000))
            return Hotline(stack.enter_context(client))

        yield start
