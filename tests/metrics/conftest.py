"""Services with their API, and the metrics that they tell."""

from __future__ import annotations

from tests.api.conftest import serving

__all__ = ["serving"]
