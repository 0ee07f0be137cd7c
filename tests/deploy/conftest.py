"""Services with their API."""

from __future__ import annotations

from tests.api.conftest import serving

__all__ = ["serving"]
