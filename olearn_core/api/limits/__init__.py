"""What keeps one caller, or a crowd of them, from harming the others: pure ASGI middlewares."""

from __future__ import annotations

from olearn_core.api.limits.deadlines import Deadlines
from olearn_core.api.limits.lanes import Lanes
from olearn_core.api.limits.rates import Rates

__all__ = ["Deadlines", "Lanes", "Rates"]
