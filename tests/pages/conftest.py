"""Pages are tried with the settings a test chooses, as the edge is."""

from tests.edge.conftest import opened

__all__ = ["opened"]
