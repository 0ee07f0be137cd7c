"""The service: everything made in one place, started and stopped in one order."""

from __future__ import annotations

from olearn_core.service.service import RunState, Service

__all__ = ["RunState", "Service"]
