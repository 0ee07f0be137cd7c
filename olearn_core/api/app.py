"""The ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from olearn_core.api.operations import OPERATIONS
from olearn_core.api.problems import HANDLERS
from olearn_core.api.status import health_endpoints
from olearn_core.service import Service


def create_app(service: Service) -> Starlette:
    """Return the application that answers for a service."""
    operations = [operation.route(service) for operation in OPERATIONS]
    health = [Route(path, endpoint) for path, endpoint in health_endpoints(service).items()]
    return Starlette(routes=[*operations, *health], exception_handlers=HANDLERS)
