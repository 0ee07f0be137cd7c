"""Services with their API, as the tests of the API have them."""

from __future__ import annotations

from tests.api.conftest import serving

__all__ = ["serving"]
