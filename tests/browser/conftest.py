"""The browser tests look at the same home as the tests of the pages."""

from tests.dashboard.conftest import filled

__all__ = ["filled"]
